//! `StatefulBolt`, and the bolt that runs one: Storm's `IStatefulBolt` and `StatefulBoltExecutor`.
//!
//! The executor's rules are Storm's, with one more (DESIGN 3.11): what a call wrote is taken back when it
//! fails, since its input comes again.

use std::collections::VecDeque;

use crate::bolt::Bolt;
use crate::collector::BoltCollector;
use crate::config::Config;
use crate::context::{Completions, TaskContext};
use crate::error::{Error, Result};
use crate::stored::{Sources, Stored};
use crate::token::AckToken;
use crate::topology::Outputs;
use crate::tuple::Tuple;

use super::align::{Alignment, Verdict};
use super::forward;
use super::held::StatefulCollector;
use super::key_value::KeyValueState;
use super::provider::Provider;
use super::transaction::Action;
use super::{CHECKPOINT_FIELDS, CHECKPOINT_STREAM};

/// A bolt with key-value state that is checkpointed (Storm's `IStatefulBolt`). As with
/// [`Bolt`], each input must be acked, failed or kept.
pub trait StatefulBolt: Send {
    /// Streams and fields. Asked on the client: must connect to nothing.
    fn outputs(&self) -> Outputs {
        Outputs::none()
    }

    /// Configuration of the component that the bolt itself brings.
    fn conf(&self) -> Config {
        Config::new()
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

    /// The last committed state is here; no input came before it.
    fn init_state(&mut self, state: &mut KeyValueState) -> Result<()> {
        let _ = state;
        Ok(())
    }

    /// Works on one input. What it wrote to the state is taken back if it fails.
    fn execute(
        &mut self,
        input: &Tuple<'_>,
        state: &mut KeyValueState,
        out: &mut StatefulCollector<'_, '_>,
    ) -> Result<()>;

    /// Called on the executor after [`TaskContext::waker`] was called, once the state is here.
    fn woken(
        &mut self,
        state: &mut KeyValueState,
        out: &mut StatefulCollector<'_, '_>,
    ) -> Result<()> {
        let _ = (state, out);
        Ok(())
    }

    /// Before the state is prepared: write what belongs to it.
    fn pre_prepare(&mut self, txid: i64, state: &mut KeyValueState) -> Result<()> {
        let _ = (txid, state);
        Ok(())
    }

    /// Before the state is committed.
    fn pre_commit(&mut self, txid: i64) -> Result<()> {
        let _ = txid;
        Ok(())
    }

    /// The state went back to the last committed one: fail what is kept.
    fn pre_rollback(&mut self, out: &mut StatefulCollector<'_, '_>) -> Result<()> {
        let _ = out;
        Ok(())
    }

    /// The task ends here.
    fn cleanup(&mut self) {}
}

/// Runs a [`StatefulBolt`] as a [`Bolt`].
///
/// ```
/// use fulmar_api::state::{KeyValueState, StatefulCollector};
/// use fulmar_api::{Outputs, Result, Stateful, StatefulBolt, Tuple};
///
/// struct Count;
/// impl StatefulBolt for Count {
///     fn outputs(&self) -> Outputs { Outputs::fields(["word", "count"]) }
///     fn execute(&mut self, input: &Tuple<'_>, state: &mut KeyValueState,
///                out: &mut StatefulCollector<'_, '_>) -> Result<()> {
///         let word = input.str("word")?;
///         let count = state.get_or(word, 0_i64)?.as_int().unwrap_or(0) + 1;
///         state.put(word, count);
///         out.emit((word, count))?;
///         out.ack(input);
///         Ok(())
///     }
/// }
/// # let mut t = fulmar_api::TopologyBuilder::new("t");
/// # let _ =
/// t.bolt("count", || Stateful::new(Count)).fields("split", ["word"]);
/// ```
pub struct Stateful<B> {
    bolt: B,
    running: Option<Running>,
}

/// What a prepared task has.
struct Running {
    provider: Provider,
    /// Opened by the first checkpoint that arrives.
    state: Option<KeyValueState>,
    align: Alignment,
    initialised: bool,
    /// Inputs that came before the state; what spouts may have pending bounds them.
    waiting: VecDeque<(Stored, AckToken)>,
    /// The input of the running call: here, so that it fails if the call panics.
    input: Option<AckToken>,
    /// Acked since the last PREPARE.
    held: Vec<AckToken>,
    /// Acked before it: told to their spouts at COMMIT.
    prepared: Vec<AckToken>,
    sources: Sources,
    ctx: TaskContext,
    completions: Completions,
}

impl<B: StatefulBolt> Stateful<B> {
    /// A bolt with state in the store that the configuration names.
    pub fn new(bolt: B) -> Self {
        Self {
            bolt,
            running: None,
        }
    }

