//! The model: everything that the judge found, and all that any output is rendered from.
//!
//! Plain data with serde, without any I/O. The JSON that the judge prints is a [`Report`], field by field; the table,
//! `show`, EVIDENCE.md, citations, the picture and the page are rendered from one, whether it was just made or read
//! back.

#![warn(missing_docs)]

pub mod facts;
pub mod headline;

use std::collections::BTreeMap;
use std::fmt;

use barecall::Route;
use barecall::walk::Walk;
use serde::{Deserialize, Serialize};

/// The number of this shape. It changes when a reader would have to, not when a field is added.
pub const SCHEMA: u32 = 2;
/// The project, as citations and files name it.
pub const PROJECT: &str = "zero-cost-ffi";
/// Where every quote is from.
pub const TALK: &str = "Alex Povel, \"Shining a light on async internals\", 2024";

/// Everything that one run of the judge found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// [`PROJECT`].
    pub generator: String,
    /// The workspace's version.
    pub version: String,
    /// The day of the run, in UTC: `2026-11-24`.
    pub date: String,
    /// What the judged image was built by.
    pub toolchain: Toolchain,
    /// Each exhibit's calls beside those of its twin in C.
    pub exhibits: Vec<Exhibit>,
    /// Each control, and how it was classified.
    pub controls: Vec<Control>,
    /// The same call in each language that was walked, for the picture; empty where nothing was walked.
    pub headline: Vec<Rung>,
    /// The claims that were checked, in the order of the argument.
    pub claims: Vec<Claim>,
    /// The source and machine code that the claims show, each function once.
    pub code: Vec<Code>,
}

impl Report {
    /// The report of one claim alone, with the code that it shows.
    #[must_use]
    pub fn only(&self, id: &str) -> Self {
        let claims: Vec<Claim> = self
            .claims
            .iter()
            .filter(|claim| claim.id == id)
            .cloned()
            .collect();
        let shown = |code: &&Code| claims.iter().any(|claim| claim.shows.contains(&code.name));
        let code = self.code.iter().filter(shown).cloned().collect();
        Self {
            claims,
            code,
            ..self.clone()
        }
    }

    /// The code that a claim shows, in its order.
    pub fn code_of<'a>(&'a self, claim: &'a Claim) -> impl Iterator<Item = &'a Code> {
        claim
            .shows
            .iter()
            .filter_map(|name| self.code.iter().find(|code| code.name == *name))
    }
}

/// What the judged image was built by, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolchain {
    /// The image's file.
    pub image: String,
    /// Compilers and linkers, as the image names them.
    pub made_by: Vec<String>,
    /// Architecture and system: `x86_64-linux`.
    pub target: String,
}

/// The calls of an exhibit, and of its twin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhibit {
    /// The exhibit's name: `say_twice`.
    pub name: String,
    /// What it shows, in a line.
    pub says: String,
    /// The C function that it calls.
    pub callee: String,
    /// In Rust.
    pub rust: Calls,
    /// In C; none where the exhibit has no twin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub c: Option<Calls>,
}

/// The calls that a function makes of the callee on show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Instructions from the call to the callee's first one, the call included; of the longest of these calls. None
    /// where that is not known, or where there is no such call.
    pub instructions: Option<u32>,
    /// Each call, in the order of their addresses.
    pub calls: Vec<Call>,
}

/// One call, as it was found in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The callee; none where it could not be told.
    pub to: Option<String>,
    /// The route: `got`, `plt` …
    pub route: Route,
    /// Whether it is a jump that takes the place of a call.
    pub tail: bool,
    /// What executes in between, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// Instructions from the call to the callee's first one, the call included; none where that is not known.
    pub instructions: Option<u32>,
}

/// The route with its attributes: `got`, `register, tail`, `plt, via puts@plt`.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.route)?;
        if self.tail {
            f.write_str(", tail")?;
        }
        if !self.via.is_empty() {
            write!(f, ", via {}", self.via.join(" and "))?;
        }
        Ok(())
    }
}

/// A control: built to be the opposite of an exhibit, it must be classified so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Its name: `through_shim`.
    pub name: String,
    /// The route that must be found.
    pub expected: Route,
    /// Its call that is not bare; none if all are.
    pub found: Option<Call>,
}

