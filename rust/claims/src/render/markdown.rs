//! EVIDENCE.md: each claim with the exact figures that it rests on, as they are on file.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use barecall::walk::Leg;

use super::{sentence, wrapped};
use crate::baseline::Record;
use crate::report::facts::{Facts, Path};
use crate::report::{Figure, Matrix, PROJECT, TALK};

const WIDTH: usize = 120;

/// The document.
#[must_use]
pub fn evidence(records: &[Record<Facts>]) -> String {
    let mut text = format!(
        "# Evidence\n\n{}\n{}\n| claim | verdict | the talk | evidence |\n| --- | --- | --- | --- |\n",
        paragraph(&format!(
            "What each claim of {PROJECT} rests on: the exact figures, which are the same wherever the compilers are \
             the same. `cargo run --release -- report` shows the measured values, too. To cite a claim, see \
             [docs/citing.md](docs/citing.md)."
        )),
        paragraph(&format!(
            "This file is generated from the records in `asm-snapshots/evidence`. `cargo run --release -- evidence` \
             compares both with what is found now, and a test of the slow tier does so too; `cargo run --release -- evidence \
             --accept` accepts a change. The talk is {TALK}."
        )),
    );
    for Record { facts, .. } in records {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| [{id}](#{id}) | {} | {} | {} |",
            facts.verdict.as_str(),
            facts.talk.assessment.as_str(),
            facts.evidence.as_str(),
            id = facts.id
        );
    }
    for record in records {
        let recorded = format!(
            "Recorded {} by {}",
            record.recorded,
            record.made_by.join("; ")
        );
        let _ = write!(
            text,
            "\n## {}\n\n{}\n{}",
            record.facts.id,
            section(&record.facts),
            paragraph(&recorded)
        );
    }
    text
}

fn paragraph(text: &str) -> String {
    wrapped(WIDTH, text, "", "")
}

/// What the document says of one claim.
#[must_use]
pub fn section(facts: &Facts) -> String {
    let mut text = paragraph(&format!("**{}**", sentence(&facts.statement)));
    let mut say = |part: &str| text.push_str(part);
    let verdict = format!(
        "Verdict: **{}**, {}.",
        facts.verdict.as_str(),
        facts.evidence.as_str()
    );
    say("\n");
    say(&paragraph(&verdict));
    let because = facts.talk.because.as_ref();
    let quote = format!(
        "\u{201c}{}\u{201d} ({}): {}{}.",
        facts.talk.quote,
        facts.talk.from,
        facts.talk.assessment.as_str(),
        because.map_or_else(String::new, |because| format!("; {because}"))
    );
    say("\n");
    say(&wrapped(WIDTH, &quote, "> ", "> "));
    if !facts.conditions.is_empty() {
        say("\nConditions:\n\n");
        for condition in &facts.conditions {
            say(&wrapped(WIDTH, condition, "- ", "  "));
        }
    }
    if !facts.findings.is_empty() {
        say("\nAgainst it:\n\n");
        for finding in &facts.findings {
            say(&format!("```text\n{finding}\n```\n"));
        }
    }
    if !facts.figures.is_empty() {
        say("\n| counted | | | what is counted |\n| --- | ---: | --- | --- |\n");
        for (
            name,
            Figure {
                value,
                unit,
                counts,
            },
        ) in &facts.figures
        {
            say(&row([
                cell(name),
                value.to_string(),
                cell(unit),
                cell(counts),
            ]));
        }
    }
    for matrix in &facts.matrices {
        say(&table(matrix));
    }
    if let Some(listing) = &facts.listing {
        let name = listing.file.rsplit('/').next().unwrap_or_default();
        say(&format!(
            "\nThe code, from [{name}]({}):\n\n```asm\n{}\n```\n",
            listing.file,
            listing.text.trim().replace('\t', "    ")
        ));
    }
    say(&walks(&facts.walks));
    say(&format!("\nCheck it: `{}`\n", facts.reproduce));
    text
}

fn table(matrix: &Matrix) -> String {
    let Matrix {
        name, counts, unit, ..
    } = matrix;
    let mut text = format!(
        "\n{}\n",
        paragraph(&format!("Counted, {name} ({unit}): {counts}."))
    );
    let columns = matrix.columns.iter().map(|column| cell(column));
    text.push_str(&row([String::new()].into_iter().chain(columns)));
    let rule = matrix.columns.iter().map(|_| "---:".to_owned());
    text.push_str(&row(["---".to_owned()].into_iter().chain(rule)));
    for line in &matrix.rows {
        let values = line.values.iter().map(|value| match value {
            Some(value) => value.to_string(),
            None => "–".to_owned(),
        });
        text.push_str(&row([cell(&line.name)].into_iter().chain(values)));
    }
    text
}

/// A line for each walk, and the steps of the first of each side.
fn walks(walks: &[Path]) -> String {
    let mut text = String::new();
    if walks.is_empty() {
        return text;
    }
    text.push_str(
        "\n| walked | to | out | back | stack switches |\n| --- | --- | ---: | ---: | ---: |\n",
    );
    for path in walks {
        text.push_str(&row([
            format!("`{}`", path.label()),
            format!("`{}`", cell(&path.to)),
            path.out.instructions.to_string(),
            path.back.instructions.to_string(),
            format!(
                "{} out, {} back",
                path.out.stack_switches, path.back.stack_switches
            ),
        ]));
    }
    let mut seen = BTreeSet::new();
    let first = walks.iter().filter(|path| seen.insert(path.side));
    let ladders: Vec<String> = first.map(ladder).collect();
    text.push_str(&format!("\n```text\n{}```\n", ladders.join("\n")));
    text
}

fn ladder(path: &Path) -> String {
    let mut text = format!("{}: {} -> {}\n", path.label(), path.from, path.to);
    let mut leg = |name: &str, leg: &Leg| {
        let _ = writeln!(text, "  {name:<5} {:>5}", leg.instructions);
        for step in &leg.steps {
            let switch = if step.stack_switches > 0 {
                ", switches stacks"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "        {:>5}  {}{switch}",
                step.instructions, step.symbol
            );
        }
    };
    leg("out", &path.out);
    leg("back", &path.back);
    text
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A text that cannot end the cell that it is in.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
