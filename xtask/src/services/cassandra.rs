//! Apache Cassandra: one node with a small heap; for tests also with password login and TLS beside plain.

use std::path::Path;

use anyhow::{Context, Result};

use super::certificate::{self, PASSWORD};
use super::java::{Plan, Service, class_path};
use super::login;
use super::maven::Artifact;
use super::ports;

/// The version that was verified.
pub const ARTIFACTS: &[Artifact] = &[("org.apache.cassandra", "cassandra-all", "5.0.5")];

/// Packages that Cassandra reaches into; Java 17 closes them by default.
const EXPORTS: &[&str] = &[
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/java.lang.ref",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
];
const OPENS: &[&str] = &[
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.io",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.nio",
    "java.base/sun.nio.ch",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "jdk.management/com.sun.management.internal",
];

const LOG: &str = r#"<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender">
<encoder><pattern>%date %-5level %logger{0}: %msg%n</pattern></encoder></appender>
<root level="WARN"><appender-ref ref="out"/></root>
<logger name="org.apache.cassandra.service.CassandraDaemon" level="INFO"/></configuration>
"#;

/// Starts a node on this folder; data that is there is kept. With `secure` it wants a login and takes TLS beside plain.
///
/// # Errors
/// Files that cannot be written, or the node does not come up.
pub fn start(dir: &Path, jars: &Path, secure: bool) -> Result<Service> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let found = ports::free(2)?;
    let (port, storage) = (found[0], found[1]);
    let yaml = dir.join("cassandra.yaml");
    std::fs::write(&yaml, yaml_of(dir, port, storage, secure))?;
    let log = dir.join("logback.xml");
    std::fs::write(&log, LOG)?;
    if secure && !dir.join("node.p12").exists() {
        certificate::make(dir)?;
    }
    let mut args: Vec<String> = ["-Xms512m", "-Xmx512m", "-XX:+UseG1GC"]
        .map(str::to_owned)
        .to_vec();
    args.extend(
        EXPORTS
            .iter()
            .map(|p| format!("--add-exports={p}=ALL-UNNAMED")),
    );
    args.extend(OPENS.iter().map(|p| format!("--add-opens={p}=ALL-UNNAMED")));
    args.extend([
        format!("-Dcassandra.config=file://{}", yaml.display()),
        format!("-Dcassandra.storagedir={}", dir.display()),
        format!("-Dlogback.configurationFile={}", log.display()),
        "-Djdk.attach.allowAttachSelf=true".to_owned(),
        "-Dcassandra.ring_delay_ms=1".to_owned(),
        "-Dcassandra.skip_wait_for_gossip_to_settle=0".to_owned(),
        "-Dcassandra.superuser_setup_delay_ms=0".to_owned(),
        "-cp".to_owned(),
        class_path(jars, &[]),
        "org.apache.cassandra.service.CassandraDaemon".to_owned(),
    ]);
    let plan = Plan {
        name: "cassandra",
        dir,
        args,
        port,
        says: None,
        takes: secure.then_some(login::works),
    };
    let login = if secure { "cassandra:cassandra@" } else { "" };
    let address = format!("cassandra://{login}127.0.0.1:{port}");
    let mut environment = vec![("FULMAR_CASSANDRA", address.clone())];
    if secure {
        let ca = dir.join("node.pem").display().to_string();
        environment.push(("FULMAR_CASSANDRA_CA", ca));
    }
    plan.start(address, environment)
}

/// The node's configuration.
pub fn yaml_of(dir: &Path, port: u16, storage: u16, secure: bool) -> String {
    let at = |name: &str| dir.join(name).display().to_string();
    let (authenticator, authorizer, roles) = match secure {
        true => (
            "PasswordAuthenticator",
            "CassandraAuthorizer",
            "CassandraRoleManager",
        ),
        false => (
            "AllowAllAuthenticator",
            "AllowAllAuthorizer",
            "CassandraRoleManager",
        ),
    };
    let mut lines = vec![
        "cluster_name: fulmar".to_owned(),
        "num_tokens: 16".to_owned(),
        "partitioner: org.apache.cassandra.dht.Murmur3Partitioner".to_owned(),
        format!(
            "seed_provider: [{{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{{seeds: \"127.0.0.1:{storage}\"}}]}}]"
        ),
        "listen_address: 127.0.0.1".to_owned(),
        "rpc_address: 127.0.0.1".to_owned(),
        "start_native_transport: true".to_owned(),
        format!("native_transport_port: {port}"),
        format!("storage_port: {storage}"),
        "endpoint_snitch: SimpleSnitch".to_owned(),
        format!("authenticator: {authenticator}"),
        format!("authorizer: {authorizer}"),
        format!("role_manager: {roles}"),
        "commitlog_sync: periodic".to_owned(),
        "commitlog_sync_period: 10000ms".to_owned(),
        "commitlog_segment_size: 16MiB".to_owned(),
        "memtable_heap_space: 64MiB".to_owned(),
        "memtable_offheap_space: 64MiB".to_owned(),
        "file_cache_size: 64MiB".to_owned(),
        "auto_snapshot: false".to_owned(),
        format!("data_file_directories: [{}]", at("data")),
        format!("commitlog_directory: {}", at("commitlog")),
        format!("saved_caches_directory: {}", at("caches")),
        format!("hints_directory: {}", at("hints")),
        format!("cdc_raw_directory: {}", at("cdc")),
    ];
    if secure {
        lines.push(format!(
            "client_encryption_options: {{enabled: true, optional: true, keystore: {}, keystore_password: {PASSWORD}, store_type: PKCS12, require_client_auth: false}}",
            at("node.p12")
        ));
    }
    lines.join("\n") + "\n"
}
