//! The exact part of a claim: what is the same wherever the compilers are the same, and therefore goes on file.

use std::collections::BTreeMap;

use barecall::walk::Leg;
use serde::{Deserialize, Serialize};

use super::{
    Claim, Evidence, Figure, Matrix, Phases, Side, Source, Talk, Verdict, Walked, without_hash,
};

/// A claim without times, addresses and paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// [`Claim::id`].
    pub id: String,
    /// [`Claim::statement`].
    pub statement: String,
    /// [`Claim::verdict`].
    pub verdict: Verdict,
    /// [`Claim::evidence`].
    pub evidence: Evidence,
    /// [`Claim::talk`].
    pub talk: Talk,
    /// [`Claim::conditions`].
    pub conditions: Vec<String>,
    /// [`Claim::findings`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// [`Claim::figures`].
    pub figures: BTreeMap<String, Figure>,
    /// [`Claim::matrices`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matrices: Vec<Matrix>,
    /// [`Claim::listing`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listing: Option<Source>,
    /// [`Claim::walks`], without what their callees execute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub walks: Vec<Path>,
    /// [`Claim::reproduce`].
    pub reproduce: String,
}

/// The way of a call, out and back. What the callee executes is its library's affair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// Who makes the call.
    pub side: Side,
    /// Which call.
    pub name: String,
    /// The caller.
    pub from: String,
    /// The callee.
    pub to: String,
    /// What each step is for, where a call is more than itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    /// From the call to the callee's first instruction.
    pub out: Leg,
    /// From the callee's return to the caller's next instruction.
    pub back: Leg,
}

impl Path {
    /// `rust/say`, as [`Walked::label`].
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}/{}", self.side.as_str(), self.name)
    }
}

impl From<&Walked> for Path {
    fn from(walked: &Walked) -> Self {
        let leg = |leg: &Leg| {
            let mut leg = leg.clone();
            for step in &mut leg.steps {
                step.symbol = without_hash(&step.symbol);
            }
            leg
        };
        Self {
            side: walked.side,
            name: walked.name.clone(),
            from: without_hash(&walked.walk.from),
            to: without_hash(&walked.walk.to),
            phases: walked.phases.clone(),
            out: leg(&walked.walk.out),
            back: leg(&walked.walk.back),
        }
    }
}

impl From<&Claim> for Facts {
    fn from(claim: &Claim) -> Self {
        Self {
            id: claim.id.clone(),
            statement: claim.statement.clone(),
            verdict: claim.verdict,
            evidence: claim.evidence,
            talk: claim.talk.clone(),
            conditions: claim.conditions.clone(),
            findings: claim.findings.clone(),
            figures: claim.figures.clone(),
            matrices: claim.matrices.clone(),
            listing: claim.listing.clone(),
            walks: claim.walks.iter().map(Path::from).collect(),
            reproduce: claim.reproduce.clone(),
        }
    }
}
