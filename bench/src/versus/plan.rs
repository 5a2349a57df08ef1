//! Which variants are compared, in which order: what has a target comes first, so that a limited time leaves out the rest.
//!
//! Pure: no clock, no I/O, no async.

/// A workload's variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// One of the workloads.
    pub workload: &'static str,
    /// Whether roots are acked.
    pub acked: bool,
    /// Worker processes.
    pub workers: usize,
}

/// All variants.
pub fn variants() -> Vec<Variant> {
    let of = |workload, acked, workers| Variant {
        workload,
        acked,
        workers,
    };
    let mut all = Vec::new();
    for workload in ["null", "id", "wordcount"] {
        all.extend([of(workload, false, 1), of(workload, true, 1)]);
    }
    all.extend([of("null", false, 2), of("null", true, 2)]);
    for workload in ["fanin", "fanout", "fields"] {
        all.push(of(workload, true, 1));
    }
    for workers in [1, 2] {
        for workload in fulmar_bench::workloads::WORKLOADS {
            for acked in [false, true] {
                let next = of(workload, acked, workers);
                if !all.contains(&next) {
                    all.push(next);
                }
            }
        }
    }
    all
}

/// Why a baseline is refused: constant → null has less to do than constant → id → null, so where it is slower the peer is
/// mistuned.
pub fn mistuned(null: f64, id: f64) -> Option<String> {
    (null < id).then(|| {
        format!(
            "refused: the peer is mistuned, its constant → null ({:.2} M/s) is slower than its constant → id → null ({:.2} M/s); remedy: sweep again without --quick",
            null / 1e6,
            id / 1e6
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_is_there_once() {
        let all = variants();
        assert_eq!(all.len(), 8 * 2 * 2);
        for (n, variant) in all.iter().enumerate() {
            assert!(!all[..n].contains(variant), "{variant:?} twice");
        }
    }

    #[test]
    fn a_baseline_whose_null_is_slower_than_its_id_is_refused() {
        let said = mistuned(1.5e6, 7.8e6).unwrap();
        assert!(
            said.contains("1.50 M/s") && said.contains("7.80 M/s"),
            "{said}"
        );
        assert_eq!(mistuned(12.3e6, 7.8e6), None);
    }
}
