//! The right to settle an input later.
//!
//! `collector.keep(input)` moves an input's anchors into a token, which may wait in the component,
//! be used as an anchor, travel to another thread, and be acked or failed once. A token that is
//! dropped without being settled fails its roots by the message timeout, as a forgotten tuple does
//! in Storm; the engine counts it as unsettled.

/// One root that a token can settle: where its ledger is, its id, and what to XOR into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    /// The root's id in its spout's ledger.
    pub root: u64,
    /// Task whose executor keeps the ledger.
    pub spout_task: crate::TaskId,
    /// XOR of the input's edge id and of the edge ids of everything anchored to it so far.
    pub value: u64,
    /// The worker incarnations that anchored children went to (an index set of the engine).
    pub touched: u64,
}

/// The right to ack or fail one input; empty for inputs that are not tracked.
#[derive(Debug, Default)]
pub struct AckToken {
    /// One entry per root of the input: usually one, more after multi-anchoring.
    entries: TokenEntries,
    /// Which of its task's counters counts it; 0: none.
    slot: u32,
}

/// Storage of the entries: one root needs no allocation.
#[derive(Debug, Default)]
pub enum TokenEntries {
    /// The input was not tracked.
    #[default]
    None,
    /// The usual case.
    One(TokenEntry),
    /// Several roots.
    Many(Vec<TokenEntry>),
}

impl AckToken {
    /// Makes a token from its entries; for engines and test collectors.
    pub fn from_entries(entries: TokenEntries) -> Self {
        Self { entries, slot: 0 }
    }

    /// Notes which counter of its task counts the input when it is settled; for engines.
    #[must_use]
    pub fn counted_at(self, slot: usize) -> Self {
        let slot = u32::try_from(slot + 1).unwrap_or(0);
        Self { slot, ..self }
    }

    /// The counter of [`counted_at`](Self::counted_at).
    pub fn slot(&self) -> Option<usize> {
        self.slot.checked_sub(1).map(|s| s as usize)
    }

    /// The entries, to be applied to a ledger; for engines and test collectors.
    pub fn into_entries(self) -> TokenEntries {
        self.entries
    }

    /// The entries, so that an emit anchored to this token can add its edges.
    pub fn entries_mut(&mut self) -> &mut [TokenEntry] {
        match &mut self.entries {
            TokenEntries::None => &mut [],
            TokenEntries::One(entry) => std::slice::from_mut(entry),
            TokenEntries::Many(entries) => entries,
        }
    }

    /// The entries, to look at.
    pub fn entries(&self) -> &[TokenEntry] {
        match &self.entries {
            TokenEntries::None => &[],
            TokenEntries::One(entry) => std::slice::from_ref(entry),
            TokenEntries::Many(entries) => entries,
        }
    }

    /// Whether anything would be told when it is settled.
    pub fn is_tracked(&self) -> bool {
        !matches!(self.entries, TokenEntries::None)
    }
}
