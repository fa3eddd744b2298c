//! An exhibit's twin in Go: its source, and its machine code as it is on file.

use std::fs;
use std::path::Path;

use barecall::Route;

use crate::baseline::root;
use crate::go::recorded;
use crate::render::explain;
use crate::report::{Call, Line, Source};

/// The twins, from the root of the repository.
pub const FILE: &str = "cgo/calls.go";

/// The source of the Go function that does what the exhibit of this name does, if there is one.
pub fn source(exhibit: &str) -> Option<Source> {
    source_in(&root(), exhibit)
}

/// The same, in another repository.
#[must_use]
pub fn source_in(root: &Path, exhibit: &str) -> Option<Source> {
    let source = fs::read_to_string(root.join(FILE)).ok()?;
    let begins = format!("func {}(", name(exhibit));
    let mut text = String::new();
    for line in source.lines().skip_while(|line| !line.starts_with(&begins)) {
        text.push_str(line);
        text.push('\n');
        if line.ends_with('}') && (text.lines().count() == 1 || line == "}") {
            break;
        }
    }
    (!text.is_empty()).then(|| Source {
        file: FILE.to_owned(),
        text,
    })
}

/// Its machine code on file; nothing where there is none.
pub fn lines(exhibit: &str) -> Vec<Line> {
    lines_in(&root(), exhibit)
}

/// The same, in another repository.
#[must_use]
pub fn lines_in(root: &Path, exhibit: &str) -> Vec<Line> {
    let file = root
        .join(recorded::FOLDER)
        .join(format!("main.{}.snap", name(exhibit)));
    fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .filter_map(line)
        .collect()
}

/// As Go names it: `add_one` is `addOne`.
fn name(exhibit: &str) -> String {
    let mut name = String::new();
    let mut capital = false;
    for char in exhibit.chars() {
        if char == '_' {
            capital = true;
        } else if std::mem::take(&mut capital) {
            name.extend(char.to_uppercase());
        } else {
            name.push(char);
        }
    }
    name
}

/// `    12  call f  ; thunk -> g, via f`: where it is in the function, the instruction, and how it calls.
fn line(line: &str) -> Option<Line> {
    let (at, rest) = line.strip_prefix(' ')?.trim_start().split_once("  ")?;
    let at = u64::from_str_radix(at, 16).ok()?;
    let Some((text, call)) = rest.split_once("  ; ") else {
        return Some(Line {
            at,
            text: rest.to_owned(),
            call: None,
            does: explain::instruction(rest, None),
        });
    };
    let (call, via) = call.split_once(", via ").unwrap_or((call, ""));
    let operand = text.split_once(' ').map_or(text, |(_, operand)| operand);
    let (route, to) = call.split_once(" -> ").unwrap_or((call, operand));
    let route: Route = route.parse().ok()?;
    let via: Vec<String> = via
        .split(", ")
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    Some(Line {
        at,
        text: text.to_owned(),
        does: Some(explain::by_route(route, false, to, &via.join(" and "))),
        call: Some(Call {
            to: Some(to.to_owned()),
            route,
            tail: false,
            via,
            // Not on file: only a walk has counted them.
            instructions: None,
        }),
    })
}
