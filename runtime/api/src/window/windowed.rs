//! `WindowedBolt`, and the bolt that runs one: Storm's `IWindowedBolt` and `WindowedBoltExecutor`.
//!
//! Inputs stay unacked while a window may hold them: emits are anchored to all tuples of the window, and
//! a tuple is acked when it expires. An error or a panic of the windowed bolt empties the window: every
//! tuple held fails and its spout emits it again, which is what a worker's restart does in Storm.

use std::sync::Arc;
use std::time::Duration;

use crate::bolt::Bolt;
use crate::collector::BoltCollector;
use crate::config::Config;
use crate::context::TaskContext;
use crate::error::{Error, Result};
use crate::topology::Outputs;
use crate::tuple::Tuple;

use super::clock::ManualClock;
use super::running::{EventTime, Running};
use super::shape::{self, Span};
use super::view::{TupleWindow, WindowCollector};

/// Field of the late stream (Storm's name): a map of the late tuple's fields.
pub const LATE_TUPLE_FIELD: &str = "late_tuple";

/// A bolt that works on windows instead of single tuples (Storm's `IWindowedBolt`).
pub trait WindowedBolt: Send {
    /// Streams and fields. Asked on the client: must connect to nothing.
    fn outputs(&self) -> Outputs {
        Outputs::none()
    }

    /// What is wrong with the bolt as it was made; found when the graph is built.
    fn mistakes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Called once in the worker, before anything else. Connect here.
    fn prepare(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        let _ = (conf, ctx);
        Ok(())
    }

