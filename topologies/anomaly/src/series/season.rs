//! The shape of a day and of a week, learnt slot by slot and used only where it helps.
//!
//! Each slot of the day follows the deviations from the level with a step that shrinks to a tenth and is cut where a value
//! strays too far, so that one bad day moves it little and a lasting change is followed within days. The hours of
//! the week follow what the day leaves over. Which of none, day, or day and week is taken off is decided by their
//! recent losses, so that a series without a period is left alone. Pure: no clock, no I/O, no async.

const DAY_S: i64 = 86_400;
/// Most slots of a day: five minutes.
const MOST_SLOTS: usize = 288;
/// Hours of a week.
const HOURS: usize = 168;
/// A slot's smallest step.
const STEP: f32 = 0.1;
/// From so many visits on a slot's step is the smallest.
const SEEN: u8 = 10;
/// What an hour of the week moves in a visit: its many points share it, so that it does not follow the hour itself.
const WEEK_STEP: f64 = 0.3;
/// A shape must be better by so much to be used.
const BETTER: f64 = 0.95;
/// Losses are forgotten by this factor a point: half of 1400 points ago.
const FORGET: f64 = 0.9995;

/// Shapes of one series.
#[derive(Clone, Debug, Default)]
pub struct Season {
    /// Deviation by slot of the day.
    day: Box<[f32]>,
    /// Times that the slot was seen, up to [`SEEN`].
    seen: Box<[u8]>,
    /// What the day leaves over, by hour of the week; empty while it leaves nothing, as in the first day.
    week: Box<[f32]>,
    /// Losses of no shape, of the day's, of day and week.
    losses: [f64; 3],
    /// An hour's step for each point.
    week_step: f64,
    /// Points are exactly as far apart as slots: nothing to interpolate.
    exact: bool,
}

/// What the shapes say of a moment, relative to the level.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    day: Option<f64>,
    week: f64,
    /// What is to be taken off.
    pub used: f64,
}

impl Season {
    /// For points so many seconds apart.
    pub fn new(interval_s: i64) -> Self {
        let slots = (DAY_S / interval_s.max(1)) as usize;
        if slots < 4 {
            return Self::default();
        }
        Self {
            day: vec![0.0; slots.min(MOST_SLOTS)].into(),
            seen: vec![0; slots.min(MOST_SLOTS)].into(),
            week: Box::default(),
            losses: [0.0; 3],
            week_step: WEEK_STEP * (interval_s as f64 / 3_600.0).min(1.0),
            exact: slots <= MOST_SLOTS,
        }
    }

    /// Bytes that it holds beside itself.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.day) + size_of_val(&*self.seen) + size_of_val(&*self.week)
    }

    /// What the shapes say.
    pub fn shape(&self, time_s: i64) -> Shape {
        let Some(day) = self.of_day(time_s) else {
            return Shape::default();
        };
        let week = self.week.get(hour(time_s)).map_or(0.0, |w| f64::from(*w));
        let [none, daily, weekly] = self.losses;
        let used = if weekly < BETTER * daily.min(BETTER * none) {
            day + week
        } else if daily < BETTER * none {
            day
        } else {
            0.0
        };
        Shape {
            day: Some(day),
            week,
            used,
        }
    }

    fn of_day(&self, time_s: i64) -> Option<f64> {
        let slots = self.day.len();
        if slots == 0 {
            return None;
        }
        let at = self.slot(time_s);
        if self.exact {
            return (self.seen[at] > 0).then_some(f64::from(self.day[at]));
        }
        // Between the middles of two slots.
        let exact = time_s.rem_euclid(DAY_S) as f64 / DAY_S as f64 * slots as f64 - at as f64 - 0.5;
        let other = if exact < 0.0 {
            (at + slots - 1) % slots
        } else {
            (at + 1) % slots
        };
        let (a, b) = (f64::from(self.day[at]), f64::from(self.day[other]));
        let away = exact.abs();
        match (self.seen[at] > 0, self.seen[other] > 0) {
            (true, true) => Some(a * (1.0 - away) + b * away),
            (true, false) => Some(a),
            _ => None,
        }
    }

    fn slot(&self, time_s: i64) -> usize {
        let slots = self.day.len();
        (time_s.rem_euclid(DAY_S) as usize * slots / DAY_S as usize).min(slots - 1)
    }

    /// Learns a deviation from the level, cut at `most`.
    pub fn learn(&mut self, time_s: i64, deviation: f64, shape: &Shape, most: f64) {
        if self.day.is_empty() {
            return;
        }
        if let Some(day) = shape.day {
            let left = [deviation, deviation - day, deviation - day - shape.week];
            for (loss, left) in self.losses.iter_mut().zip(left) {
                *loss = *loss * FORGET + left.abs().min(4.0 * most);
            }
        }
        let at = self.slot(time_s);
        let left = deviation - self.step(at, deviation, most);
        let away = (left - shape.week).clamp(-most, most);
        if self.week.is_empty() && away != 0.0 {
            self.week = vec![0.0; HOURS].into();
        }
        if let Some(hour) = self.week.get_mut(hour(time_s)) {
            *hour += (self.week_step * away) as f32;
        }
    }

    /// Moves a slot towards a value; answers what it held before, or the value where it held nothing.
    fn step(&mut self, at: usize, value: f64, most: f64) -> f64 {
        let (held, seen) = (self.day[at], self.seen[at]);
        self.seen[at] = (seen + 1).min(SEEN);
        if seen == 0 {
            self.day[at] = value as f32;
            return value;
        }
        let part = (1.0 / (f32::from(seen) + 1.0)).max(STEP);
        let away = (value - f64::from(held)).clamp(-most, most) as f32;
        self.day[at] = held + part * away;
        f64::from(held)
    }
}

fn hour(time_s: i64) -> usize {
    (time_s.div_euclid(3_600).rem_euclid(HOURS as i64)) as usize
}
