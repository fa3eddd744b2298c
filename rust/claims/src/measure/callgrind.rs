//! The counts: what each exhibit and its twin execute beyond the C function they call, counted by callgrind.
//!
//! Callgrind runs a child that calls everything `SHORT` times, and another that does so `LONG` times. The slope
//! between the two is what one call executes: exact, and free of what is done once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitStatus, Output};
use std::thread::{self, JoinHandle};

use barecall::Function;
use serde::{Deserialize, Serialize};
use zero_cost_ffi::catalogue::{self, Exhibit};
use zero_cost_ffi::compilers::Twins;

use super::missing::MissingTool;
use super::process;
use crate::baseline;
use crate::image_under_test::ImageUnderTest;
use crate::scenario::{Scenario, child};

const SHORT: u64 = 10;
const LONG: u64 = 110;

/// Instructions of one exhibit and its twin, each called once: its own, those of a stub that it calls through, and
/// those of the function that it has C call back. A loop's, once round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionCounts {
    pub name: String,
    pub rust: u64,
    /// By this build's C compiler.
    pub c: u64,
    /// By clang, where the build found one.
    pub clang: Option<u64>,
}

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`valgrind` does not start ({0}): `apt-get install valgrind`")]
    NoValgrind(std::io::Error),
    #[error("callgrind failed ({0}): {1}")]
    Callgrind(ExitStatus, String),
    #[error(transparent)]
    Process(process::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("callgrind has seen nothing of {0}")]
    Unseen(String),
    #[error(
        "{name}: {short} instructions in {SHORT} calls, {long} in {LONG}: no whole number each"
    )]
    Uneven { name: String, short: u64, long: u64 },
}

impl MissingTool for Error {
    fn missing_tool(&self) -> Option<&'static str> {
        matches!(self, Self::NoValgrind(_)).then_some("valgrind")
    }
}

impl From<process::Error> for Error {
    fn from(error: process::Error) -> Self {
        match error {
            process::Error::Start { source, .. } => Self::NoValgrind(source),
            error => Self::Process(error),
        }
    }
}

/// Both runs, under way.
pub struct Counting {
    runs: [Run; 2],
}

/// One run, under way. It takes a quarter of a second, and ends with this process.
pub struct Run(JoinHandle<Result<Output, Error>>);

impl Counting {
    /// Starts both runs.
    #[must_use]
    pub fn start() -> Self {
        let runs = [SHORT, LONG].map(|times| {
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            Run::start(Scenario::AllCalls { times })
        });
        Self { runs }
    }

    /// Waits for both, and counts every exhibit that has a twin.
    ///
    /// # Errors
    /// Whatever keeps one of them from having an exact count.
    pub fn finish(self, subject: &ImageUnderTest) -> Result<Vec<InstructionCounts>, Error> {
        let image = subject.image.path();
        let [short, long] = self.runs.map(Run::finish);
        let slope = Slope {
            short: own(&short?, image),
            long: own(&long?, image),
        };
        let count = |exhibit: &Exhibit, twin: &str| {
            let of_function = |function: Option<Function<'_>>| {
                let unseen = || Error::Unseen(exhibit.path.to_owned());
                slope.of(function.and_then(|it| it.mangled()).ok_or_else(unseen)?)
            };
            let mut rust = of_function(subject.exhibit(exhibit))?;
            let mut names = vec![twin];
            // And what C calls back.
            if exhibit.name == "for_each" {
                rust += of_function(
                    subject
                        .image
                        .function("zero_cost_ffi::callback::visit")
                        .ok(),
                )?;
                names.push("add_to");
            }
            let c = |suffix: &str| -> Result<u64, Error> {
                let mut each = names
                    .iter()
                    .map(|name| slope.of(&format!("{name}{suffix}")));
                each.try_fold(0, |sum, count| Ok(sum + count?))
            };
            Ok(InstructionCounts {
                name: exhibit.name.to_owned(),
                rust,
                c: c("")?,
                clang: Twins::BY_CLANG.map(|_| c("_by_clang")).transpose()?,
            })
        };
        catalogue::exhibits()
            .iter()
            .filter_map(|exhibit| Some(count(exhibit, exhibit.twin?)))
            .collect()
    }
}

