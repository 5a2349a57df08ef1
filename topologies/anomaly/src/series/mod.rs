//! One series judged point by point: what was expected, how strange what came is, and whether to raise an alarm.
//!
//! A point is compared with a slow level and the shape of day and week ([`season`]); what is left is put in robust standard
//! deviations (how far off it is), and its prediction from the last points fails by so many (how sudden it is:
//! [`whiten`]). An alarm is raised where one of them passes a limit that all series share, moved by how far this one
//! strays anyway ([`tail`]). Everything learnt is cut first, so that incidents teach little, and forgotten slowly, so
//! that a lasting change is the new usual after some hundred points. A score depends on earlier points only.
//! Pure: no clock, no I/O, no async.

pub mod season;
pub mod tail;
pub mod whiten;

use std::sync::Arc;

use season::Season;
use tail::Tail;
use whiten::Whiten;

/// What is chosen once for all series.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Half-life of the level, in points.
    pub level: f64,
    /// Half-life of the scale, in points.
    pub scale: f64,
    /// Deviations are cut at so many scales before they teach.
    pub cut: f64,
    /// The limit that all series share, in standard deviations.
    pub limit: f64,
    /// How much a series' own tail moves the limit: 0 to 1.
    pub own: f64,
    /// The scale is at least this part of the root mean square: a series that is mostly still is not judged by its stillness.
    pub still: f64,
    /// How much a far point counts against a sudden one for an alarm.
    pub far: f64,
    /// How much of the mean strength of the last hundred points the limit is raised by.
    pub weary: f64,
    /// What is left of strangeness a point later.
    pub hold: f64,
    /// Severity from which on something begins, for the score.
    pub begins: f64,
    /// How much earlier strength takes from news: 0 to 1.
    pub known: f64,
    /// What is left a point later of the strength that is known.
    pub record: f64,
    /// What is left a point later of what a new onset must exceed.
    pub fresh: f64,
    /// So many points in a row beyond the cut on one side are a new level.
    pub shift: f64,
    /// Points after the first [`FIRST`] before anything is said.
    pub warm_up: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: 150.0,
            scale: 2_000.0,
            cut: 3.0,
            limit: 6.5,
            own: 0.25,
            still: 0.25,
            far: 0.5,
            weary: 6.0,
            hold: 0.93,
            begins: 0.75,
            known: 0.4,
            record: 0.9995,
            fresh: 0.97,
            shift: 36.0,
            warm_up: 36,
        }
    }
}

/// Step of the mean strength: half of it is of the last hundred points.
const WEARY_PART: f64 = 0.007;
/// What a point adds to it at most.
const WEARY_MOST: f64 = 4.0;
/// Points that the first level and scale are taken from.
pub const FIRST: usize = 12;
/// Of a normal: standard deviation over mean absolute deviation, cut at three.
const TO_SIGMA: f64 = 1.27;

/// The smallest scale of a series: less than that nobody would notice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Floor {
    /// In the series' unit.
    pub least: f64,
    /// As a part of the level.
    pub part: f64,
}

/// What a point came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judged {
    /// What was expected, in the series' unit.
    pub expected: f64,
    /// One robust standard deviation, in the series' unit.
    pub scale: f64,
    /// How far off the point is, in scales; positive above.
    pub far: f64,
    /// How sudden it is, in standard deviations.
    pub sudden: f64,
    /// How strange, 0 to 1: above a half where something begins, below while it lasts.
    pub score: f64,
    /// Whether it passes the limit.
    pub alarm: bool,
    /// Strength over the limit: 1 is at it.
    pub severity: f64,
    /// Whether what makes its strength is above what was expected.
    pub above: bool,
}

/// The past of one series.
#[derive(Clone, Debug)]
pub struct Series {
    settings: Arc<Settings>,
    floor: Floor,
    /// The first points; empty again once there are [`FIRST`].
    first: Vec<f64>,
    points: f64,
    level: f64,
    scale: f64,
    square: f64,
    season: Season,
    whiten: Whiten,
    tail: Tail,
    lasting: f64,
    onset: f64,
    record: f64,
    weary: f64,
    /// Points in a row beyond the cut on one side, and their mean.
    run: (f64, f64),
}

impl Series {
    /// For points so many seconds apart.
    pub fn new(interval_s: i64, settings: &Arc<Settings>, floor: Floor) -> Self {
        Self {
            settings: Arc::clone(settings),
            floor,
            first: Vec::new(),
            points: 0.0,
            level: 0.0,
            scale: 0.0,
            square: 0.0,
            season: Season::new(interval_s),
            whiten: Whiten::default(),
            tail: Tail::default(),
            lasting: 0.0,
            onset: 0.0,
            record: 0.0,
            weary: 0.0,
            run: (0.0, 0.0),
        }
    }

