//! `right-sized`: a future holds what is stored across its awaits, and a tag; and where it holds more.

use std::collections::BTreeMap;

use zero_cost_ffi::catalogue::{self, Machine};
use zero_cost_ffi::machine::kept::KIB;

use super::{Evaluation, Rests, Statement, live, reproduce};
use crate::baseline::layouts::{FOLDER, OnFile};
use crate::claim::{Assessment, Axis, Chart, Claim, Evidence, Point, Series, Talk, Verdict};
use crate::image_under_test::ImageUnderTest;

pub const STATEMENT: Statement = Statement {
    id: "right-sized",
    says: "a future is as large as what is stored across its awaits, shared where it is not at the same time, and a \
           tag; arguments count twice, and what was borrowed counts to the end of its scope",
    check,
};

const SLEEP: u64 = size_of::<tokio::time::Sleep>() as u64;
const BUFFER: u64 = KIB as u64;

/// What the rule says of a future, on any compiler.
struct Rule {
    name: &'static str,
    /// What it must at least be, and at most, in bytes.
    at_least: u64,
    at_most: u64,
    /// Whether its buffer lies in it while it waits. None where that depends on the compiler, or there is none.
    inside: Option<bool>,
}

/// What a tag, an awaited byte and a flag come to at most, with their padding.
const SMALL: u64 = 16;

const RULES: &[Rule] = &[
    Rule {
        name: "greet",
        at_least: SLEEP,
        at_most: SLEEP + 8,
        inside: None,
    },
    Rule {
        name: "greet_by_hand",
        at_least: SLEEP,
        at_most: SLEEP + 8,
        inside: None,
    },
    Rule {
        name: "greet_on_slide",
        at_least: SLEEP,
        at_most: SLEEP + 8,
        inside: None,
    },
    Rule {
        name: "held",
        at_least: BUFFER + 1,
        at_most: BUFFER + SMALL,
        inside: Some(true),
    },
    Rule {
        name: "scoped",
        at_least: 1,
        at_most: SMALL,
        inside: Some(false),
    },
    // The exceptions: what a compiler without them would make of these is allowed.
    Rule {
        name: "dropped",
        at_least: 1,
        at_most: BUFFER + SMALL,
        inside: None,
    },
    Rule {
        name: "in_turn",
        at_least: BUFFER + 1,
        at_most: BUFFER + SMALL,
        inside: Some(true),
    },
    Rule {
        name: "at_once",
        at_least: 2 * BUFFER + 1,
        at_most: 2 * BUFFER + SMALL,
        inside: Some(true),
    },
    Rule {
        name: "argument",
        at_least: BUFFER + 1,
        at_most: 2 * BUFFER + SMALL,
        inside: Some(true),
    },
    Rule {
        name: "wrapped",
        at_least: BUFFER + 1,
        at_most: 8 * BUFFER + 8 * SMALL,
        inside: Some(true),
    },
    Rule {
        name: "boxed",
        at_least: 8,
        at_most: 8 + SMALL,
        inside: Some(false),
    },
];

fn check(subject: &ImageUnderTest) -> Claim {
    let futures: Vec<Machine> = catalogue::machines()
        .into_iter()
        .chain(catalogue::kept())
        .collect();
    judge(subject, &futures)
}

