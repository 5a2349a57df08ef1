//! Apache Kafka: one node that is broker and controller (KRaft), without replication.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

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

/// Starts a broker on this folder; data that is there is kept.
///
/// # Errors
/// The storage cannot be made, or the broker does not come up.
pub fn start(dir: &Path, jars: &Path) -> Result<Service> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let found = ports::free(2)?;
    let (port, controller) = (found[0], found[1]);
    let properties = dir.join("server.properties");
    std::fs::write(&properties, properties_of(dir, port, controller))?;
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
    plan.start(address.clone(), vec![("FULMAR_KAFKA", address)])
}

/// The broker's configuration.
pub fn properties_of(dir: &Path, port: u16, controller: u16) -> String {
    let lines = [
        "process.roles=broker,controller".to_owned(),
        "node.id=1".to_owned(),
        format!("controller.quorum.voters=1@127.0.0.1:{controller}"),
        format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"),
        format!("advertised.listeners=PLAINTEXT://127.0.0.1:{port}"),
        "controller.listener.names=CONTROLLER".to_owned(),
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_owned(),
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
    lines.join("\n") + "\n"
}