/// One language's call in the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The language: `Rust`.
    pub language: String,
    /// Whose walk it is, in [`Claim::walks`].
    pub side: Side,
    /// Which call, likewise.
    pub name: String,
    /// Instructions out and back together, the callee's excluded.
    pub instructions: u64,
    /// Stack switches out and back together.
    pub stack_switches: u64,
    /// The same instructions by what they are for.
    pub phases: BTreeMap<String, u64>,
}

/// A function on show: as it is written, and as it was compiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The exhibit's name.
    pub name: String,
    /// What it shows, in a line.
    pub says: String,
    /// In Rust.
    pub source: Source,
    /// In Rust, compiled.
    pub rust: Vec<Line>,
    /// Its twin in C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub c_source: Option<Source>,
    /// Its twin in C, compiled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub c: Vec<Line>,
    /// Its twin in Go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub go_source: Option<Source>,
    /// Its twin in Go, compiled, as recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub go: Vec<Line>,
}

/// A stretch of a source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file, from the root of the repository.
    pub file: String,
    /// The text.
    pub text: String,
}

/// An instruction of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its address in the image; its offset in the function, where the listing is recorded.
    pub at: u64,
    /// The instruction: `call qword ptr [rip + 0x8d54b]`.
    pub text: String,
    /// The call that it makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// What it does here, in words, where there is a rule that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub does: Option<String>,
}

/// What checking a claim came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It holds as stated.
    #[serde(rename = "holds")]
    Holds,
    /// It holds under the conditions listed.
    #[serde(rename = "holds with conditions")]
    HoldsWithConditions,
    /// Something speaks against it.
    #[serde(rename = "does not hold")]
    DoesNotHold,
    /// It could not be checked here.
    #[serde(rename = "not checked")]
    NotChecked,
}

impl Verdict {
    /// The verdict in words, as every output has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::HoldsWithConditions => "holds with conditions",
            Self::DoesNotHold => "does not hold",
            Self::NotChecked => "not checked",
        }
    }
}

/// How the talk's own words fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Assessment {
    /// It is as the talk says.
    #[serde(rename = "as said")]
    AsSaid,
    /// It is true of the common case only.
    #[serde(rename = "simplified")]
    Simplified,
    /// It was true once.
    #[serde(rename = "out of date")]
    OutOfDate,
    /// It could not be reproduced.
    #[serde(rename = "not reproduced")]
    NotReproduced,
}

impl Assessment {
    /// The assessment in words, as every output has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsSaid => "as said",
            Self::Simplified => "simplified",
            Self::OutOfDate => "out of date",
            Self::NotReproduced => "not reproduced",
        }
    }
}

/// The talk's words behind a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// The words.
    pub quote: String,
    /// Where they are from: [`TALK`].
    pub from: String,
    /// How they fared.
    pub assessment: Assessment,
    /// Why, where they are not as said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// Whether something was found now or is read from what is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Found in this run.
    Live,
    /// Recorded earlier, with its date and compilers.
    Recorded,
}

impl Evidence {
    /// `live` or `recorded`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Recorded => "recorded",
        }
    }
}

/// A counted value: exact, the same in every run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// The count.
    pub value: u64,
    /// What one of them is: `instructions`, `calls`.
    pub unit: String,
    /// What is counted, exactly: `instructions once round the loop, callee excluded`.
    pub counts: String,
}

/// Many counted values of one kind, by row and column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// Its name within the claim.
    pub name: String,
    /// What each cell counts, exactly.
    pub counts: String,
    /// What one of them is: `instructions`.
    pub unit: String,
    /// The columns, from left to right.
    pub columns: Vec<String>,
    /// The rows, from the top.
    pub rows: Vec<Row>,
}

impl Matrix {
    /// The value of a cell; none where there is nothing to count, or no such cell.
    #[must_use]
    pub fn value(&self, row: &str, column: &str) -> Option<u64> {
        let column = self.columns.iter().position(|name| name == column)?;
        let row = self.rows.iter().find(|known| known.name == row)?;
        *row.values.get(column)?
    }
}

/// A row of a [`Matrix`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What the row is of.
    pub name: String,
    /// One value a column; none where there is nothing to count.
    pub values: Vec<Option<u64>>,
}

/// A measured value: of this run, on this machine. No verdict rests on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The value; the median, where it was measured several times.
    pub value: f64,
    /// The least and the greatest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<[f64; 2]>,
    /// The unit: `ns`, `bytes`.
    pub unit: String,
}