    /// Whether it knows enough of its past to say anything.
    pub fn is_warm(&self) -> bool {
        self.points >= self.settings.warm_up as f64 && self.scale > 0.0
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.first.capacity() * size_of::<f64>() + self.season.bytes()
    }

    /// Judges a point and learns from it. A value that is no number is missing: it is neither judged nor learnt from.
    /// `thin` is how much wider than usual the value may stray, 1 or more: a mean of a quarter of the usual records, 2.
    pub fn step(&mut self, time_s: i64, value: f64, thin: f64) -> Judged {
        if !value.is_finite() || !self.begun(value) {
            return Judged::default();
        }
        let shape = self.season.shape(time_s);
        let deviation = value - self.level;
        let left = (deviation - shape.used) / thin.max(1.0);
        let most = self.settings.cut * self.scale;
        let far = left / self.scale;
        let sudden = self.whiten.step(left, 2.0 * most, self.least());
        let mut judged = Judged {
            expected: self.level + shape.used,
            scale: self.scale * thin.max(1.0),
            far,
            sudden,
            ..Judged::default()
        };
        self.points += 1.0;
        self.score(&mut judged);
        self.season.learn(time_s, deviation, &shape, 2.0 * most);
        self.follow(left, most);
        self.shift(left, most);
        judged
    }

    /// Whether there are a level and a scale; takes the value in towards them where not.
    fn begun(&mut self, value: f64) -> bool {
        if self.scale > 0.0 {
            return true;
        }
        self.first.push(value);
        if self.first.len() == FIRST {
            let mut sorted = std::mem::take(&mut self.first);
            sorted.sort_unstable_by(f64::total_cmp);
            self.level = sorted[FIRST / 2];
            let mut away: Vec<f64> = sorted.iter().map(|v| (v - self.level).abs()).collect();
            away.sort_unstable_by(f64::total_cmp);
            self.scale = (away[FIRST / 2] * TO_SIGMA).max(self.least());
        }
        false
    }

    /// Smallest scale: what nobody would notice, or numbers of this size cannot resolve.
    fn least(&self) -> f64 {
        (self.floor.part.max(1e-6) * self.level.abs()).max(self.floor.least) + 1e-9
    }

    fn score(&mut self, judged: &mut Judged) {
        let s = &self.settings;
        if self.points < s.warm_up as f64 {
            return;
        }
        let (far, sudden) = (judged.far.abs(), judged.sudden.abs());
        let own = self.tail.limit(s.own);
        let strong = sudden.max(s.far * far);
        judged.above = if sudden > s.far * far {
            judged.sudden
        } else {
            judged.far
        } > 0.0;
        let over = strong / (s.limit * own);
        // What goes on for long is a new way to stray, which the scale is yet to follow.
        judged.severity = over / (s.weary * self.weary).max(1.0);
        self.weary += WEARY_PART * (over.min(WEARY_MOST) - self.weary);
        judged.alarm = judged.severity >= 1.0;
        self.lasting = (self.lasting * s.hold).max(sudden.max(far));
        judged.score = 0.5 * saturate(self.lasting / s.limit);
        // What came at this strength before is less news.
        let news = judged.severity / self.record.max(1.0).powf(s.known);
        if news >= s.begins && judged.severity > self.onset {
            judged.score = 0.5 + 0.5 * saturate(news);
        }
        self.record = (self.record * s.record).max(judged.severity);
        self.onset = (self.onset * s.fresh).max(judged.severity);
        self.tail.learn(sudden);
    }

    /// What stays beyond the cut for long is the level.
    fn shift(&mut self, left: f64, most: f64) {
        let (points, mean) = self.run;
        if left.abs() < most || (points > 0.0 && left.signum() != mean.signum()) {
            self.run = (0.0, 0.0);
            return;
        }
        self.run = (points + 1.0, mean + (left - mean) / (points + 1.0));
        if self.run.0 >= self.settings.shift {
            self.level += self.run.1;
            self.whiten.shift(self.run.1);
            self.run = (0.0, 0.0);
        }
    }

    /// Level and scale follow, with larger steps in the beginning.
    fn follow(&mut self, left: f64, most: f64) {
        let part =
            |half_life: f64| (std::f64::consts::LN_2 / half_life).max(1.0 / (self.points + 10.0));
        let (of_level, of_scale) = (part(self.settings.level), part(self.settings.scale));
        self.level += of_level * left.clamp(-most, most);
        self.scale += of_scale * (TO_SIGMA * left.abs().min(most) - self.scale);
        self.square += of_scale * (left * left - self.square);
        let still = self.settings.still * self.square.sqrt();
        self.scale = self.scale.max(still).max(self.least());
    }
}

/// 0 to 1, one half at 1.
fn saturate(x: f64) -> f64 {
    x / (1.0 + x)
}

#[cfg(test)]
mod tests;
