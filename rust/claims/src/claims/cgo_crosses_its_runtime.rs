//! `cgo-crosses-its-runtime`: the contrast, seen by the same instrument.

use std::path::Path;

use barecall::walk::{Walk, WalkError};
use barecall::{Image, Route};

use crate::evaluation::{
    BARE, Context, Evaluation, Live, MatrixSpec, Outcome, Quote, Rests, Shows, Spec, WALKED, plain,
};
use crate::go::calls::{self, CALLS, GoCall, GoCallKind};
use crate::go::phase;
use crate::go::program::Program;
use crate::go::recorded::{self, GoEvidence};
use crate::go::toolchain::NoGo;
use crate::image_under_test::ImageUnderTest;
use crate::report::{Axis, Chart, Claim, Evidence, Phase, Point, Series, Side, Verdict, Walked};
use crate::scenario::call::CallScenario;

/// The claim.
pub const SPEC: Spec = Spec {
    id: "cgo-crosses-its-runtime",
    statement: "the same call of the same C function from Go goes through Go's runtime: its scheduler is told, the stack is \
                switched there and back, and some 300 instructions execute where Rust's is one",
    talk: Quote::simplified(
        "cf. Cgo with its C-incompatible stack",
        "the stack is switched, once each way, but that is a seventh of the instructions: most of them tell the \
             scheduler",
    ),
    // The two that the walks of Go are beside.
    shows: Shows::Exhibits(|exhibit| ["add_one", "say_cstr"].contains(&exhibit.name)),
    figures: &[BARE, WALKED],
    matrices: &[EXECUTED, BY_PHASE],
    live: Live::Command(
        "BARECALL_REQUIRE=go,ptrace cargo run --release -- prove cgo-crosses-its-runtime",
    ),
    check,
    ..Spec::DEFAULT
};

const EXECUTED: MatrixSpec = MatrixSpec::new("calls of the program in Go", "instructions, switches", &["out", "callee", "back", "stack switches", "atomics"])
    .counts("instructions from the call to the callee's first (out), of the callee with all that it calls, and from behind \
            its return to the caller's next (back); stack switches and atomic instructions on the way out and back");

const BY_PHASE: MatrixSpec = MatrixSpec::new(
    "calls of the program in Go, by phase",
    "instructions",
    &[
        Phase::Call.as_str(),
        Phase::Stub.as_str(),
        Phase::Packing.as_str(),
        Phase::Scheduler.as_str(),
        Phase::StackSwitch.as_str(),
        Phase::CSide.as_str(),
    ],
)
.counts("instructions on the way out and back together, by what they are for");

fn check(context: &Context) -> Claim {
    let image = &context.image;
    judge(image, evidence(image.go(), &recorded::walks()))
}

/// The walks, live where there is a Go toolchain and a program can be walked, and otherwise what is in that file.
fn evidence(go: Result<&Program, &NoGo>, file: &Path) -> GoEvidence<Vec<Walked>> {
    let program = match go {
        Ok(program) => program,
        Err(why) => return GoEvidence::recorded(file, "go", why, |facts| facts.walks),
    };
    let mut go: GoEvidence<Vec<Walked>> = GoEvidence::live(program);
    for (call, walk) in CALLS.iter().zip(calls::walk(program, &CALLS)) {
        match walk {
            Ok(walk) => go.found.push(Walked {
                side: Side::Go,
                name: call.name.to_owned(),
                evidence: Evidence::Live,
                phases: Some(phase::of(&walk)),
                walk,
            }),
            Err(error @ (WalkError::Unsupported | WalkError::Forbidden { .. })) => {
                go = GoEvidence::recorded(file, "ptrace", error, |facts| facts.walks);
                break;
            }
            Err(error) => go
                .findings
                .push(format!("go/{} could not be walked: {error}", call.name)),
        }
    }
    // At rest, with or without ptrace.
    go.findings.extend(at_rest(&program.path));
    go
}

/// In the image as well: no call from Go into C is bare, and a call from Go to Go is.
#[must_use]
pub fn at_rest(path: &Path) -> Vec<String> {
    let image = match Image::open(path) {
        Ok(image) => image,
        Err(error) => return vec![error.to_string()],
    };
    let mut faults = Vec::new();
    for go in CALLS.iter().filter(|go| go.kind != GoCallKind::Callback) {
        let calls = match image.function(go.from) {
            Ok(function) => function.calls(),
            Err(error) => {
                faults.push(error.to_string());
                continue;
            }
        };
        let into_c = go.kind == GoCallKind::Out;
        let found = calls.iter().find(|call| match go.kind {
            // By the name that the annotation is for.
            GoCallKind::Out => call.via().iter().any(|via| via == "runtime.cgocall"),
            _ => call.reaches(go.to),
        });
        match found {
            Some(call) if into_c == (call.route() == Route::Thunk) && into_c != call.route().is_bare() => {}
            _ => faults.push(format!(
                "at rest, {} to {}: {calls:?}: the instrument cannot tell a call through Go's runtime from a bare one",
                go.from, go.to
            )),
        }
    }
    faults
}