impl Measured {
    /// A value that was measured once.
    #[must_use]
    pub fn once(value: f64, unit: &str) -> Self {
        Self {
            value,
            spread: None,
            unit: unit.to_owned(),
        }
    }

    /// The median, the least and the greatest of several.
    #[must_use]
    pub fn median(values: &[f64], unit: &str) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self {
            spread: Some([at(0), at(sorted.len().saturating_sub(1))]),
            ..Self::once(at(sorted.len() / 2), unit)
        }
    }
}

/// What was missing, so that something could not be checked or rests on what is recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Missing {
    /// As `BARECALL_REQUIRE` names it: `ptrace`, `go`, `valgrind`.
    pub what: String,
    /// Why, and how to get it.
    pub why: String,
}

impl Missing {
    /// What is missing, and why.
    pub fn new(what: &str, why: impl fmt::Display) -> Self {
        Self {
            what: what.to_owned(),
            why: why.to_string(),
        }
    }
}

/// One claim, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Its name: `one-instruction`.
    pub id: String,
    /// What it says, as a clause without a capital or a full stop.
    pub statement: String,
    /// What checking it came to.
    pub verdict: Verdict,
    /// What was found, in one line.
    pub found: String,
    /// Under which conditions it was checked, and what it does not cover.
    pub conditions: Vec<String>,
    /// What speaks against it, with the evidence; or why it was not checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// Remarks with measured numbers in them, which differ from run to run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What was missing; a failure where `BARECALL_REQUIRE` names it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// The talk's words behind it.
    pub talk: Talk,
    /// Whether the verdict rests on this run or on what is recorded.
    pub evidence: Evidence,
    /// What was counted, by name.
    pub figures: BTreeMap<String, Figure>,
    /// What was counted in rows and columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matrices: Vec<Matrix>,
    /// What was measured, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measured: BTreeMap<String, Measured>,
    /// The walks it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub walks: Vec<Walked>,
    /// What can be drawn of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<Chart>,
    /// Where the bytes of its values are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layouts: Vec<Layout>,
    /// The exhibits that it shows, by name; in [`Report::code`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shows: Vec<String>,
    /// The first exhibit's listing on file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listing: Option<Source>,
    /// What it was found in: image, compilers, target, date, files.
    pub provenance: BTreeMap<String, String>,
    /// The command that checks it: that produces the evidence anew, where it is recorded.
    pub reproduce: String,
}

impl Claim {
    /// The value of a cell of one of its matrices; none where nothing was counted.
    #[must_use]
    pub fn cell(&self, matrix: &str, row: &str, column: &str) -> Option<u64> {
        let matrix = self.matrices.iter().find(|known| known.name == matrix)?;
        matrix.value(row, column)
    }
}

/// Who makes a call that is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The exhibit, in Rust.
    Rust,
    /// Its twin in C.
    C,
    /// Its twin in Go.
    Go,
    /// The exhibit, polled as a task of tokio's current-thread runtime.
    CurrentThread,
    /// The exhibit, polled as a task of tokio's multi-thread runtime.
    MultiThread,
    /// What only a walk tells from a bare call.
    Control,
}

impl Side {
    /// `rust`, `current_thread` …, as labels have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Go => "go",
            Self::CurrentThread => "current_thread",
            Self::MultiThread => "multi_thread",
            Self::Control => "control",
        }
    }
}

/// One walk, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Walked {
    /// Who makes the call.
    pub side: Side,
    /// Which call: an exhibit's name, or a control's.
    pub name: String,
    /// Whether it was taken now or is recorded.
    pub evidence: Evidence,
    /// What each step is for, where a call is more than itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    /// The walk itself.
    #[serde(flatten)]
    pub walk: Walk,
}

impl Walked {
    /// `rust/say`, `go/add_one`, `multi_thread/say_ready`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}/{}", self.side.as_str(), self.name)
    }
}

/// What a stretch of instructions in one function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The caller's own instruction.
    #[serde(rename = "call")]
    Call,
    /// The linker's stub.
    #[serde(rename = "stub")]
    Stub,
    /// Moving arguments and results between a struct and the registers, and the care for pointers among them.
    #[serde(rename = "argument packing")]
    Packing,
    /// Telling the scheduler that this goroutine leaves its reach, and that it is back.
    #[serde(rename = "scheduler")]
    Scheduler,
    /// From the goroutine's small stack to the thread's, and back.
    #[serde(rename = "stack switch")]
    StackSwitch,
    /// Compiled C that takes the arguments out of the struct, or puts them in for a callback.
    #[serde(rename = "C side")]
    CSide,
}

