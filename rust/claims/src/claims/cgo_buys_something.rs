//! `cgo-buys-something`: what the crossing is for, counted where Rust does without.

use std::path::Path;

use crate::evaluation::{
    Context, Evaluation, FigureSpec, Live, MatrixSpec, Outcome, Quote, Rests, Spec,
};
use crate::go::program::Program;
use crate::go::recorded::{self, Blocked, GoEvidence};
use crate::go::toolchain::NoGo;
use crate::report::{Claim, Verdict, approximately};

/// The claim.
pub const SPEC: Spec = Spec {
    id: "cgo-buys-something",
    statement: "a call that waits in C stalls nobody in Go, whose runtime was told; in a Rust task it stalls its worker, \
                unless it is made by spawn_blocking",
    talk: Quote::simplified(
        "which precludes green threads: cannot afford runtime",
        "what Rust saves at each call it asks of the caller: to keep calls that wait out of tasks",
    ),
    figures: &[FIGURES],
    matrices: &[IN_TASKS],
    live: Live::Command("BARECALL_REQUIRE=go cargo run --release -- prove cgo-buys-something"),
    check,
    ..Spec::DEFAULT
};

const FIGURES: &[FigureSpec] = &[
    FigureSpec::new("in C at once in Go", "calls")
        .counts("of 8 calls of read(2) by goroutines on one processor, how many waited in C at the same time"),
    FigureSpec::new("ticks meanwhile in Go", "ticks")
        .counts("of 1,000 rounds of another goroutine, how many ran while these calls waited"),
];

const IN_TASKS: MatrixSpec = MatrixSpec::new("in tasks", "calls, rounds, ticks", &["in C at once", "rounds", "ticks meanwhile"])
    .counts("of 8 calls of read(2) by tasks on two workers: the most that were in C at the same time; how often those in C \
            had to be let go until all had been there; and of 1,000 rounds of another task, how many ran while the first \
            of them waited");

/// Calls that wait at once.
const CALLS: u64 = 8;

/// What the tasks did.
pub struct Tasks {
    pub in_c: u64,
    pub rounds: u64,
    pub ticks: u64,
}

fn check(context: &Context) -> Claim {
    judge(evidence(context.image.go(), &recorded::walks()), tasks())
}

/// What Go did: now where it can be run, and otherwise as that file has it.
#[must_use]
pub fn evidence(go: Result<&Program, &NoGo>, file: &Path) -> GoEvidence<Option<Blocked>> {
    let program = match go {
        Ok(program) => program,
        Err(why) => return GoEvidence::recorded(file, "go", why, |facts| Some(facts.blocked)),
    };
    let mut go = GoEvidence::live(program);
    match recorded::blocked(program, CALLS) {
        Ok(blocked) => go.found = Some(blocked),
        Err(error) => go.findings.push(format!("in Go: {error}")),
    }
    go
}

/// The same call in tasks, directly and by `spawn_blocking`; or why that cannot be seen here.
#[cfg(target_os = "linux")]
fn tasks() -> Result<[Tasks; 2], String> {
    use crate::measure::blocked::{CallSite, in_tasks};
    let of = |site| {
        let found = in_tasks(CALLS, site).map_err(|error| error.to_string())?;
        Ok::<_, String>(Tasks {
            in_c: found.in_c,
            rounds: found.rounds,
            ticks: found.ticks,
        })
    };
    Ok([of(CallSite::Poll)?, of(CallSite::BlockingThread)?])
}

#[cfg(not(target_os = "linux"))]
fn tasks() -> Result<[Tasks; 2], String> {
    Err("which threads are in which system call is asked of Linux's /proc".to_owned())
}

