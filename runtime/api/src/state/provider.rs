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

/// Where a task's state is, before it is opened.
///
/// A task is prepared on its next worker while it still runs on the last one, which has the state open.
/// So the configuration is checked when a task is prepared, and the state opened when it is needed.
pub struct Provider {
    /// Component and task, as in Storm.
    namespace: String,
    kind: Kind,
    ctx: TaskContext,
}

enum Kind {
    Memory,
    Folder(PathBuf),
}

impl Provider {
    /// The provider of a task by its configuration.
    ///
    /// # Errors
    /// It is not known, or its own configuration is wrong.
    pub fn of(conf: &Config, ctx: &TaskContext) -> Result<Self> {
        let provider = conf.str_or(PROVIDER, "memory")?;
        let kind = match provider.as_str() {
            "memory" | STORM_MEMORY => Kind::Memory,
            "folder" => {
                let dir = folder(conf)?.unwrap_or_else(|| ctx.worker_dir.join("state"));
                Kind::Folder(dir.join(&ctx.topology.name))
            }
            other => {
                return Err(Error::config(
                    PROVIDER,
                    format!("\"{other}\" is not known; use memory or folder"),
                ));
            }
        };
        Ok(Self {
            namespace: format!("{}-{}", ctx.component, ctx.task),
            kind,
            ctx: ctx.clone(),
        })
    }

    /// Opens the state.
    ///
    /// # Errors
    /// The store cannot be opened, for example because the task's last worker still has it.
    pub fn open(&self) -> Result<KeyValueState> {
        let store: Box<dyn Store> = match &self.kind {
            Kind::Memory => Box::new(Memory::of(&self.namespace, &self.ctx)?),
            Kind::Folder(dir) => Box::new(Folder::open(dir, &self.namespace)?),
        };
        KeyValueState::over(store)
    }
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
