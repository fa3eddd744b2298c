//! The claims, one file each.

mod every_opt_level;
mod from_a_task;
mod no_more_than_c;
mod one_instruction;

use std::collections::BTreeMap;

use barecall::Route;
use zero_cost_ffi::catalogue::{self, Exhibit};

use crate::claim::{Claim, Figure, Verdict};
use crate::subject::Subject;

/// A claim before it is checked.
pub struct Statement {
    pub id: &'static str,
    pub says: &'static str,
    pub check: fn(&Subject) -> Claim,
}

/// Every claim, in the order of the argument.
pub const ALL: [Statement; 4] = [
    one_instruction::STATEMENT,
    every_opt_level::STATEMENT,
    no_more_than_c::STATEMENT,
    from_a_task::STATEMENT,
];

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
    findings: Vec<String>,
}

impl Tally {
    fn add(&mut self, name: impl Into<String>, value: u64, unit: &'static str) {
        self.figures
            .entry(name.into())
            .or_insert(Figure { value: 0, unit })
            .value += value;
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
                Some(call) if call.route().word() == control.route && control.via.is_none_or(named) => {
                    self.add("controls", 1, "functions");
                }
                _ => self.findings.push(format!(
                    "control {}: expected {}, found {calls:?}: the instrument does not tell them apart",
                    control.name, control.route
                )),
            }
        }
    }

    fn most(&mut self, name: String, value: u64, unit: &'static str) {
        let figure = self.figures.entry(name).or_insert(Figure { value, unit });
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

    fn verdict(&self, otherwise: Verdict) -> Verdict {
        if self.findings.is_empty() {
            otherwise
        } else {
            Verdict::DoesNotHold
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
            assert_eq!(tally.verdict(Verdict::Holds), Verdict::DoesNotHold);
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
}
