//! Values of an author's own types between two workers.

use fulmar_api::object::Registered;
use fulmar_api::{BasicBolt, Emitter, Value};
use serde::{Deserialize, Serialize};

use super::misbehave::spout_and_bolt;
use super::*;

#[derive(Serialize, Deserialize)]
struct Reading {
    n: i64,
    places: Vec<(String, f64)>,
}

impl Registered for Reading {
    const NAME: &'static str = "reading";
}

struct Readings(i64);

impl Spout for Readings {
    fn outputs(&self) -> Outputs {
        Outputs::fields(["reading"])
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        if self.0 == 1_000 {
            return Ok(Next::Idle);
        }
        self.0 += 1;
        let places = vec![("roof".to_owned(), self.0 as f64)];
        let reading = Value::object(Reading { n: self.0, places })?;
        out.emit_with_id(self.0 as u64, [reading])?;
        Ok(Next::Emitted)
    }
}

struct Add(Arc<Seen>);

impl BasicBolt for Add {
    fn execute(&mut self, input: &Tuple<'_>, _: &mut Emitter<'_, '_>) -> Result<()> {
        let reading: &Reading = input.object("reading")?;
        assert_eq!(reading.places, [("roof".to_owned(), reading.n as f64)]);
        let n = reading.n as usize;
        self.0.executed.fetch_add(n, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn an_authors_own_type_comes_through_as_it_was() {
    let (seen, one, two) = (Arc::new(Seen::default()), runtime(), runtime());
    let make = || {
        let mut t = TopologyBuilder::new("parted");
        let bolt = seen.clone();
        t.spout("numbers", || Readings(0));
        t.bolt("add", move || Add(bolt.clone())).shuffle("numbers");
        t.build().unwrap()
    };
    let pair = spout_and_bolt(make, [&one, &two]);
    until("added", || {
        seen.executed.load(Ordering::Relaxed) == 1_000 * 1_001 / 2
    });
    assert!(pair.b.shared().take_errors().is_empty());
}
