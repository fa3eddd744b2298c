//! Every command that an output prints is one that can be run.

use std::collections::BTreeSet;
use std::fs;

use claims::baseline::root;
use claims::claims::SPECS;
use claims::cli::{Cli, Command};
use clap::Parser as _;

use super::{fixture, outputs};

/// The commands in a text: from `cargo` up to where its line, its quotes or its markup end.
pub fn commands(text: &str) -> BTreeSet<String> {
    let text = text.replace("-{}-", "--").replace("&quot;", "\"");
    let mut commands = BTreeSet::new();
    for (at, _) in text.match_indices("cargo ") {
        let rest = &text[at..];
        let end = rest.find([
            '`', '\n', '<', '"', '}', '\u{1b}', ';', ',', '(', '…', ':', '\'',
        ]);
        let command = rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', ' ']);
        commands.insert(command.to_owned());
    }
    commands
}

/// Whether it can be run: the judge understands it, and knows the claim that it names; or Cargo has that target.
fn is_known(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    let judge = match &words[..] {
        ["cargo", "run", "--release"] => return true,
        ["cargo", "run", "--release", "--", rest @ ..] => rest,
        ["cargo", "test"] => return true,
        ["cargo", "test", "--test", name, ..] => return is_target("tests", name),
        ["cargo", "bench", "--bench", name] => return is_target("benches", name),
        _ => return false,
    };
    let claim = |id: &String| id == "hostile-claim" || SPECS.iter().any(|spec| spec.id == id);
    match Cli::try_parse_from(std::iter::once("claims").chain(judge.iter().copied())) {
        Ok(Cli {
            command: Some(Command::Prove(prove)),
            ..
        }) => prove.ids.iter().all(claim),
        Ok(Cli {
            command: Some(Command::Show { id, .. } | Command::Cite { id, .. }),
            ..
        }) => claim(&id),
        Ok(Cli {
            command: None,
            prove,
        }) => prove.ids.iter().all(claim),
        parsed => parsed.is_ok(),
    }
}

/// Whether one of the packages that Cargo runs by default has that test or benchmark.
fn is_target(folder: &str, name: &str) -> bool {
    let packages = [root(), root().join("rust/claims")];
    packages.into_iter().any(|package| {
        let target = package.join(folder).join(name);
        target.is_dir() || target.with_extension("rs").is_file()
    })
}

#[test]
fn every_command_that_is_printed_can_be_run() {
    for (name, text) in outputs(&fixture::report()) {
        let commands = commands(&text);
        assert!(name.ends_with(".svg") || !commands.is_empty(), "{name}");
        for command in &commands {
            assert!(is_known(command), "{name}: {command}");
        }
        let own = "cargo run --release -- prove --live hostile-claim";
        let prints_it = !matches!(name, "table" | "docs/ladder.svg");
        assert_eq!(commands.contains(own), prints_it, "{name}: {commands:?}");
    }
    let evidence = fs::read_to_string(root().join("EVIDENCE.md")).expect("EVIDENCE.md");
    // Its paragraphs are wrapped.
    let evidence = evidence.replace("\n\n", "`").replace('\n', " ");
    for command in commands(&evidence) {
        assert!(is_known(&command), "EVIDENCE.md: {command}");
    }
    for planted in [
        "cargo run --release -- proof x",
        "cargo test --test no_such",
        "cargo run --release -- prove --fast x",
    ] {
        assert!(!is_known(planted), "{planted}");
    }
}
