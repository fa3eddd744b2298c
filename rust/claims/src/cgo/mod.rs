//! The Go side: `cgo/`, built when there is a Go toolchain, and what is on file of it when there is none.

pub mod acts;
pub mod program;
pub mod record;
pub mod toolchain;
