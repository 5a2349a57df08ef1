//! Addresses of stores: one line of text that carries everything a client needs.
//!
//! `cassandra://[user:password@]host:port[,host:port…][/keyspace][?option=value&…]` with the options
//! `tls` (true: encrypted, the servers' certificates checked against `ca`), `ca`, `cert`, `key` (PEM files), `server_name`
//! (that the certificates carry, if it is not the first host),
//! `dc` (the local datacentre: only its nodes are asked), `replication` (of a keyspace that has to be made, default 1),
//! `consistency` (default `local_quorum`), `timeout_ms` (of one request, default 10000), `inflight` (requests at a time,
//! default 256); or `embedded://host:port` with `timeout_ms`. User and password may hold %XX.
//! Pure: no clock, no I/O, no async.

use crate::error::StoreError;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Apache Cassandra.
    Cassandra,
    /// The embedded store's server.
    Embedded,
}

/// How many replicas must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    Any,
    One,
    LocalOne,
    Two,
    Three,
    Quorum,
    LocalQuorum,
    EachQuorum,
    All,
}

/// Encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates to trust; without any the connection is refused.
    pub ca: Option<String>,
    /// The client's own certificate chain.
    pub cert: Option<String>,
    /// The key of `cert`.
    pub key: Option<String>,
}

/// An address in parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Which store.
    pub scheme: Scheme,
    /// Nodes as `host:port`; at least one.
    pub nodes: Vec<String>,
    /// User and password.
    pub login: Option<(String, String)>,
    /// Keyspace of all tables.
    pub keyspace: String,
    /// Encryption, if wanted.
    pub tls: Option<TlsFiles>,
    /// Name in the servers' certificates, if it is not the first node's host.
    pub server_name: Option<String>,
    /// Local datacentre.
    pub datacentre: Option<String>,
    /// Replicas of a keyspace that has to be made.
    pub replication: u32,
    /// Consistency of reads and writes.
    pub consistency: Level,
    /// Milliseconds of one request.
    pub timeout_ms: u64,
    /// Requests at a time.
    pub inflight: usize,
}

/// The address under a key of a topology's configuration, checked where the graph is built.
///
/// # Errors
/// It cannot be understood: the message names the key.
pub fn of_conf(conf: &fulmar_api::Config, key: &str) -> fulmar_api::Result<String> {
    let url = conf.str_or(key, "cassandra://localhost:9042")?;
    match Address::parse(&url) {
        Ok(_) => Ok(url),
        Err(error) => Err(fulmar_api::Error::config(key, error.to_string())),
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`StoreError::Address`], which never shows the password.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        let problem = |problem: String| StoreError::Address {
            address: hide(url),
            problem,
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| {
            problem("has no scheme: write cassandra://host:9042 or embedded://host:port".into())
        })?;
        let scheme = match scheme {
            "cassandra" => Scheme::Cassandra,
            "embedded" => Scheme::Embedded,
            other => {
                return Err(problem(format!(
                    "\"{other}\" is no store; remedy: cassandra://host:9042 or embedded://host:port"
                )));
            }
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(read_login(login).map_err(&problem)?), rest),
            None => (None, rest),
        };
        let (hosts, keyspace) = rest.split_once('/').unwrap_or((rest, ""));
        let nodes = hosts
            .split(',')
            .map(|host| node(host, scheme))
            .collect::<Result<Vec<_>, _>>()
            .map_err(&problem)?;
        let keyspace = if keyspace.is_empty() {
            "fulmar"
        } else {
            keyspace
        };
        if !is_name(keyspace) {
            return Err(problem(format!(
                "keyspace \"{keyspace}\": use 1 to 48 lower case letters, digits and underscores, a letter first"
            )));
        }
        let mut address = Self {
            scheme,
            nodes,
            login,
            keyspace: keyspace.to_owned(),
            tls: None,
            server_name: None,
            datacentre: None,
            replication: 1,
            consistency: Level::LocalQuorum,
            timeout_ms: 10_000,
            inflight: 256,
        };
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| problem(format!("option \"{pair}\" has no value")))?;
            let value = decode(value).map_err(&problem)?;
            address.option(name, value).map_err(&problem)?;
        }
        Ok(address)
    }

    fn option(&mut self, name: &str, value: String) -> Result<(), String> {
        let number = |least: u64, most: u64| match value.parse::<u64>() {
            Ok(n) if (least..=most).contains(&n) => Ok(n),
            _ => Err(format!("{name}={value}: a number from {least} to {most}")),
        };
        match name {
            "tls" => match value.as_str() {
                "true" => drop(self.tls.get_or_insert_default()),
                "false" => self.tls = None,
                _ => return Err(format!("tls={value}: true or false")),
            },
            "ca" => self.tls.get_or_insert_default().ca = Some(value),
            "cert" => self.tls.get_or_insert_default().cert = Some(value),
            "key" => self.tls.get_or_insert_default().key = Some(value),
            "server_name" => self.server_name = Some(value),
            "dc" => self.datacentre = Some(value),
            "replication" => self.replication = number(1, 100)? as u32,
            "consistency" => self.consistency = Level::parse(&value)?,
            "timeout_ms" => self.timeout_ms = number(1, 600_000)?,
            "inflight" => self.inflight = number(1, 32_768)? as usize,
            _ => {
                return Err(format!(
                    "unknown option \"{name}\"; there are tls, ca, cert, key, server_name, dc, replication, consistency, timeout_ms, inflight"
                ));
            }
        }
        Ok(())
    }

    /// The address for people: scheme and nodes, no password.
    pub fn shown(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Cassandra => "cassandra",
            Scheme::Embedded => "embedded",
        };
        format!("{scheme}://{}", self.nodes.join(","))
    }
}

