//! The wire: types and services generated from this crate's `.proto` files, and nothing else.

/// The Nimbus service and its messages (`nimbus.proto`).
#[allow(missing_docs, clippy::all)]
pub mod nimbus {
    tonic::include_proto!("fulmar.nimbus.v1");
}

/// The records of the Wi-Fi pipeline (`wifi.proto`).
#[allow(missing_docs, clippy::all)]
pub mod wifi {
    tonic::include_proto!("fulmar.wifi.v1");
}

/// The embedded store's service and its messages (`store.proto`).
#[allow(missing_docs, clippy::all)]
pub mod store {
    tonic::include_proto!("fulmar.store.v1");
}
