//! The Go side: `cgo/`, built where there is a Go toolchain, and its evidence on file where there is none.

pub mod acts;
pub mod goroutines;
pub mod phase;
pub mod program;
pub mod record;
pub mod toolchain;
pub mod twin;
