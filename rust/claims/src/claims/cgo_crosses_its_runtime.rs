//! `cgo-crosses-its-runtime`: the contrast, seen by the same instrument.

use std::collections::BTreeMap;
use std::path::Path;

use barecall::walk::{Walk, WalkError};
use barecall::{Image, Route};

use super::{Evaluation, Rests, Statement, plain, reproduce};
use crate::claim::{
    Assessment, Axis, Chart, Claim, Evidence, Missing, Point, Series, Talk, Verdict, Walked,
};
use crate::go::acts::{self, ACTS, GoAct, Kind};
use crate::go::phase::{self, Phase, Phases};
use crate::go::program::Program;
use crate::go::record::{self, Record};
use crate::image_under_test::ImageUnderTest;
use crate::report::Side;
use crate::scenario::call::CallScenario;

pub const STATEMENT: Statement = Statement {
    id: "cgo-crosses-its-runtime",
    says: "the same call of the same C function from Go goes through Go's runtime: its scheduler is told, the stack is \
           switched there and back, and some 300 instructions execute where Rust's is one",
    check,
};

/// The walks of the program in Go, by act, and where they come from.
pub struct GoEvidence {
    pub evidence: Evidence,
    pub walks: Vec<(&'static GoAct, Walk)>,
    pub provenance: BTreeMap<&'static str, String>,
    /// What was missing to take them now.
    pub missing: Vec<Missing>,
    /// What went wrong.
    pub findings: Vec<String>,
}

fn check(subject: &ImageUnderTest) -> Claim {
    judge(subject, gone(subject.go(), &record::folder()))
}

/// The walks, live where there is a Go toolchain and a program can be walked, and otherwise what is on file.
fn gone(go: Result<&Program, &crate::go::toolchain::NoGo>, folder: &Path) -> GoEvidence {
    let program = match go {
        Ok(program) => program,
        Err(why) => return on_file(folder, "go", why.to_string()),
    };
    let mut gone = GoEvidence {
        evidence: Evidence::Live,
        walks: Vec::new(),
        provenance: live(program),
        missing: Vec::new(),
        findings: Vec::new(),
    };
    for (act, walk) in ACTS.iter().zip(acts::walk(program, &ACTS)) {
        match walk {
            Ok(walk) => gone.walks.push((act, walk)),
            Err(error @ (WalkError::Unsupported | WalkError::Forbidden { .. })) => {
                gone = on_file(folder, "ptrace", error.to_string());
                break;
            }
            Err(error) => gone
                .findings
                .push(format!("go/{} could not be walked: {error}", act.name)),
        }
    }
    // At rest, with or without ptrace.
    gone.findings.extend(at_rest(&program.path));
    gone
}

pub fn live(program: &Program) -> BTreeMap<&'static str, String> {
    let toolchain = &program.toolchain;
    BTreeMap::from([
        ("image", program.path.display().to_string()),
        (
            "compiler",
            format!("{}, {}", toolchain.version, toolchain.cc),
        ),
        ("target", record::TARGET.to_owned()),
        ("date", crate::today()),
    ])
}

fn on_file(folder: &Path, what: &'static str, why: String) -> GoEvidence {
    let mut gone = GoEvidence {
        evidence: Evidence::Recorded,
        walks: Vec::new(),
        provenance: BTreeMap::new(),
        missing: vec![Missing { what, why }],
        findings: Vec::new(),
    };
    match Record::read(folder) {
        Ok(record) => {
            gone.provenance = provenance(&record);
            for recorded in record.walks {
                match acts::named(&recorded.act) {
                    Some(act) => gone.walks.push((act, recorded.walk)),
                    None => gone.findings.push(format!("{}: no such act", recorded.act)),
                }
            }
        }
        // Not against the claim: there is nothing that it could rest on.
        Err(error) => gone.missing.push(Missing { what, why: error }),
    }
    gone
}

pub fn provenance(record: &Record) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        (
            "file",
            format!("asm-snapshots/cgo/{}/{}", record::TARGET, Record::FILE),
        ),
        ("compiler", format!("{}, {}", record.go, record.cc)),
        ("target", record.target.clone()),
        ("date", record.recorded.clone()),
    ])
}

