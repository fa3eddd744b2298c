//! The Go side: `cgo/`, built where there is a Go toolchain, and its evidence on file where there is none.

pub mod calls;
pub mod goroutines;
pub mod phase;
pub mod program;
pub mod recorded;
pub mod toolchain;
pub mod twin;