    /// Makes one call of the bolt; the token is the input's, if it has one.
    fn call(
        running: &mut Running,
        token: Option<AckToken>,
        out: &mut BoltCollector<'_>,
        call: impl FnOnce(&mut KeyValueState, &mut StatefulCollector<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        let before = running.held.len();
        running.input = token;
        let state = running.state.as_mut().ok_or_else(not_prepared)?;
        state.begin_call();
        let mut collector = StatefulCollector {
            out,
            input: &mut running.input,
            held: &mut running.held,
        };
        let outcome = call(state, &mut collector);
        let left = running.input.take();
        if outcome.is_err() {
            state.undo_call();
            fail_all(&mut running.held.split_off(before), out);
        }
        // Neither acked, failed nor kept.
        if let Some(token) = left {
            out.fail_token(token);
        }
        outcome
    }

    fn checkpoint(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        let Some(running) = &mut self.running else {
            return Err(not_prepared());
        };
        let txid = input.int(CHECKPOINT_FIELDS[0])?;
        let action = Action::parse(input.str(CHECKPOINT_FIELDS[1])?)?;
        match running.align.arrive(input.source_task(), action, txid) {
            Verdict::Wait | Verdict::Old => out.ack(input),
            Verdict::Act => {
                if action == Action::Prepare && !running.initialised {
                    // This task began anew: failing makes the checkpoint spout recover.
                    out.fail(input);
                    return Ok(());
                }
                Self::act(&mut self.bolt, running, action, txid, out)?;
                running.align.acted(action, txid);
                out.emit_to(CHECKPOINT_STREAM, input, (txid, action.to_string()))?;
                out.ack(input);
            }
        }
        Ok(())
    }

    fn act(
        bolt: &mut B,
        running: &mut Running,
        action: Action,
        txid: i64,
        out: &mut BoltCollector<'_>,
    ) -> Result<()> {
        if running.state.is_none() {
            running.state = Some(running.provider.open()?);
        }
        let state = running.state.as_mut().ok_or_else(not_prepared)?;
        match action {
            Action::Prepare => {
                bolt.pre_prepare(txid, state)?;
                state.prepare_commit(txid)?;
                running.prepared.append(&mut running.held);
            }
            Action::Commit => {
                bolt.pre_commit(txid)?;
                state.commit(txid)?;
                let done = running.prepared.drain(..);
                done.for_each(|token| out.ack_token(token));
            }
            Action::Rollback => {
                state.rollback()?;
                Self::fail_held(bolt, running, out)?;
            }
            Action::InitState => {
                if state.follow(txid)? {
                    Self::fail_held(bolt, running, out)?;
                }
                if !running.initialised {
                    Self::init(bolt, running, out)?;
                }
            }
        }
        Ok(())
    }

    /// The state went back to the last committed one: what came since comes again.
    fn fail_held(bolt: &mut B, running: &mut Running, out: &mut BoltCollector<'_>) -> Result<()> {
        let told = Self::call(running, None, out, |_, out| bolt.pre_rollback(out));
        fail_all(&mut running.prepared, out);
        fail_all(&mut running.held, out);
        told
    }

    /// Gives the bolt its state, then the inputs that waited for it.
    fn init(bolt: &mut B, running: &mut Running, out: &mut BoltCollector<'_>) -> Result<()> {
        let state = running.state.as_mut().ok_or_else(not_prepared)?;
        bolt.init_state(state)?;
        running.initialised = true;
        while let Some((stored, token)) = running.waiting.pop_front() {
            let outcome = Self::call(running, Some(token), out, |state, out| {
                bolt.execute(&stored.view(), state, out)
            });
            if let Err(error) = outcome {
                running.ctx.report_error(&error);
            }
        }
        Ok(())
    }
}

impl<B: StatefulBolt> Bolt for Stateful<B> {
    fn outputs(&self) -> Outputs {
        self.bolt
            .outputs()
            .stream(CHECKPOINT_STREAM, CHECKPOINT_FIELDS)
    }

    fn conf(&self) -> Config {
        self.bolt.conf()
    }

    fn mistakes(&self) -> Vec<String> {
        self.bolt.mistakes()
    }

    fn is_stateful(&self) -> bool {
        true
    }

    fn prepare(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        self.bolt.prepare(conf, ctx)?;
        self.running = Some(Running {
            provider: Provider::of(conf, ctx)?,
            state: None,
            align: Alignment::new(forward::senders(ctx)),
            initialised: false,
            waiting: VecDeque::new(),
            input: None,
            held: Vec::new(),
            prepared: Vec::new(),
            sources: Sources::default(),
            ctx: ctx.clone(),
            completions: ctx.completions(),
        });
        Ok(())
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        if input.source().stream == CHECKPOINT_STREAM {
            return self.checkpoint(input, out);
        }
        let Some(running) = &mut self.running else {
            return Err(not_prepared());
        };
        if input.is_tick() && !running.initialised {
            return Ok(());
        }
        let token = (!input.is_tick()).then(|| out.keep(input));
        if running.initialised {
            let bolt = &mut self.bolt;
            return Self::call(running, token, out, |state, out| {
                bolt.execute(input, state, out)
            });
        }
        let stored = running.sources.store(input);
        running
            .waiting
            .push_back((stored, token.unwrap_or_default()));
        Ok(())
    }

    fn woken(&mut self, out: &mut BoltCollector<'_>) -> Result<()> {
        match &mut self.running {
            Some(running) if running.initialised => {
                let bolt = &mut self.bolt;
                Self::call(running, None, out, |state, out| bolt.woken(state, out))
            }
            _ => Ok(()),
        }
    }

    fn cleanup(&mut self) {
        self.bolt.cleanup();
        self.running = None;
    }
}

impl Drop for Running {
    /// What is not committed fails at once instead of timing out.
    fn drop(&mut self) {
        let waiting = self.waiting.drain(..).map(|(_, token)| token);
        let all = waiting
            .chain(self.input.take())
            .chain(self.held.drain(..))
            .chain(self.prepared.drain(..));
        for token in all.filter(AckToken::is_tracked) {
            self.completions.fail(token);
        }
    }
}

fn fail_all(tokens: &mut Vec<AckToken>, out: &mut BoltCollector<'_>) {
    tokens.drain(..).for_each(|token| out.fail_token(token));
}

fn not_prepared() -> Error {
    Error::msg("a stateful bolt was called before prepare")
}
