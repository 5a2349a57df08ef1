//! What a topology asks for, read from its configuration once: executors, demands, rules, priority.
//!
//! A component's own configuration overrides the topology's, as in Storm.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use fulmar_api::{Config, TopologySpec, Value};

use super::model::{Component, Executor, Resources, Rules};

const CPU: &str = "topology.component.cpu.pcore.percent";
const ON_HEAP: &str = "topology.component.resources.onheap.memory.mb";
const OFF_HEAP: &str = "topology.component.resources.offheap.memory.mb";
const MAP: &str = "topology.component.resources.map";
const SHARE: &str = "topology.pool.max.share";
const STABLE: &str = "topology.stable.components";
const CONSTRAINTS: &str = "topology.ras.constraints";

/// A topology as schedulers know it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Its executors, with their component's index.
    pub executors: Vec<(Executor, usize)>,
    /// Its components.
    pub components: Vec<Component>,
    /// What holds for it, but for how slots are chosen.
    pub rules: Rules,
    /// `topology.priority`: 0 comes first.
    pub priority: i64,
}

impl Plan {
    /// Reads a topology's.
    ///
    /// # Errors
    /// A value of another kind or out of its range, or a component that does not exist; key, value and remedy.
    pub fn read(spec: &TopologySpec, conf: &Config) -> Result<Self, String> {
        let mut components = Vec::new();
        for c in &spec.components {
            let mut own = conf.clone();
            own.merge(&c.conf);
            components.push(component(&c.id, &own)?);
        }
        let index: BTreeMap<&str, usize> = spec
            .components
            .iter()
            .map(|c| c.id.as_str())
            .zip(0..)
            .collect();
        for name in conf.strings(STABLE).map_err(text)? {
            components[find(&index, STABLE, &name)?].stable = true;
        }
        for name in conf.strings("topology.spread.components").map_err(text)? {
            components[find(&index, "topology.spread.components", &name)?].per_node = Some(1);
        }
        if let Some(value) = conf.get(CONSTRAINTS) {
            constraints(&value, &index, &mut components)?;
        }
        let ranges = spec.task_ranges();
        let mut at = 0;
        let executors = spec.executors().into_iter().map(|e| {
            while ranges.get(at).is_some_and(|(_, last)| e.0 > *last) {
                at += 1;
            }
            (e, at)
        });
        Ok(Self {
            executors: executors.collect(),
            components,
            rules: rules(conf)?,
            priority: conf.int_or("topology.priority", 29).map_err(text)?,
        })
    }
}

fn text(error: fulmar_api::Error) -> String {
    error.to_string()
}

fn find(index: &BTreeMap<&str, usize>, key: &str, name: &str) -> Result<usize, String> {
    index.get(name).copied().ok_or_else(|| {
        let known: Vec<_> = index.keys().collect();
        format!("{key}: there is no component \"{name}\"; there are {known:?}")
    })
}

fn rules(conf: &Config) -> Result<Rules, String> {
    let share = conf.float_or(SHARE, 1.0).map_err(text)?;
    if !(share > 0.0 && share <= 1.0) {
        return Err(format!(
            "{SHARE} is {share}: above 0 and at most 1, for example 0.5"
        ));
    }
    let flag = |key| conf.bool_or(key, false).map_err(text);
    Ok(Rules {
        share,
        heap: amount(conf, "topology.worker.max.heap.size.mb", 768.0)?,
        one_executor: flag("topology.ras.one.executor.per.worker")?,
        one_component: flag("topology.ras.one.component.per.worker")?,
        favored: conf
            .strings("topology.scheduler.favored.nodes")
            .map_err(text)?,
        unfavored: conf
            .strings("topology.scheduler.unfavored.nodes")
            .map_err(text)?,
        ..Rules::default()
    })
}

fn amount(conf: &Config, key: &str, default: f64) -> Result<f64, String> {
    checked(key, conf.float_or(key, default).map_err(text)?)
}

