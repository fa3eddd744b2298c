//! What is on file, compared with a report, and replaced by it.

use std::fs;
use std::path::{Path, PathBuf};

use claims::baseline::evidence::{self, ACCEPT, FOLDER, Outcome};
use claims::baseline::{Error, Record};
use claims::render::documents;
use claims::report::facts::Facts;
use claims::report::{Claim, Missing, Report, Verdict};
use tempfile::TempDir;

use super::fixture;

fn checked() -> Claim {
    Claim {
        missing: Vec::new(),
        ..fixture::claim()
    }
}

fn of(claim: Claim) -> Report {
    fixture::of(vec![claim])
}

/// A repository where the fixture's claim is on file since the day before the report.
fn on_file() -> TempDir {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("docs")).expect("made");
    let report = Report {
        date: "2024-10-29".into(),
        ..of(checked())
    };
    evidence::accept(root.path(), &report, documents).expect("it is written");
    root
}

fn record(root: &Path) -> PathBuf {
    root.join(FOLDER).join("hostile-claim.json")
}

fn compare(root: &Path, report: &Report) -> Outcome {
    evidence::compare(root, report, documents).expect("it is compared")
}

fn accept(root: &Path, report: &Report) -> Outcome {
    evidence::accept(root, report, documents).expect("it is written")
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("it is there");
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(file, text.replace(from, to)).expect("written");
}

fn read(root: &Path) -> Record<Facts> {
    Record::read_from(&record(root), evidence::SCHEMA, ACCEPT).expect("a record")
}

#[test]
fn what_is_found_again_keeps_its_date() {
    let root = on_file();
    let text = fs::read_to_string(root.path().join("EVIDENCE.md")).expect("it is there");
    assert!(
        text.contains("\nRecorded 2024-10-29 by rustc version"),
        "{text}"
    );
    // Made by others, it is the same all the same.
    let mut others = of(checked());
    others.toolchain.made_by[1] = "GCC: 13".to_owned();
    for report in [of(checked()), others] {
        let outcome = compare(root.path(), &report);
        assert!(
            outcome.same && outcome.not_checked.is_empty(),
            "{outcome:?}"
        );
        assert_eq!(
            outcome.text,
            "EVIDENCE.md and docs/ladder.svg say what is found\n"
        );
        assert_eq!(accept(root.path(), &report).text, "nothing has changed\n");
    }
    assert_eq!(read(root.path()).recorded, "2024-10-29");
}

#[test]
fn a_fact_that_changes_is_drift() {
    let root = on_file();
    let mut claim = checked();
    claim
        .figures
        .values_mut()
        .for_each(|figure| figure.value = 312);
    let mut fewer = checked();
    fewer.walks.pop();
    let holds = Claim {
        verdict: Verdict::Holds,
        ..checked()
    };
    for (changed, said) in [
        (claim, "+| calls & more | 312 |"),
        (fewer, "-| `go/say` |"),
        (holds, "+Verdict: **holds**"),
    ] {
        let outcome = compare(root.path(), &of(changed));
        assert!(
            !outcome.same && outcome.not_checked.is_empty(),
            "{outcome:?}"
        );
        assert!(
            outcome.text.contains(said) && outcome.text.contains(ACCEPT),
            "{outcome:?}"
        );
    }
    // What differs from run to run is not.
    let mut measured = checked();
    measured.measured.clear();
    measured.notes.clear();
    measured.found = "something else".into();
    measured.charts.clear();
    assert!(compare(root.path(), &of(measured)).same);
    // A claim that is no more is.
    let none = fixture::of(Vec::new());
    let outcome = compare(root.path(), &none);
    assert!(
        !outcome.same && outcome.text.contains("-| [hostile-claim]"),
        "{outcome:?}"
    );
    accept(root.path(), &none);
    assert!(!record(root.path()).exists());
}

#[test]
fn the_documents_are_what_the_records_say() {
    for (file, from) in [("EVIDENCE.md", "313"), ("docs/ladder.svg", "12 in Go")] {
        let root = on_file();
        replace(&root.path().join(file), from, "31337");
        let outcome = compare(root.path(), &of(checked()));
        assert!(!outcome.same && outcome.text.contains(from), "{outcome:?}");
        accept(root.path(), &of(checked()));
        assert!(compare(root.path(), &of(checked())).same);
        assert_eq!(
            read(root.path()).recorded,
            "2024-10-29",
            "the record did not change"
        );
    }
}

