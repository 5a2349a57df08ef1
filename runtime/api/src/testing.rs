//! Test collectors: run a bolt or a spout without an engine and look at what it did.
//!
//! ```
//! use fulmar_api::{BasicBolt, Emitter, Outputs, Result, Tuple, testing::BoltTester};
//!
//! struct Split;
//! impl BasicBolt for Split {
//!     fn outputs(&self) -> Outputs { Outputs::fields(["word"]) }
//!     fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()> {
//!         for word in input.str("sentence")?.split_whitespace() { out.emit([word])?; }
//!         Ok(())
//!     }
//! }
//!
//! let mut test = BoltTester::basic(Split, ["sentence"]);
//! test.execute(["a storm is coming"]).unwrap();
//! assert_eq!(test.emitted_on("default").len(), 4);
//! assert_eq!(test.acked(), 1);
//! ```

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::TaskId;
use crate::bolt::{Basic, BasicBolt, Bolt};
use crate::builder::TopologyBuilder;
use crate::collector::{Anchors, BoltCollector, BoltSink, SpoutCollector, SpoutSink};
use crate::config::Config;
use crate::context::{SharedResources, TaskContext, TaskServices};
use crate::error::{Error, Result};
use crate::spec::StreamSpec;
use crate::spout::{MessageId, Next, Spout};
use crate::token::{AckToken, TokenEntries, TokenEntry};
use crate::topology::Outputs;
use crate::tuple::{Source, Tuple};
use crate::value::{IntoValues, Value};

/// One tuple that was emitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted {
    /// Stream it was emitted on.
    pub stream: String,
    /// Its values.
    pub values: Vec<Value>,
    /// Inputs (by number, from 0) that it is anchored to; for spouts empty.
    pub anchors: Vec<u64>,
    /// Message id, for spouts.
    pub id: Option<MessageId>,
    /// Task named in a direct emit.
    pub task: Option<TaskId>,
}

/// What tasks told their services.
#[derive(Default)]
pub struct Told {
    /// Inputs settled from other threads: number and whether acked.
    pub settled: Vec<(u64, bool)>,
    /// Reported errors.
    pub errors: Vec<String>,
    /// Counters by name.
    pub counters: HashMap<&'static str, u64>,
    /// Times that the waker was called.
    pub wakes: usize,
}

struct Services(Arc<Mutex<Told>>);

