//! Fills a [`Report`] from the claims that still return the older type; it goes with that type.

use barecall::Function;
use zero_cost_ffi::catalogue::{self, Machine};

use crate::baseline::snapshot::Snapshot;
use crate::claim;
use crate::go::twin;
use crate::image_under_test::{ImageUnderTest, on_show};
use crate::measure::explain;
use crate::report::headline::{Ladder, headline};
use crate::report::{
    Call, Calls, Claim, Code, Control, Exhibit, Line, PROJECT, Report, SCHEMA, Side, Source, TALK,
    Talk, Toolchain, Walked,
};

/// The report of these claims.
#[must_use]
pub fn report(subject: &ImageUnderTest, checked: &[claim::Claim]) -> Report {
    let mut code: Vec<Code> = Vec::new();
    let mut claims = Vec::new();
    for old in checked {
        let shown = exhibits(subject, old.id);
        let shows: Vec<String> = shown.iter().map(|code| code.name.clone()).collect();
        for shown in shown {
            if !code.iter().any(|known| known.name == shown.name) {
                code.push(shown);
            }
        }
        claims.push(claim(old, shows));
    }
    let walks: Vec<&Walked> = claims.iter().flat_map(|claim| &claim.walks).collect();
    let ladders: Vec<Ladder<'_>> = walks.into_iter().map(Ladder::from).collect();
    let headline = headline(&ladders);
    Report {
        schema: SCHEMA,
        generator: PROJECT.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        date: crate::today(),
        toolchain: Toolchain {
            image: subject.image.path().display().to_string(),
            made_by: subject.image.producers().to_vec(),
            target: crate::image_under_test::target(),
        },
        exhibits: rows(subject),
        controls: controls(subject),
        headline,
        claims,
        code,
    }
}

/// The same value in the newer type.
fn same<T: serde::de::DeserializeOwned>(value: &impl serde::Serialize) -> T {
    let json = serde_json::to_value(value).expect("it is data");
    serde_json::from_value(json).expect("it has the same shape")
}

fn claim(old: &claim::Claim, shows: Vec<String>) -> Claim {
    let walks = old.walks.iter().map(|walked| {
        let (side, name) = walked.act.split_once('/').expect("side and name");
        Walked {
            side: same::<Side>(&side),
            name: name.to_owned(),
            evidence: same(&walked.evidence),
            phases: walked.phases.as_ref().map(same),
            walk: walked.walk.clone(),
        }
    });
    let figures = old.figures.iter().map(|(name, figure)| {
        let figure = crate::report::Figure {
            value: figure.value,
            unit: figure.unit.to_owned(),
            counts: name.clone(),
        };
        (name.clone(), figure)
    });
    let provenance = old.provenance.iter();
    let measured = states_measured(old);
    let (notes, conditions) = old
        .conditions
        .iter()
        .cloned()
        .partition(|text| measured(text));
    Claim {
        id: old.id.to_owned(),
        statement: old.says.to_owned(),
        verdict: same(&old.verdict),
        found: old.found.clone(),
        conditions,
        findings: old.findings.clone(),
        notes,
        missing: old.missing.iter().map(same).collect(),
        talk: Talk {
            quote: old.talk.quote.to_owned(),
            from: TALK.to_owned(),
            assessment: same(&old.talk.assessment),
            because: old.talk.because.map(str::to_owned),
        },
        evidence: same(&old.evidence),
        figures: figures.collect(),
        matrices: Vec::new(),
        measured: old
            .measured
            .iter()
            .map(|(name, value)| (name.clone(), same(value)))
            .collect(),
        walks: walks.collect(),
        charts: old.pictures.charts.iter().map(same).collect(),
        layouts: old.pictures.layouts.iter().map(same).collect(),
        listing: shows.first().and_then(|name| listing(name)),
        shows,
        provenance: provenance
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        reproduce: old.reproduce.clone(),
    }
}

/// Whether a text has a measured value in it, rounded.
fn states_measured(claim: &claim::Claim) -> impl Fn(&str) -> bool {
    move |text| {
        text.split(|char: char| !char.is_ascii_digit() && char != '.')
            .map(|number| number.trim_matches('.'))
            .filter_map(|number| Some((number, number.split_once('.')?.1.len())))
            .any(|(number, digits)| {
                let mut measured = claim.measured.values();
                measured.any(|measured| format!("{:.digits$}", measured.value) == number)
            })
    }
}

/// The listing on file of an exhibit.
fn listing(exhibit: &str) -> Option<Source> {
    let file = format!("asm-snapshots/x86_64-unknown-linux-gnu/{exhibit}.rust.O3.snap");
    let snapshot = Snapshot::read(&crate::baseline::root().join(&file)).ok()?;
    let text = snapshot.text().to_owned();
    Some(Source { file, text })
}

fn call(call: &barecall::Call<'_>) -> Call {
    Call {
        to: call.to(),
        route: call.route(),
        tail: call.tail(),
        via: call.via(),
        instructions: call.instructions(),
    }
}

fn calls(function: &Function<'_>, symbols: &[&str]) -> Calls {
    let calls: Vec<Call> = on_show(function, symbols).iter().map(call).collect();
    let counts = calls.iter().map(|call| call.instructions);
    let counts: Option<Vec<u32>> = counts.collect();
    Calls {
        instructions: counts.and_then(|counts| counts.into_iter().max()),
        calls,
    }
}

