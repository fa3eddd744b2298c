//! The evidence on file, below `asm-snapshots/`.

pub mod layouts;