fn judge(subject: &ImageUnderTest, futures: &[Machine]) -> Claim {
    let mut evaluation = Evaluation::default();
    let mut provenance = live(subject);
    let mut not_on_file = Vec::new();
    let made_by = subject.image.producers();
    for rule in RULES {
        match futures.iter().find(|future| future.name == rule.name) {
            Some(future) => follows(&mut evaluation, rule, future),
            None => evaluation
                .findings
                .push(format!("{} is not among the exhibits", rule.name)),
        }
    }
    for future in futures {
        match OnFile::of(future.name) {
            Ok(on_file) => {
                if on_file.is_of(made_by) {
                    as_recorded(&mut evaluation, future, &on_file);
                } else {
                    not_on_file.push(format!(
                        "{} is recorded for {}",
                        future.name, on_file.compiler
                    ));
                }
                recorded(&mut provenance, &on_file);
                evaluation.pictures.layouts.push(on_file.layout);
            }
            Err(error) => not_on_file.push(format!("{}: {error}", future.name)),
        }
    }
    let mut conditions = vec![
        "the sizes are this compiler's: a future has no layout that Rust promises".to_owned(),
        "two exceptions to the talk's \"exactly\": an argument by value is stored twice (rust-lang/rust#62958), so \
         that each async fn around a future doubles it; and what was borrowed is stored to the end of its scope, \
         though dropped before (rust-lang/rust#94067, rust-lang/rust#96084)"
            .to_owned(),
        "the machine by hand has no tag of its own, it lies in values that a Sleep never has; the compiler's has one, \
         and with padding that is 8 bytes"
            .to_owned(),
        "where each part lies is on file, from -Zprint-type-sizes; that it lies there is checked by running: the \
         future is polled, and its buffer's address compared with its own"
            .to_owned(),
    ];
    if !not_on_file.is_empty() {
        conditions.insert(
            0,
            format!(
                "the exact sizes are not compared: {}",
                not_on_file.join("; ")
            ),
        );
    }
    evaluation.pictures.charts.push(chart(futures));
    let rests = Rests::OnImage;
    let bytes = |name: &str| evaluation.value(&format!("bytes of {name}"));
    let kept: Vec<String> = futures
        .iter()
        .filter(|future| future.buffer_offset.is_some())
        .map(|future| format!("{} {}", future.name, future.bytes))
        .collect();
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: evaluation.verdict(Verdict::HoldsWithConditions, rests),
        found: format!(
            "greet() {} bytes, by hand {}, a Sleep {SLEEP}; with a buffer of {BUFFER}: {}",
            bytes("greet"),
            bytes("greet_by_hand"),
            kept.join(", ")
        ),
        conditions: evaluation.conditions(rests, conditions),
        missing: evaluation.missing(),
        findings: evaluation.findings,
        talk: Talk {
            quote: "*exactly* as much state as required as they're *stackless*",
            assessment: Assessment::Simplified,
            because: Some(
                "what is stored is what the compiler cannot show to be gone, which may be more than is required",
            ),
        },
        evidence: Evidence::Live,
        figures: evaluation.figures,
        measured: evaluation.measured,
        pictures: evaluation.pictures,
        provenance,
        reproduce: reproduce(STATEMENT.id),
        walks: evaluation.walks,
    }
}

/// The futures that have a buffer, side by side.
fn chart(futures: &[Machine]) -> Chart {
    let kept = futures
        .iter()
        .filter(|future| future.buffer_offset.is_some());
    #[expect(clippy::cast_precision_loss, reason = "no future is that large")]
    let point = |future: &Machine| Point {
        label: Some(future.name.to_owned()),
        x: None,
        y: future.bytes as f64,
        spread: None,
    };
    Chart {
        id: "bytes-per-future",
        title: "Futures that use a buffer of 1,024 bytes",
        x: None,
        y: Axis {
            name: "size",
            unit: "bytes",
            log: false,
        },
        series: vec![Series {
            name: "future".to_owned(),
            exact: true,
            evidence: Evidence::Live,
            points: kept.map(point).collect(),
        }],
    }
}

/// The size against the rule, and where the running future finds its buffer.
fn follows(evaluation: &mut Evaluation, rule: &Rule, future: &Machine) {
    let bytes = future.bytes as u64;
    evaluation.add(format!("bytes of {}", rule.name), bytes, "bytes");
    if !(rule.at_least..=rule.at_most).contains(&bytes) {
        evaluation.findings.push(format!(
            "{}: {bytes} bytes, where the rule says {} to {}",
            rule.name, rule.at_least, rule.at_most
        ));
    }
    let Some(buffer_offset) = future.buffer_offset else {
        return;
    };
    let offset = buffer_offset();
    if let Some(offset) = offset {
        evaluation.add(
            format!("buffer in {} at", rule.name),
            offset as u64,
            "bytes",
        );
    }
    if rule.inside.is_some_and(|inside| inside != offset.is_some()) {
        let found = offset.map_or("outside of the future".to_owned(), |offset| {
            format!("{offset} bytes into the future")
        });
        evaluation
            .findings
            .push(format!("{}: its buffer lies {found}", rule.name));
    }
}