/// The verdict on these walks, beside those of Rust taken now.
#[must_use]
pub fn judge(image: &ImageUnderTest, go: GoEvidence<Vec<Walked>>) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    let rust = ["add_one", "say_cstr", "visit"].map(|name| CallScenario::new(Side::Rust, name));
    evaluation.walk_bare(image, &rust);
    for exhibit in plain() {
        if rust.iter().any(|call| call.name == exhibit.name) {
            evaluation.bare(image, &exhibit);
        }
    }
    evaluation.findings.extend(go.findings);
    for walked in &go.found {
        match calls::named(&walked.name) {
            Some(call) => held_against(&mut evaluation, call, &walked.walk),
            None => evaluation.fault(format_args!("{}: no such call", walked.label())),
        }
    }
    if !go.found.is_empty() && go.found.len() != CALLS.len() {
        let (walked, calls) = (go.found.len(), CALLS.len());
        evaluation.fault(format_args!("{walked} of {calls} walks"));
    }
    evaluation.charts.push(chart(&go.found, go.evidence));
    let compiler = go.provenance.get("compiler").map(String::as_str);
    let version = compiler.unwrap_or_default().split(',').next();
    let found = found(&evaluation, version.unwrap_or_default(), &go.found);
    let checked = !go.found.is_empty();
    evaluation.walks.extend(go.found);
    evaluation.missing = go.missing;
    evaluation.finish(Outcome {
        verdict: Verdict::HoldsWithConditions.where_checked(checked),
        // Without ptrace Rust's walks are missing, and what is on file of Go's stands.
        rests: Rests::OnImage,
        found,
        conditions: conditions(go.evidence),
        evidence: go.evidence,
        provenance: go.provenance,
    })
}

fn found(evaluation: &Evaluation, go: &str, walks: &[Walked]) -> String {
    let walked = |name: &str| {
        let found = walks.iter().find(|walked| walked.name == name);
        found.map(|walked| &walked.walk)
    };
    let (Some(add_one), Some(puts), Some(visit)) =
        (walked("add_one"), walked("say_cstr"), walked("visit"))
    else {
        return "there is no walk of it".to_owned();
    };
    format!(
        "{go}: {} and {} instructions out and back around C's {} ({}), {} stack switches; to puts {} and {}; a callback \
         {} and {}; Rust {}; control Go to Go {}",
        add_one.out.instructions,
        add_one.back.instructions,
        add_one.callee.instructions,
        by_phase(add_one),
        add_one.out.stack_switches + add_one.back.stack_switches,
        puts.out.instructions,
        puts.back.instructions,
        visit.out.instructions,
        visit.back.instructions,
        evaluation.walked(),
        walked("add_one_in_go").map_or_else(
            || "not walked".to_owned(),
            |walk| format!("{} and {}", walk.out.instructions, walk.back.instructions)
        ),
    )
}

/// Holds one walk of Go against the claim, and counts it.
fn held_against(evaluation: &mut Evaluation, call: &GoCall, walk: &Walk) {
    for fault in call.faults(walk) {
        evaluation.fault(format_args!("go/{}: {fault}:\n{walk}", call.name));
    }
    let values = [
        walk.out.instructions,
        walk.callee.instructions,
        walk.back.instructions,
        walk.out.stack_switches + walk.back.stack_switches,
        walk.out.atomics + walk.back.atomics,
    ];
    evaluation.set_row(EXECUTED.name, call.name, values);
    if matches!(call.kind, GoCallKind::Out | GoCallKind::Callback) {
        let values = Phase::ALL.map(|phase| phase::instructions(walk, phase));
        evaluation.set_row(BY_PHASE.name, call.name, values);
    }
}

/// `scheduler 181, stack switch 44, C side 26, …`: what is most first.
fn by_phase(walk: &Walk) -> String {
    let mut phases = Phase::ALL.map(|phase| (phase::instructions(walk, phase), phase.as_str()));
    phases.sort_by(|a, b| b.cmp(a));
    // The caller's own instruction is none of these.
    let between = |(count, word): &&(u64, &str)| *count > 0 && *word != Phase::Call.as_str();
    let parts = phases.iter().filter(between);
    let parts: Vec<String> = parts
        .map(|(count, word)| format!("{word} {count}"))
        .collect();
    parts.join(", ")
}

/// Out and back, by phase, for each call.
fn chart(walks: &[Walked], evidence: Evidence) -> Chart {
    let series = |phase: Phase| {
        let crossing = walks.iter().filter(|walked| {
            calls::named(&walked.name).is_some_and(|call| call.kind != GoCallKind::Whole)
        });
        let points = crossing
            .map(|walked| Point::labelled(&walked.name, phase::instructions(&walked.walk, phase)));
        Series::counted(phase.as_str(), evidence, points)
    };
    Chart::new(
        "instructions-by-phase",
        "What executes between Go and C, out and back",
        None,
        Axis::linear("executed", "instructions"),
        Phase::ALL.map(series),
    )
}

fn conditions(evidence: Evidence) -> Vec<String> {
    let mut conditions = vec![
        "an empty callee flatters Rust: around `puts` or work done in C in batches the same instructions weigh less \
         (cgo/README.md has them all, and the time)"
            .to_owned(),
        "on linux/amd64, with this version of Go: 1.26 does with some 30 % fewer instructions than 1.25".into(),
        "walked after a warm-up, without preemption or garbage collection in mid-call, and while no other thread wants \
         the processor: what is counted is the least that a call takes"
            .into(),
        "what these instructions buy is the next claim, cgo-buys-something".into(),
    ];
    if evidence == Evidence::Recorded {
        conditions.insert(
            0,
            "by what is on file: the program in Go was not built and walked here; Rust's was"
                .to_owned(),
        );
    }
    conditions
}
