//! What is let go: capacity beyond what is wanted, and what runs on demand once spot gives again.
//!
//! Pure: no clock, no I/O, no async.

use super::model::{Command, Instance, Life, Look};
use super::rooms::{self, NEAR, rooms};
use super::step::{Fleet, doubled};

impl Fleet {
    /// Nothing is missing: is anything too much, or dearer than it need be?
    pub(super) fn let_go(&mut self, look: &Look, now: u64, out: &mut Vec<Command>) {
        let spare = rooms::there(look) - look.wanted;
        let Some(worst) = self.worst(look, spare) else {
            self.excess_since = None;
            if self.is_calm() {
                self.back_to_spot(look, now, out);
            }
            return;
        };
        // Twice as much is another excess: it has its own time.
        let known = self
            .excess_since
            .filter(|(_, then)| spare <= 2.0 * then + NEAR);
        let (since, _) = *self.excess_since.insert(known.unwrap_or((now, spare)));
        // What takes the place of a node on demand was ordered for that: no need to wait.
        let replaced = worst.life == Life::OnDemand && self.replaces;
        if self.is_calm() && (replaced || now >= since + self.limits.excess) {
            let id = worst.id.clone();
            self.draining.insert(id.clone(), now);
            out.push(Command::Drain(id));
        }
    }

    /// The instance that is missed least, of those whose part is spare: one that may be taken anyway, one on demand,
    /// one with least work, one of the worst pool. One whose supervisor has never registered does no work.
    fn worst<'a>(&self, look: &'a Look, spare: f64) -> Option<&'a Instance> {
        let goes = |i: &&Instance| i.part <= spare + NEAR && !self.draining.contains_key(&i.id);
        let score = |i: &Instance| i.pool.map_or(f64::INFINITY, |p| self.pools[p].score);
        let fits = look.instances.iter().filter(rooms::stays).filter(goes);
        fits.min_by(|a, b| {
            let key = |i: &Instance| (!i.advised, i.life == Life::Spot, i.work.unwrap_or(0));
            let by_key = key(a).cmp(&key(b));
            by_key
                .then(score(b).total_cmp(&score(a)))
                .then(a.id.cmp(&b.id))
        })
    }

    /// A node on demand gets a replacement on spot, one at a time, when spot has not refused for long enough.
    fn back_to_spot(&mut self, look: &Look, now: u64, out: &mut Vec<Command>) {
        let stable = look
            .instances
            .iter()
            .filter(rooms::stays)
            .find(|i| i.life == Life::OnDemand);
        let Some(stable) = stable else {
            (self.returns_refused, self.replaces) = (0, false);
            return;
        };
        let most = self.limits.back_to_spot_most;
        let wait = doubled(self.limits.back_to_spot, self.returns_refused, most);
        if look.risky || now < self.refused_at + wait {
            return;
        }
        let rooms = rooms(&self.pools, look, &[]);
        let Some((nodes, pools)) =
            rooms::replacement(&self.pools, &rooms, &self.open(now), stable.part)
        else {
            return;
        };
        // Should its answer be lost, the next attempt is later than this one was.
        self.refused_at = now;
        self.launch(Life::Spot, nodes, pools, now, out);
        if let Some(Command::Launch(order)) = out.last() {
            self.returning = Some(order.token.clone());
        }
    }

    /// Ends what holds no work any more, or has had its time.
    pub(super) fn end_drained(&mut self, look: &Look, now: u64, out: &mut Vec<Command>) {
        let known = |id: &String| look.instances.iter().find(|i| i.id == *id);
        self.draining.retain(|id, _| known(id).is_some());
        for (id, since) in &self.draining {
            let empty = known(id).is_some_and(|i| i.work.unwrap_or(0) == 0);
            // At the same look it may only seem empty: its notice is not out yet.
            if *since < now && (empty || now >= since + self.limits.drain) {
                out.push(Command::Terminate(id.clone()));
            }
        }
    }
}
