//! fulmar-spot-plan.
