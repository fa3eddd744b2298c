//! The claims, one file each.

mod below_zero;
mod callbacks_too;
mod cgo_buys_something;
mod cgo_crosses_its_runtime;
#[cfg(target_os = "linux")]
mod drop_cancels;
mod every_opt_level;
mod from_a_task;
pub mod million_tasks;
mod no_more_than_c;
mod one_instruction;
#[cfg(target_os = "linux")]
pub mod reads_per_message;
mod right_sized;
mod same_stack;
mod state_machine;
#[cfg(target_os = "linux")]
pub mod switch_cost;

use std::collections::BTreeMap;

use barecall::Route;
use barecall::walk::Walk;
use zero_cost_ffi::catalogue::{self, Exhibit};

use crate::act::Act;
use crate::claim::{Claim, Figure, Measured, Missing, Pictures, Verdict, Walked};
use crate::subject::Subject;
use crate::walks::NotWalked;

/// A claim before it is checked.
pub struct Statement {
    pub id: &'static str,
    pub says: &'static str,
    pub check: fn(&Subject) -> Claim,
}

/// Every claim, in the order of the argument.
pub const ALL: &[Statement] = &[
    one_instruction::STATEMENT,
    every_opt_level::STATEMENT,
    no_more_than_c::STATEMENT,
    from_a_task::STATEMENT,
    same_stack::STATEMENT,
    callbacks_too::STATEMENT,
    below_zero::STATEMENT,
    #[cfg(target_os = "linux")]
    drop_cancels::STATEMENT,
    state_machine::STATEMENT,
    right_sized::STATEMENT,
    million_tasks::STATEMENT,
    // A brigade is Linux's: pipes that epoll and io_uring wait for.
    #[cfg(target_os = "linux")]
    reads_per_message::STATEMENT,
    #[cfg(target_os = "linux")]
    switch_cost::STATEMENT,
    cgo_crosses_its_runtime::STATEMENT,
    cgo_buys_something::STATEMENT,
];

/// The claims' names, in that order.
pub fn ids() -> Vec<&'static str> {
    ALL.iter().map(|claim| claim.id).collect()
}

/// The exhibits that are calls from ordinary functions.
fn plain() -> Vec<Exhibit> {
    catalogue::exhibits()
        .into_iter()
        .filter(|exhibit| !exhibit.poll)
        .collect()
}

/// The exhibits that are calls from a future's `poll`.
fn polled() -> Vec<Exhibit> {
    catalogue::exhibits()
        .into_iter()
        .filter(|exhibit| exhibit.poll)
        .collect()
}

/// What was counted on the way to a verdict.
#[derive(Default)]
struct Tally {
    figures: BTreeMap<String, Figure>,
    measured: BTreeMap<String, Measured>,
    pictures: Pictures,
    findings: Vec<String>,
    walks: Vec<Walked>,
    /// Why no program can be walked here.
    not_walked: Option<String>,
}

/// What is left of a claim where nothing can be walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rests {
    /// Its verdict is the image's.
    OnImage,
    /// It is not checked.
    OnWalks,
}

impl Tally {
    fn add(&mut self, name: impl Into<String>, value: u64, unit: &'static str) {
        self.figures
            .entry(name.into())
            .or_insert(Figure { value: 0, unit })
            .value += value;
    }

    /// A count that may differ from run to run.
    fn measure(&mut self, name: impl Into<String>, value: u64, unit: &'static str) {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let value = value as f64;
        let measured = Measured {
            value,
            spread: None,
            unit,
        };
        self.measured.insert(name.into(), measured);
    }

    /// Asserts an exhibit's calls bare, and counts them by route.
    fn bare(&mut self, subject: &Subject, exhibit: &Exhibit) {
        let Some(function) = subject.exhibit(exhibit) else {
            self.findings
                .push(format!("{} is not in the image", exhibit.path));
            return;
        };
        match function.bare_calls(exhibit.calls) {
            Ok(calls) => {
                self.add("exhibits", 1, "functions");
                for call in calls {
                    self.add(format!("calls by {}", call.route()), 1, "calls");
                }
            }
            Err(error) => self.findings.push(error.to_string()),
        }
    }

    /// Each control must be reported as what it is, or the instrument is broken and nothing holds.
    fn controls(&mut self, subject: &Subject) {
        for control in catalogue::controls() {
            let calls = subject
                .control(&control)
                .map(|function| function.calls())
                .unwrap_or_default();
            let found = calls.iter().rev().find(|call| !call.route().is_bare());
            let named = |via| found.is_some_and(|call| call.via().iter().any(|name| name == via));
            match found {
                Some(call) if call.route().as_str() == control.route && control.via.is_none_or(named) => {
                    self.add("controls", 1, "functions");
                }
                _ => self.findings.push(format!(
                    "control {}: expected {}, found {calls:?}: the instrument does not tell them apart",
                    control.name, control.route
                )),
            }
        }
    }

    /// Walks these acts, and asserts each bare and on one stack.
    fn walk_bare(&mut self, subject: &Subject, acts: &[Act]) {
        self.walk(subject, acts, |walk| walk.is_bare() && walk.is_same_stack());
    }

