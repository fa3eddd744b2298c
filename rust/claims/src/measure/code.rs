//! The code on show: source and machine code of exhibits, twins and futures, and the routes of their calls.

use barecall::Function;
use zero_cost_ffi::catalogue::{self, Machine};

use super::explain;
use crate::evaluation::Shows;
use crate::go::twin;
use crate::image_under_test::{ImageUnderTest, on_show};
use crate::report::{Call, Calls, Code, Control, Exhibit, Line, Source};

/// Each exhibit's calls beside those of its twin.
#[must_use]
pub fn exhibits(image: &ImageUnderTest) -> Vec<Exhibit> {
    let twins = catalogue::twins();
    let row = |exhibit: catalogue::Exhibit| {
        let twin = twins.iter().find(|twin| Some(twin.name) == exhibit.twin);
        let calls = |function: Option<Function<'_>>| {
            function.map(|function| calls(&function, exhibit.calls))
        };
        Exhibit {
            name: exhibit.name.to_owned(),
            says: exhibit.says.to_owned(),
            callee: exhibit.calls[0].to_owned(),
            rust: calls(image.exhibit(&exhibit)).unwrap_or_default(),
            c: twin.and_then(|twin| calls(image.twin(twin))),
        }
    };
    catalogue::exhibits().into_iter().map(row).collect()
}

/// A function's calls of these symbols.
fn calls(function: &Function<'_>, symbols: &[&str]) -> Calls {
    let calls: Vec<Call> = on_show(function, symbols).iter().map(Call::from).collect();
    let counts: Option<Vec<u32>> = calls.iter().map(|call| call.instructions).collect();
    Calls {
        instructions: counts.and_then(|counts| counts.into_iter().max()),
        calls,
    }
}

/// Each control, and its call that is not bare.
#[must_use]
pub fn controls(image: &ImageUnderTest) -> Vec<Control> {
    let row = |control: catalogue::Control| {
        let calls = image
            .control(&control)
            .map(|function| function.calls())
            .unwrap_or_default();
        let found = calls.iter().rev().find(|call| !call.route().is_bare());
        Control {
            name: control.name.to_owned(),
            expected: control.route.parse().expect("the catalogue names a route"),
            found: found.map(Call::from),
        }
    };
    catalogue::controls().into_iter().map(row).collect()
}

/// The names of what a claim shows.
#[must_use]
pub fn names(shows: Shows) -> Vec<String> {
    let names: Vec<&str> = match shows {
        Shows::Nothing => Vec::new(),
        Shows::Futures(futures) => futures().iter().map(|future| future.name).collect(),
        Shows::Exhibits(is_shown) => catalogue::exhibits()
            .iter()
            .filter(|exhibit| is_shown(exhibit))
            .map(|exhibit| exhibit.name)
            .collect(),
    };
    names.into_iter().map(str::to_owned).collect()
}

/// Adds the code that a claim shows, where it is not there yet.
pub fn add(code: &mut Vec<Code>, image: &ImageUnderTest, shows: Shows) {
    let mut put = |name: &str, found: &dyn Fn() -> Code| {
        if !code.iter().any(|known| known.name == name) {
            code.push(found());
        }
    };
    match shows {
        Shows::Nothing => {}
        Shows::Futures(futures) => {
            for future in futures() {
                put(future.name, &|| of_future(image, &future));
            }
        }
        Shows::Exhibits(is_shown) => {
            for exhibit in catalogue::exhibits().into_iter().filter(is_shown) {
                put(exhibit.name, &|| of_exhibit(image, &exhibit));
            }
        }
    }
}

fn of_exhibit(image: &ImageUnderTest, exhibit: &catalogue::Exhibit) -> Code {
    let twins = catalogue::twins();
    let twin = twins.iter().find(|twin| Some(twin.name) == exhibit.twin);
    let compiled = |function: Option<Function<'_>>| {
        function
            .map(|function| lines(&function))
            .unwrap_or_default()
    };
    Code {
        name: exhibit.name.to_owned(),
        says: exhibit.says.to_owned(),
        source: Source {
            file: exhibit.file.to_owned(),
            text: cut(exhibit.source, exhibit.name),
        },
        rust: compiled(image.exhibit(exhibit)),
        c_source: twin.map(|twin| Source {
            file: twin.file.to_owned(),
            text: cut(twin.source, twin.name),
        }),
        c: compiled(twin.and_then(|twin| image.twin(twin))),
        go_source: twin::source(exhibit.name),
        go: twin::lines(exhibit.name),
    }
}

/// A future's source, and its compiled `poll`.
fn of_future(image: &ImageUnderTest, future: &Machine) -> Code {
    let poll = image.at(future.name, future.entry).ok();
    Code {
        name: future.name.to_owned(),
        says: future.says.to_owned(),
        source: Source {
            file: future.file.to_owned(),
            text: cut_from(future.source, |line| line.starts_with(future.begins)),
        },
        rust: poll.map(|function| lines(&function)).unwrap_or_default(),
        c_source: None,
        c: Vec::new(),
        go_source: None,
        go: Vec::new(),
    }
}

/// A function's text in a source file: from the line that declares it to the first that closes it.
#[must_use]
pub fn cut(source: &str, name: &str) -> String {
    cut_from(source, |line| {
        !line.starts_with([' ', '/', '#', '*'])
            && line.contains(&format!(" {name}("))
            && !line.ends_with(';')
    })
}

/// The text from the first line for which this is true to the first that closes it.
pub fn cut_from(source: &str, declares: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    for line in source.lines().skip_while(|line| !declares(line)) {
        text.push_str(line);
        text.push('\n');
        if line == "}" {
            break;
        }
    }
    text
}

fn lines(function: &Function<'_>) -> Vec<Line> {
    let line = |instruction: &barecall::Instruction<'_>| {
        let call = instruction.call().map(Call::from);
        let text = instruction.text();
        Line {
            at: instruction.address(),
            does: explain::instruction(&text, call.as_ref()),
            text,
            call,
        }
    };
    function.listing().instructions().iter().map(line).collect()
}

impl From<&barecall::Call<'_>> for Call {
    fn from(call: &barecall::Call<'_>) -> Self {
        Self {
            to: call.to(),
            route: call.route(),
            tail: call.tail(),
            via: call.via().to_vec(),
            instructions: call.instructions(),
        }
    }
}