#[test]
fn other_compilers_are_not_compared_but_may_be_accepted() {
    let root = on_file();
    replace(&record(root.path()), "\"value\": 313", "\"value\": 312");
    evidence::compare(root.path(), &of(checked()), documents).expect("drift");
    let mut others = of(checked());
    others.toolchain.made_by[1] = "GCC: 13".to_owned();
    let outcome = compare(root.path(), &others);
    assert_eq!(outcome.not_checked[0].what, "cc");
    let why = &outcome.not_checked[0].why;
    assert!(
        why.contains("\"value\": 312") && why.contains("313") && why.contains(ACCEPT),
        "{why}"
    );
    let outcome = accept(root.path(), &others);
    assert_eq!(outcome.not_checked, []);
    assert!(read(root.path()).made_by.contains(&"GCC: 13".to_owned()));
}

#[test]
fn what_was_not_checked_stays() {
    let root = on_file();
    replace(&record(root.path()), "\"value\": 313", "\"value\": 312");
    replace(&root.path().join("EVIDENCE.md"), "| 313 |", "| 312 |");
    let before = fs::read(record(root.path())).expect("it is there");
    let missing = of(Claim {
        missing: vec![Missing::new("go", "no go")],
        ..checked()
    });
    for outcome in [
        compare(root.path(), &missing),
        accept(root.path(), &missing),
    ] {
        assert!(outcome.same, "{outcome:?}");
        assert_eq!(outcome.not_checked.len(), 1);
        assert_eq!(outcome.not_checked[0].what, "go");
    }
    assert_eq!(fs::read(record(root.path())).expect("it is there"), before);
}

#[test]
fn another_compiler_is_not_the_pinned_one() {
    let root = on_file();
    for made_by in [
        "rustc version 1.96.0 (0 2026-05-28)",
        "rustc version 1.950.0",
    ] {
        let mut report = of(Claim {
            verdict: Verdict::Holds,
            ..checked()
        });
        report.toolchain.made_by = vec![made_by.to_owned()];
        for outcome in [compare(root.path(), &report), accept(root.path(), &report)] {
            assert_eq!(outcome.not_checked[0].what, "pinned");
        }
    }
    assert!(
        compare(root.path(), &of(checked())).same,
        "nothing was written"
    );
}

/// What cannot be used is named, with what makes it anew; and that does.
#[test]
fn a_record_that_cannot_be_used_is_named() {
    let refused = |plant: &dyn Fn(&Path), said: &str| {
        let root = on_file();
        plant(&record(root.path()));
        let error = evidence::compare(root.path(), &of(checked()), documents)
            .expect_err("refused")
            .to_string();
        for part in ["hostile-claim.json", said, ACCEPT] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
        accept(root.path(), &of(checked()));
        assert!(compare(root.path(), &of(checked())).same);
    };
    let text = |text: &'static str| move |file: &Path| fs::write(file, text).expect("written");
    let edit = |from: &'static str, to: &'static str| move |file: &Path| replace(file, from, to);
    refused(
        &|file| fs::remove_file(file).expect("removed"),
        "to record it",
    );
    refused(&text(""), "is damaged");
    refused(&text("{\"schema\": 1, \"recorded\""), "is damaged");
    refused(&text("[]"), "is damaged");
    refused(
        &|file| fs::write(file, [0xff, 0xfe]).expect("written"),
        "hostile-claim.json",
    );
    refused(&edit("\"schema\": 1", "\"schema\": 2"), "a newer version");
    refused(&edit("\"schema\": 1", "\"schema\": 0"), "an older version");
    refused(&edit("\"schema\": 1", "\"schema\": -1"), "is damaged");
    refused(&edit("\"value\": 313", "\"value\": \"313\""), "is damaged");
    refused(&edit("\"statement\"", "\"says\""), "is damaged");
    // A folder in its place cannot be replaced, and is named all the same.
    let root = on_file();
    fs::remove_file(record(root.path())).expect("removed");
    fs::create_dir(record(root.path())).expect("made");
    for result in
        [evidence::compare, evidence::accept].map(|run| run(root.path(), &of(checked()), documents))
    {
        let error = result.expect_err("refused");
        assert!(
            matches!(error, Error::Read { .. }) && error.to_string().contains("hostile-claim.json"),
            "{error}"
        );
    }
}