/// The verdict on what Go and the tasks did.
#[must_use]
pub fn judge(go: GoEvidence<Option<Blocked>>, tasks: Result<[Tasks; 2], String>) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    evaluation.findings = go.findings;
    evaluation.missing = go.missing;
    let checked = go.found.is_some() && tasks.is_ok();
    let mut found = Vec::new();
    found.extend(go.found.map(|go| in_go(&mut evaluation, &go)));
    match tasks {
        Ok(tasks) => found.push(in_tasks(&mut evaluation, &tasks)),
        Err(why) => evaluation.lack("proc", why),
    }
    evaluation.finish(Outcome {
        verdict: Verdict::HoldsWithConditions.where_checked(checked),
        rests: Rests::OnImage,
        found: if found.is_empty() {
            "nothing could be seen".to_owned()
        } else {
            format!("{CALLS} calls of read(2): {}", found.join("; "))
        },
        conditions: CONDITIONS.map(str::to_owned).into(),
        evidence: go.evidence,
        provenance: go.provenance,
    })
}

const CONDITIONS: [&str; 3] = [
    "Go starts a thread for a call only when it waits, and gives its place to others after some 20 µs to 10 ms; beyond \
     10,000 threads the program is ended",
    "spawn_blocking starts a thread too, at most 512 of them by default; the caller has to know that a call may wait",
    "Go's collector also goes on while calls wait in C, for which the crossing is needed as well; that is not counted here",
];

fn in_go(evaluation: &mut Evaluation, go: &Blocked) -> String {
    evaluation.add("in C at once in Go", go.in_c);
    evaluation.add("ticks meanwhile in Go", go.ticks);
    let threads = [
        ("threads of Go before", go.threads_before),
        ("threads of Go while they wait", go.threads),
    ];
    for (name, count) in threads {
        evaluation.measure(name, approximately(count), "threads");
    }
    if (go.processors, go.calls, go.in_c, go.ticks) != (1, CALLS, CALLS, TICKS) {
        evaluation.fault(format_args!("in Go something waited that need not: {go:?}"));
    }
    // Each call that waits has a thread, and whoever runs meanwhile has another.
    if go.threads <= go.calls || go.threads <= go.threads_before {
        evaluation.fault(format_args!(
            "in Go no threads were started for those that wait: {go:?}"
        ));
    }
    format!(
        "in Go, on {} processor, {} of {} at once and {} of {TICKS} ticks of another goroutine meanwhile",
        go.processors, go.in_c, go.calls, go.ticks
    )
}

fn in_tasks(evaluation: &mut Evaluation, tasks: &[Tasks; 2]) -> String {
    for (row, tasks) in ["directly", "by spawn_blocking"].into_iter().zip(tasks) {
        let values = [tasks.in_c, tasks.rounds, tasks.ticks];
        evaluation.set_row(IN_TASKS.name, row, values);
    }
    let [directly, elsewhere] = tasks;
    let stalled = (WORKERS, CALLS / WORKERS, 0);
    if (directly.in_c, directly.rounds, directly.ticks) != stalled {
        evaluation.fault(format_args!(
            "directly in tasks: {} at once, {} rounds, {} ticks, where {WORKERS} workers can do no better than {stalled:?}",
            directly.in_c, directly.rounds, directly.ticks
        ));
    }
    if (elsewhere.in_c, elsewhere.rounds, elsewhere.ticks) != (CALLS, 1, TICKS) {
        evaluation.fault(format_args!(
            "by spawn_blocking: {} at once, {} rounds, {} ticks: it is no remedy",
            elsewhere.in_c, elsewhere.rounds, elsewhere.ticks
        ));
    }
    format!(
        "in tasks on {WORKERS} workers {} at once, in {} rounds, and {} ticks; by spawn_blocking {} at once, in {}, and {}",
        directly.in_c,
        directly.rounds,
        directly.ticks,
        elsewhere.in_c,
        elsewhere.rounds,
        elsewhere.ticks,
    )
}

/// As the tasks have them, and as the program in Go asks its bystander.
const WORKERS: u64 = 2;
/// Rounds of the bystander, in tasks and in Go.
pub const TICKS: u64 = 1000;
