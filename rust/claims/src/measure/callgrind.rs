//! The counts: what each exhibit and its twin execute beyond the C function they call, counted by callgrind.
//!
//! Callgrind runs the judge, which performs everything [`SHORT`] times, and once more [`LONG`] times. The slope
//! between the two is what one performance executes: exact, and free of what is done once.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zero_cost_ffi::catalogue;
use zero_cost_ffi::compilers::Twins;

use crate::baseline;
use crate::image_under_test::ImageUnderTest;

const SHORT: u64 = 10;
const LONG: u64 = 110;
/// A run takes a quarter of a second.
const LIMIT: Duration = Duration::from_secs(60);

/// Instructions of one exhibit and its twin, each in one performance: its own, those of a stub that it calls through,
/// and those of the function that it has C call back. A loop's, once round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub name: String,
    pub rust: u64,
    /// By this build's C compiler.
    pub c: u64,
    /// By clang, where the build found one.
    pub clang: Option<u64>,
}

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum NotCounted {
    #[error("`valgrind` does not start ({0}): `apt-get install valgrind`")]
    NoValgrind(std::io::Error),
    #[error("callgrind failed ({0}): {1}")]
    Callgrind(std::process::ExitStatus, String),
    #[error("callgrind has not ended in {} seconds", LIMIT.as_secs())]
    Endless,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("callgrind has seen nothing of {0}")]
    Unseen(String),
    #[error(
        "{name}: {short} instructions in {SHORT} performances, {long} in {LONG}: no whole number each"
    )]
    Uneven { name: String, short: u64, long: u64 },
}

/// Both runs, under way.
pub struct Counting {
    runs: [Run; 2],
}

/// One run. It is ended with this.
pub struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Counting {
    /// Starts both runs.
    ///
    /// # Errors
    /// [`NotCounted::NoValgrind`].
    pub fn start(subject: &ImageUnderTest) -> Result<Self, NotCounted> {
        let image = subject.image.path();
        Ok(Self {
            runs: [perform(image, SHORT)?, perform(image, LONG)?],
        })
    }

    /// Waits for both, and counts every exhibit that has a twin.
    ///
    /// # Errors
    /// Whatever keeps one of them from having an exact count.
    pub fn finish(self, subject: &ImageUnderTest) -> Result<Vec<Count>, NotCounted> {
        let image = subject.image.path();
        let [short, long] = self.runs.map(Run::finish);
        let slope = Slope {
            short: own(&short?, image),
            long: own(&long?, image),
        };
        let exhibits = catalogue::exhibits();
        let pairs = exhibits
            .iter()
            .filter_map(|exhibit| Some((exhibit, exhibit.twin?)));
        pairs
            .map(|(exhibit, twin)| {
                let unseen = || NotCounted::Unseen(exhibit.path.to_owned());
                let function = subject.exhibit(exhibit).ok_or_else(unseen)?;
                let own = slope.of(function.mangled().ok_or_else(unseen)?)?;
                let (called_back, calls_back) = match exhibit.name {
                    "for_each" => {
                        let visit = subject.image.function("zero_cost_ffi::callback::visit");
                        let visit = visit
                            .ok()
                            .and_then(|visit| Some(slope.of(visit.mangled()?)));
                        (visit.ok_or_else(unseen)??, Some("add_to"))
                    }
                    _ => (0, None),
                };
                let theirs = |suffix: &str| -> Result<u64, NotCounted> {
                    let names = [Some(twin), calls_back];
                    names
                        .into_iter()
                        .flatten()
                        .map(|name| slope.of(&format!("{name}{suffix}")))
                        .sum()
                };
                Ok(Count {
                    name: exhibit.name.to_owned(),
                    rust: own + called_back,
                    c: theirs("")?,
                    clang: Twins::BY_CLANG.map(|_| theirs("_by_clang")).transpose()?,
                })
            })
            .collect()
    }
}

fn perform(image: &Path, times: u64) -> Result<Run, NotCounted> {
    Run::start(image, ["perform", &times.to_string()])
}

impl Run {
    /// Starts `image` under callgrind, with these arguments.
    ///
    /// # Errors
    /// [`NotCounted::NoValgrind`].
    pub fn start(image: &Path, arguments: [&str; 2]) -> Result<Self, NotCounted> {
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
            .arg(image)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        valgrind.spawn().map(Self).map_err(NotCounted::NoValgrind)
    }

