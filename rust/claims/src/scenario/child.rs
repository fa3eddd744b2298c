//! The judge, started once more, for what is counted or run better in a process of its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fmt, io};

use crate::image_under_test::ImageUnderTest;
use crate::scenario::futures;
use crate::scenario::idle_tasks;

/// What the child is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Run one of the talk's machines, and say what it does.
    Machine(futures::Which),
    /// Have so many asleep at once, and say what they take.
    Sleep(idle_tasks::Kind, u64),
}

/// `machine greet`, `sleep tasks 1000`
impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(which) => write!(f, "machine {}", which.name()),
            Self::Sleep(kind, count) => write!(f, "sleep {} {count}", kind.word()),
        }
    }
}

/// Why a child said nothing that can be judged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{errand}: the child could not be started: {source}")]
    Start { errand: Errand, source: io::Error },
    #[error("{errand}: the child ended before its time, {status}{}", said(.stderr))]
    Ended {
        errand: Errand,
        status: std::process::ExitStatus,
        stderr: String,
    },
    #[error("{errand}: the child said something else than was asked: {why}")]
    Said { errand: Errand, why: String },
}

fn said(stderr: &str) -> String {
    stderr.lines().fold(String::new(), |mut text, line| {
        let _ = write!(text, "\n  {line}");
        text
    })
}

/// Between these lines stands what was asked for; the last one says that it is all.
const BEGIN: &str = "-- begin";
const END: &str = "-- end";

impl Errand {
    /// The errand of these words.
    pub fn named(words: &[String]) -> Option<Self> {
        match words {
            [what, which] if what == "machine" => futures::Which::named(which).map(Self::Machine),
            [what, kind, count] if what == "sleep" => Some(Self::Sleep(
                idle_tasks::Kind::named(kind)?,
                count.parse().ok()?,
            )),
            _ => None,
        }
    }

    /// Has a child do it, and returns what that says, line by line.
    ///
    /// # Errors
    /// When it cannot be started, or ends before its time, as it does by itself when it takes longer than it may.
    pub fn run(self, subject: &ImageUnderTest) -> Result<Vec<String>, Error> {
        let mut command = command(subject, self);
        command.stdin(Stdio::null());
        if matches!(self, Self::Sleep(_, count) if count >= idle_tasks::MANY) {
            // Its progress is the user's to see.
            command.stderr(Stdio::inherit());
        }
        let output = command.output().map_err(|source| Error::Start {
            errand: self,
            source,
        })?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<String> = stdout
            .lines()
            .skip_while(|line| *line != BEGIN)
            .skip(1)
            .map(str::to_owned)
            .collect();
        match lines.iter().position(|line| line == END) {
            Some(end) if output.status.success() => Ok(lines[..end].to_vec()),
            _ => Err(Error::Ended {
                errand: self,
                status: output.status,
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
        }
    }

    /// How long the child may take: it ends itself after that.
    fn limit(self) -> Duration {
        match self {
            Self::Machine(_) => Duration::from_secs(10),
            // A hundred times what it takes on a slow machine.
            Self::Sleep(_, count) => Duration::from_secs(10 + count / 10_000),
        }
    }

    /// Does it: this is the child.
    ///
    /// # Errors
    /// When there is no runtime or no thread to be had, or nobody reads.
    pub fn perform(self) -> io::Result<()> {
        end_in_time(self.limit());
        // Behind whatever was printed before it on the same line.
        writeln!(io::stdout(), "\n{BEGIN}")?;
        match self {
            Self::Machine(which) => which.perform()?,
            Self::Sleep(kind, count) => kind.perform(count)?,
        }
        writeln!(io::stdout(), "{END}")
    }
}

/// Neither for ever nor longer than the judge lives.
#[cfg(target_os = "linux")]
fn end_in_time(limit: Duration) {
    use nix::sys::{prctl, signal::Signal};
    // Best effort: without it the alarm still ends it.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let seconds = u32::try_from(limit.as_secs()).unwrap_or(u32::MAX);
    nix::unistd::alarm::set(seconds);
}

#[cfg(not(target_os = "linux"))]
fn end_in_time(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        std::process::exit(1);
    });
}

#[cfg(not(test))]
fn command(subject: &ImageUnderTest, errand: Errand) -> Command {
    let mut program = Command::new(subject.image.path());
    program.arg("errand").args(errand.to_string().split(' '));
    program
}

/// The test program, as the child.
#[cfg(test)]
fn command(subject: &ImageUnderTest, errand: Errand) -> Command {
    let mut program = Command::new(subject.image.path());
    program
        .args([
            "scenario::child::tests::performed",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(tests::ERRAND, errand.to_string());
    program
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Names the errand that [`performed`] is to do.
    pub const ERRAND: &str = "CLAIMS_ERRAND";

    #[test]
    fn performed() {
        if let Ok(errand) = std::env::var(ERRAND) {
            let words: Vec<String> = errand.split(' ').map(str::to_owned).collect();
            Errand::named(&words)
                .expect("an errand")
                .perform()
                .expect("it is done");
        }
    }

    #[test]
    fn every_errand_is_named() {
        let errands = [
            Errand::Machine(futures::Which::Greet),
            Errand::Sleep(idle_tasks::Kind::Tasks, 1000),
        ];
        for errand in errands {
            let words: Vec<String> = errand.to_string().split(' ').map(str::to_owned).collect();
            assert_eq!(Errand::named(&words), Some(errand));
        }
        assert_eq!(
            Errand::named(&["sleep".to_owned(), "tasks".to_owned(), "-1".to_owned()]),
            None
        );
    }
}
