//! Bolts without state in a topology with state: they pass checkpoints on (Storm's
//! CheckpointTupleForwarder).

use std::collections::HashMap;
use std::sync::Arc;

use crate::TaskId;
use crate::bolt::Bolt;
use crate::collector::{Anchors, BoltCollector, BoltSink};
use crate::config::Config;
use crate::context::TaskContext;
use crate::error::{Error, Result};
use crate::token::AckToken;
use crate::topology::{Factory, Outputs};
use crate::tuple::Tuple;
use crate::value::Value;

use super::align::{Alignment, Verdict};
use super::checkpoint_spout::CheckpointSpout;
use super::transaction::Action;
use super::{CHECKPOINT_FIELDS, CHECKPOINT_SPOUT, CHECKPOINT_STREAM};

/// Gives a stateful topology the code of its checkpoints.
pub(crate) fn wrap(factories: &mut HashMap<String, Factory>, stateful: &[String]) {
    for (id, factory) in factories.iter_mut() {
        if let (Factory::Bolt(make), false) = (&*factory, stateful.contains(id)) {
            let make = make.clone();
            *factory = Factory::Bolt(Arc::new(move || Box::new(Forwarder::new(make()))));
        }
    }
    let spout = Factory::Spout(Arc::new(|| Box::new(CheckpointSpout::default())));
    factories.insert(CHECKPOINT_SPOUT.to_owned(), spout);
}

/// Number of upstream tasks that send checkpoints to this task.
pub(crate) fn senders(ctx: &TaskContext) -> usize {
    let component = ctx.topology.component(&ctx.component);
    let inputs = component.map(|c| c.inputs.iter()).into_iter().flatten();
    inputs
        .filter(|i| i.stream == CHECKPOINT_STREAM)
        .map(|i| ctx.topology.tasks_of(&i.component).len())
        .sum()
}

/// Runs a bolt and passes checkpoints on when every upstream task has sent them.
pub struct Forwarder {
    bolt: Box<dyn Bolt>,
    align: Alignment,
}

impl Forwarder {
    /// Around this bolt.
    pub fn new(bolt: Box<dyn Bolt>) -> Self {
        Self {
            bolt,
            align: Alignment::new(0),
        }
    }
}

impl Bolt for Forwarder {
    fn outputs(&self) -> Outputs {
        let outputs = self.bolt.outputs();
        outputs.stream(CHECKPOINT_STREAM, CHECKPOINT_FIELDS)
    }

    fn conf(&self) -> Config {
        self.bolt.conf()
    }

    fn mistakes(&self) -> Vec<String> {
        self.bolt.mistakes()
    }

    fn prepare(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        self.align = Alignment::new(senders(ctx));
        self.bolt.prepare(conf, ctx)
    }

    fn execute(&mut self, input: &Tuple<'_>, out: &mut BoltCollector<'_>) -> Result<()> {
        if input.source().stream != CHECKPOINT_STREAM {
            let mut sink = Anchoring(out.sink());
            return self.bolt.execute(input, &mut BoltCollector::new(&mut sink));
        }
        let txid = input.int(CHECKPOINT_FIELDS[0])?;
        let action = Action::parse(input.str(CHECKPOINT_FIELDS[1])?)?;
        if self.align.arrive(input.source_task(), action, txid) == Verdict::Act {
            self.align.acted(action, txid);
            out.emit_to(CHECKPOINT_STREAM, input, (txid, action.to_string()))?;
        }
        out.ack(input);
        Ok(())
    }

    fn woken(&mut self, out: &mut BoltCollector<'_>) -> Result<()> {
        let mut sink = Anchoring(out.sink());
        self.bolt.woken(&mut BoltCollector::new(&mut sink))
    }

    fn cleanup(&mut self) {
        self.bolt.cleanup();
    }
}

/// A sink that refuses what is not anchored: it would be lost with a rollback.
struct Anchoring<'a, 'b>(&'a mut (dyn BoltSink + 'b));

impl BoltSink for Anchoring<'_, '_> {
    fn buffer(&mut self) -> &mut Vec<Value> {
        self.0.buffer()
    }
    fn emit(&mut self, stream: &str, anchors: Anchors<'_>, task: Option<TaskId>) -> Result<()> {
        if matches!(anchors, Anchors::None) {
            self.0.buffer().clear();
            return Err(Error::Emit {
                stream: stream.to_owned(),
                problem:
                    "bolts in a stateful topology must emit anchored tuples: anchor it to the \
                          input or to kept tokens"
                        .to_owned(),
            });
        }
        self.0.emit(stream, anchors, task)
    }
    fn ack_input(&mut self) {
        self.0.ack_input();
    }
    fn fail_input(&mut self) {
        self.0.fail_input();
    }
    fn keep_input(&mut self) -> AckToken {
        self.0.keep_input()
    }
    fn settle(&mut self, token: AckToken, ok: bool) {
        self.0.settle(token, ok);
    }
    fn reset_timeout(&mut self) {
        self.0.reset_timeout();
    }
}
