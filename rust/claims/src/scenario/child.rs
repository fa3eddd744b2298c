//! The one way to start a child: the running program once more, told by one environment variable what to run.
//!
//! A child ends with the judge that started it, and when its time is over. The variable holds JSON, so that a child can
//! also be started by hand, or under another tool:
//!
//! ```text
//! CLAIMS_SCENARIO='{"schema":1,"limit":60,"scenario":{"call":"rust/say"}}' claims scenario
//! ```

use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Scenario;
use crate::measure::process;

/// The environment variable that holds the request.
pub const VARIABLE: &str = "CLAIMS_SCENARIO";
/// The number of the request's shape.
pub const SCHEMA: u32 = 1;
/// The arguments of every child. The judge has a subcommand of that name; a test program, which is the image under test
/// in its own tests, has a test of that name, which calls [`serve`].
const ARGUMENTS: [&str; 3] = ["scenario", "--exact", "--nocapture"];

/// What a child is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    schema: u32,
    /// Seconds until it ends itself.
    limit: u64,
    scenario: Scenario,
}

/// Why a child has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{scenario}: {source}")]
    Child {
        scenario: Scenario,
        source: process::Error,
    },
    #[error("{scenario}: the child could not be started: {source}")]
    Start {
        scenario: Scenario,
        source: io::Error,
    },
    #[error("{scenario}: the child's answer is incomplete: {answer:?}")]
    Incomplete { scenario: Scenario, answer: String },
    #[error("{scenario}: the child's answer cannot be read: {source}")]
    Answer {
        scenario: Scenario,
        source: serde_json::Error,
    },
}

/// Why a child does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    #[error("{VARIABLE} is not set; the judge sets it when it starts itself to run a scenario")]
    NotAsked,
    #[error("{VARIABLE} is no scenario: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error(
        "{VARIABLE} has schema {0}, and this version reads {SCHEMA}: the program was replaced while it ran; start it \
         again"
    )]
    Schema(u32),
    #[error(transparent)]
    Scenario(#[from] super::Error),
}

/// The command that runs a scenario. The child ends itself when `limit` is over; [`run`] also ends it with this process.
///
/// # Errors
/// When the running program's file cannot be found.
pub fn command(scenario: Scenario, limit: Duration) -> io::Result<Command> {
    let request = Request {
        schema: SCHEMA,
        limit: limit.as_secs().max(1),
        scenario,
    };
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(ARGUMENTS)
        .env(VARIABLE, serde_json::to_string(&request)?)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Ok(command)
}

/// Around the answer on the child's standard output: whatever C or a test harness prints stays outside.
const BEGIN: &str = "-- begin\n";
const END: &str = "-- end\n";

/// Has a child run a scenario, and returns what it printed.
///
/// # Errors
/// When the child cannot be started, fails, or takes longer than `limit`.
pub fn run(scenario: Scenario, limit: Duration) -> Result<String, Error> {
    let mut command =
        command(scenario, limit).map_err(|source| Error::Start { scenario, source })?;
    command.stdout(Stdio::piped());
    if !scenario.shows_progress() {
        command.stderr(Stdio::piped());
    }
    let stdout = process::run(&mut command, limit)
        .and_then(|output| process::succeeded(&command, output))
        .map_err(|source| Error::Child { scenario, source })?;
    let answer = stdout
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END));
    match answer {
        Some((answer, _)) => Ok(answer.to_owned()),
        None => Err(Error::Incomplete {
            scenario,
            answer: stdout,
        }),
    }
}

/// Has a child run a scenario that prints one JSON value.
///
/// # Errors
/// As [`run`], and when it prints something else.
pub fn measure<T: DeserializeOwned>(scenario: Scenario) -> Result<T, Error> {
    let answer = run(scenario, scenario.limit())?;
    serde_json::from_str(&answer).map_err(|source| Error::Answer { scenario, source })
}

/// Runs the scenario that the environment asks for: this is the child. `None` if it asks for none.
#[must_use]
pub fn serve() -> Option<Result<(), ChildError>> {
    let request = std::env::var_os(VARIABLE)?;
    Some(answer(&request.to_string_lossy()))
}

fn answer(request: &str) -> Result<(), ChildError> {
    #[derive(Deserialize)]
    struct Head {
        schema: u32,
    }
    // Before the rest, which another version may have written otherwise.
    let Head { schema } = serde_json::from_str(request)?;
    if schema != SCHEMA {
        return Err(ChildError::Schema(schema));
    }
    let request: Request = serde_json::from_str(request)?;
    end_after(request.limit);
    // The harness of a test program may have begun the line.
    let mark = |mark: &str| {
        io::stdout()
            .write_all(mark.as_bytes())
            .map_err(super::Error::from)
    };
    mark(&format!("\n{BEGIN}"))?;
    request.scenario.run_here()?;
    mark(END)?;
    Ok(())
}

/// Ends this process in so many seconds. By a signal where there are signals: a thread would be walked and counted.
fn end_after(seconds: u64) {
    #[cfg(target_os = "linux")]
    nix::unistd::alarm::set(u32::try_from(seconds).unwrap_or(u32::MAX));
    #[cfg(not(target_os = "linux"))]
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(seconds));
        std::process::exit(1);
    });
}
