//! The C library, as it is: the declarations of `c/greet.h` and, on Linux,
//! `c/greeting.h` in Rust.
//!
//! Committed, so that a machine without libclang builds; with the feature
//! `bindgen` they are made anew at build time. That they are still what C means
//! is checked three times over: `tests/all/bindings`. Programs call
//! [`greet`](crate::greet) and [`greeting`](crate::greeting) instead.

#[cfg(not(feature = "bindgen"))]
#[rustfmt::skip]
#[expect(non_camel_case_types, reason = "the names are C's")]
mod bindings;

#[cfg(all(not(feature = "bindgen"), target_os = "linux"))]
#[rustfmt::skip]
#[expect(non_camel_case_types, reason = "the names are C's")]
mod greeting;

#[cfg(feature = "bindgen")]
#[allow(non_camel_case_types, reason = "the names are C's")]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

#[cfg(all(feature = "bindgen", target_os = "linux"))]
#[allow(non_camel_case_types, reason = "the names are C's")]
mod greeting {
    include!(concat!(env!("OUT_DIR"), "/greeting.rs"));
}

// The build script's, so that the tests check by the same rules.
#[doc(hidden)]
pub mod fingerprint;
#[cfg(feature = "bindgen")]
#[doc(hidden)]
pub mod generate;

pub use bindings::*;
#[cfg(target_os = "linux")]
pub use greeting::*;
