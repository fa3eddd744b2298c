//! `no-more-than-c`: the same call written in C executes no less, nor does the whole function that makes it.

use std::path::{Path, PathBuf};

use zero_cost_ffi::catalogue;

use super::{Evaluation, Rests, Statement, live, plain, reproduce};
use crate::claim::{
    Assessment, Axis, Chart, Claim, Evidence, Missing, Point, Series, Talk, Verdict,
};
use crate::image_under_test::{ImageUnderTest, OnFile, on_show, words};
use crate::measure::callgrind::{Counting, Error, InstructionCounts, Record, made_by};
use crate::report::Side;
use crate::scenario::call::CallScenario;

pub const STATEMENT: Statement = Statement {
    id: "no-more-than-c",
    says: "Rust executes no more instructions than C: from its call to the C function's first, and in the whole function \
           beside the same in C built by clang",
    check,
};

fn check(subject: &ImageUnderTest) -> Claim {
    let mut evaluation = Evaluation::default();
    // Callgrind counts while the calls are read and walked.
    let counting = is_optimised().then(Counting::start);
    let twins = catalogue::twins();
    // All at once, which is faster than a pair at a time.
    let acts: Vec<CallScenario> = plain()
        .iter()
        .flat_map(|exhibit| [Side::Rust, Side::C].map(|side| CallScenario::new(side, exhibit.name)))
        .collect();
    subject.walks(&acts);
    for exhibit in plain() {
        let rust = subject
            .exhibit(&exhibit)
            .map(|function| on_show(&function, exhibit.calls))
            .unwrap_or_default();
        let twin = twins.iter().find(|twin| Some(twin.name) == exhibit.twin);
        let c = twin
            .and_then(|twin| subject.twin(twin))
            .map(|function| on_show(&function, exhibit.calls))
            .unwrap_or_default();
        // The dearest call counts. Where a resolver may run on the way, the count is at least that of a stub.
        let most = |calls: &[barecall::Call<'_>], unknown| {
            calls
                .iter()
                .map(|call| call.instructions().unwrap_or(unknown))
                .max()
        };
        match (most(&rust, u32::MAX), most(&c, 2)) {
            (Some(ours), Some(theirs)) if ours <= theirs => {
                evaluation.add("pairs", 1, "functions");
                let callee = exhibit.calls[0];
                evaluation.most(
                    format!("to {callee} from Rust"),
                    ours.into(),
                    "instructions",
                );
                evaluation.most(format!("to {callee} from C"), theirs.into(), "instructions");
            }
            (ours, theirs) => {
                let shown = |calls: &[barecall::Call<'_>]| {
                    calls.iter().map(words).collect::<Vec<_>>().join("; ")
                };
                let count = |count: Option<u32>| match count {
                    None => "makes no such call".to_owned(),
                    Some(u32::MAX) => "executes it is not known how many instructions".to_owned(),
                    Some(count) => format!("executes {count}"),
                };
                evaluation.findings.push(format!(
                    "{}: Rust {} ({}), C {} ({})",
                    exhibit.name,
                    count(ours),
                    shown(&rust),
                    count(theirs),
                    shown(&c)
                ));
            }
        }
    }
    for exhibit in plain() {
        let [ours, theirs] =
            [Side::Rust, Side::C].map(|side| CallScenario::new(side, exhibit.name));
        evaluation.walk_pair(subject, ours, theirs, exhibit.calls[0]);
    }
    let counted = match counting {
        Some(started) => counted(subject, started.finish(subject), &mut evaluation),
        None => on_file(&mut evaluation),
    };
    let rests = Rests::OnImage;
    let mut missing = evaluation.missing();
    missing.extend(counted.missing);
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: evaluation.verdict(Verdict::Holds, rests),
        found: format!(
            "{} pairs; to puts {} instruction(s) in Rust and {} in C, to a static library's function {} and {}; {}; {}",
            evaluation.value("pairs"),
            evaluation.value("to puts from Rust"),
            evaluation.value("to puts from C"),
            evaluation.value("to greet_add_one from Rust"),
            evaluation.value("to greet_add_one from C"),
            walked(&evaluation),
            counted.found,
        ),
        conditions: evaluation.conditions(rests, vec![
            "C as this C compiler makes it by default: it calls a shared library's function through a PLT stub; with \
             -fno-plt it calls as Rust does"
                .into(),
            "to a static library's function C calls directly where Rust loads the address from the GOT: one \
             instruction each, but not the same one"
                .into(),
        ].into_iter().chain(counted.conditions).collect()),
        missing,
        findings: evaluation.findings,
        talk: Talk {
            quote: "zero-cost abstractions: FFI-friendly + state machines",
            assessment: Assessment::AsSaid,
            because: None,
        },
        evidence: Evidence::Live,
        figures: evaluation.figures,
        measured: evaluation.measured,
        pictures: evaluation.pictures,
        provenance: live(subject),
        reproduce: reproduce(STATEMENT.id),
        walks: evaluation.walks,
    }
}

