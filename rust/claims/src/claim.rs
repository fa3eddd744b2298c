//! What a claim is, and what became of it: the shape of every output.

use std::collections::BTreeMap;

use barecall::walk::Walk;
use serde::Serialize;

use crate::report::Phases;
use crate::scenario::call::CallScenario;

/// What the check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    #[serde(rename = "holds")]
    Holds,
    #[serde(rename = "holds with conditions")]
    HoldsWithConditions,
    #[serde(rename = "does not hold")]
    DoesNotHold,
    #[serde(rename = "not checked")]
    NotChecked,
}

impl Verdict {
    pub const fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::HoldsWithConditions => "holds with conditions",
            Self::DoesNotHold => "does not hold",
            Self::NotChecked => "not checked",
        }
    }
}

/// What became of the talk's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Assessment {
    #[serde(rename = "as said")]
    AsSaid,
    #[serde(rename = "simplified")]
    Simplified,
    #[serde(rename = "out of date")]
    OutOfDate,
}

impl Assessment {
    pub const fn words(self) -> &'static str {
        match self {
            Self::AsSaid => "as said",
            Self::Simplified => "simplified",
            Self::OutOfDate => "out of date",
        }
    }
}

/// The talk's words behind a claim.
#[derive(Clone, Debug, Serialize)]
pub struct Talk {
    pub quote: &'static str,
    pub assessment: Assessment,
    /// Why, where it is not as said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<&'static str>,
}

/// Where every quote is from.
pub const TALK: &str = "Alex Povel, \"Shining a light on async internals\", 2024";

/// Whether a verdict rests on what was made now or on what is on file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    Live,
    Recorded,
}

/// A counted value: exact, the same in every run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    pub value: u64,
    pub unit: &'static str,
}

/// A measured value: of this run, on this machine. No verdict rests on it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The median, where it was measured several times.
    pub value: f64,
    /// The least and the greatest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<[f64; 2]>,
    pub unit: &'static str,
}

/// What was missing, so that something could not be checked or rests on what is on file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Missing {
    /// As `BARECALL_REQUIRE` names it: `ptrace`, `go`, `valgrind`.
    pub what: &'static str,
    /// Why, and how to get it.
    pub why: String,
}

/// One claim, checked.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    pub id: &'static str,
    pub says: &'static str,
    pub verdict: Verdict,
    /// What was found, in one line.
    pub found: String,
    /// Under which conditions it was checked, and what it does not cover.
    pub conditions: Vec<String>,
    /// What speaks against it, with the evidence; or why it was not checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// What was missing; a failure where `BARECALL_REQUIRE` names it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    pub talk: Talk,
    pub evidence: Evidence,
    pub figures: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub measured: BTreeMap<String, Measured>,
    pub pictures: Pictures,
    pub provenance: BTreeMap<&'static str, String>,
    pub reproduce: String,
    /// The walks it rests on; `show` has them, the list of all claims has their counts.
    #[serde(skip)]
    pub walks: Vec<Walked>,
}

/// A walk, and whose it is.
#[derive(Clone, Debug, Serialize)]
pub struct Walked {
    /// `rust/say`, `c/say`, `go/add_one`, `multi_thread/say_ready`, `control/other_stack`.
    pub act: String,
    /// Whether it was taken now or is on file.
    pub evidence: Evidence,
    /// What each step is for, where a call is more than itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    #[serde(flatten)]
    pub walk: Walk,
}

impl Walked {
    pub fn new(act: CallScenario, walk: &Walk) -> Self {
        Self {
            act: act.to_string(),
            evidence: Evidence::Live,
            phases: None,
            walk: walk.clone(),
        }
    }
}

/// What can be drawn of a claim.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pictures {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<Chart>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layouts: Vec<Layout>,
}

/// One chart's data.
#[derive(Clone, Debug, Serialize)]
pub struct Chart {
    /// Unique within its claim: `bytes-per-task`.
    pub id: &'static str,
    pub title: &'static str,
    /// None where the points are categories, named by their label.
    pub x: Option<Axis>,
    pub y: Axis,
    pub series: Vec<Series>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Axis {
    pub name: &'static str,
    pub unit: &'static str,
    /// Whether it is drawn on a logarithmic scale.
    pub log: bool,
}

/// One line, or one set of bars.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    pub name: String,
    /// Whether it was counted (exact) or measured.
    pub exact: bool,
    pub evidence: Evidence,
    pub points: Vec<Point>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Point {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    pub y: f64,
    /// The least and the greatest, where it was measured several times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<[f64; 2]>,
}

pub use crate::report::{Layout, Part};
