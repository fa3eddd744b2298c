//! The C library `greet`, as it is: the declarations of `c/greet.h` in Rust.
//!
//! Committed, so that a machine without libclang builds; with the feature
//! `bindgen` they are made anew at build time. That they are still what C means
//! is checked three times over: `tests/bindings`. Programs call
//! [`greet`](crate::greet) instead.

#[cfg(not(feature = "bindgen"))]
#[rustfmt::skip]
#[expect(non_camel_case_types, reason = "the names are C's")]
mod bindings;

#[cfg(feature = "bindgen")]
#[allow(non_camel_case_types, reason = "the names are C's")]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;
