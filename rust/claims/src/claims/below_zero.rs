//! `below-zero`: with linker-plugin LTO there is no call left to cost anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zero_cost_ffi::compilers::Twins;

use super::{Evaluation, Rests, Statement, live};
use crate::claim::{
    Assessment, Axis, Chart, Claim, Evidence, Missing, Point, Series, Talk, Verdict,
};
use crate::image_under_test::{ImageUnderTest, OnFile};
use crate::measure::lto::{self, Compared, NotCompared, Row};
use crate::measure::missing::MissingTool as _;

pub const STATEMENT: Statement = Statement {
    id: "below-zero",
    says: "built with linker-plugin LTO, the C function is inlined into Rust: the call is gone, and so is its cost",
    check,
};

const COMMAND: &str = "cargo run --release -- prove --live below-zero";

/// A struct by value: rustc declares such a function to LLVM with another type than clang defines it, and LLVM does not
/// inline across that (rust-lang/rust#102174). The call stays, and may cost no more than before.
const BY_VALUE: [&str; 1] = ["midpoint"];

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../asm-snapshots/x86_64-unknown-linux-gnu/below-zero.txt")
}

fn check(subject: &ImageUnderTest) -> Claim {
    if subject.on_file == OnFile::Read {
        let missing = Twins::BY_CLANG
            .is_none()
            .then(|| NotCompared::NoClang.to_string());
        return recorded(&file(), missing.map(|why| Missing { what: "clang", why }));
    }
    match lto::compare(subject) {
        Ok(compared) => {
            if subject.on_file == OnFile::Record
                && let Err(why) = std::fs::write(file(), to_text(&compared))
            {
                let mut claim = recorded(&file(), None);
                claim.verdict = Verdict::DoesNotHold;
                claim.findings.push(format!("{}: {why}", file().display()));
                return claim;
            }
            let mut provenance = live(subject);
            provenance.insert("made by", compared.made_by.join("; "));
            let mut claim = claim(&compared.rows, Evidence::Live, provenance, &compared.faults);
            claim
                .conditions
                .push(format!("a walk to greet_add_one: {}", compared.walked));
            claim
        }
        Err(error) => match error.missing_tool() {
            Some(what) => recorded(
                &file(),
                Some(Missing {
                    what,
                    why: error.to_string(),
                }),
            ),
            None => claim(&[], Evidence::Live, live(subject), &[error.to_string()]),
        },
    }
}

/// What is on file, and what was missing to make it anew.
fn recorded(file: &Path, missing: Option<Missing>) -> Claim {
    let text = std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()));
    let Ok(text) = text else {
        let mut claim = claim(
            &[],
            Evidence::Recorded,
            BTreeMap::new(),
            &[text.unwrap_err()],
        );
        claim.verdict = Verdict::NotChecked;
        return claim;
    };
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        lines.map(str::trim).collect::<Vec<_>>().join("; ")
    };
    let makers = field("# made by");
    let compilers = makers
        .split("; ")
        .filter(|maker| maker.contains("rustc") || maker.contains("clang"));
    let compilers = compilers.collect::<Vec<_>>().join(", ");
    let provenance = BTreeMap::from([
        ("made by", makers.clone()),
        (
            "file",
            "asm-snapshots/x86_64-unknown-linux-gnu/below-zero.txt".to_owned(),
        ),
        ("compiler", compilers),
        ("date", field("# recorded")),
    ]);
    let rows: Result<Vec<Row>, String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(row)
        .collect();
    let mut claim = match rows {
        Ok(rows) => claim(&rows, Evidence::Recorded, provenance, &[]),
        Err(line) => claim(
            &[],
            Evidence::Recorded,
            provenance,
            &[format!("not understood: {line}")],
        ),
    };
    claim.missing.extend(missing);
    claim
}

fn row(line: &str) -> Result<Row, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse().ok())
            .ok_or_else(|| line.to_owned())
    };
    Ok(Row {
        name: (*fields.first().ok_or_else(|| line.to_owned())?).to_owned(),
        calls: number(1)?,
        callee_is_there: match fields.get(2) {
            Some(&"gone") => false,
            Some(&"there") => true,
            _ => return Err(line.to_owned()),
        },
        with: number(3)?,
        without: number(4)?,
    })
}