impl Run {
    /// Starts a child under callgrind.
    #[must_use]
    pub fn start(scenario: Scenario) -> Self {
        Self(thread::spawn(move || {
            let child = child::command(scenario, scenario.limit())?;
            let mut valgrind = Command::new("valgrind");
            valgrind
                // Its output instead of its messages: one stream to read, and no file to leave behind.
                .args(["--tool=callgrind", "-q", "--callgrind-out-file=/dev/stderr"])
                // As the image names them, and every name in full.
                .args([
                    "--demangle=no",
                    "--compress-strings=no",
                    "--compress-pos=no",
                ])
                .arg(child.get_program())
                .args(child.get_args())
                .envs(
                    child
                        .get_envs()
                        .filter_map(|(name, value)| Some((name, value?))),
                );
            Ok(process::output(&mut valgrind, scenario.limit())?)
        }))
    }

    /// All instructions of the run, in whatever file and on whatever thread.
    ///
    /// # Errors
    /// Whatever keeps it from being counted.
    pub fn total(self) -> Result<u64, Error> {
        total(&self.finish()?).ok_or_else(|| Error::Unseen("the total".to_owned()))
    }

    /// Callgrind's output.
    fn finish(self) -> Result<String, Error> {
        let output = self
            .0
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() || !text.contains("events: Ir") {
            let beginning = text.chars().take(500).collect();
            return Err(Error::Callgrind(output.status, beginning));
        }
        Ok(text)
    }
}

/// The total of a run's output.
#[must_use]
pub fn total(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("totals: "))?
        .trim()
        .parse()
        .ok()
}

/// Reads callgrind's output (Valgrind manual, "Callgrind Format Specification"): a function's own instructions stand
/// in lines of position and cost; the line behind `calls=` is its callee's.
#[must_use]
pub fn own(text: &str, image: &Path) -> BTreeMap<String, u64> {
    let mut own = BTreeMap::new();
    let image = image.to_string_lossy();
    let (mut here, mut function, mut is_callee) = (false, "", false);
    for line in text.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            here = object == image;
        } else if let Some(name) = line.strip_prefix("fn=") {
            function = name;
        } else if line.starts_with("calls=") {
            is_callee = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let cost = line
                .split_whitespace()
                .nth(1)
                .and_then(|cost| cost.parse::<u64>().ok());
            if let Some(cost) = cost.filter(|_| here && !is_callee) {
                *own.entry(function.to_owned()).or_default() += cost;
            }
            is_callee = false;
        }
    }
    own
}

/// Own instructions of each function in the short and in the long run.
pub struct Slope {
    pub short: BTreeMap<String, u64>,
    pub long: BTreeMap<String, u64>,
}

impl Slope {
    /// Of one call.
    ///
    /// # Errors
    /// When the function is not in both, or executes no whole number each time.
    pub fn of(&self, name: &str) -> Result<u64, Error> {
        let unseen = || Error::Unseen(name.to_owned());
        let short = *self.short.get(name).ok_or_else(unseen)?;
        let long = *self.long.get(name).ok_or_else(unseen)?;
        match long.checked_sub(short) {
            Some(more) if more > 0 && more % (LONG - SHORT) == 0 => Ok(more / (LONG - SHORT)),
            _ => Err(Error::Uneven {
                name: name.to_owned(),
                short,
                long,
            }),
        }
    }
}

/// The counts on file.
pub const FILE: baseline::File = baseline::File {
    path: "asm-snapshots/x86_64-unknown-linux-gnu/counts.json",
    schema: 1,
    command: "cargo run --release -- prove --record no-more-than-c",
};

/// What is in [`FILE`].
pub type Record = baseline::Record<Vec<InstructionCounts>>;

/// The makers of the counted image.
pub fn made_by(subject: &ImageUnderTest) -> Vec<String> {
    let mut makers = subject.image.producers().to_vec();
    makers.extend(Twins::BY_CLANG.map(|twins| twins.compiler.to_owned()));
    makers.sort();
    makers.dedup();
    makers
}
