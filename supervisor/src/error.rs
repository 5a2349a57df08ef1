//! What can go wrong in a supervisor.

/// An error of the supervisor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The supervisor's folder cannot be used.
    #[error("{path}: {problem}; is the disk full, or does the folder belong to someone else?")]
    Folder {
        /// The file or folder.
        path: String,
        /// What the system said.
        problem: String,
    },
    /// Another supervisor uses the folder.
    #[error(
        "another supervisor uses {0}: stop it first, or give this one a folder of its own (storm.local.dir)"
    )]
    InUse(String),
    /// The configuration cannot be used.
    #[error("{key}: {problem}")]
    Config {
        /// The key, for example `supervisor.slots.ports`.
        key: &'static str,
        /// Value, limit and remedy.
        problem: String,
    },
    /// A value of the configuration is of another kind.
    #[error(transparent)]
    Conf(#[from] fulmar_api::Error),
    /// A slot's port is held by another process.
    #[error(
        "the port {port} of a slot (its worker's tuples, or its HTTP 1000 above) cannot be used: {problem}; end the process that holds it, or choose others with supervisor.slots.ports or --slots"
    )]
    Port {
        /// The port.
        port: u16,
        /// What the system said.
        problem: String,
    },
    /// A program cannot be fetched.
    #[error("program {key}: {problem}")]
    Blob {
        /// Its checksum.
        key: String,
        /// What happened and what follows.
        problem: String,
    },
    /// A worker cannot be started.
    #[error(
        "worker on port {port} of {topology}: {problem}; was its program built for this machine?"
    )]
    Launch {
        /// Its slot.
        port: u16,
        /// Its topology.
        topology: String,
        /// What the system said.
        problem: String,
    },
    /// No Nimbus can be talked to.
    #[error(
        "nimbus {address}: {problem}; is it running, and is {address} its gRPC port (nimbus.grpc.port)?"
    )]
    Nimbus {
        /// Where.
        address: String,
        /// What was said.
        problem: String,
    },
    /// The metadata service gave no answer that can be used.
    #[error("metadata service {path}: {problem}; is supervisor.imds.endpoint right?")]
    Imds {
        /// The path asked for.
        path: String,
        /// What was said.
        problem: String,
    },
    /// The supervisor cannot serve its pages.
    #[error("the supervisor cannot serve: {0}")]
    Serve(String),
}

impl Error {
    /// A stable code, as docs/errors.md lists them.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Folder { .. } => "SUP001",
            Error::InUse(_) => "SUP002",
            Error::Config { .. } | Error::Conf(_) => "SUP003",
            Error::Blob { .. } => "SUP004",
            Error::Launch { .. } => "SUP005",
            Error::Nimbus { .. } => "SUP006",
            Error::Imds { .. } => "SUP007",
            Error::Serve(_) => "SUP008",
            Error::Port { .. } => "SUP009",
        }
    }

    /// What the system said about a file or folder.
    pub fn folder(path: &std::path::Path, problem: &std::io::Error) -> Error {
        Error::Folder {
            path: path.display().to_string(),
            problem: problem.to_string(),
        }
    }
}
