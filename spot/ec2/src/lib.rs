//! fulmar-spot-ec2.
