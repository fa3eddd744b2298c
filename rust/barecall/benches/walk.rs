//! How fast a walk is: steps a second, beside gdb's `stepi` in the same run.
//!
//! `cargo bench -p barecall --bench walk`. Each rate is the slope between a short
//! and a long run, so that starting up does not count.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() {
    // `cargo test --all-targets` runs benches too, without this.
    if std::env::args().any(|argument| argument == "--bench") {
        linux::bench();
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {
    println!("walks are not supported here");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux {
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use barecall::walk::Walk;

    use testkit::walking::build;

    const ROUNDS: usize = 5;

    pub fn bench() {
        let Some(program) = build("bench-work", &["work.c"], &["-Wl,-z,now"]) else {
            return;
        };
        println!("{}, {}", cpu(), today());
        let mut walks = Vec::new();
        let mut steps = Vec::new();
        let mut stepis = Vec::new();
        // Interleaved, so that what else the machine does falls on all alike.
        for _ in 0..ROUNDS {
            walks.push(slope(|n| walk(&program, n, false), 20, 200));
            steps.push(slope(|n| walk(&program, n, true), 5, 40));
            stepis.extend(
                gdb(&program, 1_000)
                    .is_some()
                    .then(|| slope(|n| gdb(&program, n).unwrap_or(0), 1_000, 6_000)),
            );
        }
        let walk = report("walk", &mut walks);
        report("walk, stopping at every instruction", &mut steps);
        if stepis.is_empty() {
            println!("gdb is missing (`apt-get install gdb`): not compared");
        } else {
            let stepi = report("gdb stepi", &mut stepis);
            println!("{:.1} times faster than gdb stepi", walk / stepi);
        }
    }

    /// Steps a second: the steps that `run(long)` takes more than `run(short)`,
    /// by the time it takes more.
    fn slope(run: impl Fn(u64) -> u64, short: u64, long: u64) -> f64 {
        let timed = |n| {
            let begun = Instant::now();
            let steps = run(n);
            (steps as f64, begun.elapsed().as_secs_f64())
        };
        let (few, little) = timed(short);
        let (many, much) = timed(long);
        (many - few) / (much - little)
    }

    fn walk(program: &Path, n: u64, step_all: bool) -> u64 {
        let mut command = Command::new(program);
        command.arg(n.to_string());
        let walk = Walk::of(command)
            .from("works")
            .to("work")
            .step_all(step_all)
            .run()
            .expect("it can be walked");
        walk.out.instructions + walk.callee.instructions + walk.back.instructions
    }

    fn gdb(program: &Path, steps: u64) -> Option<u64> {
        let status = Command::new("gdb")
            .args([
                "-q",
                "-nx",
                "-batch",
                "-ex",
                "tbreak work",
                "-ex",
                "run",
                "-ex",
                &format!("stepi {steps}"),
                "--args",
            ])
            .arg(program)
            .arg("1000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.ok()?.success().then_some(steps)
    }

    fn report(what: &str, rates: &mut [f64]) -> f64 {
        rates.sort_by(f64::total_cmp);
        let median = rates[rates.len() / 2];
        let (least, most) = (rates[0], rates[rates.len() - 1]);
        println!(
            "{what}: {median:.0} steps a second (median of {}; {least:.0} to {most:.0})",
            rates.len()
        );
        median
    }

    fn cpu() -> String {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        model
            .map_or("an unknown processor", |(_, name)| name)
            .to_owned()
    }

    fn today() -> String {
        let date = Command::new("date").args(["-u", "+%F"]).output();
        date.map_or(String::new(), |date| {
            String::from_utf8_lossy(&date.stdout).trim().to_owned()
        })
    }
}
