//! Windows with state: Storm's `IStatefulWindowedBolt`.
//!
//! A tuple is acked by the first commit after it has expired, so after a failure everything that a
//! window held comes again, and windows that were evaluated may be evaluated again: at least once.
//! Storm tells tuples that come again by ascending message ids, and drops what is below the last expired
//! one; a tuple that failed on its way and comes late is lost by that, so it is not taken over.

use crate::collector::BoltCollector;
use crate::config::Config;
use crate::context::TaskContext;
use crate::error::{Error, Result};
use crate::topology::Outputs;
use crate::tuple::Tuple;
use crate::window::{TupleWindow, WindowCollector, Windowed};

use super::held::StatefulCollector;
use super::key_value::KeyValueState;
use super::stateful::StatefulBolt;

/// Storm's key of the field with message ids.
const MESSAGE_ID_FIELD: &str = "topology.bolts.message.id.field.name";

/// A windowed bolt with state. Run it as `Stateful::new(Windowed::new(bolt).tumbling_window(..))`.
pub trait StatefulWindowedBolt: Send {
    /// Streams and fields. Asked on the client: must connect to nothing.
    fn outputs(&self) -> Outputs {
        Outputs::none()
    }

    /// Called once in the worker, before anything else. Connect here.
    fn prepare(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        let _ = (conf, ctx);
        Ok(())
    }

    /// The last committed state is here; no window came before it.
    fn init_state(&mut self, state: &mut KeyValueState) -> Result<()> {
        let _ = state;
        Ok(())
    }

    /// Works on one window, which is never empty. An error fails every tuple that the task holds and
    /// takes back what the call wrote.
    fn execute(
        &mut self,
        window: &TupleWindow<'_>,
        state: &mut KeyValueState,
        out: &mut WindowCollector<'_, '_>,
    ) -> Result<()>;

    /// The task ends here.
    fn cleanup(&mut self) {}
}

impl<B: StatefulWindowedBolt> StatefulBolt for Windowed<B> {
    fn outputs(&self) -> Outputs {
        self.with_late(self.inner().outputs())
    }

    fn conf(&self) -> Config {
        self.own_conf()
    }

    fn prepare(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        let whole = self.whole(conf);
        if whole.is_set(MESSAGE_ID_FIELD) {
            return Err(Error::config(
                MESSAGE_ID_FIELD,
                "message ids do not tell what comes again from what comes late; remove the key",
            ));
        }
        self.bolt().prepare(&whole, ctx)?;
        let outputs = StatefulBolt::outputs(self);
        self.start(&whole, &outputs, ctx)
    }

    fn init_state(&mut self, state: &mut KeyValueState) -> Result<()> {
        self.bolt().init_state(state)
    }

    fn execute(
        &mut self,
        input: &Tuple<'_>,
        state: &mut KeyValueState,
        out: &mut StatefulCollector<'_, '_>,
    ) -> Result<()> {
        let mut run =
            |bolt: &mut B, window: &TupleWindow<'_>, out: &mut WindowCollector<'_, '_>| {
                bolt.execute(window, state, out)
            };
        self.take_in(input, &mut BoltCollector::new(out), &mut run)
    }

    fn woken(
        &mut self,
        state: &mut KeyValueState,
        out: &mut StatefulCollector<'_, '_>,
    ) -> Result<()> {
        let mut run =
            |bolt: &mut B, window: &TupleWindow<'_>, out: &mut WindowCollector<'_, '_>| {
                bolt.execute(window, state, out)
            };
        self.turn(&mut BoltCollector::new(out), &mut run)
    }

    fn pre_rollback(&mut self, out: &mut StatefulCollector<'_, '_>) -> Result<()> {
        self.start_again(&mut BoltCollector::new(out));
        Ok(())
    }

    fn cleanup(&mut self) {
        self.bolt().cleanup();
        self.end();
    }
}
