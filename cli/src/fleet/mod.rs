//! The fleet manager's side of Nimbus: what topologies need, what that is in instance types, and what nodes do.
//!
//! * [`needs`]: from what Nimbus says of topologies to cores and memory, and to the work on each instance.
//! * [`wishes`]: from those, prices and the configuration to the fleet that is wanted.
//! * `nimbus`, `start`: the manager itself, where this program was built with the cargo feature `ec2`.

#[cfg(any(feature = "ec2", test))]
pub mod needs;
#[cfg(feature = "ec2")]
pub mod nimbus;
#[cfg(feature = "ec2")]
pub mod start;
#[cfg(feature = "ec2")]
pub mod wishes;

/// What to do about a program without the client.
#[cfg(not(feature = "ec2"))]
pub fn without() -> crate::failure::Failure {
    crate::failure::Failure::Usage(
        "this fulmar was built without the client of EC2: build it with `cargo build --release -p fulmar-cli --features ec2`"
            .to_owned(),
    )
}
