//! Which core of a worker each of its tasks is meant for.
//!
//! A component that listens by local-or-shuffle goes where its emitter is, task by task, so that a
//! chain stays on one core and is fused; every other component is dealt out round robin, going on
//! where the last one ended, so that stages joined by other groupings work side by side.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use fulmar_api::TaskId;
use fulmar_api::grouping::Grouping;

use crate::outbox::Placement;
use crate::plan::Plan;

/// Task → core, for the tasks of this worker; blocking components are left out.
pub fn spread(plan: &Plan, placement: &Placement, cores: usize) -> BTreeMap<TaskId, usize> {
    let mut order: Vec<usize> = (0..plan.spec.components.len()).collect();
    order.sort_by_key(|c| (plan.ranks[*c], *c));
    let here = |c: usize| -> Vec<TaskId> {
        let mut tasks = plan.tasks_of(c);
        tasks.retain(|t| placement.is_local(*t));
        tasks
    };
    let (mut found, mut next) = (BTreeMap::new(), 0);
    for c in order {
        let tasks = here(c);
        if plan.spec.components[c].blocking {
            continue;
        }
        let close =
            |e: &&crate::plan::Edge| e.to == c && !e.back && e.grouping == Grouping::LocalOrShuffle;
        let upstream: Vec<usize> = plan
            .edges
            .iter()
            .find(close)
            .map(|e| here(e.from))
            .unwrap_or_default()
            .iter()
            .filter_map(|t| found.get(t).copied())
            .collect();
        for (i, task) in tasks.iter().enumerate() {
            // More listeners than emitters: the surplus is dealt out, so that no core is left idle.
            let core = upstream.get(i).copied().unwrap_or_else(|| {
                next += 1;
                (next - 1) % cores
            });
            found.insert(*task, core);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fulmar_api::spec::{ComponentKind, ComponentSpec, InputSpec, StreamSpec, TopologySpec};

    use super::*;

    fn component(id: &str, tasks: u32, input: Option<(&str, Grouping)>) -> ComponentSpec {
        ComponentSpec {
            id: id.into(),
            kind: ComponentKind::Bolt,
            parallelism: tasks,
            tasks,
            outputs: vec![StreamSpec {
                name: "default".into(),
                fields: vec!["f".into()],
                direct: false,
            }],
            inputs: input
                .map(|(component, grouping)| InputSpec {
                    component: component.into(),
                    stream: "default".into(),
                    grouping,
                })
                .into_iter()
                .collect(),
            conf: Default::default(),
            blocking: false,
        }
    }

    fn cores(components: Vec<ComponentSpec>, cores: usize) -> Vec<usize> {
        let spec = TopologySpec {
            name: "t".into(),
            components,
            conf: Default::default(),
        };
        let plan = Plan::new(Arc::new(spec));
        let placement = Placement::all_local(plan.tasks(), 1);
        spread(&plan, &placement, cores).into_values().collect()
    }

    #[test]
    fn local_chains_stay_on_one_core_each() {
        let local = |from| Some((from, Grouping::LocalOrShuffle));
        let chain = vec![
            component("a", 2, None),
            component("b", 2, local("a")),
            component("c", 2, local("b")),
        ];
        assert_eq!(cores(chain, 2), [0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn stages_that_did_not_ask_to_be_close_work_side_by_side() {
        let chain = vec![
            component("a", 1, None),
            component("b", 1, Some(("a", Grouping::Shuffle))),
        ];
        assert_eq!(cores(chain, 2), [0, 1]);
    }

    #[test]
    fn more_listeners_than_emitters_are_dealt_out() {
        let chain = vec![
            component("a", 1, None),
            component("b", 2, Some(("a", Grouping::LocalOrShuffle))),
        ];
        assert_eq!(cores(chain, 2), [0, 0, 1]);
    }
}
