//! Rows in and out of Cassandra, or of the store that stands in for it where there is no JVM.
//!
//! * [`row`], [`tables`], [`wifi`]: what is stored: descriptors of tables, those of the Wi-Fi pipeline, their rows.
//! * [`store`], [`address`], [`error`], [`retry`]: the door: one trait, addresses, errors with remedies, patience.
//! * [`bolt`]: the bolt that writes rows, for any store.
//! * [`cassandra`]: the real one, through cdrs-tokio.
//! * [`embedded`]: the store for laptops and the demo, server and client; [`key`], [`cql`]: its bytes.

pub mod address;
pub mod bolt;
pub mod cassandra;
pub mod cql;
pub mod embedded;
pub mod error;
pub mod key;
pub mod retry;
pub mod row;
pub mod store;
pub mod tables;
pub mod wifi;

pub use bolt::{CassandraBolt, Write};
pub use cassandra::CassandraStore;
pub use embedded::EmbeddedStore;
pub use error::StoreError;
pub use row::{Cell, Column, Kind, Row, Table, Udt};
pub use store::{Range, Store, connect};