fn checked(key: &str, value: f64) -> Result<f64, String> {
    if (0.0..=1e12).contains(&value) {
        return Ok(value);
    }
    Err(format!("{key} is {value}: from 0 to 1e12"))
}

fn component(id: &str, conf: &Config) -> Result<Component, String> {
    let mut on_heap = amount(conf, ON_HEAP, 128.0)?;
    let mut off_heap = amount(conf, OFF_HEAP, 0.0)?;
    let mut cpu = amount(conf, CPU, 10.0)?;
    let mut generic = BTreeMap::new();
    if let Some(Value::Map(map)) = conf.get(MAP) {
        for (name, value) in map.iter() {
            let number = value
                .as_float()
                .or_else(|| value.as_str()?.trim().parse().ok());
            let Some(number) = number else {
                return Err(format!(
                    "{MAP}: {name} of \"{id}\" is {value}: wanted a number"
                ));
            };
            let number = checked(name, number)?;
            match name.as_str() {
                CPU | "cpu.pcore.percent" => cpu = number,
                ON_HEAP | "onheap.memory.mb" => on_heap = number,
                OFF_HEAP | "offheap.memory.mb" => off_heap = number,
                other => drop(generic.insert(other.to_owned(), number)),
            }
        }
    }
    Ok(Component {
        id: id.to_owned(),
        demand: Resources {
            cpu,
            memory: on_heap + off_heap,
            generic,
        },
        on_heap,
        ..Component::default()
    })
}

/// Storm's two forms: `{a: {maxNodeCoLocationCnt: 2, incompatibleComponents: [b]}}` and `[[a, b]]`.
fn constraints(
    value: &Value,
    index: &BTreeMap<&str, usize>,
    components: &mut [Component],
) -> Result<(), String> {
    match value {
        Value::List(pairs) => {
            for pair in pairs.iter() {
                let names = pair.as_list().unwrap_or_default();
                let [Value::Str(a), Value::Str(b)] = names else {
                    return Err(format!("{CONSTRAINTS}: {pair} is no pair of components"));
                };
                let (a, b) = (find(index, CONSTRAINTS, a)?, find(index, CONSTRAINTS, b)?);
                components[a].apart.push(b);
            }
        }
        Value::Map(map) => {
            for (name, wishes) in map.iter() {
                constraint(find(index, CONSTRAINTS, name)?, wishes, index, components)?;
            }
        }
        other => {
            return Err(format!(
                "{CONSTRAINTS} is a {}: wanted a map of components or a list of pairs",
                other.kind()
            ));
        }
    }
    Ok(())
}

fn constraint(
    component: usize,
    wishes: &Value,
    index: &BTreeMap<&str, usize>,
    components: &mut [Component],
) -> Result<(), String> {
    let Value::Map(wishes) = wishes else {
        return Err(format!("{CONSTRAINTS}: {wishes} is no map"));
    };
    for (key, value) in wishes.iter() {
        match key.as_str() {
            "maxNodeCoLocationCnt" => {
                let most = value.as_int().and_then(|n| usize::try_from(n).ok());
                let most = most.filter(|n| *n > 0);
                let wrong = || format!("{CONSTRAINTS}: maxNodeCoLocationCnt {value}: at least 1");
                components[component].per_node = Some(most.ok_or_else(wrong)?);
            }
            "incompatibleComponents" => {
                let one = [value.clone()];
                for name in value.as_list().unwrap_or(&one) {
                    let name = name.as_str().unwrap_or_default();
                    let other = find(index, CONSTRAINTS, name)?;
                    components[component].apart.push(other);
                }
            }
            other => {
                return Err(format!(
                    "{CONSTRAINTS}: \"{other}\" is neither maxNodeCoLocationCnt nor incompatibleComponents"
                ));
            }
        }
    }
    Ok(())
}
