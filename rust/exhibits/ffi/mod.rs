//! The raw bindings of the C library: the declarations of `c/greet.h` and, on
//! Linux, `c/greeting.h` in Rust.
//!
//! They are committed, so that the build does not need libclang. With the feature
//! `bindgen`, the build regenerates them. Three checks in `tests/all/bindings`
//! compare them with the headers. Programs call [`greet`](crate::greet) and
//! [`greeting`](crate::greeting) instead.

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