/// `walked: to puts 1 and 2 out, 0 and 0 back`
fn walked(evaluation: &Evaluation) -> String {
    if evaluation.value("walked pairs") == 0 {
        return "not walked".to_owned();
    }
    format!(
        "{} walked: to puts {} and {} out, {} and {} back",
        evaluation.value("walked pairs"),
        evaluation.value("walked to puts from Rust"),
        evaluation.value("walked to puts from C"),
        evaluation.value("walked back from puts to Rust"),
        evaluation.value("walked back from puts to C"),
    )
}

/// What came of the counts.
struct Counted {
    found: String,
    conditions: Vec<String>,
    missing: Vec<Missing>,
}

/// At opt-level 0 a function executes what its author's compiler wrote down, in either language.
fn is_optimised() -> bool {
    catalogue::OPT_LEVEL != "0"
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../asm-snapshots/x86_64-unknown-linux-gnu/counts.txt")
}

fn read() -> Result<Record, String> {
    let text =
        std::fs::read_to_string(file()).map_err(|why| format!("{}: {why}", file().display()))?;
    Record::parse(&text).map_err(|line| format!("{}: not understood: {line}", file().display()))
}

/// Judges what was counted now; if nothing could be, what is on file.
fn counted(
    subject: &ImageUnderTest,
    counts: Result<Vec<InstructionCounts>, Error>,
    evaluation: &mut Evaluation,
) -> Counted {
    let counts = match counts {
        Ok(counts) => counts,
        Err(error @ Error::NoValgrind(_)) => {
            let mut counted = on_file(evaluation);
            counted.missing.push(Missing {
                what: "valgrind",
                why: error.to_string(),
            });
            return counted;
        }
        Err(error) => {
            evaluation.findings.push(format!("not counted: {error}"));
            return on_file(evaluation);
        }
    };
    if subject.on_file == OnFile::Record {
        let text = Record::of(subject, counts.clone()).to_text();
        if let Err(why) = std::fs::write(file(), text) {
            evaluation
                .findings
                .push(format!("{}: {why}", file().display()));
        }
    }
    let record = read();
    // Made by the same compilers, the record must be what is counted now.
    if let Ok(record) = &record
        && record.made_by == made_by(subject)
        && record.counts != counts
    {
        evaluation.findings.push(format!(
            "counted otherwise than on file: {}; `cargo run --release -- prove --record no-more-than-c` puts it on file",
            differing(&record.counts, &counts)
        ));
    }
    let mut missing = Vec::new();
    let mut by_clang = "live";
    let mut judged = counts;
    if judged.iter().any(|count| count.clang.is_none()) {
        missing.push(Missing {
            what: "clang",
            why: "the build found none: `apt-get install clang-14`, then `touch build.rs`"
                .to_owned(),
        });
        by_clang = "recorded";
        for count in &mut judged {
            let on_file = record.as_ref().ok().and_then(|record| {
                record
                    .counts
                    .iter()
                    .find(|on_file| on_file.name == count.name)
            });
            count.clang = on_file.and_then(|on_file| on_file.clang);
        }
    }
    let mut counted = judge(evaluation, &judged, Evidence::Live);
    counted.missing = missing;
    counted
        .conditions
        .push(format!("counted by callgrind; C by clang: {by_clang}"));
    counted
}

/// Judges what is on file.
fn on_file(evaluation: &mut Evaluation) -> Counted {
    match read() {
        Ok(record) => {
            let mut counted = judge(evaluation, &record.counts, Evidence::Recorded);
            counted.conditions.push(format!(
                "whole functions are counted in an optimised image, by callgrind; these counts are on file: {}, {}",
                record.made_by.join(", "),
                record.date
            ));
            counted
        }
        Err(why) => Counted {
            found: "not counted".to_owned(),
            conditions: vec![format!("whole functions are not counted: {why}")],
            missing: Vec::new(),
        },
    }
}

