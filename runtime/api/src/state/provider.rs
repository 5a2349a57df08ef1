//! Which store a topology's state is in, by Storm's keys.
//!
//! `topology.state.provider` is `memory` (also when it is not set, as in Storm) or `folder`; the folder is
//! `dir` of the JSON in `topology.state.provider.config`. Without it, it is `state` in the worker's own
//! folder, which a task does not find again on another node.

use std::path::PathBuf;

use crate::config::Config;
use crate::context::TaskContext;
use crate::error::{Error, Result};

use super::folder::Folder;
use super::key_value::{KeyValueState, Store};
use super::memory::Memory;

const PROVIDER: &str = "topology.state.provider";
const PROVIDER_CONFIG: &str = "topology.state.provider.config";
/// Storm's class of the provider in memory.
const STORM_MEMORY: &str = "org.apache.storm.state.InMemoryKeyValueStateProvider";

/// Opens the state of a task; its name is component and task, as in Storm.
///
/// # Errors
/// The provider is not known, its configuration is wrong, or the store cannot be opened.
pub fn open(conf: &Config, ctx: &TaskContext) -> Result<KeyValueState> {
    let namespace = format!("{}-{}", ctx.component, ctx.task);
    let provider = conf.str_or(PROVIDER, "memory")?;
    let store: Box<dyn Store> = match provider.as_str() {
        "memory" | STORM_MEMORY => Box::new(Memory::of(&namespace, ctx)?),
        "folder" => {
            let dir = folder(conf)?.unwrap_or_else(|| ctx.worker_dir.join("state"));
            Box::new(Folder::open(&dir.join(&ctx.topology.name), &namespace)?)
        }
        other => {
            return Err(Error::config(
                PROVIDER,
                format!("\"{other}\" is not known; use memory or folder"),
            ));
        }
    };
    KeyValueState::over(store)
}

fn folder(conf: &Config) -> Result<Option<PathBuf>> {
    let Some(json) = conf.str(PROVIDER_CONFIG)? else {
        return Ok(None);
    };
    let wrong = |e: &dyn std::fmt::Display| {
        let wanted = r#"wanted JSON such as {"dir": "/var/lib/fulmar/state"}"#;
        Error::config(PROVIDER_CONFIG, format!("{json}: {e}; {wanted}"))
    };
    let config = Config::from_json(&json).map_err(|e| wrong(&e))?;
    match config.str("dir").map_err(|e| wrong(&e))? {
        Some(dir) => Ok(Some(PathBuf::from(dir))),
        None => Err(wrong(&"it has no \"dir\"")),
    }
}
