//! An exhibit's twin in Go: its source, and its machine code as it is on file.

use std::fs;
use std::path::Path;

use barecall::Route;

use crate::baseline::root;
use crate::baseline::snapshot::Snapshot;
use crate::go::recorded;
use crate::measure::explain;
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
    let file = FILE.to_owned();
    (!text.is_empty()).then_some(Source { file, text })
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
    let snapshot = Snapshot::read(&file);
    snapshot.map_or_else(
        |_| Vec::new(),
        |snapshot| snapshot.body().lines().filter_map(line).collect(),
    )
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
    let (text, call) = match rest.split_once("  ; ") {
        Some((text, call)) => (text, Some(self::call(text, call))),
        None => (rest, None),
    };
    Some(Line {
        at,
        text: text.to_owned(),
        does: explain::instruction(text, call.as_ref()),
        call,
    })
}

/// `thunk -> g, via f`, or `direct` to what the instruction names.
fn call(text: &str, call: &str) -> Call {
    let (call, via) = call.split_once(", via ").unwrap_or((call, ""));
    let operand = text.split_once(' ').map_or(text, |(_, operand)| operand);
    let (route, to) = call.split_once(" -> ").unwrap_or((call, operand));
    Call {
        to: Some(to.to_owned()),
        route: route.parse().unwrap_or(Route::Unresolved),
        tail: false,
        via: via
            .split(", ")
            .filter(|via| !via.is_empty())
            .map(str::to_owned)
            .collect(),
        instructions: None,
    }
}
