//! Apache Kafka: one node that is broker and controller (KRaft), without replication.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::certificate;
use super::java::{Plan, Service, class_path};
use super::maven::Artifact;
use super::ports;
use crate::run::output;

/// The version that was verified, and what it needs to write a log.
pub const ARTIFACTS: &[Artifact] = &[
    ("org.apache.kafka", "kafka_2.13", "4.1.0"),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"),
    ("org.apache.logging.log4j", "log4j-core", "2.24.3"),
];

const LOG: &str = r#"<Configuration><Appenders><Console name="out"><PatternLayout pattern="%d %p %c: %m%n"/></Console></Appenders>
<Loggers><Root level="warn"><AppenderRef ref="out"/></Root><Logger name="kafka.server.KafkaRaftServer" level="info"/></Loggers></Configuration>
"#;

/// Name and password that the encrypted listener takes; they guard nothing but a test's own broker on loopback.
const LOGIN: (&str, &str) = ("fulmar", "loopback-only");

/// Starts a broker on this folder; data that is there is kept. With `secure` it has a second listener, with TLS and a login.
///
/// # Errors
/// The storage cannot be made, or the broker does not come up.
pub fn start(dir: &Path, jars: &Path, secure: bool) -> Result<Service> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let found = ports::free(3)?;
    let (port, controller, encrypted) = (found[0], found[1], found[2]);
    if secure && !dir.join("node.p12").exists() {
        certificate::make(dir)?;
    }
    let properties = dir.join("server.properties");
    let text = properties_of(dir, port, controller, secure.then_some(encrypted));
    std::fs::write(&properties, text)?;
    let log = dir.join("log4j2.xml");
    std::fs::write(&log, LOG)?;
    let classes = class_path(jars, &[]);
    let tool = |args: &[&str]| {
        output(
            Command::new("java")
                .args(["-cp", &classes])
                .arg(format!("-Dlog4j2.configurationFile={}", log.display()))
                .arg("kafka.tools.StorageTool")
                .args(args),
        )
    };
    if !dir.join("data/meta.properties").exists() {
        let id = tool(&["random-uuid"])?;
        let id = id.split_whitespace().last().unwrap_or_default().to_owned();
        tool(&["format", "-t", &id, "-c", &properties.display().to_string()])?;
    }
    let plan = Plan {
        name: "kafka",
        dir,
        args: vec![
            "-Xms256m".to_owned(),
            "-Xmx768m".to_owned(),
            "-cp".to_owned(),
            classes.clone(),
            format!("-Dlog4j2.configurationFile={}", log.display()),
            "kafka.Kafka".to_owned(),
            properties.display().to_string(),
        ],
        port,
        says: Some("Kafka Server started"),
        takes: None,
    };
    let address = format!("127.0.0.1:{port}");
    let mut environment = vec![("FULMAR_KAFKA", address.clone())];
    if secure {
        let ca = dir.join("node.pem").display().to_string();
        environment.push(("FULMAR_KAFKA_TLS", format!("127.0.0.1:{encrypted}")));
        environment.push(("FULMAR_KAFKA_CA", ca));
    }
    plan.start(address, environment)
}

/// The broker's configuration.
pub fn properties_of(dir: &Path, port: u16, controller: u16, encrypted: Option<u16>) -> String {
    let (more, shown) = encrypted.map_or_else(Default::default, |p| {
        let at = format!(",SASL_SSL://127.0.0.1:{p}");
        (at.clone(), at)
    });
    let mut lines = vec![
        "process.roles=broker,controller".to_owned(),
        "node.id=1".to_owned(),
        format!("controller.quorum.voters=1@127.0.0.1:{controller}"),
        format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{more}"),
        format!("advertised.listeners=PLAINTEXT://127.0.0.1:{port}{shown}"),
        "controller.listener.names=CONTROLLER".to_owned(),
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL"
            .to_owned(),
        format!("log.dirs={}", dir.join("data").display()),
        "offsets.topic.replication.factor=1".to_owned(),
        "offsets.topic.num.partitions=4".to_owned(),
        "transaction.state.log.replication.factor=1".to_owned(),
        "transaction.state.log.min.isr=1".to_owned(),
        "transaction.state.log.num.partitions=4".to_owned(),
        "group.initial.rebalance.delay.ms=0".to_owned(),
        // Topics are made by who owns them, with the partitions that they need.
        "auto.create.topics.enable=false".to_owned(),
    ];
    if encrypted.is_some() {
        let (name, password) = LOGIN;
        let jaas = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_{name}=\"{password}\";"
        );
        lines.extend([
            "sasl.enabled.mechanisms=PLAIN".to_owned(),
            format!("listener.name.sasl_ssl.plain.sasl.jaas.config={jaas}"),
            format!("ssl.keystore.location={}", dir.join("node.p12").display()),
            "ssl.keystore.type=PKCS12".to_owned(),
            format!("ssl.keystore.password={}", certificate::PASSWORD),
            format!("ssl.key.password={}", certificate::PASSWORD),
        ]);
    }
    lines.join("\n") + "\n"
}
