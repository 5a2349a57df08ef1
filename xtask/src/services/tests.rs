//! The texts that services are started with, and the memory of what runs. (That they start is seen by every test run.)

use std::path::Path;

use super::state::{Record, running};
use super::{cassandra, kafka, maven, ports};

#[test]
fn configurations_name_ports_and_folders() {
    let dir = Path::new("/somewhere");
    let secure = kafka::properties_of(dir, 9001, 9002, Some(9005));
    assert!(secure.contains(",SASL_SSL://127.0.0.1:9005\n") && secure.contains("ssl.keystore"));
    let kafka = kafka::properties_of(dir, 9001, 9002, None);
    assert!(!kafka.contains("keystore"));
    assert!(kafka.contains("PLAINTEXT://127.0.0.1:9001,CONTROLLER://127.0.0.1:9002"));
    assert!(kafka.contains("log.dirs=/somewhere/data\n"));
    let plain = cassandra::yaml_of(dir, 9003, 9004, false);
    assert!(plain.contains("native_transport_port: 9003\n") && plain.contains("127.0.0.1:9004"));
    assert!(plain.contains("AllowAllAuthenticator") && !plain.contains("keystore"));
    let secure = cassandra::yaml_of(dir, 9003, 9004, true);
    assert!(secure.contains("PasswordAuthenticator") && secure.contains("optional: true"));
    let pom = maven::pom_of(kafka::ARTIFACTS);
    assert!(pom.contains("<artifactId>kafka_2.13</artifactId><version>4.1.0</version>"));
}

#[test]
fn ports_are_given_out_once() {
    let mut all = ports::free(3).unwrap();
    all.extend(ports::free(3).unwrap());
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6);
}

#[test]
fn a_process_that_is_not_the_service_is_not_believed_in() {
    let home = std::env::temp_dir().join(format!("fulmar-state-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let record = Record {
        name: "kafka".to_owned(),
        pid: std::process::id(),
        address: "127.0.0.1:1".to_owned(),
        variable: "FULMAR_KAFKA".to_owned(),
    };
    std::fs::write(
        home.join("kafka.json"),
        serde_json::to_vec(&record).unwrap(),
    )
    .unwrap();
    assert_eq!(running(&home), []);
    std::fs::remove_dir_all(&home).unwrap();
}