    /// Works on one window, which is never empty. An error fails every tuple that the task holds.
    fn execute(
        &mut self,
        window: &TupleWindow<'_>,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()>;

    /// The task ends here.
    fn cleanup(&mut self) {}
}

/// What is called for a window.
pub(crate) type RunWindow<'r, B> =
    dyn FnMut(&mut B, &TupleWindow<'_>, &mut WindowCollector<'_, '_>) -> Result<()> + 'r;

type Extractor = Arc<dyn Fn(&Tuple<'_>) -> Result<i64> + Send + Sync>;

/// Runs a [`WindowedBolt`] as a [`Bolt`].
///
/// ```
/// use std::time::Duration;
/// use fulmar_api::window::{Count, TupleWindow, WindowCollector, Windowed, WindowedBolt};
/// use fulmar_api::{Outputs, Result, testing::BoltTester};
///
/// struct Sum;
/// impl WindowedBolt for Sum {
///     fn outputs(&self) -> Outputs { Outputs::fields(["sum"]) }
///     fn execute(&mut self, window: &TupleWindow<'_>, out: &mut WindowCollector<'_, '_>) -> Result<()> {
///         let sum = window.get().map(|t| t.int("n")).sum::<Result<i64>>()?;
///         out.emit([sum])
///     }
/// }
///
/// let mut test = BoltTester::new(Windowed::new(Sum).window(Count(3), Count(2)), ["n"]);
/// test.prepare(&Default::default()).unwrap();
/// for n in 1..=4_i64 { test.execute([n]).unwrap(); }
/// let sums: Vec<_> = test.emitted().iter().map(|e| e.values[0].as_int().unwrap()).collect();
/// assert_eq!(sums, [1 + 2, 2 + 3 + 4]);
/// assert_eq!(test.acked(), 1);
/// ```
pub struct Windowed<B> {
    bolt: B,
    conf: Config,
    extractor: Option<Extractor>,
    clock: Option<ManualClock>,
    running: Option<Running>,
}

impl<B> Windowed<B> {
    /// A window whose shape is in the configuration, unless it is said here.
    pub fn new(bolt: B) -> Self {
        Self {
            bolt,
            conf: Config::new(),
            extractor: None,
            clock: None,
            running: None,
        }
    }

    /// Sliding windows: so long, one each interval. [`Count`](super::Count) or a [`Duration`] (whole
    /// milliseconds), mixed as one likes.
    pub fn window(mut self, length: impl Into<Span>, slide: impl Into<Span>) -> Self {
        shape::write_length(length.into(), &mut self.conf);
        shape::write_slide(slide.into(), &mut self.conf);
        self
    }

    /// Sliding windows, one with each tuple.
    pub fn window_length(mut self, length: impl Into<Span>) -> Self {
        shape::write_length(length.into(), &mut self.conf);
        self
    }

    /// Windows that follow each other without overlap.
    pub fn tumbling_window(self, length: impl Into<Span>) -> Self {
        let length = length.into();
        self.window(length, length)
    }

    /// Windows by event time, from a field with milliseconds since the epoch.
    pub fn timestamp_field(self, field: impl Into<String>) -> Self {
        let field = field.into();
        self.timestamp_extractor(move |tuple| tuple.int(&field))
    }

    /// Windows by event time, in milliseconds since the epoch.
    pub fn timestamp_extractor(
        mut self,
        extract: impl Fn(&Tuple<'_>) -> Result<i64> + Send + Sync + 'static,
    ) -> Self {
        self.extractor = Some(Arc::new(extract));
        self
    }

    /// How far out of order timestamps may be; 0 unless set.
    pub fn lag(mut self, lag: Duration) -> Self {
        self.conf.set(shape::LAG_MS, millis(lag));
        self
    }

    /// How often the watermark moves on; a second unless set.
    pub fn watermark_interval(mut self, interval: Duration) -> Self {
        self.conf.set(shape::WATERMARK_MS, millis(interval));
        self
    }

    /// Declares a stream with the field `late_tuple`, on which late tuples are emitted (as a map of
    /// their fields); without it they are counted and acked.
    pub fn late_tuple_stream(mut self, stream: impl Into<String>) -> Self {
        self.conf.set(shape::LATE_STREAM, stream.into());
        self
    }

    /// Takes the time of arrival from this clock, which a test moves.
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The component's whole configuration: what the code says lies under what it was given.
    pub(crate) fn whole(&self, conf: &Config) -> Config {
        let mut whole = self.conf.clone();
        whole.merge(conf);
        whole
    }

    /// What the code says of the windows, as configuration.
    pub(crate) fn own_conf(&self) -> Config {
        self.conf.clone()
    }

    /// Adds the late stream to the bolt's own.
    pub(crate) fn with_late(&self, outputs: Outputs) -> Outputs {
        match self.conf.get(shape::LATE_STREAM) {
            Some(late) => outputs.stream(&late.to_string(), [LATE_TUPLE_FIELD]),
            None => outputs,
        }
    }

    /// The bolt itself.
    pub(crate) fn bolt(&mut self) -> &mut B {
        &mut self.bolt
    }

    /// The bolt itself, to look at.
    pub(crate) fn inner(&self) -> &B {
        &self.bolt
    }

    /// Begins without tuples; those that were held fail.
    ///
    /// # Errors
    /// Storm's rules about windows are broken, or the timer cannot be started.
    pub(crate) fn start(
        &mut self,
        whole: &Config,
        outputs: &Outputs,
        ctx: &TaskContext,
    ) -> Result<()> {
        let shape = shape::check(whole)?;
        let event_time = self.event_time(whole, outputs, ctx)?;
        self.running = Some(Running::new(shape, event_time, self.clock.clone(), ctx)?);
        Ok(())
    }

    /// Ends; tuples that are held fail.
    pub(crate) fn end(&mut self) {
        self.running = None;
    }

    /// Fails every tuple held and begins anew.
    pub(crate) fn start_again(&mut self, out: &mut BoltCollector<'_>) {
        if let Some(running) = &mut self.running {
            running.fail_all(out);
        }
    }

    fn event_time(
        &self,
        conf: &Config,
        outputs: &Outputs,
        ctx: &TaskContext,
    ) -> Result<Option<EventTime>> {
        let late_stream = conf.str(shape::LATE_STREAM)?;
        if self.extractor.is_none() {
            return match late_stream {
                None => Ok(None),
                Some(_) => Err(Error::config(
                    shape::LATE_STREAM,
                    "late tuple stream can be defined only when specifying a timestamp field; add \
                     timestamp_field or timestamp_extractor",
                )),
            };
        }
        if let Some(stream) = &late_stream
            && !outputs.streams.iter().any(|s| s.name == *stream)
        {
            return Err(Error::config(
                shape::LATE_STREAM,
                format!(
                    "stream \"{stream}\" for late tuples must be defined with late_tuple_stream"
                ),
            ));
        }
        EventTime::new(conf, ctx).map(Some)
    }

    /// Calls `run` for every window that is due now.
    pub(crate) fn turn(
        &mut self,
        out: &mut BoltCollector<'_>,
        run: &mut RunWindow<'_, B>,
    ) -> Result<()> {
        let now = self.running.as_ref().ok_or_else(not_prepared)?.now_ms();
        self.turn_at(now, out, run)
    }

    fn turn_at(
        &mut self,
        now: i64,
        out: &mut BoltCollector<'_>,
        run: &mut RunWindow<'_, B>,
    ) -> Result<()> {
        let running = self.running.as_mut().ok_or_else(not_prepared)?;
        let time = running.time(now);
        while let Some(time) = time
            && let Some(what) = running.machine.due(time)
        {
            running.ack_left(out);
            let expired = running.machine.take_expired();
            running.count_not_shown();
            let window = TupleWindow {
                items: running.machine.items(),
                what,
                expired: &expired,
            };
            let mut collector = WindowCollector {
                out,
                tokens: &mut running.tokens,
                len: what.len,
            };
            if let Err(error) = run(&mut self.bolt, &window, &mut collector) {
                running.fail_all(out);
                return Err(error);
            }
        }
        running.ack_left(out);
        running.set_alarm();
        Ok(())
    }

    /// Takes an input in and calls `run` for every window that is due before or with it.
    pub(crate) fn take_in(
        &mut self,
        input: &Tuple<'_>,
        out: &mut BoltCollector<'_>,
        run: &mut RunWindow<'_, B>,
    ) -> Result<()> {
        // Windows that were due before this tuple came do not hold it. The clock is read once: were it
        // read again for the tuple, a window could become due in between and miss what it should hold.
        let now = self.running.as_ref().ok_or_else(not_prepared)?.now_ms();
        self.turn_at(now, out, run)?;
        if input.is_tick() {
            return Ok(());
        }
        let running = self.running.as_mut().ok_or_else(not_prepared)?;
        match &self.extractor {
            None => running.add(input, now, out),
            Some(extract) => {
                let ts = extract(input)?;
                running.add_timed(input, ts, now, out)?;
            }
        }
        self.turn_at(now, out, run)
    }
}

impl<B: WindowedBolt> Bolt for Windowed<B> {
    fn outputs(&self) -> Outputs {
        self.with_late(self.bolt.outputs())
    }

    fn conf(&self) -> Config {
        self.own_conf()
    }

    fn mistakes(&self) -> Vec<String> {
        self.bolt.mistakes()
    }

    fn prepare(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        let whole = self.whole(conf);
        self.bolt.prepare(&whole, ctx)?;
        let outputs = Bolt::outputs(self);
        self.start(&whole, &outputs, ctx)
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        self.take_in(input, out, &mut B::execute)
    }

    fn woken(&mut self, out: &mut BoltCollector<'_>) -> Result<()> {
        self.turn(out, &mut B::execute)
    }

    fn cleanup(&mut self) {
        self.bolt.cleanup();
        self.end();
    }
}

fn not_prepared() -> Error {
    Error::msg("a windowed bolt was called before prepare")
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