    /// All instructions of the run, in whatever file and on whatever thread.
    ///
    /// # Errors
    /// Whatever keeps it from being counted.
    pub fn total(self) -> Result<u64, NotCounted> {
        let text = self.finish()?;
        total(&text).ok_or_else(|| NotCounted::Unseen("the total".to_owned()))
    }

    /// Its output.
    fn finish(mut self) -> Result<String, NotCounted> {
        let mut stderr = self.0.stderr.take();
        let read = thread::spawn(move || {
            let mut text = Vec::new();
            let read = stderr
                .as_mut()
                .map_or(Ok(0), |stderr| stderr.read_to_end(&mut text));
            read.map(|_| String::from_utf8_lossy(&text).into_owned())
        });
        let deadline = Instant::now() + LIMIT;
        // The stream ends when the run does.
        while !read.is_finished() {
            if Instant::now() > deadline {
                return Err(NotCounted::Endless);
            }
            thread::sleep(Duration::from_millis(2));
        }
        let text = read.join().unwrap_or_else(|_| Ok(String::new()))?;
        let status = self.0.wait()?;
        if !status.success() || !text.contains("events: Ir") {
            return Err(NotCounted::Callgrind(
                status,
                text.chars().take(500).collect(),
            ));
        }
        Ok(text)
    }
}

/// Of a run's output.
fn total(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("totals: "))?
        .trim()
        .parse()
        .ok()
}

/// Reads callgrind's output (Valgrind manual, "Callgrind Format Specification"): a function's own instructions stand
/// in lines of position and cost; the line behind `calls=` is its callee's.
fn own(text: &str, image: &Path) -> BTreeMap<String, u64> {
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
struct Slope {
    short: BTreeMap<String, u64>,
    long: BTreeMap<String, u64>,
}

impl Slope {
    /// Of one performance.
    fn of(&self, name: &str) -> Result<u64, NotCounted> {
        let unseen = || NotCounted::Unseen(name.to_owned());
        let short = *self.short.get(name).ok_or_else(unseen)?;
        let long = *self.long.get(name).ok_or_else(unseen)?;
        match long.checked_sub(short) {
            Some(more) if more > 0 && more % (LONG - SHORT) == 0 => Ok(more / (LONG - SHORT)),
            _ => Err(NotCounted::Uneven {
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
pub type Record = baseline::Record<Vec<Count>>;

/// The makers of the counted image.
pub fn made_by(subject: &ImageUnderTest) -> Vec<String> {
    let mut makers = subject.image.producers().to_vec();
    makers.extend(Twins::BY_CLANG.map(|twins| twins.compiler.to_owned()));
    makers.sort();
    makers.dedup();
    makers
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
events: Ir\nob=/image\nfl=???\nfn=say\n0 20\ncob=/libc\ncfn=puts\ncalls=10 33 \n0 5566\n0 10\n\nob=/libc\nfn=say\n0 7\n\ntotals: 5603\n";

    /// A callee's instructions are not the caller's, nor is another image's function that has its name.
    #[test]
    fn own_instructions_are_told_from_a_callees() {
        let own = own(OUTPUT, Path::new("/image"));
        assert_eq!(
            own.into_iter().collect::<Vec<_>>(),
            [("say".to_owned(), 30)]
        );
    }

    #[test]
    fn the_total_is_of_all_files() {
        assert_eq!(total(OUTPUT), Some(5603));
        assert_eq!(total("events: Ir\n"), None);
    }

    /// A function that is not there, does nothing more in more performances, or not the same in each, has no count.
    #[test]
    fn what_has_no_exact_slope_is_not_counted() {
        let run = |cost: u64| BTreeMap::from([("say".to_owned(), cost)]);
        let slope = |short, long| Slope {
            short: run(short),
            long: run(long),
        };
        assert_eq!(slope(25, 225).of("say").ok(), Some(2));
        assert!(matches!(
            slope(25, 226).of("say"),
            Err(NotCounted::Uneven { .. })
        ));
        assert!(matches!(
            slope(25, 25).of("say"),
            Err(NotCounted::Uneven { .. })
        ));
        assert!(matches!(
            slope(25, 225).of("sum"),
            Err(NotCounted::Unseen(_))
        ));
    }
}