fn to_text(compared: &Compared) -> String {
    let mut text = format!(
        "# Exhibits built with linker-plugin LTO and C by clang: their calls of the C function, whether that is still in \
         the\n# image, and the instructions they execute (all they call included; a loop's, once round), with LTO and \
         without.\n# Made by: cargo run --release -- prove --record below-zero\n# recorded  {}\n",
        crate::today()
    );
    for maker in &compared.made_by {
        text += &format!("# made by  {maker}\n");
    }
    text += &format!(
        "# {:<16}{:>6}{:>8}{:>6}{:>9}\n",
        "exhibit", "calls", "callee", "with", "without"
    );
    for Row {
        name,
        calls,
        callee_is_there,
        with,
        without,
    } in &compared.rows
    {
        let callee = if *callee_is_there { "there" } else { "gone" };
        text += &format!("{name:<18}{calls:>6}{callee:>8}{with:>6}{without:>9}\n");
    }
    text + "#\n# a walk to greet_add_one: "
        + &compared.walked.replace('\n', " ")
        + "\n"
        + &compared.listings
}

fn claim(
    rows: &[Row],
    evidence: Evidence,
    provenance: BTreeMap<&'static str, String>,
    faults: &[String],
) -> Claim {
    let mut evaluation = Evaluation::default();
    evaluation.findings.extend_from_slice(faults);
    for Row {
        name,
        calls,
        callee_is_there,
        with,
        without,
    } in rows
    {
        evaluation.add("exhibits", 1, "functions");
        evaluation.add("calls left", *calls, "calls");
        evaluation.most(format!("{name} with LTO"), *with, "instructions");
        evaluation.most(format!("{name} without LTO"), *without, "instructions");
        let is_gone = *calls == 0 && !callee_is_there && with < without;
        if is_gone {
            evaluation.add("calls gone", 1, "functions");
        } else if !BY_VALUE.contains(&name.as_str()) || with > without {
            let callee = if *callee_is_there {
                "still is"
            } else {
                "is not"
            };
            evaluation.findings.push(format!(
                "{name}: {calls} calls left, the callee {callee} in the image, {with} instructions with LTO and \
                 {without} without"
            ));
        }
    }
    evaluation.pictures.charts.push(chart(rows, evidence));
    // None at all would be no proof.
    for exhibit in lto::exhibits() {
        if faults.is_empty() && !rows.iter().any(|row| row.name == exhibit.name) {
            evaluation
                .findings
                .push(format!("nothing is known of {}", exhibit.name));
        }
    }
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: evaluation.verdict(Verdict::HoldsWithConditions, Rests::OnImage),
        found: format!(
            "the call is gone from {} of {} exhibits; add_one_times executes {} instructions once round, {} without LTO",
            evaluation.value("calls gone"),
            lto::exhibits().len(),
            evaluation.value("add_one_times with LTO"),
            evaluation.value("add_one_times without LTO"),
        ),
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
        missing: Vec::new(),
        findings: evaluation.findings,
        talk: Talk {
            quote: "Rust favors abstractions at no _additional_ costs",
            assessment: Assessment::AsSaid,
            because: None,
        },
        evidence,
        figures: evaluation.figures,
        measured: evaluation.measured,
        pictures: evaluation.pictures,
        provenance,
        reproduce: COMMAND.to_owned(),
        walks: Vec::new(),
    }
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
        id: "instructions-with-and-without-lto",
        title: "What an exhibit executes, the C function included; a loop's, once round",
        x: None,
        y: Axis {
            name: "executed",
            unit: "instructions",
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

    fn planted(from: &str, to: &str) -> Claim {
        let text = std::fs::read_to_string(file()).expect("it is on file");
        assert!(text.contains(from), "{from} is not in:\n{text}");
        let copy = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(copy.path(), text.replacen(from, to, 1)).expect("written");
        recorded(copy.path(), None)
    }

    #[test]
    fn what_is_on_file_holds() {
        let claim = recorded(&file(), None);
        assert_eq!(
            claim.verdict,
            Verdict::HoldsWithConditions,
            "{:?}",
            claim.findings
        );
        assert_eq!(claim.figures["calls gone"].value, 4);
        assert_eq!(claim.figures["add_one_times with LTO"].value, 0);
    }

    /// The build without LTO, on file as if it were the one with it.
    #[test]
    fn a_call_that_is_left_does_not() {
        for (from, to) in [
            ("sum                    0", "sum                    1"),
            ("    gone", "   there"),
            (
                "add_one_times          0    gone     0",
                "add_one_times          0    gone     6",
            ),
            ("midpoint ", "midpoimt "),
            ("there    11", "there    12"),
        ] {
            let claim = planted(from, to);
            assert_eq!(claim.verdict, Verdict::DoesNotHold, "{from} -> {to}");
        }
    }

    #[test]
    fn without_the_file_it_is_not_checked() {
        assert_eq!(
            recorded(Path::new("/nowhere"), None).verdict,
            Verdict::NotChecked
        );
    }
}