impl Level {
    /// Reads a name as Cassandra's tools write it, in any case.
    ///
    /// # Errors
    /// A text that names the levels.
    pub fn parse(name: &str) -> Result<Self, String> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "any" => Level::Any,
            "one" => Level::One,
            "local_one" => Level::LocalOne,
            "two" => Level::Two,
            "three" => Level::Three,
            "quorum" => Level::Quorum,
            "local_quorum" => Level::LocalQuorum,
            "each_quorum" => Level::EachQuorum,
            "all" => Level::All,
            _ => {
                return Err(format!(
                    "consistency \"{name}\" is none of any, one, local_one, two, three, quorum, local_quorum, each_quorum, all"
                ));
            }
        })
    }
}

/// Whether Cassandra takes this as an unquoted name.
pub fn is_name(name: &str) -> bool {
    name.len() <= 48
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn node(host: &str, scheme: Scheme) -> Result<String, String> {
    if host.is_empty() {
        return Err("an empty host: write host:port".into());
    }
    let (name, port) = match host.rsplit_once(':') {
        // An IPv6 address without a port ends in its bracket.
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ if scheme == Scheme::Cassandra => (host, "9042"),
        _ => return Err(format!("\"{host}\" has no port: write host:port")),
    };
    match port.parse::<u16>() {
        Ok(port) if port > 0 && !name.is_empty() => Ok(format!("{name}:{port}")),
        _ => Err(format!("\"{host}\": the port is a number from 1 to 65535")),
    }
}

fn read_login(login: &str) -> Result<(String, String), String> {
    let (user, password) = login
        .split_once(':')
        .ok_or("the part before @ is user:password")?;
    Ok((decode(user)?, decode(password)?))
}

fn decode(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'%' {
            out.push(b);
            continue;
        }
        let digits = [bytes.next(), bytes.next()];
        let [Some(high), Some(low)] = digits.map(|d| char::from(d.unwrap_or(b'?')).to_digit(16))
        else {
            return Err("a % is followed by two hexadecimal digits; % itself is %25".into());
        };
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).map_err(|_| "a %XX sequence is not UTF-8".into())
}

/// The address as given, without what stands between `://` and the last `@`.
fn hide(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(start), Some(end)) if start < end => {
            format!("{}://…{}", &url[..start], &url[end..])
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_form_is_read() {
        let a = Address::parse(
            "cassandra://us%40er:p%3Aw@one:9142,two/other?tls=true&ca=%2Fca.pem&dc=dc1&consistency=ONE&inflight=64",
        )
        .unwrap();
        assert_eq!(a.nodes, ["one:9142", "two:9042"]);
        assert_eq!(a.login, Some(("us@er".into(), "p:w".into())));
        assert_eq!(a.keyspace, "other");
        assert_eq!(a.tls.as_ref().unwrap().ca.as_deref(), Some("/ca.pem"));
        assert_eq!((a.consistency, a.inflight), (Level::One, 64));
        assert_eq!(format!("{a:?}"), "cassandra://one:9142,two:9042");
        let b = Address::parse("embedded://127.0.0.1:7").unwrap();
        assert_eq!(
            (b.scheme, b.keyspace.as_str()),
            (Scheme::Embedded, "fulmar")
        );
    }

    #[test]
    fn mistakes_are_named_and_the_password_is_not() {
        for (url, word) in [
            ("127.0.0.1:9042", "no scheme"),
            ("scylla://a:1", "no store"),
            ("embedded://a", "no port"),
            ("cassandra://u:secret@a:0", "1 to 65535"),
            ("cassandra://u:secret@a:1?x=1", "unknown option"),
            ("cassandra://u:secret@a:1?inflight=0", "1 to 32768"),
            ("cassandra://u:secret@a:1?consistency=most", "none of any"),
            ("cassandra://u:sec%zzret@a:1", "hexadecimal"),
            ("cassandra://a:1/No", "keyspace"),
            ("cassandra://", "empty host"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains(word), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
