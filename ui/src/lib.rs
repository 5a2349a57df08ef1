//! fulmar-ui: Storm's REST paths, our own beside them, and the web page, on one port.
//!
//! * [`run`]: the server; [`UiConfig`]: what it needs to know.
//! * [`storm`]: Storm's REST below `/api/v1/`, by shape as recorded from Storm 2.8.
//! * [`own`]: what the page needs besides, below `/api/v1/fulmar/`; [`view`] makes it (pure).
//! * [`proxy`]: `/api/v1/wifi/` comes from the query service.
//! * [`bundle`]: the built page (`ui/web`); [`plain`]: the page without scripts; [`health`].
//! * [`nimbus`]: the door to Nimbus, the only file that speaks gRPC; [`answer`], [`error`]: how answers leave.

pub mod answer;
pub mod bundle;
pub mod error;
pub mod health;
pub mod nimbus;
pub mod own;
pub mod plain;
pub mod proxy;
pub mod run;
pub mod storm;
pub mod view;

pub use error::Error;
pub use run::{UiConfig, has_page, run};
