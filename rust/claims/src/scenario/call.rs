//! The calls on show: an exhibit, a twin or a control, called a few times, so that one of them can be walked.

use std::ffi::CStr;
use std::hint::black_box;
use std::str::FromStr;
use std::{fmt, io};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zero_cost_ffi::compilers::Twins;
use zero_cost_ffi::{callback, calls, catalogue, ffi, task};

use crate::report::Side;

/// How often the call is made: the first times are the warm-up.
const TIMES: usize = 3;

/// How often an exhibit that is a loop goes round.
const ROUNDS: usize = 2;

/// One call: who makes it, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallScenario {
    pub side: Side,
    /// The exhibit's or twin's name; the control's, for a control.
    pub name: &'static str,
}

/// One of tokio's runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    CurrentThread,
    MultiThread,
}

impl Runtime {
    pub const BOTH: [Self; 2] = [Self::CurrentThread, Self::MultiThread];

    /// Who makes a call in a task of this runtime.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::CurrentThread => Side::CurrentThread,
            Self::MultiThread => Side::MultiThread,
        }
    }

    /// The address that a task spawned on it has C return to. The one place that spawns this task, so that what
    /// is asked is what is walked.
    ///
    /// # Errors
    /// When there is no runtime.
    pub fn return_address(self) -> io::Result<usize> {
        match self {
            Self::CurrentThread => task::on_current_thread(task::return_address()),
            Self::MultiThread => task::on_multi_thread(task::return_address()),
        }
    }
}

/// `rust/say`, `c/say`, `multi_thread/say_ready`, `control/other_stack`
impl fmt::Display for CallScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.side.as_str(), self.name)
    }
}

/// There is no call of that name.
#[derive(Debug, thiserror::Error)]
#[error("no call {0}")]
pub struct UnknownCall(String);

impl FromStr for CallScenario {
    type Err = UnknownCall;

    fn from_str(text: &str) -> Result<Self, UnknownCall> {
        let mut all = Self::all().into_iter();
        all.find(|call| call.to_string() == text)
            .ok_or_else(|| UnknownCall(text.to_owned()))
    }
}

impl Serialize for CallScenario {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CallScenario {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl CallScenario {
    #[must_use]
    pub const fn new(side: Side, name: &'static str) -> Self {
        Self { side, name }
    }

    /// The calls of these exhibits by each of these sides.
    #[must_use]
    pub fn of(sides: &[Side], exhibits: &[catalogue::Exhibit]) -> Vec<Self> {
        let by_each = |exhibit: &catalogue::Exhibit| {
            let name = exhibit.name;
            sides.iter().map(move |&side| Self::new(side, name))
        };
        exhibits.iter().flat_map(by_each).collect()
    }

    /// C's call of the function that Rust, or C, gave it.
    pub const VISIT: Self = Self::new(Side::Rust, "visit");
    pub const ADD_TO: Self = Self::new(Side::C, "add_to");
    pub const OTHER_STACK: Self = Self::new(Side::Control, "other_stack");
    pub const VISIT_THROUGH_SHIM: Self = Self::new(Side::Control, "visit_through_shim");

    /// Every call there is.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let exhibits = catalogue::exhibits();
        let (polled, plain): (Vec<_>, Vec<_>) =
            exhibits.into_iter().partition(|exhibit| exhibit.poll);
        let rust = plain
            .iter()
            .map(|exhibit| Self::new(Side::Rust, exhibit.name));
        let twins = catalogue::twins();
        let c = twins.iter().map(|twin| Self::new(Side::C, twin.name));
        let tasks = polled.iter().flat_map(|exhibit| {
            Runtime::BOTH.map(|runtime| Self::new(runtime.side(), exhibit.name))
        });
        let others = [
            Self::VISIT,
            Self::ADD_TO,
            Self::OTHER_STACK,
            Self::VISIT_THROUGH_SHIM,
        ];
        rust.chain(c).chain(tasks).chain(others).collect()
    }

    pub(super) fn run(self) -> io::Result<()> {
        for _ in 0..TIMES {
            match self.side {
                Side::Rust => rust(self.name, ROUNDS)?,
                Side::C => c(&Twins::BY_CC, self.name, ROUNDS)?,
                Side::CurrentThread => poll(self.name, Runtime::CurrentThread)?,
                Side::MultiThread => poll(self.name, Runtime::MultiThread)?,
                Side::Control => control(self.name)?,
                Side::Go => return Err(unknown(self.name)),
            }
        }
        Ok(())
    }

