//! How large the runs are that a claim rests on, where the reader may choose.

use clap::Args;

/// What `prove` and `show` may be told; without it, everything is small and quick.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Hops that each brigade of switch-cost is timed over
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub hops: Option<u64>,
}
