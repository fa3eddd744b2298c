//! `below-zero`: with linker-plugin LTO there is no call left to cost anything.

use std::collections::BTreeMap;

use zero_cost_ffi::compilers::Twins;

use crate::baseline;
use crate::evaluation::{
    Context, Evaluation, FigureSpec, MatrixSpec, OnFile, Outcome, Quote, Rests, Spec, provenance,
};
use crate::measure::lto::{self, FILE, NotCompared, Record, Row};
use crate::measure::missing::MissingTool as _;
use crate::report::{Axis, Claim, Evidence, Verdict};

/// The claim.
pub static SPEC: Spec = Spec {
    id: "below-zero",
    statement: "built with linker-plugin LTO, the C function is inlined into Rust: the call is gone, and so is its cost",
    talk: Quote::as_said("Rust favors abstractions at no _additional_ costs"),
    figures: &[&[
        FigureSpec::new("exhibits", "functions")
            .counts("exhibits that were built with linker-plugin LTO, and without it"),
        FigureSpec::new("calls left", "calls")
            .counts("calls of the C function in these exhibits with LTO"),
        FigureSpec::new("calls gone", "functions")
            .counts("exhibits that with LTO make no call, execute less, and whose C function is not in the image"),
    ]],
    matrices: &[MatrixSpec::new("executed", "instructions", &[WITH, WITHOUT])
        .counts("instructions of one call of the exhibit, all that it calls included, the C function too; of a loop's, \
                once round")],
    // By `prove --live`.
    check,
    ..Spec::DEFAULT
};

pub const COMMAND: &str = "cargo run --release -- prove --live below-zero";
const WITH: &str = "with LTO";
const WITHOUT: &str = "without LTO";

/// A struct by value: rustc declares such a function to LLVM with another type than clang defines it, and LLVM does not
/// inline across that (rust-lang/rust#102174). The call stays, and may cost no more than before.
const BY_VALUE: [&str; 1] = ["midpoint"];

fn check(context: &Context) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    if context.request.on_file == OnFile::Read {
        if Twins::BY_CLANG.is_none() {
            evaluation.lack("clang", NotCompared::NoClang);
        }
        return recorded(evaluation, &FILE);
    }
    let compared = match lto::compare(&context.image) {
        Ok(compared) => compared,
        Err(error) => {
            let Some(what) = error.missing_tool() else {
                evaluation.fault(error);
                return judge(evaluation, &[], Evidence::Live, provenance(&context.image));
            };
            evaluation.lack(what, error);
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
    let mut claim = judge(evaluation, &facts.rows, Evidence::Live, provenance);
    let walked = format!("a walk to greet_add_one: {}", facts.walked);
    claim.conditions.push(walked);
    claim
}

/// Judges what is on file.
#[must_use]
pub fn recorded(mut evaluation: Evaluation, file: &baseline::File) -> Claim {
    let record = match Record::read(file) {
        Ok(record) => record,
        Err(why) => {
            evaluation.unusable(&why);
            return judge(evaluation, &[], Evidence::Recorded, BTreeMap::new());
        }
    };
    let mut provenance = record.provenance(file);
    let is_compiler = |maker: &&String| maker.contains("rustc") || maker.contains("clang");
    let compilers: Vec<String> = record.made_by.iter().filter(is_compiler).cloned().collect();
    provenance.insert("compiler".to_owned(), compilers.join(", "));
    judge(
        evaluation,
        &record.facts.rows,
        Evidence::Recorded,
        provenance,
    )
}

/// The verdict on these counts.
#[must_use]
pub fn judge(
    mut evaluation: Evaluation,
    rows: &[Row],
    evidence: Evidence,
    provenance: BTreeMap<String, String>,
) -> Claim {
    // None at all is no proof. Where something else is wrong, that is what is said.
    let mut missing = evaluation.missing.iter();
    let is_there = missing.all(|missing| missing.what != "record");
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
        evaluation.set_row("executed", name, [*with, *without]);
        let is_gone = *calls == 0 && !callee_is_there && with < without;
        if is_gone {
            evaluation.add("calls gone", 1);
        } else if !BY_VALUE.contains(&name.as_str()) || with > without {
            let callee = ["is not", "still is"][usize::from(*callee_is_there)];
            evaluation.fault(format_args!(
                "{name}: {calls} calls left, the callee {callee} in the image, {with} instructions with LTO and \
                 {without} without"
            ));
        }
    }
    evaluation.draw(
        "executed",
        [
            "instructions-with-and-without-lto",
            "What an exhibit executes, the C function included; a loop's, once round",
        ],
        Axis::linear("executed", "instructions"),
        evidence,
        &[(WITH, "with linker-plugin LTO"), (WITHOUT, "without")],
    );
    let executed = |column| evaluation.count_in("executed", "add_one_times", column);
    let found = format!(
        "the call is gone from {} of {} exhibits; add_one_times executes {} instructions once round, {} without LTO",
        evaluation.value("calls gone"),
        lto::exhibits().len(),
        executed(WITH),
        executed(WITHOUT),
    );
    evaluation.finish(Outcome {
        verdict: Verdict::HoldsWithConditions.where_checked(is_there),
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
