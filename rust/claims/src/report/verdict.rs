//! What checking a claim comes to, and on what that rests.

use std::fmt;

use serde::{Deserialize, Serialize};

words! {
    /// What checking a claim came to.
    pub enum Verdict {
        /// It holds as stated.
        Holds = "holds",
        /// It holds under the conditions listed.
        HoldsWithConditions = "holds with conditions",
        /// Something speaks against it.
        DoesNotHold = "does not hold",
        /// It could not be checked here.
        NotChecked = "not checked",
    }
}

impl Verdict {
    /// This verdict where there was something to check, and otherwise that it was not checked.
    #[must_use]
    pub const fn where_checked(self, checked: bool) -> Self {
        if checked { self } else { Self::NotChecked }
    }
}

words! {
    /// How the talk's own words fared.
    pub enum Assessment {
        /// It is as the talk says.
        AsSaid = "as said",
        /// It is true of the common case only.
        Simplified = "simplified",
        /// It was true once.
        OutOfDate = "out of date",
        /// It could not be reproduced.
        NotReproduced = "not reproduced",
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

words! {
    /// Whether something was found now or is read from what is recorded.
    pub enum Evidence {
        /// Found in this run.
        Live = "live",
        /// Recorded earlier, with its date and compilers.
        Recorded = "recorded",
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
