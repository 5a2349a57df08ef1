//! The routing table of a topology: who listens to which stream, task by task.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeSet;
use std::sync::Arc;

use fulmar_api::TaskId;
use fulmar_api::grouping::Grouping;
use fulmar_api::spec::TopologySpec;
use fulmar_api::tuple::Source;

/// Edge id of ticks: they come from no component.
pub const TICK_EDGE: u32 = u32::MAX;

/// One subscription: the tuples of one stream going to one component.
#[derive(Debug)]
pub struct Edge {
    /// Index in [`Plan::edges`].
    pub id: u32,
    /// What the receiver sees as the tuple's source.
    pub source: Arc<Source>,
    /// Emitting component's index in the description.
    pub from: usize,
    /// Listening component's index in the description.
    pub to: usize,
    /// How tasks are chosen.
    pub grouping: Grouping,
    /// Positions of a fields grouping's fields in the stream; empty for other groupings.
    pub keys: Vec<usize>,
    /// Tasks of the listening component, ascending.
    pub targets: Vec<TaskId>,
    /// Closes a cycle, so it takes no part in back-pressure.
    pub back: bool,
}

/// The routing table.
#[derive(Debug)]
pub struct Plan {
    /// The description it was made from.
    pub spec: Arc<TopologySpec>,
    /// All edges; an edge's id is its index.
    pub edges: Vec<Edge>,
    /// Component index → its place on the way from the spouts down; edges that are not back edges
    /// lead from a lower rank to a higher one.
    pub ranks: Vec<usize>,
    /// Task id − 1 → component index.
    component_of: Vec<usize>,
}

impl Plan {
    /// Makes the table of a checked description.
    pub fn new(spec: Arc<TopologySpec>) -> Self {
        let mut component_of = Vec::new();
        for (index, c) in spec.components.iter().enumerate() {
            component_of.extend(std::iter::repeat_n(index, c.tasks as usize));
        }
        let index_of = |id: &str| spec.components.iter().position(|c| c.id == id);
        let mut edges = Vec::new();
        for (to, c) in spec.components.iter().enumerate() {
            for input in &c.inputs {
                let Some(from) = index_of(&input.component) else {
                    continue;
                };
                let Some(stream) = spec.components[from]
                    .outputs
                    .iter()
                    .find(|s| s.name == input.stream)
                else {
                    continue;
                };
                let position = |f: &String| stream.fields.iter().position(|x| x == f);
                let keys = input.grouping.keys().iter().filter_map(position).collect();
                edges.push(Edge {
                    id: edges.len() as u32,
                    source: Arc::new(Source {
                        component: input.component.clone(),
                        stream: input.stream.clone(),
                        fields: stream.fields.clone(),
                    }),
                    from,
                    to,
                    grouping: input.grouping.clone(),
                    keys,
                    targets: spec.tasks_of(&c.id),
                    back: false,
                });
            }
        }
        mark_back_edges(&mut edges, spec.components.len());
        Self {
            ranks: ranks(&edges, spec.components.len()),
            spec,
            edges,
            component_of,
        }
    }

    /// The component index of a task; `None` for a task that does not exist.
    pub fn component_of(&self, task: TaskId) -> Option<usize> {
        self.component_of
            .get(usize::try_from(task).ok()?.checked_sub(1)?)
            .copied()
    }

    /// Edges that leave a component on one of its streams.
    pub fn edges_from<'a>(
        &'a self,
        component: usize,
        stream: &'a str,
    ) -> impl Iterator<Item = &'a Edge> {
        self.edges
            .iter()
            .filter(move |e| e.from == component && e.source.stream == stream)
    }

    /// Task ids of a component, by its index.
    pub fn tasks_of(&self, component: usize) -> Vec<TaskId> {
        let first = self.component_of.partition_point(|c| *c < component);
        let end = self.component_of.partition_point(|c| *c <= component);
        (first as TaskId + 1..=end as TaskId).collect()
    }

    /// Whether an edge closes a cycle.
    pub fn is_back(&self, edge: u32) -> bool {
        self.edges.get(edge as usize).is_some_and(|e| e.back)
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.component_of.len()
    }
}

/// Marks the edges that lead back to a component on the way (depth first, from each component).
fn mark_back_edges(edges: &mut [Edge], components: usize) {
    let mut done = BTreeSet::new();
    for start in 0..components {
        visit(start, edges, &mut Vec::new(), &mut done);
    }
}

fn visit(at: usize, edges: &mut [Edge], way: &mut Vec<usize>, done: &mut BTreeSet<usize>) {
    if done.contains(&at) {
        return;
    }
    way.push(at);
    for i in 0..edges.len() {
        if edges[i].from != at {
            continue;
        }
        if way.contains(&edges[i].to) {
            edges[i].back = true;
        } else {
            visit(edges[i].to, edges, way, done);
        }
    }
    way.pop();
    done.insert(at);
}

/// The longest way from a source to each component, back edges left out.
fn ranks(edges: &[Edge], components: usize) -> Vec<usize> {
    let mut ranks = vec![0; components];
    // A way has fewer edges than there are components.
    for _ in 0..components {
        let mut changed = false;
        for e in edges.iter().filter(|e| !e.back) {
            if ranks[e.to] <= ranks[e.from] {
                ranks[e.to] = ranks[e.from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    ranks
}
