//! `below-zero`: with linker-plugin LTO there is no call left to cost anything.

use std::collections::BTreeMap;

use zero_cost_ffi::compilers::Twins;

use crate::baseline;
use crate::evaluation::{
    Context, Evaluation, FigureSpec, MatrixSpec, OnFile, Outcome, Quote, Rests, Spec, provenance,
};
use crate::measure::lto::{self, FILE, NotCompared, Record, Row};
use crate::measure::missing::MissingTool as _;
use crate::report::{Assessment, Axis, Chart, Claim, Evidence, Missing, Point, Series, Verdict};

/// The claim.
pub static SPEC: Spec = Spec {
    id: "below-zero",
    statement: "built with linker-plugin LTO, the C function is inlined into Rust: the call is gone, and so is its cost",
    talk: Quote {
        quote: "Rust favors abstractions at no _additional_ costs",
        assessment: Assessment::AsSaid,
        because: None,
    },
    figures: &[&[
        FigureSpec {
            name: "exhibits",
            unit: "functions",
            counts: "exhibits that were built with linker-plugin LTO, and without it",
        },
        FigureSpec {
            name: "calls left",
            unit: "calls",
            counts: "calls of the C function in these exhibits with LTO",
        },
        FigureSpec {
            name: "calls gone",
            unit: "functions",
            counts: "exhibits that with LTO make no call, execute less, and whose C function is not in the image",
        },
    ]],
    matrices: &[MatrixSpec {
        name: "executed",
        unit: "instructions",
        counts: "instructions of one call of the exhibit, all that it calls included, the C function too; of a loop's, \
                 once round",
        columns: &[WITH, WITHOUT],
    }],
    // By `prove --live`.
    check,
    ..Spec::DEFAULT
};

const COMMAND: &str = "cargo run --release -- prove --live below-zero";
const WITH: &str = "with LTO";
const WITHOUT: &str = "without LTO";

/// A struct by value: rustc declares such a function to LLVM with another type than clang defines it, and LLVM does not
/// inline across that (rust-lang/rust#102174). The call stays, and may cost no more than before.
const BY_VALUE: [&str; 1] = ["midpoint"];

fn check(context: &Context) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    if context.request.on_file == OnFile::Read {
        if Twins::BY_CLANG.is_none() {
            let missing = Missing::new("clang", NotCompared::NoClang);
            evaluation.missing.push(missing);
        }
        return recorded(evaluation, &FILE);
    }
    let compared = match lto::compare(&context.image) {
        Ok(compared) => compared,
        Err(error) => {
            let Some(what) = error.missing_tool() else {
                evaluation.fault(error);
                return claim(evaluation, &[], Evidence::Live, provenance(&context.image));
            };
            evaluation.missing.push(Missing::new(what, error));
            return recorded(evaluation, &FILE);
        }
    };
    let (made_by, facts) = (compared.made_by, compared.facts);
    if context.request.on_file == OnFile::Record
        && let Err(why) = Record::new(&FILE, made_by.clone(), facts.clone()).write(&FILE)
    {
        evaluation.fault(why);
        return recorded(evaluation, &FILE);
    }
    let mut provenance = provenance(&context.image);
    provenance.insert("made by".to_owned(), made_by.join("; "));
    evaluation.findings.extend(compared.faults);
    let mut claim = claim(evaluation, &facts.rows, Evidence::Live, provenance);
    let walked = format!("a walk to greet_add_one: {}", facts.walked);
    claim.conditions.push(walked);
    claim
}

/// Judges what is on file.
fn recorded(mut evaluation: Evaluation, file: &baseline::File) -> Claim {
    let record = match Record::read(file) {
        Ok(record) => record,
        Err(why) => {
            evaluation.unusable(&why);
            return claim(evaluation, &[], Evidence::Recorded, BTreeMap::new());
        }
    };
    let compilers = record.made_by.iter();
    let compilers = compilers.filter(|maker| maker.contains("rustc") || maker.contains("clang"));
    let compilers: Vec<&str> = compilers.map(String::as_str).collect();
    let provenance = [
        ("made by", record.made_by.join("; ")),
        ("file", file.path.to_owned()),
        ("compiler", compilers.join(", ")),
        ("date", record.recorded),
    ];
    let provenance = provenance.map(|(name, value)| (name.to_owned(), value));
    claim(
        evaluation,
        &record.facts.rows,
        Evidence::Recorded,
        provenance.into(),
    )
}