    /// How many arrivals at the caller go by before the one that is walked.
    #[must_use]
    pub fn warmup(self) -> u64 {
        match self.name {
            // Polled twice each time, and only the second poll calls.
            "say_after_yield" => 3,
            _ => 2,
        }
    }
}

/// Calls every exhibit and every twin `times` times, a loop as one that goes round `times` times.
pub(super) fn run_all(times: usize) -> io::Result<()> {
    type Call<'a> = &'a dyn Fn(&str, usize) -> io::Result<()>;
    let by_cc = |name: &str, rounds| c(&Twins::BY_CC, name, rounds);
    let by_clang = |name: &str, rounds| match Twins::BY_CLANG {
        Some(twins) => c(&twins, name, rounds),
        None => Ok(()),
    };
    let sides: [Call<'_>; 3] = [&rust, &by_cc, &by_clang];
    for twin in catalogue::twins() {
        for call in sides {
            if is_loop(twin.name) {
                call(twin.name, times)?;
                continue;
            }
            for _ in 0..times {
                call(twin.name, ROUNDS)?;
            }
        }
    }
    Ok(())
}

/// Whether an exhibit calls as often as it is told.
pub fn is_loop(name: &str) -> bool {
    name.ends_with("_times")
}

const TEXT: &CStr = c"Hello";
const ITEMS: [i64; 3] = [20, 20, 2];
const ORIGIN: ffi::greet_point = ffi::greet_point { x: 0.0, y: 0.0 };

fn unknown(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no call {name}"))
}

/// The exhibit of that name; a loop goes round `rounds` times.
fn rust(name: &str, rounds: usize) -> io::Result<()> {
    match name {
        "say" => calls::say(),
        "say_cstr" => drop(black_box(calls::say_cstr(TEXT))),
        "say_then" => drop(black_box(calls::say_then())),
        "say_twice" => calls::say_twice(),
        "say_times" => calls::say_times(black_box(rounds)),
        "add_one" => drop(black_box(calls::add_one(black_box(41)))),
        "add_one_times" => drop(black_box(calls::add_one_times(black_box(rounds), 40))),
        "sum" => drop(black_box(calls::sum(&ITEMS))),
        "midpoint" => drop(black_box(calls::midpoint(ORIGIN, ORIGIN))),
        // Either way: what is walked of it is told by the caller.
        "for_each" | "visit" => {
            black_box(callback::for_each(&ITEMS));
        }
        _ => return Err(unknown(name)),
    }
    Ok(())
}

/// The twin of that name, likewise.
fn c(twins: &Twins, name: &str, rounds: usize) -> io::Result<()> {
    // SAFETY: the text ends in a NUL, the items are as many as is said, and each lives for ever.
    unsafe {
        match name {
            "say" => (twins.say)(),
            "say_cstr" => drop(black_box((twins.say_cstr)(TEXT.as_ptr()))),
            "say_then" => drop(black_box((twins.say_then)())),
            "say_twice" => (twins.say_twice)(),
            "say_times" => (twins.say_times)(black_box(rounds)),
            "add_one" => drop(black_box((twins.add_one)(black_box(41)))),
            "add_one_times" => drop(black_box((twins.add_one_times)(black_box(rounds), 40))),
            "sum" => drop(black_box((twins.sum)(ITEMS.as_ptr(), ITEMS.len()))),
            "midpoint" => drop(black_box((twins.midpoint)(ORIGIN, ORIGIN))),
            "for_each" | "add_to" => {
                black_box((twins.for_each)(ITEMS.as_ptr(), ITEMS.len()));
            }
            _ => return Err(unknown(name)),
        }
    }
    Ok(())
}

fn poll(name: &str, runtime: Runtime) -> io::Result<()> {
    if name == "return_address" {
        return runtime.return_address().map(drop);
    }
    let exhibit = catalogue::exhibits()
        .into_iter()
        .find(|exhibit| exhibit.name == name);
    let [current_thread, multi_thread] = exhibit
        .and_then(|exhibit| exhibit.tasks)
        .ok_or_else(|| unknown(name))?;
    match runtime {
        Runtime::CurrentThread => current_thread(),
        Runtime::MultiThread => multi_thread(),
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn control(name: &str) -> io::Result<()> {
    match name {
        "other_stack" => drop(black_box(
            crate::scenario::trampolines::through_other_stack(black_box(41)),
        )),
        "visit_through_shim" => for_each_through_shim(),
        _ => return Err(unknown(name)),
    }
    Ok(())
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn control(name: &str) -> io::Result<()> {
    Err(unknown(name))
}

/// The exhibit [`callback::for_each`], but with a shim for C to call back.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn for_each_through_shim() {
    let mut total = 0_i64;
    // SAFETY: the pointer is valid for `len` items; the shim expects an `i64`, and `total` lives until the call
    // returns.
    unsafe {
        zero_cost_ffi::ffi::greet_for_each(
            ITEMS.as_ptr(),
            ITEMS.len(),
            Some(crate::scenario::trampolines::visit_shim),
            (&raw mut total).cast(),
        );
    }
    black_box(total);
}