/// The very compiler that the layout is on file for: all of it must be so.
fn as_recorded(evaluation: &mut Evaluation, future: &Machine, on_file: &OnFile) {
    let layout = &on_file.layout;
    if layout.bytes != future.bytes as u64 {
        evaluation.findings.push(format!(
            "{}: {} bytes, {} on file",
            future.name, future.bytes, layout.bytes
        ));
    }
    let offset = future.buffer_offset.and_then(|find| find());
    let offset = offset.map(|offset| offset as u64);
    let at_await = |alive: &Option<String>| {
        alive
            .as_ref()
            .is_some_and(|alive| alive.contains("across await 1"))
    };
    let parts = || {
        layout
            .parts
            .iter()
            .filter(|part| at_await(&part.alive) && part.bytes >= BUFFER)
    };
    let agrees = match offset {
        Some(offset) => {
            parts().any(|part| part.offset <= offset && offset + BUFFER <= part.offset + part.bytes)
        }
        None => parts().next().is_none(),
    };
    if agrees {
        evaluation.add("as on file", 1, "layouts");
    } else {
        evaluation.findings.push(format!(
            "{}: its buffer is found at {offset:?}, and on file at {:?}",
            future.name,
            parts().map(|part| part.offset).collect::<Vec<_>>()
        ));
    }
}

fn recorded(provenance: &mut BTreeMap<&'static str, String>, on_file: &OnFile) {
    provenance.insert(
        "layouts",
        format!("{FOLDER}, {}, {}", on_file.compiler, on_file.date),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> ImageUnderTest {
        ImageUnderTest::current().expect("the test's own image")
    }

    #[test]
    fn it_holds() {
        let claim = check(&subject());
        assert_eq!(
            claim.verdict,
            Verdict::HoldsWithConditions,
            "{:?}",
            claim.findings
        );
        assert_eq!(claim.pictures.layouts.len(), RULES.len());
        // Exact, where the compiler is the one on file.
        let on_file = OnFile::of("held").expect("it is on file");
        if on_file.is_of(subject().image.producers()) {
            for (name, bytes) in [
                ("greet", 120),
                ("greet_by_hand", 112),
                ("greet_on_slide", 112),
                ("held", 1026),
                ("scoped", 2),
                ("dropped", 1027),
                ("in_turn", 1026),
                ("at_once", 2050),
                ("argument", 2050),
                ("wrapped", 8215),
                ("boxed", 16),
            ] {
                assert_eq!(
                    claim.figures[&format!("bytes of {name}")].value,
                    bytes,
                    "{name}"
                );
            }
            assert_eq!(claim.figures["as on file"].value, RULES.len() as u64);
        }
    }

    #[test]
    fn it_is_the_same_in_every_run() {
        assert_eq!(check(&subject()).figures, check(&subject()).figures);
    }

    /// Each future in the place of another: the rule, the offset, or the file must tell them apart.
    #[test]
    fn another_in_its_place_is_seen() {
        let futures: Vec<Machine> = catalogue::machines()
            .into_iter()
            .chain(catalogue::kept())
            .collect();
        let subject = subject();
        for (name, other) in [
            ("scoped", "held"),
            ("held", "scoped"),
            ("boxed", "argument"),
            ("at_once", "in_turn"),
            ("greet", "held"),
        ] {
            let planted: Vec<Machine> = futures
                .iter()
                .map(|future| {
                    if future.name == name {
                        let other = futures
                            .iter()
                            .find(|future| future.name == other)
                            .expect("it is there");
                        Machine {
                            name: future.name,
                            ..*other
                        }
                    } else {
                        *future
                    }
                })
                .collect();
            let claim = judge(&subject, &planted);
            assert_eq!(claim.verdict, Verdict::DoesNotHold, "{other} for {name}");
            assert!(
                claim.findings[0].starts_with(&format!("{name}: ")),
                "{:?}",
                claim.findings
            );
        }
        let claim = judge(&subject, &futures[1..]);
        assert_eq!(claim.verdict, Verdict::DoesNotHold, "one is missing");
    }
}