    /// Walks these acts, and asserts that none moves to another stack.
    fn walk_on_one_stack(&mut self, subject: &Subject, acts: &[Act]) {
        self.walk(subject, acts, Walk::is_same_stack);
    }

    fn walk(&mut self, subject: &Subject, acts: &[Act], as_claimed: fn(&Walk) -> bool) {
        for (act, taken) in subject.walks(acts) {
            match &*taken {
                Ok(walk) => {
                    self.add("walked", 1, "calls");
                    self.most("walked out", walk.out.instructions, "instructions");
                    self.most("walked back", walk.back.instructions, "instructions");
                    let switches = walk.out.stack_switches + walk.back.stack_switches;
                    self.add("stack switches", switches, "switches");
                    if !as_claimed(walk) {
                        self.findings.push(format!("walked {act}:\n{walk}"));
                    }
                    self.walks.push(Walked::new(act, walk));
                }
                Err(error) => self.failed(act, error),
            }
        }
    }

    /// Walks the same call in Rust and in C, and finds fault where Rust executes more. What C's took: `2 out, 0 back`.
    fn walk_pair(&mut self, subject: &Subject, ours: Act, theirs: Act, callee: &str) -> String {
        let mut pair = Vec::new();
        for ((act, taken), language) in subject
            .walks(&[ours, theirs])
            .into_iter()
            .zip(["Rust", "C"])
        {
            match &*taken {
                Ok(walk) => {
                    self.most(
                        format!("walked to {callee} from {language}"),
                        walk.out.instructions,
                        "instructions",
                    );
                    self.most(
                        format!("walked back from {callee} to {language}"),
                        walk.back.instructions,
                        "instructions",
                    );
                    pair.push(Walked::new(act, walk));
                }
                Err(error) => self.failed(act, error),
            }
        }
        let [rust, c] = &pair[..] else {
            return "not walked".to_owned();
        };
        let took = |walk: &Walk| (walk.out.instructions, walk.back.instructions);
        let (ours, theirs) = (took(&rust.walk), took(&c.walk));
        if ours.0 > theirs.0 || ours.1 > theirs.1 {
            self.findings.push(format!(
                "walked {}:\n{}\nwalked {}:\n{}",
                rust.act, rust.walk, c.act, c.walk
            ));
        } else {
            self.add("walked pairs", 1, "functions");
        }
        self.walks.extend(pair);
        format!("{} out, {} back", theirs.0, theirs.1)
    }

    /// A control must be seen as what it is, or the walks show nothing.
    fn walk_control(&mut self, subject: &Subject, act: Act, seen: fn(&Walk) -> bool) -> String {
        match &*subject.walks(&[act])[0].1 {
            Ok(walk) => {
                self.add("controls", 1, "functions");
                if !seen(walk) {
                    self.findings.push(format!(
                        "{act}: the walk does not tell it from the exhibits:\n{walk}"
                    ));
                }
                self.walks.push(Walked::new(act, walk));
                format!(
                    "{} out, {} back, {} stack switches",
                    walk.out.instructions,
                    walk.back.instructions,
                    walk.out.stack_switches + walk.back.stack_switches
                )
            }
            Err(error) => {
                self.failed(act, error);
                "not walked".to_owned()
            }
        }
    }

    fn failed(&mut self, act: Act, error: &NotWalked) {
        if error.is_environment() {
            self.not_walked = Some(error.to_string());
        } else {
            self.findings
                .push(format!("{act} could not be walked: {error}"));
        }
    }

    fn missing(&self) -> Vec<Missing> {
        let ptrace = self.not_walked.clone().map(|why| Missing {
            what: "ptrace",
            why,
        });
        ptrace.into_iter().collect()
    }

    /// `10 walked: 1 out, 0 back, same stack`
    fn walked(&self) -> String {
        if self.value("walked") == 0 {
            return "not walked".to_owned();
        }
        format!(
            "{} walked: {} out, {} back, {}",
            self.value("walked"),
            self.value("walked out"),
            self.value("walked back"),
            match self.value("stack switches") {
                0 => "same stack".to_owned(),
                n => format!("{n} stack switches"),
            }
        )
    }

    /// The line of evidence, or why there is none.
    fn found(&self, found: String) -> String {
        match &self.not_walked {
            Some(why) => format!("not walked: {why}"),
            None => found,
        }
    }

    /// The conditions of a claim, and what it lacks where nothing was walked.
    fn conditions(&self, rests: Rests, mut conditions: Vec<String>) -> Vec<String> {
        if let Some(why) = self.not_walked.as_ref().filter(|_| rests == Rests::OnImage) {
            conditions.insert(0, format!("not walked, so by the image alone: {why}"));
        }
        conditions
    }

    fn most(&mut self, name: impl Into<String>, value: u64, unit: &'static str) {
        let figure = self
            .figures
            .entry(name.into())
            .or_insert(Figure { value, unit });
        figure.value = figure.value.max(value);
    }

    /// A figure's value, 0 if nothing was counted.
    fn value(&self, name: &str) -> u64 {
        self.figures.get(name).map_or(0, |figure| figure.value)
    }

