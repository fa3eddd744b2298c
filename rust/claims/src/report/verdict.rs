//! What checking a claim comes to, and on what that rests.

use std::fmt;

use serde::{Deserialize, Serialize};

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

    /// This verdict where there was something to check, and otherwise that it was not checked.
    #[must_use]
    pub const fn where_checked(self, checked: bool) -> Self {
        if checked { self } else { Self::NotChecked }
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
    /// Where they are from: [`TALK`](super::TALK).
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
