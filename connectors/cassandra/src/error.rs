//! What can go wrong with a store: each message with the value, the limit and the remedy.
//!
//! A write of absolute values with a write timestamp may be repeated without harm, so the one question about an
//! error is whether trying again can help: [`StoreError::is_transient`].

/// An error of a store.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An address that cannot be understood.
    #[error("store address \"{address}\": {problem}")]
    Address {
        /// The address, without its password.
        address: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A row or key that does not fit its table.
    #[error("table {table}: {problem}")]
    Row {
        /// The table.
        table: &'static str,
        /// What does not fit and what would.
        problem: String,
    },
    /// Nobody answers, or the connection broke.
    #[error(
        "store {address} cannot be reached: {problem}; remedy: start it, or correct the address"
    )]
    Unreachable {
        /// Where.
        address: String,
        /// What the network said.
        problem: String,
    },
    /// The server has more to do than it can.
    #[error(
        "store {address} is overloaded: {problem}; writes wait and are tried again; remedy if it lasts: fewer in flight (cassandra.max.inflight) or more nodes"
    )]
    Overloaded {
        /// Where.
        address: String,
        /// What the server said.
        problem: String,
    },
    /// The disk of the server is full.
    #[error(
        "the disk of store {address} is full: {problem}; remedy: free space there; writes wait and are tried again"
    )]
    DiskFull {
        /// Where.
        address: String,
        /// What the server said.
        problem: String,
    },
    /// User name or password is wrong, or a right is missing.
    #[error(
        "store {address} refuses the login: {problem}; remedy: check user, password and rights in the address"
    )]
    Login {
        /// Where.
        address: String,
        /// What the server said.
        problem: String,
    },
    /// Files for TLS cannot be used.
    #[error("TLS to store {address}: {problem}")]
    Tls {
        /// Where.
        address: String,
        /// File and what is wrong with it.
        problem: String,
    },
    /// The table is there with other columns.
    #[error(
        "table {table} exists with other columns: {problem}; remedy: rename or drop the old table, or use another keyspace"
    )]
    Schema {
        /// The table.
        table: String,
        /// What is there and what was wanted.
        problem: String,
    },
    /// The server refuses the request for good.
    #[error("store {address} refuses: {problem}")]
    Refused {
        /// Where.
        address: String,
        /// What the server said.
        problem: String,
    },
    /// The embedded store's server cannot start or go on.
    #[error(
        "embedded store in {dir}: {problem}; remedy: give a folder that can be written and that no other store uses"
    )]
    Serve {
        /// Its folder.
        dir: String,
        /// What is wrong.
        problem: String,
    },
    /// What came back cannot be read.
    #[error(
        "table {table}: what was read back cannot be decoded: {problem}; remedy: the table was written by another version, drop it or use another keyspace"
    )]
    Decode {
        /// The table.
        table: String,
        /// What is wrong.
        problem: String,
    },
}

impl StoreError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            StoreError::Unreachable { .. }
                | StoreError::Overloaded { .. }
                | StoreError::DiskFull { .. }
        )
    }
}
