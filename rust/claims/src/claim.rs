//! What a claim is, and what became of it: the shape of every output.

use std::collections::BTreeMap;

use barecall::walk::Walk;
use serde::Serialize;

use crate::act::Act;

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
}

impl Assessment {
    pub const fn words(self) -> &'static str {
        match self {
            Self::AsSaid => "as said",
            Self::Simplified => "simplified",
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

/// A counted value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    pub value: u64,
    pub unit: &'static str,
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
    /// Why nothing was walked, where that is part of the check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_walked: Option<String>,
    pub talk: Talk,
    pub evidence: Evidence,
    pub figures: BTreeMap<String, Figure>,
    pub provenance: BTreeMap<&'static str, String>,
    pub reproduce: String,
    /// The walks it rests on; `show` has them, the list of all claims has their counts.
    #[serde(skip)]
    pub walks: Vec<Walked>,
}

/// A walk, and whose it is.
#[derive(Clone, Debug, Serialize)]
pub struct Walked {
    /// `rust/say`, `c/say`, `multi_thread/say_ready`, `control/other_stack`.
    pub act: String,
    #[serde(flatten)]
    pub walk: Walk,
}

impl Walked {
    pub fn new(act: Act, walk: &Walk) -> Self {
        Self {
            act: act.to_string(),
            walk: walk.clone(),
        }
    }
}
