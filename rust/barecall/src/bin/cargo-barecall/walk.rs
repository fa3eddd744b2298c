//! `cargo barecall walk`: one call, instruction by instruction.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::time::Duration;

use barecall::walk::{Walk, WalkError};

use crate::{Format, Outcome};

/// Record one call, instruction by instruction, out and back.
///
/// The program's standard output goes to standard error. The exit code is 1 if the
/// repetitions were not identical, and 2 if the walk could not be taken.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "SYMBOL is a mangled name, a demangled name, or the end of one after :: or .\n\
Example: cargo barecall walk --from say --to puts --warmup 1 --repeat 100 -- ./demo"
)]
pub(crate) struct Args {
    /// The caller
    #[arg(long, value_name = "SYMBOL")]
    from: String,
    /// The callee
    #[arg(long, value_name = "SYMBOL")]
    to: String,
    /// Ignore the first N arrivals at the caller
    #[arg(long, value_name = "N", default_value_t = 0)]
    warmup: u64,
    /// Take N walks, each in a new process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Stop all walks after this time
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,
    /// Stop a walk after N steps
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    max_steps: u64,
    /// How to print the walk
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The program to run, with its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl Args {
    /// Takes the walk.
    pub(crate) fn run(self) -> Result<Outcome, WalkError> {
        let (program, arguments) = self.program.split_first().expect("clap requires a program");
        let mut command = Command::new(program);
        command.args(arguments);
        // Ours is the walk; the program's own output must not be mixed into it.
        if let Ok(stderr) = io::stderr().as_fd().try_clone_to_owned() {
            command.stdout(stderr);
        }
        let walk = Walk::of(command)
            .from(self.from)
            .to(self.to)
            .warmup(self.warmup)
            .repeat(self.repeat)
            .timeout(self.timeout)
            .max_steps(self.max_steps)
            .run()?;
        let text = match self.format {
            Format::Text => walk.to_text(),
            Format::Json => walk.to_json(),
        };
        Ok(Outcome {
            text,
            holds: walk.is_repeatable(),
        })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
