//! The judge: checks every claim of this workspace by running code, and renders what it found.
//!
//! `cargo run --release` runs it on its own image.

#![allow(
    missing_docs,
    reason = "a library for this package's own program and tests: the model is documented, in report.rs"
)]

pub mod baseline;
pub mod claim;
pub mod claims;
pub mod go;
pub mod image_under_test;
pub mod measure;
pub mod render;
pub mod scenario;

/// Today, in UTC: `2026-11-24`.
#[must_use]
pub fn today() -> String {
    time::UtcDateTime::now().date().to_string()
}

pub use image_under_test::Toolchain;