fn claim(
    mut evaluation: Evaluation,
    rows: &[Row],
    evidence: Evidence,
    provenance: BTreeMap<String, String>,
) -> Claim {
    // None at all is no proof. Where something else is wrong, that is what is said.
    let is_there = evaluation
        .missing
        .iter()
        .all(|missing| missing.what != "record");
    if evaluation.findings.is_empty() && is_there {
        for exhibit in lto::exhibits() {
            if !rows.iter().any(|row| row.name == exhibit.name) {
                evaluation.fault(format_args!("nothing is known of {}", exhibit.name));
            }
        }
    }
    for Row {
        name,
        calls,
        callee_is_there,
        with,
        without,
    } in rows
    {
        evaluation.add("exhibits", 1);
        evaluation.add("calls left", *calls);
        evaluation.set_cell("executed", name, WITH, *with);
        evaluation.set_cell("executed", name, WITHOUT, *without);
        let is_gone = *calls == 0 && !callee_is_there && with < without;
        if is_gone {
            evaluation.add("calls gone", 1);
        } else if !BY_VALUE.contains(&name.as_str()) || with > without {
            let callee = if *callee_is_there {
                "still is"
            } else {
                "is not"
            };
            evaluation.fault(format_args!(
                "{name}: {calls} calls left, the callee {callee} in the image, {with} instructions with LTO and \
                 {without} without"
            ));
        }
    }
    evaluation.charts.push(chart(rows, evidence));
    let executed = |column| {
        let value = evaluation.value_of_cell("executed", "add_one_times", column);
        value.unwrap_or_default()
    };
    let found = format!(
        "the call is gone from {} of {} exhibits; add_one_times executes {} instructions once round, {} without LTO",
        evaluation.value("calls gone"),
        lto::exhibits().len(),
        executed(WITH),
        executed(WITHOUT),
    );
    evaluation.finish(Outcome {
        verdict: if is_there {
            Verdict::HoldsWithConditions
        } else {
            Verdict::NotChecked
        },
        rests: Rests::OnImage,
        found: if is_there {
            found
        } else {
            "nothing is on file".to_owned()
        },
        conditions: vec![
            "a struct by value stays a call (midpoint): rustc declares the function to LLVM with another type than clang \
             defines it, and LLVM does not inline across that (rust-lang/rust#102174)"
                .into(),
            "C is compiled by clang with -flto=thin, Rust with -C linker-plugin-lto, and a linker that reads both bitcodes \
             (rustc's own LLD does); this is not the default"
                .into(),
            "a shared library's function, such as puts, cannot be inlined: it is called as before".into(),
            format!("built and walked by: {COMMAND}"),
        ],
        evidence,
        provenance,
    })
}

fn chart(rows: &[Row], evidence: Evidence) -> Chart {
    let series = |name: &str, value: fn(&Row) -> u64| Series {
        name: name.to_owned(),
        exact: true,
        evidence,
        points: rows
            .iter()
            .map(|row| Point {
                label: Some(row.name.clone()),
                x: None,
                y: value(row) as f64,
                spread: None,
            })
            .collect(),
    };
    Chart {
        id: "instructions-with-and-without-lto".to_owned(),
        title: "What an exhibit executes, the C function included; a loop's, once round".to_owned(),
        x: None,
        y: Axis {
            name: "executed".to_owned(),
            unit: "instructions".to_owned(),
            log: false,
        },
        series: vec![
            series("with linker-plugin LTO", |row| row.with),
            series("without", |row| row.without),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_file() -> Record {
        Record::read(&FILE).expect("it is on file")
    }

    fn judged(rows: &[Row]) -> Claim {
        let evaluation = Evaluation::new(&SPEC);
        claim(evaluation, rows, Evidence::Recorded, BTreeMap::new())
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
        type Change = fn(&mut Row);
        let faults: [(&str, Change); 5] = [
            ("sum", |row| row.calls = 1),
            ("add_one", |row| row.callee_is_there = true),
            ("add_one_times", |row| row.with = 6),
            ("midpoint", |row| row.name = "midpoimt".to_owned()),
            ("midpoint", |row| row.with = 12),
        ];
        for (name, change) in faults {
            let mut rows = on_file().facts.rows;
            let row = rows.iter_mut().find(|row| row.name == name);
            change(row.expect("the row"));
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
}