    /// `11 calls: 7 got, 4 register`
    fn by_route(&self) -> String {
        let routes: Vec<(u64, Route)> = Route::ALL
            .into_iter()
            .map(|route| (self.value(&format!("calls by {route}")), route))
            .filter(|(count, _)| *count > 0)
            .collect();
        let shares: Vec<String> = routes
            .iter()
            .map(|(count, route)| format!("{count} {route}"))
            .collect();
        format!(
            "{} calls: {}",
            routes.iter().map(|(count, _)| count).sum::<u64>(),
            shares.join(", ")
        )
    }

    fn verdict(&self, otherwise: Verdict, rests: Rests) -> Verdict {
        if !self.findings.is_empty() {
            return Verdict::DoesNotHold;
        }
        match (&self.not_walked, rests) {
            (None, _) => otherwise,
            (Some(_), Rests::OnImage) => Verdict::HoldsWithConditions,
            (Some(_), Rests::OnWalks) => Verdict::NotChecked,
        }
    }
}

/// What every live verdict rests on.
fn live(subject: &Subject) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("image", subject.image.path().display().to_string()),
        ("made by", subject.image.producers().join("; ")),
        (
            "target",
            format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        ),
        ("date", crate::today()),
    ])
}

fn reproduce(id: &str) -> String {
    format!("cargo run --release -- prove {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An exhibit rewritten to call through a control: the claim must turn, and name the trampoline.
    #[test]
    fn an_exhibit_through_a_control_does_not_hold() {
        let subject = Subject::current().expect("the test's own image");
        for control in catalogue::controls() {
            let calls: &[&str] = if control.name.contains("say") || control.name.contains("dlsym") {
                &["puts"]
            } else {
                &["greet_add_one"]
            };
            let exhibit = Exhibit {
                name: control.name,
                path: control.path,
                calls,
                entry: control.entry,
                ..catalogue::exhibits()[0]
            };
            let mut tally = Tally::default();
            tally.bare(&subject, &exhibit);
            assert_eq!(
                tally.verdict(Verdict::Holds, Rests::OnImage),
                Verdict::DoesNotHold
            );
            for word in [control.route].into_iter().chain(control.via) {
                assert!(
                    tally.findings[0].contains(word),
                    "{}: {:?}",
                    control.name,
                    tally.findings
                );
            }
        }
    }

    /// A blind instrument must not pass: every control it misses is a finding.
    #[test]
    fn the_controls_are_checked() {
        let subject = Subject::current().expect("the test's own image");
        let mut tally = Tally::default();
        tally.controls(&subject);
        assert_eq!(tally.findings, Vec::<String>::new());
        assert_eq!(
            tally.value("controls") as usize,
            catalogue::controls().len()
        );
    }

    /// What each claim about walks is to find fault with, planted in the place of an exhibit.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    mod walked {
        use super::*;
        use crate::act::Side;

        fn turned(planted: impl FnOnce(&mut Tally, &Subject), named: &str) {
            let subject = Subject::current().expect("the test's own image");
            let mut tally = Tally::default();
            planted(&mut tally, &subject);
            for rests in [Rests::OnImage, Rests::OnWalks] {
                assert_eq!(tally.verdict(Verdict::Holds, rests), Verdict::DoesNotHold);
            }
            assert!(tally.findings[0].contains(named), "{:?}", tally.findings);
        }

        #[test]
        fn a_stub_in_between_is_seen() {
            let say = Act::new(Side::C, "say");
            turned(
                |tally, subject| tally.walk_bare(subject, &[say]),
                "puts@plt",
            );
        }

        #[test]
        fn a_callback_through_a_shim_is_seen() {
            turned(
                |tally, subject| tally.walk_bare(subject, &[Act::VISIT_THROUGH_SHIM]),
                "visit_shim",
            );
        }

        #[test]
        fn another_stack_is_seen() {
            turned(
                |tally, subject| tally.walk_on_one_stack(subject, &[Act::OTHER_STACK]),
                "switches stacks",
            );
            turned(
                |tally, subject| tally.walk_bare(subject, &[Act::OTHER_STACK]),
                "on_other_stack",
            );
        }

        #[test]
        fn more_than_c_is_seen() {
            let [rust, c] = [Side::Rust, Side::C].map(|side| Act::new(side, "say"));
            turned(
                |tally, subject| drop(tally.walk_pair(subject, c, rust, "puts")),
                "2 instructions",
            );
        }

        #[test]
        fn a_control_that_is_not_seen_is_a_fault() {
            let unseen = |walk: &Walk| walk.out.stack_switches == 1;
            turned(
                |tally, subject| drop(tally.walk_control(subject, Act::VISIT_THROUGH_SHIM, unseen)),
                "does not tell it",
            );
        }

        #[test]
        fn what_is_not_reached_is_no_proof() {
            let nowhere = Act::new(Side::Rust, "no_such_exhibit");
            turned(
                |tally, subject| tally.walk_bare(subject, &[nowhere]),
                "no such call",
            );
        }
    }
}