/// In the image as well: no call from Go into C is bare, and a call from Go to Go is.
fn at_rest(path: &Path) -> Vec<String> {
    let image = match Image::open(path) {
        Ok(image) => image,
        Err(error) => return vec![error.to_string()],
    };
    let mut faults = Vec::new();
    for act in ACTS.iter().filter(|act| act.kind != Kind::Callback) {
        let calls = match image.function(act.from) {
            Ok(function) => function.calls(),
            Err(error) => {
                faults.push(error.to_string());
                continue;
            }
        };
        let into_c = act.kind == Kind::Out;
        let found = calls.iter().find(|call| match act.kind {
            // By the name that the annotation is for.
            Kind::Out => call.via().iter().any(|via| via == "runtime.cgocall"),
            _ => call.reaches(act.to),
        });
        match found {
            Some(call) if into_c == (call.route() == Route::Thunk) && into_c != call.route().is_bare() => {}
            _ => faults.push(format!(
                "at rest, {} to {}: {calls:?}: the instrument does not tell a call through Go's runtime from a bare one",
                act.from, act.to
            )),
        }
    }
    faults
}

fn judge(subject: &ImageUnderTest, gone: GoEvidence) -> Claim {
    let mut evaluation = Evaluation::default();
    let rust = ["add_one", "say_cstr", "visit"].map(|name| CallScenario::new(Side::Rust, name));
    evaluation.walk_bare(subject, &rust);
    for exhibit in plain() {
        if rust.iter().any(|act| act.name == exhibit.name) {
            evaluation.bare(subject, &exhibit);
        }
    }
    evaluation.findings.extend(gone.findings);
    for (act, walk) in &gone.walks {
        for fault in act.faults(walk) {
            evaluation
                .findings
                .push(format!("go/{}: {fault}:\n{walk}", act.name));
        }
        count(&mut evaluation, act, walk);
        evaluation.walks.push(Walked {
            act: format!("go/{}", act.name),
            evidence: gone.evidence,
            phases: Some(Phases::of(walk)),
            walk: walk.clone(),
        });
    }
    evaluation
        .pictures
        .charts
        .push(chart(&gone.walks, gone.evidence));
    let walked = |name: &str| {
        let found = gone.walks.iter().find(|(act, _)| act.name == name);
        found.map(|(_, walk)| walk)
    };
    let compiler = gone.provenance.get("compiler").cloned().unwrap_or_default();
    let go = compiler.split(',').next().unwrap_or_default().to_owned();
    let found = match (walked("add_one"), walked("say_cstr"), walked("visit")) {
        (Some(add_one), Some(puts), Some(visit)) => format!(
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
        ),
        _ => "there is no walk of it".to_owned(),
    };
    if !gone.walks.is_empty() && gone.walks.len() != ACTS.len() {
        evaluation
            .findings
            .push(format!("{} of {} walks", gone.walks.len(), ACTS.len()));
    }
    let verdict = if gone.walks.is_empty() && evaluation.findings.is_empty() {
        Verdict::NotChecked
    } else {
        // Without ptrace Rust's walks are missing, and what is on file of Go's stands.
        evaluation.verdict(Verdict::HoldsWithConditions, Rests::OnImage)
    };
    let mut missing = evaluation.missing();
    missing.extend(gone.missing);
    missing.dedup();
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict,
        found,
        conditions: evaluation.conditions(Rests::OnImage, conditions(gone.evidence)),
        missing,
        findings: evaluation.findings,
        talk: Talk {
            quote: "cf. Cgo with its C-incompatible stack",
            assessment: Assessment::Simplified,
            because: Some(
                "the stack is switched, once each way, but that is a seventh of the instructions: most of them tell the \
                 scheduler",
            ),
        },
        evidence: gone.evidence,
        figures: evaluation.figures,
        measured: evaluation.measured,
        pictures: evaluation.pictures,
        provenance: gone.provenance,
        reproduce: reproduce(STATEMENT.id),
        walks: evaluation.walks,
    }
}

fn count(evaluation: &mut Evaluation, act: &GoAct, walk: &Walk) {
    let name = act.name;
    evaluation.add(format!("{name} out"), walk.out.instructions, "instructions");
    evaluation.add(
        format!("{name} callee"),
        walk.callee.instructions,
        "instructions",
    );
    evaluation.add(
        format!("{name} back"),
        walk.back.instructions,
        "instructions",
    );
    let switches = walk.out.stack_switches + walk.back.stack_switches;
    evaluation.add(format!("{name} stack switches"), switches, "switches");
    let atomics = walk.out.atomics + walk.back.atomics;
    evaluation.add(format!("{name} atomics"), atomics, "instructions");
    if matches!(act.kind, Kind::Out | Kind::Callback) {
        for phase in Phase::ALL {
            let instructions = phase::instructions(walk, phase);
            if instructions > 0 {
                evaluation.add(
                    format!("{name} {}", phase.word()),
                    instructions,
                    "instructions",
                );
            }
        }
    }
}

