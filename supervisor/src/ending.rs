//! What the owner does in a drill: the notice, and the end of a machine.

use std::time::Duration;

use crate::drill::{Drill, Order};
use crate::link::now_ms;
use crate::notice::{Key, Kind, Said};
use crate::owner::Owner;
use crate::process;

/// The source of a drill's notice.
const SOURCE: &str = "drill";

impl Owner {
    /// Takes an order, or takes one back.
    ///
    /// # Errors
    /// One is under way already; there is none to take back.
    pub(crate) fn drilled(&mut self, order: Option<Order>) -> Result<Option<Drill>, String> {
        let now = now_ms();
        match (order, self.drill.take()) {
            (Some(_), Some(under_way)) => {
                self.drill = Some(under_way);
                let left = under_way.dies_ms.saturating_sub(now) as f64 / 1e3;
                Err(format!(
                    "a drill ends this node in {left:.1} s already: DELETE /api/v1/drill takes it back"
                ))
            }
            (None, None) => Err("there is no drill to take back".to_owned()),
            (None, Some(_)) => {
                self.story("the drill is taken back".to_owned());
                // One word is enough: nobody else speaks for this source.
                while self.says_drill(Said::None) {}
                Ok(None)
            }
            (Some(order), None) => {
                let drill = Drill::new(order, now);
                self.drill = Some(drill);
                if drill.noticed {
                    self.says_drill(Said::There(Some(drill.dies_ms)));
                }
                Ok(Some(drill))
            }
        }
    }

    /// Whether a notice of a drill stands afterwards.
    fn says_drill(&mut self, said: Said) -> bool {
        let key = Key {
            instance: self.node_id.clone(),
            kind: Kind::Sentence,
        };
        let commands = self.notices.said(SOURCE, key, said, now_ms());
        self.noticed(commands);
        self.notices.gives(SOURCE)
    }

    /// The end: every process dies at once, what was on the disk is gone, and Nimbus is told nothing.
    pub(crate) fn die(&mut self) {
        let back = self.drill.take().and_then(|d| d.back_ms);
        let lives: Vec<_> = self.slots.values().filter_map(|s| s.life()).collect();
        // Nobody looks after them any more, so nobody starts them again.
        self.watchers.clear();
        for life in lives {
            if process::lives(life.pid, life.started) {
                process::kill_group(life.pid);
            }
        }
        if let Err(e) = self.folder.vanish() {
            tracing::warn!("{} {e}", e.code());
        }
        self.dead = Some(back.map(Duration::from_millis));
    }

    /// Whether a drill has ended this node, and when it comes back.
    pub fn dead(&self) -> Option<Option<Duration>> {
        self.dead
    }
}
