//! fulmar-wifi.