impl Services {
    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl TaskServices for Services {
    fn wake(&self) {
        self.told().wakes += 1;
    }
    fn settle(&self, token: AckToken, ok: bool) {
        let roots: Vec<_> = token.entries().iter().map(|e| (e.root, ok)).collect();
        self.told().settled.extend(roots);
    }
    fn report_error(&self, error: &Error) {
        self.told().errors.push(error.to_string());
    }
    fn count(&self, name: &'static str, n: u64) {
        *self.told().counters.entry(name).or_default() += n;
    }
    fn gauge(&self, _: &'static str, _: f64) {}
    fn record(&self, _: &'static str, _: f64) {}
}

/// A context of one task of a one-component topology, and what it was told.
pub fn context(conf: &Config) -> (TaskContext, Arc<Mutex<Told>>) {
    let mut builder = TopologyBuilder::new("test");
    builder.conf_all(conf);
    builder.spout("component", || Silent);
    let spec = builder.build().map(|t| t.spec).unwrap_or_default();
    let told = Arc::new(Mutex::new(Told::default()));
    let context = TaskContext::new(
        Arc::new(spec),
        "test-1-0".to_owned(),
        1,
        0,
        PathBuf::from("."),
        Arc::new(SharedResources::default()),
        Arc::new(Services(told.clone())),
    );
    (context, told)
}

struct Silent;

impl Spout for Silent {
    fn outputs(&self) -> Outputs {
        Outputs::none()
    }
    fn next(&mut self, _: &mut SpoutCollector<'_>) -> Result<Next> {
        Ok(Next::Idle)
    }
}

#[derive(Default)]
struct Sink {
    streams: Vec<StreamSpec>,
    buffer: Vec<Value>,
    emitted: Vec<Emitted>,
    input: u64,
    open: bool,
    acked: Vec<u64>,
    failed: Vec<u64>,
}

impl Sink {
    fn check(&mut self, stream: &str, task: Option<TaskId>) -> Result<Vec<Value>> {
        let values = std::mem::take(&mut self.buffer);
        let problem = |problem: String| Error::Emit {
            stream: stream.to_owned(),
            problem,
        };
        let declared = self
            .streams
            .iter()
            .find(|s| s.name == stream)
            .ok_or_else(|| problem("is not declared: add it to outputs()".to_owned()))?;
        if declared.fields.len() != values.len() {
            return Err(problem(format!(
                "{} values for the fields {:?}",
                values.len(),
                declared.fields
            )));
        }
        if declared.direct != task.is_some() {
            return Err(problem(
                "direct streams need emit_direct, others must not use it".to_owned(),
            ));
        }
        Ok(values)
    }
}

impl SpoutSink for Sink {
    fn buffer(&mut self) -> &mut Vec<Value> {
        &mut self.buffer
    }
    fn emit(&mut self, stream: &str, id: Option<MessageId>, task: Option<TaskId>) -> Result<()> {
        let values = self.check(stream, task)?;
        self.emitted.push(Emitted {
            stream: stream.to_owned(),
            values,
            anchors: Vec::new(),
            id,
            task,
        });
        Ok(())
    }
    fn pending(&self) -> usize {
        self.emitted.iter().filter(|e| e.id.is_some()).count()
            - self.acked.len()
            - self.failed.len()
    }
}

impl BoltSink for Sink {
    fn buffer(&mut self) -> &mut Vec<Value> {
        &mut self.buffer
    }
    fn emit(&mut self, stream: &str, anchors: Anchors<'_>, task: Option<TaskId>) -> Result<()> {
        let values = self.check(stream, task)?;
        let roots = |tokens: &mut dyn Iterator<Item = &AckToken>| {
            tokens
                .flat_map(|t| t.entries().iter().map(|e| e.root))
                .collect()
        };
        let anchors = match anchors {
            Anchors::None => Vec::new(),
            Anchors::Input => vec![self.input],
            Anchors::Tokens(tokens) => roots(&mut tokens.iter()),
            Anchors::TokenRefs(tokens) => roots(&mut tokens.iter().map(|t| &**t)),
        };
        self.emitted.push(Emitted {
            stream: stream.to_owned(),
            values,
            anchors,
            id: None,
            task,
        });
        Ok(())
    }
    fn ack_input(&mut self) {
        self.open = false;
        self.acked.push(self.input);
    }
    fn fail_input(&mut self) {
        self.open = false;
        self.failed.push(self.input);
    }
    fn keep_input(&mut self) -> AckToken {
        self.open = false;
        let entry = TokenEntry {
            root: self.input,
            spout_task: 0,
            value: 0,
            touched: 0,
        };
        AckToken::from_entries(TokenEntries::One(entry))
    }
    fn settle(&mut self, token: AckToken, ok: bool) {
        let list = if ok {
            &mut self.acked
        } else {
            &mut self.failed
        };
        list.extend(token.entries().iter().map(|e| e.root));
    }
    fn reset_timeout(&mut self) {}
}

/// Runs a bolt by hand. Inputs are numbered from 0.
pub struct BoltTester<B> {
    bolt: B,
    source: Source,
    sink: Sink,
    next: u64,
    told: Option<Arc<Mutex<Told>>>,
}

impl<B: BasicBolt> BoltTester<Basic<B>> {
    /// A basic bolt whose input has these fields.
    pub fn basic<S: Into<String>>(bolt: B, fields: impl IntoIterator<Item = S>) -> Self {
        BoltTester::new(Basic(bolt), fields)
    }
}

impl<B: Bolt> BoltTester<B> {
    /// A bolt whose input (component `source`, stream `default`) has these fields.
    pub fn new<S: Into<String>>(bolt: B, fields: impl IntoIterator<Item = S>) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        let source = Source {
            component: "source".to_owned(),
            stream: "default".to_owned(),
            fields,
        };
        let sink = Sink {
            streams: bolt.outputs().streams,
            ..Sink::default()
        };
        Self {
            bolt,
            source,
            sink,
            next: 0,
            told: None,
        }
    }

    /// Calls `prepare` with this configuration.
    ///
    /// # Errors
    /// What the bolt answers.
    pub fn prepare(&mut self, conf: &Config) -> Result<()> {
        let (context, told) = context(conf);
        self.told = Some(told);
        self.bolt.prepare(conf, &context)
    }

    /// Executes one input of the default source. Storm's rules apply: an input left open is failed,
    /// and an error fails it too.
    ///
    /// # Errors
    /// What the bolt answers.
    pub fn execute(&mut self, values: impl IntoValues) -> Result<()> {
        let source = self.source.clone();
        self.execute_from(&source, 1, values)
    }

    /// Executes one input of any source.
    ///
    /// # Errors
    /// What the bolt answers.
    pub fn execute_from(
        &mut self,
        source: &Source,
        task: TaskId,
        values: impl IntoValues,
    ) -> Result<()> {
        let mut flat = Vec::new();
        values.write_into(&mut flat);
        (self.sink.input, self.sink.open) = (self.next, true);
        self.next += 1;
        let tuple = Tuple::new(source, task, &flat);
        let result = self
            .bolt
            .execute(&tuple, &mut BoltCollector::new(&mut self.sink));
        if self.sink.open && !tuple.is_tick() {
            self.sink.fail_input();
        }
        result
    }

    /// Executes a tick.
    ///
    /// # Errors
    /// What the bolt answers.
    pub fn tick(&mut self) -> Result<()> {
        let source = Source {
            component: "__system".to_owned(),
            stream: "__tick".to_owned(),
            fields: vec!["rate_secs".to_owned()],
        };
        self.execute_from(&source, -1, [1_i64])
    }

    /// Calls `woken`.
    ///
    /// # Errors
    /// What the bolt answers.
    pub fn wake(&mut self) -> Result<()> {
        self.bolt.woken(&mut BoltCollector::new(&mut self.sink))
    }

    /// Everything emitted so far.
    pub fn emitted(&self) -> &[Emitted] {
        &self.sink.emitted
    }

    /// What was emitted on one stream.
    pub fn emitted_on(&self, stream: &str) -> Vec<&Emitted> {
        self.sink
            .emitted
            .iter()
            .filter(|e| e.stream == stream)
            .collect()
    }

    /// Forgets what was emitted so far.
    pub fn clear(&mut self) {
        self.sink.emitted.clear();
    }

    /// Number of acked inputs, those settled from other threads included.
    pub fn acked(&self) -> usize {
        self.sink.acked.len() + self.settled(true)
    }

    /// Number of failed inputs, those settled from other threads included.
    pub fn failed(&self) -> usize {
        self.sink.failed.len() + self.settled(false)
    }

    /// Numbers of the inputs acked on the executor's thread, in order.
    pub fn acked_inputs(&self) -> &[u64] {
        &self.sink.acked
    }

    /// What the task told its services, after `prepare`.
    pub fn told(&self) -> Option<std::sync::MutexGuard<'_, Told>> {
        self.told
            .as_ref()
            .map(|t| t.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// The bolt itself.
    pub fn bolt(&mut self) -> &mut B {
        &mut self.bolt
    }

    fn settled(&self, ok: bool) -> usize {
        self.told().map_or(0, |t| {
            t.settled.iter().filter(|(_, acked)| *acked == ok).count()
        })
    }
}

/// Runs a spout by hand.
pub struct SpoutTester<S> {
    spout: S,
    sink: Sink,
    told: Arc<Mutex<Told>>,
}

impl<S: Spout> SpoutTester<S> {
    /// Opens and activates a spout.
    ///
    /// # Errors
    /// What the spout answers.
    pub fn open(mut spout: S, conf: &Config) -> Result<Self> {
        let (context, told) = context(conf);
        spout.open(conf, &context)?;
        spout.activate()?;
        let sink = Sink {
            streams: spout.outputs().streams,
            ..Sink::default()
        };
        Ok(Self { spout, sink, told })
    }

    /// Calls the spout's `next` once.
    ///
    /// # Errors
    /// What the spout answers.
    pub fn call_next(&mut self) -> Result<Next> {
        self.spout.next(&mut SpoutCollector::new(&mut self.sink))
    }

    /// Everything emitted so far.
    pub fn emitted(&self) -> &[Emitted] {
        &self.sink.emitted
    }

    /// What the task told its services.
    pub fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The spout itself, to call `ack`, `fail`, `deactivate` or `close`.
    pub fn spout(&mut self) -> &mut S {
        &mut self.spout
    }
}