fn rows(subject: &ImageUnderTest) -> Vec<Exhibit> {
    let twins = catalogue::twins();
    let row = |exhibit: catalogue::Exhibit| {
        let rust = subject.exhibit(&exhibit);
        let twin = twins.iter().find(|twin| Some(twin.name) == exhibit.twin);
        let twin = twin.and_then(|twin| subject.twin(twin));
        Exhibit {
            name: exhibit.name.to_owned(),
            says: exhibit.says.to_owned(),
            callee: exhibit.calls[0].to_owned(),
            rust: rust
                .map(|function| calls(&function, exhibit.calls))
                .unwrap_or_default(),
            c: twin.map(|twin| calls(&twin, exhibit.calls)),
        }
    };
    catalogue::exhibits().into_iter().map(row).collect()
}

fn controls(subject: &ImageUnderTest) -> Vec<Control> {
    let control = |control: catalogue::Control| {
        let calls = subject.control(&control).map(|control| control.calls());
        let calls = calls.unwrap_or_default();
        let found = calls.iter().rev().find(|call| !call.route().is_bare());
        Control {
            name: control.name.to_owned(),
            expected: control.route.parse().expect("a route"),
            found: found.map(call),
        }
    };
    catalogue::controls().into_iter().map(control).collect()
}

/// The exhibits that a claim is about: those in tasks or the others; all, for those about levels and stacks; the
/// machines; none, for those about other things.
fn exhibits(subject: &ImageUnderTest, id: &str) -> Vec<Code> {
    match id {
        "state-machine" => return machines(subject, catalogue::machines()),
        "right-sized" => return machines(subject, catalogue::kept()),
        "million-tasks" => return Vec::new(),
        _ => {}
    }
    let twins = catalogue::twins();
    catalogue::exhibits()
        .into_iter()
        .filter(|exhibit| match id {
            "every-opt-level" | "same-stack" => true,
            // No call to C in these.
            "reads-per-message" | "switch-cost" => false,
            // The two that the walks of Go are beside.
            "cgo-crosses-its-runtime" => ["add_one", "say_cstr"].contains(&exhibit.name),
            "cgo-buys-something" | "drop-cancels" => false,
            "callbacks-too" => exhibit.calls == ["greet_for_each"],
            "one-instruction" | "no-more-than-c" => !exhibit.poll,
            "from-a-task" => exhibit.poll,
            _ => false,
        })
        .map(|exhibit| {
            let twin = twins.iter().find(|twin| Some(twin.name) == exhibit.twin);
            Code {
                name: exhibit.name.to_owned(),
                says: exhibit.says.to_owned(),
                source: Source {
                    file: exhibit.file.to_owned(),
                    text: cut(exhibit.source, exhibit.name),
                },
                rust: subject
                    .exhibit(&exhibit)
                    .map(|function| lines(&function))
                    .unwrap_or_default(),
                c_source: twin.map(|twin| Source {
                    file: twin.file.to_owned(),
                    text: cut(twin.source, twin.name),
                }),
                c: twin
                    .and_then(|twin| subject.twin(twin))
                    .map(|function| lines(&function))
                    .unwrap_or_default(),
                go_source: twin::source(exhibit.name),
                go: twin::lines(exhibit.name),
            }
        })
        .collect()
}

/// Each machine's source, and what its `poll` was compiled to.
fn machines(subject: &ImageUnderTest, machines: Vec<Machine>) -> Vec<Code> {
    machines
        .into_iter()
        .map(|machine| Code {
            name: machine.name.to_owned(),
            says: machine.says.to_owned(),
            source: Source {
                file: machine.file.to_owned(),
                text: cut_from(machine.source, |line| line.starts_with(machine.begins)),
            },
            rust: subject
                .at(machine.name, machine.entry)
                .map(|function| lines(&function))
                .unwrap_or_default(),
            c_source: None,
            c: Vec::new(),
            go_source: None,
            go: Vec::new(),
        })
        .collect()
}

/// A function's text: from the line that declares it to the first that closes it.
fn cut(source: &str, name: &str) -> String {
    cut_from(source, |line| {
        !line.starts_with([' ', '/', '#', '*'])
            && line.contains(&format!(" {name}("))
            && !line.ends_with(';')
    })
}

fn cut_from(source: &str, declares: impl Fn(&str) -> bool) -> String {
    let declares = |line: &&str| declares(line);
    let mut lines = source.lines().skip_while(|line| !declares(line));
    let mut text = String::new();
    for line in lines.by_ref() {
        text.push_str(line);
        text.push('\n');
        if line == "}" {
            break;
        }
    }
    text
}

fn lines(function: &Function<'_>) -> Vec<Line> {
    let listing = function.listing();
    let line = |instruction: &barecall::Instruction<'_>| {
        let call = instruction.call().as_ref().map(call);
        Line {
            at: instruction.address(),
            text: instruction.text(),
            does: explain::instruction(&instruction.text(), call.as_ref()),
            call,
        }
    };
    listing.instructions().iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exhibit_and_twin_has_source() {
        for exhibit in catalogue::exhibits() {
            let text = cut(exhibit.source, exhibit.name);
            assert!(
                text.contains(&format!("fn {}(", exhibit.name)) && text.ends_with("}\n"),
                "{}: {text}",
                exhibit.name
            );
            assert_eq!(text.matches("\n}").count(), 1, "{text}");
        }
        for machine in catalogue::machines().iter().chain(&catalogue::kept()) {
            let text = cut_from(machine.source, |line| line.starts_with(machine.begins));
            assert!(
                text.starts_with(machine.begins) && text.ends_with("}\n"),
                "{}: {text}",
                machine.name
            );
        }
        for twin in catalogue::twins() {
            let text = cut(twin.source, twin.name);
            assert!(
                text.contains(&format!(" {}(", twin.name)) && text.ends_with("}\n"),
                "{}: {text}",
                twin.name
            );
        }
    }
}
