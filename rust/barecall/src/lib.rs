//! Skeleton.

pub mod walk;
