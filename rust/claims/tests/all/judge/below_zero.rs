//! `below-zero`

use std::collections::BTreeMap;

use claims::baseline;
use claims::claims::below_zero::{COMMAND, SPEC, judge, recorded};
use claims::evaluation::Evaluation;
use claims::measure::lto::{FILE, Record, Row};
use claims::report::{Claim, Evidence, Verdict};

fn on_file() -> Record {
    Record::read(&FILE).expect("it is on file")
}

fn judged(rows: &[Row]) -> Claim {
    let evaluation = Evaluation::new(&SPEC);
    judge(evaluation, rows, Evidence::Recorded, BTreeMap::new())
}

#[test]
fn what_is_on_file_holds() {
    let claim = recorded(Evaluation::new(&SPEC), &FILE);
    assert_eq!(
        claim.verdict,
        Verdict::HoldsWithConditions,
        "{:?}",
        claim.findings
    );
    assert_eq!(claim.figures["calls gone"].value, 4);
    let mut rows = claim.matrices[0].rows.iter();
    let times = rows.find(|row| row.name == "add_one_times");
    assert_eq!(times.expect("the row").values, [Some(0), Some(6)]);
    assert_eq!(claim.reproduce, COMMAND);
}

/// The build without LTO, on file as if it were the one with it.
#[test]
fn a_call_that_is_left_does_not() {
    type Plant = fn(&mut Row);
    let plants: [(&str, Plant); 5] = [
        ("sum", |row| row.calls = 1),
        ("add_one", |row| row.callee_is_there = true),
        ("add_one_times", |row| row.with = 6),
        ("midpoint", |row| row.name = "midpoimt".to_owned()),
        ("midpoint", |row| row.with = 12),
    ];
    for (name, plant) in plants {
        let mut rows = on_file().facts.rows;
        let row = rows.iter_mut().find(|row| row.name == name);
        plant(row.expect("the row"));
        assert_eq!(judged(&rows).verdict, Verdict::DoesNotHold, "{name}");
    }
}

/// Nor does a file that is damaged or newer; without one, nothing is checked. Each names file and command.
#[test]
fn without_the_file_it_is_not_checked() {
    for (text, verdict) in [
        (None, Verdict::NotChecked),
        (Some("{ \"schema\": 1,"), Verdict::DoesNotHold),
        (Some("{ \"schema\": 99 }"), Verdict::DoesNotHold),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below-zero.json");
        if let Some(text) = text {
            std::fs::write(&path, text).expect("written");
        }
        let path: &'static str = path.to_string_lossy().into_owned().leak();
        let claim = recorded(Evaluation::new(&SPEC), &baseline::File { path, ..FILE });
        assert_eq!(claim.verdict, verdict);
        let why = claim.missing.iter().map(|missing| missing.why.clone());
        let said = claim.findings.into_iter().chain(why).collect::<String>();
        assert!(said.contains(path) && said.contains(FILE.command), "{said}");
    }
}