impl Phase {
    /// Every phase, in the order of a call out.
    pub const ALL: [Self; 6] = [
        Self::Call,
        Self::Stub,
        Self::Packing,
        Self::Scheduler,
        Self::StackSwitch,
        Self::CSide,
    ];

    /// The phase in words, as every output has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Stub => "stub",
            Self::Packing => "argument packing",
            Self::Scheduler => "scheduler",
            Self::StackSwitch => "stack switch",
            Self::CSide => "C side",
        }
    }
}

/// The phase of each step of a walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Beside the walk's steps out.
    pub out: Vec<Phase>,
    /// Beside its steps back.
    pub back: Vec<Phase>,
}

/// One chart's data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Unique within its claim: `bytes-per-task`.
    pub id: String,
    /// The caption.
    pub title: String,
    /// None where the points are categories, named by their label.
    pub x: Option<Axis>,
    /// The vertical axis.
    pub y: Axis,
    /// The lines, or sets of bars.
    pub series: Vec<Series>,
}

impl Chart {
    /// A chart of those of the series that have points.
    pub fn new(
        id: &str,
        title: &str,
        x: Option<Axis>,
        y: Axis,
        series: impl IntoIterator<Item = Series>,
    ) -> Self {
        let series = series.into_iter();
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            x,
            y,
            series: series.filter(|series| !series.points.is_empty()).collect(),
        }
    }
}

/// An axis of a [`Chart`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// What it is of.
    pub name: String,
    /// In which unit.
    pub unit: String,
    /// Whether it is drawn on a logarithmic scale.
    pub log: bool,
}

impl Axis {
    /// A linear axis.
    #[must_use]
    pub fn linear(name: &str, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            log: false,
        }
    }

    /// A logarithmic axis.
    #[must_use]
    pub fn log(name: &str, unit: &str) -> Self {
        Self {
            log: true,
            ..Self::linear(name, unit)
        }
    }
}

/// One line, or one set of bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is of.
    pub name: String,
    /// Whether it was counted (exact) or measured.
    pub exact: bool,
    /// Whether it was found now or is recorded.
    pub evidence: Evidence,
    /// The points, from left to right.
    pub points: Vec<Point>,
}

impl Series {
    /// Points that were counted, and are exact.
    pub fn counted(
        name: impl Into<String>,
        evidence: Evidence,
        points: impl IntoIterator<Item = Point>,
    ) -> Self {
        Self {
            name: name.into(),
            exact: true,
            evidence,
            points: points.into_iter().collect(),
        }
    }

    /// Points that were measured.
    pub fn measured(
        name: impl Into<String>,
        evidence: Evidence,
        points: impl IntoIterator<Item = Point>,
    ) -> Self {
        Self {
            exact: false,
            ..Self::counted(name, evidence, points)
        }
    }
}

/// A point of a [`Series`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The category, where there is no axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where it is on the horizontal axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// Its value.
    pub y: f64,
    /// The least and the greatest, where it was measured several times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<[f64; 2]>,
}

impl Point {
    /// The count in a category.
    pub fn labelled(label: impl Into<String>, count: u64) -> Self {
        Self {
            label: Some(label.into()),
            x: None,
            y: approximately(count),
            spread: None,
        }
    }

    /// The value at a place on the horizontal axis.
    #[must_use]
    pub fn at(x: u64, y: f64) -> Self {
        Self {
            label: None,
            x: Some(approximately(x)),
            y,
            spread: None,
        }
    }
}

/// A count as charts and measured values have it: exact up to 2^53.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no count here is that large")]
pub const fn approximately(count: u64) -> f64 {
    count as f64
}

/// Where the bytes of a value are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// What the value is.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// By offset; what lies in the same bytes at different times overlaps.
    pub parts: Vec<Part>,
}

/// A part of a [`Layout`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The local, or `tag`, or `padding`.
    pub name: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its size.
    pub bytes: u64,
    /// The states in which it is alive: `across the first await`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alive: Option<String>,
}
