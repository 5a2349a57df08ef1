//! Storm's configuration: one flat map with dotted keys, layered.
//!
//! Layers, later wins: defaults of the registry ([`keys`]), storm.yaml, a `--config` file, the
//! topology's own, a component's own, `-c key=value`. A map is passed down, never a global.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::value::Value;

pub mod keys;
#[cfg(test)]
mod tests;

/// A flat map from dotted key to value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Config {
    map: BTreeMap<String, Value>,
}

impl Config {
    /// An empty map: only defaults apply.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.map.insert(key.to_owned(), value.into());
        self
    }

    /// Takes over all keys of another map.
    pub fn merge(&mut self, other: &Config) -> &mut Self {
        self.map
            .extend(other.map.iter().map(|(k, v)| (k.clone(), v.clone())));
        self
    }

    /// Keys and values as written, without defaults.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.map.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// The value as written, or the registry's default; `None` when there is neither or it is null.
    pub fn get(&self, key: &str) -> Option<Value> {
        let value = self
            .map
            .get(key)
            .cloned()
            .or_else(|| keys::default_of(key))?;
        (value != Value::Null).then_some(value)
    }

    /// Whether the key was written, whatever its default.
    pub fn is_set(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|v| *v != Value::Null)
    }

    /// A string. Errors: another kind of value.
    pub fn str(&self, key: &str) -> Result<Option<String>> {
        self.typed(key, "a string", |v| v.as_str().map(str::to_owned))
    }

    /// A string, or this one.
    pub fn str_or(&self, key: &str, default: &str) -> Result<String> {
        Ok(self.str(key)?.unwrap_or_else(|| default.to_owned()))
    }

    /// An integer; a text that is one counts, as from `-c`. Errors: another kind of value.
    pub fn int(&self, key: &str) -> Result<Option<i64>> {
        self.typed(key, "an integer", |v| {
            v.as_int().or_else(|| v.as_str()?.trim().parse().ok())
        })
    }

    /// An integer, or this one.
    pub fn int_or(&self, key: &str, default: i64) -> Result<i64> {
        Ok(self.int(key)?.unwrap_or(default))
    }

    /// A number. Errors: another kind of value.
    pub fn float(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", |v| {
            v.as_float().or_else(|| v.as_str()?.trim().parse().ok())
        })
    }

    /// A number, or this one.
    pub fn float_or(&self, key: &str, default: f64) -> Result<f64> {
        Ok(self.float(key)?.unwrap_or(default))
    }

    /// A boolean. Errors: another kind of value.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", |v| {
            v.as_bool().or_else(|| v.as_str()?.trim().parse().ok())
        })
    }

    /// A boolean, or this one.
    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool> {
        Ok(self.bool(key)?.unwrap_or(default))
    }

    /// Seconds as a duration; fractions count. Errors: not a number, negative, or above ten years.
    pub fn secs(&self, key: &str) -> Result<Option<Duration>> {
        let Some(secs) = self.float(key)? else {
            return Ok(None);
        };
        if !(0.0..=3.2e8).contains(&secs) {
            return Err(Error::config(
                key,
                format!("{secs} is not a time in seconds from 0 to 3.2e8"),
            ));
        }
        Ok(Some(Duration::from_secs_f64(secs)))
    }

    /// Milliseconds as a duration. Errors: not an integer, or negative.
    pub fn millis(&self, key: &str) -> Result<Option<Duration>> {
        let Some(ms) = self.int(key)? else {
            return Ok(None);
        };
        let ms = u64::try_from(ms)
            .map_err(|_| Error::config(key, format!("{ms} ms: the least is 0")))?;
        Ok(Some(Duration::from_millis(ms)))
    }

    /// A list of strings; one string counts as a list of one, or of several parted by commas.
    pub fn strings(&self, key: &str) -> Result<Vec<String>> {
        let list = self.typed(key, "a list of strings", |v| match v {
            Value::Str(s) => Some(
                s.split(',')
                    .map(|p| p.trim().to_owned())
                    .filter(|p| !p.is_empty())
                    .collect(),
            ),
            Value::List(l) => l
                .iter()
                .map(|e| Some(e.to_string()))
                .collect::<Option<Vec<_>>>(),
            Value::Int(n) => Some(vec![n.to_string()]),
            _ => None,
        })?;
        Ok(list.unwrap_or_default())
    }

    /// Reads a flat YAML map, as storm.yaml is.
    ///
    /// # Errors
    /// Not readable, not YAML, or not a map; the message names the file.
    pub fn from_yaml_file(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::config(&name, format!("cannot read: {e}")))?;
        Self::from_yaml(&text).map_err(|e| Error::config(name, e))
    }

    /// Reads a flat YAML map from text.
    pub fn from_yaml(text: &str) -> Result<Self> {
        if text
            .lines()
            .all(|l| l.trim().is_empty() || l.trim_start().starts_with('#'))
        {
            return Ok(Self::default());
        }
        let map: BTreeMap<String, Value> =
            serde_saphyr::from_str(text).map_err(|e| Error::Author(e.to_string()))?;
        Ok(Self { map })
    }

    /// Reads a JSON object.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|e| Error::Author(format!("config is not a JSON object: {e}")))
    }

    /// Writes the map as a JSON object, without defaults.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a map with string keys and JSON values can be written")
    }

    /// Sets a key from `key=value` of a command line: the value is read as JSON, else as a string.
    ///
    /// # Errors
    /// There is no `=`.
    pub fn set_from_arg(&mut self, arg: &str) -> Result<()> {
        let (key, value) = arg.split_once('=').ok_or_else(|| {
            Error::config(
                arg,
                "is not of the form key=value, for example -c topology.workers=2",
            )
        })?;
        let value = serde_json::from_str::<Value>(value).unwrap_or_else(|_| Value::from(value));
        self.set(key.trim(), value);
        Ok(())
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        read(&value).map(Some).ok_or_else(|| {
            Error::config(
                key,
                format!("\"{value}\" is a {}, wanted {wanted}", value.kind()),
            )
        })
    }
}
