//! A thread ring: messages handed on by threads, tasks, epoll and io_uring. Times go to stderr.
//!
//! ```text
//! 1024 hops by threads
//! 1024 hops by tokio
//! 1024 hops by epoll-level
//! 1024 hops by epoll-edge
//! 1024 hops by thread-channels
//! 1024 hops by task-channels
//! ```
//!
//! Try `cargo run --release --example thread_ring -- --hops 100000 --in-flight 16 io-uring tokio threads`, and count:
//! `strace -f -c -e read,write,epoll_wait target/release/examples/thread_ring --hops 100000 tokio`.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    match linux::run(std::env::args().skip(1)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::from(2)
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("not checked: a thread ring is Linux's");
}

#[cfg(target_os = "linux")]
mod linux {
    use zero_cost_ffi::thread_ring::{Plan, Variant, processor};

    const USAGE: &str = "usage: thread_ring [--hops N] [--stages N] [--in-flight N] [--buffer BYTES] [--pinned] [VARIANT…]";

    /// Runs what the words ask for.
    pub fn run(words: impl Iterator<Item = String>) -> Result<(), String> {
        let asked = Asked::in_words(words).map_err(|error| format!("{error}\n{USAGE}"))?;
        let plan = asked.plan;
        // All, before any starts.
        for variant in &asked.variants {
            plan.check(*variant)
                .map_err(|error| format!("{variant}: {error}"))?;
        }
        for variant in asked.variants {
            let run = if asked.pinned {
                processor::on_one(|| plan.run(variant))
            } else {
                plan.run(variant)
            };
            let run = run.map_err(|error| format!("{variant}: {error}"))?;
            println!("{} hops by {variant}", plan.hops());
            let nanoseconds = run.elapsed.as_nanos() / plan.hops() as u128;
            let switches = run.switches.unwrap_or_default();
            eprintln!(
                "  {nanoseconds} ns a hop; {} voluntary context switches, {} involuntary",
                switches.voluntary, switches.involuntary
            );
        }
        Ok(())
    }

    struct Asked {
        plan: Plan,
        /// Whether all of it stays on one processor.
        pinned: bool,
        variants: Vec<Variant>,
    }

    impl Asked {
        fn in_words(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
            let mut hops: usize = 1024;
            let (mut stages, mut in_flight, mut buffer, mut pinned) = (32, 1, 1, false);
            let mut variants = Vec::new();
            while let Some(word) = words.next() {
                let number = match word.as_str() {
                    "--hops" => &mut hops,
                    "--stages" => &mut stages,
                    "--in-flight" => &mut in_flight,
                    "--buffer" => &mut buffer,
                    "--pinned" => {
                        pinned = true;
                        continue;
                    }
                    word => {
                        let known = Variant::ALL.map(Variant::word).join(", ");
                        let variant = Variant::named(word);
                        variants
                            .push(variant.ok_or(format!("no variant {word}; there are {known}"))?);
                        continue;
                    }
                };
                let value = words.next().ok_or(format!("{word} takes a number"))?;
                *number = value
                    .parse()
                    .map_err(|_| format!("{word} {value}: not a number"))?;
            }
            if variants.is_empty() {
                // What every Linux can do.
                variants = Variant::ALL.to_vec();
                variants.retain(|variant| {
                    !matches!(variant, Variant::IoUring | Variant::EpollLevelTwice)
                });
            }
            let plan = Plan {
                stages,
                in_flight,
                // As many for every stage: rounded up. No stages are refused later.
                hops_each: hops.div_ceil(stages.max(1)),
                buffer,
            };
            Ok(Self {
                plan,
                pinned,
                variants,
            })
        }
    }
}
