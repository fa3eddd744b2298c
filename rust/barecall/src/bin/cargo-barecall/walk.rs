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
/// The program's standard output goes to standard error. Exit code 1: the
/// repetitions were not identical; 2: the walk could not be taken.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A SYMBOL is a mangled name, a demangled one, or a suffix of one at a :: or . boundary.\n\
Example: cargo barecall walk --from say --to puts --warmup 1 --repeat 100 -- ./demo"
)]
pub(crate) struct Args {
    /// The caller
    #[arg(long, value_name = "SYMBOL")]
    from: String,
    /// The callee
    #[arg(long, value_name = "SYMBOL")]
    to: String,
    /// Arrivals at the caller to let go by first
    #[arg(long, value_name = "N", default_value_t = 0)]
    warmup: u64,
    /// Walks to take, each in a new process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Time limit for all of them
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,
    /// Limit of steps for each
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    max_steps: u64,
    /// How to print the walk
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The program, and its arguments
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