/// Rust may execute no more than C by clang. By another C compiler it is told, and why, but not held against either:
/// gcc may shape a loop better or worse than LLVM does, in whichever language.
fn judge(evaluation: &mut Evaluation, counts: &[InstructionCounts], evidence: Evidence) -> Counted {
    let (mut of_clang, mut of_c, mut shapes) = (0, 0, Vec::new());
    for InstructionCounts {
        name,
        rust,
        c,
        clang,
    } in counts
    {
        let figures = [
            ("Rust", Some(*rust)),
            ("C", Some(*c)),
            ("C by clang", *clang),
        ];
        for (side, value) in figures {
            if let Some(value) = value {
                evaluation.most(format!("{name} in {side}"), value, "instructions");
            }
        }
        of_c += u64::from(rust <= c);
        match clang {
            Some(clang) if rust > clang => evaluation.findings.push(format!(
                "{name} executes {rust} instructions in Rust, {clang} in C built by clang"
            )),
            Some(clang) => {
                of_clang += 1;
                if c != clang {
                    shapes.push(format!("{name} {c}, by clang {clang}, in Rust {rust}"));
                }
            }
            None => evaluation.findings.push(format!(
                "{name}: there is no count of its twin built by clang"
            )),
        }
    }
    if counts.is_empty() {
        evaluation
            .findings
            .push("there is no count of any exhibit".to_owned());
    }
    evaluation.pictures.charts.push(chart(counts, evidence));
    let counted = match evidence {
        Evidence::Live => "counted",
        Evidence::Recorded => "counted (on file)",
    };
    let mut conditions = Vec::new();
    if !shapes.is_empty() {
        conditions.push(format!(
            "this C compiler shapes these otherwise than LLVM does, on which clang and rustc are built: {}",
            shapes.join("; ")
        ));
    }
    Counted {
        found: format!(
            "{counted}: {of_clang} of {} whole functions no more than clang's C, {of_c} than this C compiler's",
            counts.len()
        ),
        conditions,
        missing: Vec::new(),
    }
}

/// `say_times: 4, 6, 5; now 4, 7, 5`
fn differing(on_file: &[InstructionCounts], now: &[InstructionCounts]) -> String {
    let shown = |count: &InstructionCounts| format!("{} {} {:?}", count.rust, count.c, count.clang);
    let changed = now.iter().filter_map(|count| {
        let before = on_file.iter().find(|before| before.name == count.name);
        (before != Some(count)).then(|| {
            format!(
                "{}: {}, now {}",
                count.name,
                before.map_or("none".to_owned(), shown),
                shown(count)
            )
        })
    });
    changed.collect::<Vec<_>>().join("; ")
}

fn chart(counts: &[InstructionCounts], evidence: Evidence) -> Chart {
    let series = |name: &str, value: fn(&InstructionCounts) -> Option<u64>| Series {
        name: name.to_owned(),
        exact: true,
        evidence,
        points: counts
            .iter()
            .filter_map(|count| {
                Some(Point {
                    label: Some(count.name.clone()),
                    x: None,
                    y: value(count)? as f64,
                    spread: None,
                })
            })
            .collect(),
    };
    Chart {
        id: "instructions-beyond-the-callee",
        title: "What an exhibit executes beyond the C function it calls",
        x: None,
        y: Axis {
            name: "a performance",
            unit: "instructions",
            log: false,
        },
        series: vec![
            series("Rust", |count| Some(count.rust)),
            series("C", |count| Some(count.c)),
            series("C by clang", |count| count.clang),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rust: u64, c: u64, clang: Option<u64>) -> (Evaluation, Counted) {
        let mut evaluation = Evaluation::default();
        let count = InstructionCounts {
            name: "say".to_owned(),
            rust,
            c,
            clang,
        };
        let counted = judge(&mut evaluation, &[count], Evidence::Live);
        (evaluation, counted)
    }

    #[test]
    fn one_instruction_more_than_clang_is_seen() {
        let (evaluation, _) = judged(3, 3, Some(3));
        assert!(evaluation.findings.is_empty());
        let (evaluation, _) = judged(4, 9, Some(3));
        assert_eq!(
            evaluation.verdict(Verdict::Holds, Rests::OnImage),
            Verdict::DoesNotHold
        );
        assert!(
            evaluation.findings[0].contains("4 instructions in Rust, 3"),
            "{:?}",
            evaluation.findings
        );
    }

    #[test]
    fn what_was_not_counted_does_not_hold() {
        assert!(!judged(3, 3, None).0.findings.is_empty());
        let mut none = Evaluation::default();
        judge(&mut none, &[], Evidence::Recorded);
        assert!(!none.findings.is_empty());
    }

    /// gcc may shape a loop better: that is told, not held against Rust.
    #[test]
    fn another_shape_is_told() {
        let (evaluation, counted) = judged(3, 2, Some(3));
        assert!(evaluation.findings.is_empty());
        assert!(counted.conditions[0].contains("say 2, by clang 3, in Rust 3"));
        assert!(
            counted
                .found
                .contains("1 of 1 whole functions no more than clang's C, 0 than")
        );
    }

    #[test]
    fn what_is_on_file_is_read() {
        let mut evaluation = Evaluation::default();
        let counted = on_file(&mut evaluation);
        assert_eq!(evaluation.findings, Vec::<String>::new());
        let all = super::super::plain().len();
        assert!(
            counted
                .found
                .contains(&format!("{all} of {all} whole functions")),
            "{}",
            counted.found
        );
    }
}
