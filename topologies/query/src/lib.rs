//! The query service: estimates, aggregates and anomalies over HTTP, below `/api/v1/wifi/`.
//!
//! * [`ring`]: the newest estimates in memory, bounded (pure); [`feed`] fills it from Kafka.
//! * [`ask`]: what a request asks for, checked (pure).
//! * [`api`]: the answers; [`run`]: the service.

pub mod api;
pub mod ask;
pub mod error;
pub mod feed;
pub mod ring;
pub mod run;

pub use error::{Error, Problem};
pub use run::{QueryConfig, run};
