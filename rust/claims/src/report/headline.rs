//! What each instruction of a walk is for, and the walks that stand for their language in the picture.

use std::collections::BTreeMap;

use barecall::walk::{Leg, Step};

use super::facts::Path;
use super::{Phase, Phases, Rung, Side, Walked};

/// The calls that may stand for their language: the first that most of them make.
const CALLS: [&str; 3] = ["say_cstr", "say", "add_one"];
/// What a step of no known phase is for.
const BETWEEN: &str = "trampoline";

/// A walk, whether of a report or on file.
#[derive(Clone, Copy, Debug)]
pub struct Ladder<'a> {
    /// Who makes the call.
    pub side: Side,
    /// Which call.
    pub name: &'a str,
    /// The callee.
    pub to: &'a str,
    /// The steps from the call to the callee.
    pub out: &'a Leg,
    /// The steps from the callee's return to the caller.
    pub back: &'a Leg,
    /// What each step is for, where that is known.
    pub phases: Option<&'a Phases>,
}

impl<'a> From<&'a Walked> for Ladder<'a> {
    fn from(walked: &'a Walked) -> Self {
        Self {
            side: walked.side,
            name: &walked.name,
            to: &walked.walk.to,
            out: &walked.walk.out,
            back: &walked.walk.back,
            phases: walked.phases.as_ref(),
        }
    }
}

impl<'a> From<&'a Path> for Ladder<'a> {
    fn from(path: &'a Path) -> Self {
        Self {
            side: path.side,
            name: &path.name,
            to: &path.to,
            out: &path.out,
            back: &path.back,
            phases: path.phases.as_ref(),
        }
    }
}

impl<'a> Ladder<'a> {
    /// The steps out, and what each is for: as recorded, or else the call and stubs, which are known by their place
    /// and name.
    #[must_use]
    pub fn steps_out(&self) -> Vec<(&'a Step, Option<Phase>)> {
        let known = self.phases.map(|phases| &phases.out[..]);
        let mut steps = steps(self.out, known);
        if let (Some(first), None) = (steps.first_mut(), known) {
            first.1 = Some(Phase::Call);
        }
        steps
    }

    /// The steps back, likewise.
    #[must_use]
    pub fn steps_back(&self) -> Vec<(&'a Step, Option<Phase>)> {
        steps(self.back, self.phases.map(|phases| &phases.back[..]))
    }

    fn rung(&self, language: &str) -> Rung {
        let mut phases = BTreeMap::new();
        for (step, phase) in self.steps_out().into_iter().chain(self.steps_back()) {
            *phases.entry(word(phase).to_owned()).or_default() += step.instructions;
        }
        Rung {
            language: language.to_owned(),
            side: self.side,
            name: self.name.to_owned(),
            instructions: self.out.instructions + self.back.instructions,
            stack_switches: self.out.stack_switches + self.back.stack_switches,
            phases,
        }
    }
}

fn steps<'a>(leg: &'a Leg, known: Option<&[Phase]>) -> Vec<(&'a Step, Option<Phase>)> {
    let phase = |(at, step): (usize, &'a Step)| {
        let stub = step.symbol.ends_with("@plt").then_some(Phase::Stub);
        let phase = known.map_or(stub, |phases| phases.get(at).copied());
        (step, phase)
    };
    leg.steps.iter().enumerate().map(phase).collect()
}

/// What a step is for, in words.
#[must_use]
pub const fn word(phase: Option<Phase>) -> &'static str {
    match phase {
        Some(phase) => phase.as_str(),
        None => BETWEEN,
    }
}

/// The walk that a rung is of.
#[must_use]
pub fn of<'a>(rung: &Rung, ladders: &[Ladder<'a>]) -> Option<Ladder<'a>> {
    let is_it = |ladder: &&Ladder<'_>| ladder.side == rung.side && ladder.name == rung.name;
    ladders.iter().find(is_it).copied()
}

/// The same call in each language that was walked; empty where nothing was.
#[must_use]
pub fn headline(ladders: &[Ladder<'_>]) -> Vec<Rung> {
    let languages = [("Rust", Side::Rust), ("C", Side::C), ("Go", Side::Go)];
    let rungs_of = |name: &str| -> Vec<Rung> {
        let rung = |&(language, side): &(&str, Side)| {
            let is_it = |ladder: &&Ladder<'_>| ladder.side == side && ladder.name == name;
            Some(ladders.iter().find(is_it)?.rung(language))
        };
        languages.iter().filter_map(rung).collect()
    };
    let mut best = Vec::new();
    for call in CALLS {
        let rungs = rungs_of(call);
        if rungs.len() > best.len() {
            best = rungs;
        }
    }
    best
}