/// `scheduler 181, stack switch 44, C side 26, …`: what is most first.
fn by_phase(walk: &Walk) -> String {
    let mut phases = Phase::ALL.map(|phase| (phase::instructions(walk, phase), phase.word()));
    phases.sort_by(|a, b| b.cmp(a));
    // The caller's own instruction is none of these.
    let between = |(count, word): &&(u64, &str)| *count > 0 && *word != Phase::Call.word();
    let parts = phases.iter().filter(between);
    let parts: Vec<String> = parts
        .map(|(count, word)| format!("{word} {count}"))
        .collect();
    parts.join(", ")
}

/// Out and back, by phase, for each call.
fn chart(walks: &[(&GoAct, Walk)], evidence: Evidence) -> Chart {
    let series = |phase: Phase| Series {
        name: phase.word().to_owned(),
        exact: true,
        evidence,
        points: walks
            .iter()
            .filter(|(act, _)| act.kind != Kind::Whole)
            .map(|(act, walk)| Point {
                label: Some(act.name.to_owned()),
                x: None,
                #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
                y: phase::instructions(walk, phase) as f64,
                spread: None,
            })
            .collect(),
    };
    Chart {
        id: "instructions-by-phase",
        title: "What executes between Go and C, out and back",
        x: None,
        y: Axis {
            name: "executed",
            unit: "instructions",
            log: false,
        },
        series: Phase::ALL.into_iter().map(series).collect(),
    }
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

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use super::*;

    fn subject() -> ImageUnderTest {
        ImageUnderTest::current().expect("the test's own image")
    }

    fn recorded() -> GoEvidence {
        on_file(&record::folder(), "go", "not here".into())
    }

    #[test]
    fn without_go_what_is_on_file_holds_and_says_so() {
        let claim = judge(&subject(), recorded());
        assert_eq!(
            claim.verdict,
            Verdict::HoldsWithConditions,
            "{:?}",
            claim.findings
        );
        assert_eq!(claim.evidence, Evidence::Recorded);
        assert_eq!(claim.missing[0].what, "go");
        assert!(claim.conditions[0].starts_with("by what is on file"));
        assert!(claim.walks.iter().all(|walked| {
            walked.act.starts_with("go/") == (walked.evidence == Evidence::Recorded)
        }));
    }

    #[test]
    fn without_go_and_without_a_record_it_is_not_checked() {
        let claim = judge(
            &subject(),
            on_file(Path::new("/nowhere"), "go", "not here".into()),
        );
        assert_eq!(claim.verdict, Verdict::NotChecked);
        assert!(claim.missing[1].why.contains("/nowhere/walks.json"));
    }

    /// What is on file, with one walk in the place of another.
    fn planted(name: &str, instead: &str, named: &str) {
        let mut gone = recorded();
        let walk = |name: &str| {
            let found = gone.walks.iter().find(|(act, _)| act.name == name);
            found.expect("it is on file").1.clone()
        };
        let other = walk(instead);
        for (act, walk) in &mut gone.walks {
            if act.name == name {
                *walk = other.clone();
            }
        }
        let claim = judge(&subject(), gone);
        assert_eq!(claim.verdict, Verdict::DoesNotHold);
        assert!(claim.findings[0].contains(named), "{:?}", claim.findings);
    }

    #[test]
    fn a_bare_call_from_go_turns_it() {
        planted(
            "add_one",
            "add_one_in_go",
            "go/add_one: 0 stack switches out",
        );
    }

    #[test]
    fn a_control_that_is_seen_crossing_turns_it() {
        planted("add_one_in_go", "add_one", "go/add_one_in_go: not bare");
    }

    #[test]
    fn a_callback_that_goes_the_wrong_way_turns_it() {
        planted("visit", "add_one", "go/visit: out: no ");
    }

    #[test]
    fn a_walk_that_is_missing_turns_it() {
        let mut gone = recorded();
        gone.walks.pop();
        let claim = judge(&subject(), gone);
        assert_eq!(claim.verdict, Verdict::DoesNotHold);
        assert!(claim.findings[0].contains("11 of 12 walks"));
    }

    /// The judge's own image has Rust's bare calls under no such names: nothing of Go is found there.
    #[test]
    fn an_image_without_go_turns_it() {
        let subject = subject();
        let faults = at_rest(subject.image.path());
        assert!(faults[0].contains("main.addOne"), "{faults:?}");
    }
}
