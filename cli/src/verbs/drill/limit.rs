//! How much a drill may take: what every topology bears by Nimbus' own scheduler, tried without these nodes.

use std::collections::BTreeSet;

use crate::verbs::spot::live::Cluster;
use crate::verbs::spot::rehearse;

/// Topologies that would lack slots without these nodes, though they lack none now.
pub fn not_borne(cluster: &Cluster, lost: &BTreeSet<&str>) -> Vec<String> {
    let whole = rehearse::short_without(cluster, &BTreeSet::new());
    let after = rehearse::short_without(cluster, lost);
    let worse = |name: &String| !whole.contains(name);
    after.into_iter().filter(worse).collect()
}
