//! The model: everything that the judge found, and all that any output is rendered from.
//!
//! Plain data with serde, without any I/O. The JSON that the judge prints is a [`Report`], field by field; the table,
//! `show`, EVIDENCE.md, citations, the picture and the page are rendered from one, whether it was just made or read
//! back.

#![warn(missing_docs)]

/// Declares an enum of what every output, JSON included, says in the same words.
macro_rules! words {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$says:meta])* $variant:ident = $words:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$says])* #[serde(rename = $words)] $variant,)+
        }

        impl $name {
            /// The words, as every output has them.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $words,)+
                }
            }
        }
    };
}

mod chart;
mod code;
pub mod facts;
mod figures;
pub mod headline;
mod verdict;
mod walked;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use chart::{Axis, Chart, Layout, Part, Point, Series, approximately};
pub use code::{Call, Calls, Code, Control, Exhibit, Line, Source};
pub use figures::{Figure, Matrix, Measured, Row};
pub use verdict::{Assessment, Evidence, Missing, Talk, Verdict};
pub use walked::{Phase, Phases, Rung, Side, Walked, without_hash};

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
    /// The command that checks it; where its evidence is recorded, the command that records it again.
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
