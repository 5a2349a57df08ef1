//! What works on tuples: [`Bolt`] acks by hand, [`BasicBolt`] acks by itself.

use crate::collector::{BoltCollector, Emitter};
use crate::config::Config;
use crate::context::TaskContext;
use crate::error::Result;
use crate::topology::Outputs;
use crate::tuple::Tuple;

/// A bolt that settles its inputs itself (Storm's `IRichBolt`): each input must be acked, failed or
/// kept. An input that `execute` returned from without any of these fails at once.
pub trait Bolt: Send {
    /// Streams and fields. Asked on the client: must connect to nothing.
    fn outputs(&self) -> Outputs {
        Outputs::none()
    }

    /// Configuration of the component that the bolt itself brings (Storm's
    /// `getComponentConfiguration`); what the builder is told for the component goes before it.
    fn conf(&self) -> Config {
        Config::new()
    }

    /// What is wrong with the bolt as it was made; found when the graph is built. In words, each
    /// naming what to change.
    fn mistakes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it keeps state over failures and takes part in checkpoints: then the graph gets a
    /// checkpoint spout ([`state`](crate::state)).
    fn is_stateful(&self) -> bool {
        false
    }

    /// Called once in the worker, before anything else. Connect here.
    fn prepare(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        let _ = (conf, ctx);
        Ok(())
    }

    /// Works on one input. Ticks come here too ([`Tuple::is_tick`]); they need no ack. An error
    /// fails the input, is reported, and the executor goes on with the next.
    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()>;

    /// Called on the executor after [`TaskContext::waker`] was called by a thread of the bolt's
    /// own, so that results of asynchronous work can be emitted.
    fn woken(&mut self, out: &mut BoltCollector<'_>) -> Result<()> {
        let _ = out;
        Ok(())
    }

    /// The task ends here: flush what can be flushed. Kept tokens may still be settled.
    fn cleanup(&mut self) {}
}

/// A bolt whose every emit is anchored to its input and whose input is acked when `execute` returns
/// `Ok`, failed when it returns an error (Storm's `IBasicBolt`).
pub trait BasicBolt: Send {
    /// Streams and fields. Asked on the client: must connect to nothing.
    fn outputs(&self) -> Outputs {
        Outputs::none()
    }

    /// Called once in the worker, before anything else. Connect here.
    fn prepare(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        let _ = (conf, ctx);
        Ok(())
    }

    /// Works on one input.
    fn execute(&mut self, input: &Tuple<'_>, out: &mut Emitter<'_, '_>) -> Result<()>;

    /// The task ends here.
    fn cleanup(&mut self) {}
}

/// Runs a [`BasicBolt`] as a [`Bolt`].
pub struct Basic<B>(pub B);

impl<B: BasicBolt> Bolt for Basic<B> {
    fn outputs(&self) -> Outputs {
        self.0.outputs()
    }

    fn prepare(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        self.0.prepare(conf, ctx)
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        self.0.execute(input, &mut Emitter::new(out))?;
        out.ack(input);
        Ok(())
    }

    fn cleanup(&mut self) {
        self.0.cleanup();
    }
}
