//! Termination notices of this node: what its sources say becomes what Nimbus is told.
//!
//! A notice is keyed by instance and kind. Said again it changes nothing; of its deadlines the
//! earliest plausible one holds; one in the past or unreadable is now; it is taken back when every
//! source that gave it has said three times in a row that there is none. Advice ends by itself.
//! Times are milliseconds since the epoch.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{NOTICES_MOST, PLAUSIBLE_MS, RETRACT_AFTER};

/// How sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It may happen: nothing new is laid here.
    Advice,
    /// It will happen.
    Sentence,
}

/// Whom a notice is for, and of which kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The instance.
    pub instance: String,
    /// The kind.
    pub kind: Kind,
}

/// What a source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// There is a notice; its deadline, `None` when that was not readable.
    There(Option<u64>),
    /// There is none: IMDS answered 404, the file is gone.
    None,
}

/// What Nimbus is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The kind.
    pub kind: Kind,
    /// When the node ends; 0 for advice.
    pub deadline_ms: u64,
    /// The source that said it first.
    pub source: &'static str,
    /// When it was first said.
    pub since_ms: u64,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// New, or its deadline is earlier than was said.
    Report(Notice),
    /// Taken back, or advice that has run out. Nimbus forgets every notice of the node.
    Retract(Kind),
}

struct Entry {
    notice: Notice,
    /// Sources that stand by it, and how often in a row each has said "none" since.
    sources: BTreeMap<&'static str, u32>,
    /// Advice that has run out, though a source still gives it.
    over: bool,
}

/// All notices of a node.
pub struct Notices {
    entries: BTreeMap<Key, Entry>,
    advice_ms: u64,
}

impl Notices {
    /// None yet. Advice ends after `advice_ms`.
    pub fn new(advice_ms: u64) -> Notices {
        Notices {
            entries: BTreeMap::new(),
            advice_ms,
        }
    }

    /// Those in force, for a Nimbus that may have forgotten them. Sentences come last.
    pub fn standing(&self) -> Vec<Notice> {
        let live = self.entries.values().filter(|e| !e.over);
        let mut all: Vec<_> = live.map(|e| e.notice.clone()).collect();
        all.sort_by_key(|n| (n.kind, n.deadline_ms));
        all
    }

    /// Whether this node is to end: it takes nothing new.
    pub fn is_condemned(&self) -> bool {
        self.entries.keys().any(|k| k.kind == Kind::Sentence)
    }

    /// Whether a source stands by a notice.
    pub fn gives(&self, source: &str) -> bool {
        self.entries
            .values()
            .any(|e| e.sources.contains_key(source))
    }

    /// A source has spoken.
    pub fn said(&mut self, source: &'static str, key: Key, said: Said, now: u64) -> Vec<Command> {
        match said {
            Said::There(deadline) => self.there(source, key, deadline, now),
            Said::None => self.none(source, &key),
        }
    }

    fn there(
        &mut self,
        source: &'static str,
        key: Key,
        said: Option<u64>,
        now: u64,
    ) -> Vec<Command> {
        let plausible = said.is_some_and(|at| (now..=now + PLAUSIBLE_MS).contains(&at));
        let deadline = match (key.kind, said) {
            (Kind::Advice, _) => 0,
            (Kind::Sentence, Some(at)) if plausible => at,
            (Kind::Sentence, _) => now,
        };
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.sources.insert(source, 0);
            let notice = &mut entry.notice;
            if deadline >= notice.deadline_ms {
                return vec![];
            }
            notice.deadline_ms = deadline;
            return vec![Command::Report(notice.clone())];
        }
        if self.entries.len() >= NOTICES_MOST {
            return vec![];
        }
        let notice = Notice {
            kind: key.kind,
            deadline_ms: deadline,
            source,
            since_ms: now,
        };
        let entry = Entry {
            notice: notice.clone(),
            sources: BTreeMap::from([(source, 0)]),
            over: false,
        };
        self.entries.insert(key, entry);
        vec![Command::Report(notice)]
    }

    fn none(&mut self, source: &'static str, key: &Key) -> Vec<Command> {
        let Some(entry) = self.entries.get_mut(key) else {
            return vec![];
        };
        let Some(count) = entry.sources.get_mut(source) else {
            return vec![];
        };
        *count += 1;
        if *count >= RETRACT_AFTER {
            entry.sources.remove(source);
        }
        if !entry.sources.is_empty() {
            return vec![];
        }
        let over = entry.over;
        self.entries.remove(key);
        if over {
            vec![]
        } else {
            self.retracted(key.kind)
        }
    }

    /// Nimbus forgets all notices of a node at once: what still stands is said again.
    fn retracted(&self, kind: Kind) -> Vec<Command> {
        let standing = self.standing();
        if kind == Kind::Advice && standing.iter().any(|n| n.kind == Kind::Sentence) {
            return vec![];
        }
        let again = standing.into_iter().map(Command::Report);
        std::iter::once(Command::Retract(kind))
            .chain(again)
            .collect()
    }

    /// Time has passed: advice that no sentence followed ends.
    pub fn tick(&mut self, now: u64) -> Vec<Command> {
        let mut ended = false;
        for (key, entry) in &mut self.entries {
            let old = now.saturating_sub(entry.notice.since_ms) >= self.advice_ms;
            if key.kind == Kind::Advice && !entry.over && old {
                entry.over = true;
                ended = true;
            }
        }
        if ended {
            self.retracted(Kind::Advice)
        } else {
            vec![]
        }
    }
}

#[cfg(test)]
#[path = "notice_tests.rs"]
mod tests;
