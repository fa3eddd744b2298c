//! The time of a hop, by all variants, with 1 to 64 messages in flight, on one processor and on any: interleaved
//! rounds, the median and the spread of each, and as a ratio to threads in the same round.
//!
//! `cargo bench --bench thread_ring -- [HOPS]`, 20,000 if none are said. Times are reported, never asserted.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("not checked: a thread ring is Linux's");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::error::Error;

    use zero_cost_ffi::thread_ring::{Plan, Variant, processor, uring};

    const STAGES: usize = 128;
    const ROUNDS: usize = 7;

    pub fn main() -> Result<(), Box<dyn Error>> {
        // Cargo adds words of its own.
        let hops = std::env::args()
            .skip(1)
            .find_map(|word| word.parse().ok())
            .unwrap_or(20_000_usize);
        let mut variants = Variant::ALL.to_vec();
        if let Err(why) = uring::check() {
            eprintln!("not checked: io_uring: {why}");
            variants.retain(|variant| *variant != Variant::IoUring);
        }
        println!(
            "{hops} hops, {STAGES} stages, {ROUNDS} rounds; ns a hop: median (least to greatest), × threads; \
             voluntary switches a hop"
        );
        for pinned in [true, false] {
            for in_flight in [1, 4, 16, 64] {
                let place = if pinned {
                    "one processor"
                } else {
                    "any processor"
                };
                println!("{in_flight} in flight, {place}");
                table(hops, in_flight, pinned, &variants)?;
            }
        }
        Ok(())
    }

    fn table(
        hops: usize,
        in_flight: usize,
        pinned: bool,
        variants: &[Variant],
    ) -> Result<(), Box<dyn Error>> {
        let plan = |buffer| Plan {
            stages: STAGES,
            in_flight,
            hops_each: hops.div_ceil(STAGES),
            buffer,
        };
        // With room for more than a message tokio reads once.
        let kinds: Vec<(Variant, usize)> = variants
            .iter()
            .map(|variant| (*variant, 1))
            .chain([(Variant::Tokio, 64)])
            .collect();
        let mut rounds = BTreeMap::<usize, Vec<f64>>::new();
        // Voluntary context switches a hop, of the last round.
        let mut switches = BTreeMap::<usize, f64>::new();
        for _ in 0..ROUNDS {
            for (index, (variant, buffer)) in kinds.iter().enumerate() {
                let plan = plan(*buffer);
                let run = if pinned {
                    processor::on_one(|| plan.run(*variant))?
                } else {
                    plan.run(*variant)?
                };
                let each = run.elapsed.as_secs_f64() * 1e9 / plan.hops() as f64;
                rounds.entry(index).or_default().push(each);
                let voluntary = run.switches.unwrap_or_default().voluntary;
                switches.insert(index, voluntary as f64 / plan.hops() as f64);
            }
        }
        let threads = rounds[&0].clone();
        for (index, (variant, buffer)) in kinds.iter().enumerate() {
            let times = &rounds[&index];
            let ratios: Vec<f64> = times
                .iter()
                .zip(&threads)
                .map(|(one, threads)| one / threads)
                .collect();
            let ([least, median, greatest], [low, ratio, high]) = (spread(times), spread(&ratios));
            println!(
                "  {:<18} {buffer:>2}-byte buffer  {median:>8.0} ({least:.0} to {greatest:.0})  × {ratio:.2} ({low:.2} to {high:.2}); {:.2} switches",
                variant.word(),
                switches[&index]
            );
        }
        Ok(())
    }

    /// The least, the median and the greatest.
    fn spread(values: &[f64]) -> [f64; 3] {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        [
            sorted[0],
            sorted[sorted.len() / 2],
            sorted[sorted.len() - 1],
        ]
    }
}
