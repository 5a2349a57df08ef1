//! The peers' best settings, as a sweep found them: kept in `bench/settings.json`, read by `--quick`, written by a sweep.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a peer runs one workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Executors of the spout, or slots.
    #[serde(default = "one")]
    pub spouts: u32,
    /// Executors of each bolt.
    #[serde(default = "one")]
    pub bolts: u32,
    /// Keys of the peer's configuration.
    #[serde(default)]
    pub conf: Map<String, Value>,
    /// What was tried and found, for the reader.
    #[serde(default)]
    pub found: String,
}

fn one() -> u32 {
    1
}

/// By peer (`storm`, `flink`, `timely`) and variant (`null/unacked/1w`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings(BTreeMap<String, BTreeMap<String, Setting>>);

impl Settings {
    /// The file in the checkout that this was compiled in.
    pub fn place() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("settings.json")
    }

    /// Reads a file of settings.
    ///
    /// # Errors
    /// It is not there, is no JSON, or has a field that no setting has.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the peers' settings {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{}: no settings", path.display()))
    }

    /// Writes them, for people to read and compare.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The setting of a variant; where it has none of its own, that of `null` of the same mode and number of workers.
    ///
    /// # Errors
    /// There is neither, with what to do.
    pub fn of(&self, peer: &str, key: &str) -> Result<Setting> {
        let all = self.0.get(peer);
        let rest = key.split_once('/').map_or("", |(_, rest)| rest);
        let found = all.and_then(|all| all.get(key).or_else(|| all.get(&format!("null/{rest}"))));
        match found {
            Some(setting) => Ok(setting.clone()),
            None => bail!(
                "no setting of {peer} for {key}; remedy: run without --quick, which finds one by a sweep, or add it to bench/settings.json"
            ),
        }
    }

    /// Keeps what a sweep found.
    pub fn keep(&mut self, peer: &str, key: &str, setting: Setting) {
        let all = self.0.entry(peer.to_owned()).or_default();
        all.insert(key.to_owned(), setting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_settings_cover_every_variant_of_every_peer() {
        let settings = Settings::read(&Settings::place()).unwrap();
        for workload in fulmar_bench::workloads::WORKLOADS {
            for mode in ["unacked", "acked"] {
                for workers in ["1w", "2w"] {
                    let key = format!("{workload}/{mode}/{workers}");
                    settings.of("storm", &key).unwrap();
                }
            }
        }
        for key in ["latency/acked/1w", "latency/acked/2w"] {
            assert!(settings.0["storm"].contains_key(key), "{key}");
        }
        for key in ["null", "id", "wordcount", "wordcount_exactly_once"] {
            assert!(settings.0["flink"].contains_key(key), "{key}");
        }
        for key in ["null", "wordcount"] {
            assert!(settings.0["timely"].contains_key(key), "{key}");
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut settings = Settings::default();
        let mut conf = Map::new();
        conf.insert("topology.producer.batch.size".to_owned(), 100.into());
        let setting = Setting {
            spouts: 1,
            bolts: 2,
            conf,
            found: "1.8 M/s".to_owned(),
        };
        settings.keep("storm", "null/acked/1w", setting.clone());
        settings.write(file.path()).unwrap();
        let read = Settings::read(file.path()).unwrap();
        assert_eq!(read.of("storm", "null/acked/1w").unwrap(), setting);
        assert_eq!(read.of("storm", "fields/acked/1w").unwrap(), setting);
        let error = read.of("storm", "null/acked/2w").unwrap_err().to_string();
        assert!(error.contains("null/acked/2w") && error.contains("sweep"));
    }

    #[test]
    fn a_misspelt_field_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"storm":{"null/acked/1w":{"sprouts":2}}}"#).unwrap();
        let error = format!("{:#}", Settings::read(file.path()).unwrap_err());
        assert!(error.contains("sprouts"), "{error}");
    }
}
