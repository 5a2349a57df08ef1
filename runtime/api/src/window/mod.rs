//! Windows over streams: Storm's `IWindowedBolt`, tumbling and sliding, by count, by time of arrival
//! and by event time.
//!
//! * [`shape`]: length and sliding interval, Storm's keys for them and its rules about them.
//! * [`machine`]: which tuples are in which window; knows no tuples and no clock.
//! * [`watermark`]: how far event time has come, from what each input stream has shown.
//! * [`view`]: what a windowed bolt is given: [`TupleWindow`], [`WindowCollector`].
//! * [`windowed`]: [`WindowedBolt`], and [`Windowed`], which runs one as a [`Bolt`](crate::Bolt).
//! * [`stacks`], [`aggregate`]: incremental aggregation, so that what overlaps is not computed again.

pub mod aggregate;
mod clock;
pub mod machine;
#[cfg(test)]
mod machine_tests;
mod running;
pub mod shape;
pub mod stacks;
pub mod view;
pub mod watermark;
pub mod windowed;
#[cfg(test)]
mod windowed_tests;

pub use aggregate::{Aggregate, Aggregator};
pub use clock::{Clock, ManualClock};
pub use shape::{Count, Shape, Span};
pub use view::{TupleWindow, WindowCollector};
pub use windowed::{Windowed, WindowedBolt};
