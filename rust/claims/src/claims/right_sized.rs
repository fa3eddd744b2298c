//! `right-sized`: a future holds what is stored across its awaits, and a tag; and where it holds more.

use zero_cost_ffi::catalogue::{self, Machine};
use zero_cost_ffi::machine::kept::KIB;

use crate::baseline::layouts::{FOLDER, OnFile};
use crate::evaluation::{
    Context, Evaluation, FigureSpec, MatrixSpec, Outcome, Quote, Shows, Spec, provenance,
};
use crate::image_under_test::ImageUnderTest;
use crate::report::{Axis, Chart, Claim, Evidence, Part, Point, Series, Verdict};

/// The claim.
pub const SPEC: Spec = Spec {
    id: "right-sized",
    statement: "a future is as large as what is stored across its awaits, shared where it is not at the same time, and a \
                tag; arguments count twice, and what was borrowed counts to the end of its scope",
    talk: Quote::simplified(
        "*exactly* as much state as required as they're *stackless*",
        "what is stored is what the compiler cannot show to be gone, which may be more than is required",
    ),
    shows: Shows::Futures(catalogue::kept),
    figures: &[FIGURES],
    matrices: &[SIZES],
    check,
    ..Spec::DEFAULT
};

const FIGURES: &[FigureSpec] = &[FigureSpec::new("as on file", "layouts")
    .counts("futures whose buffer is found where the compiler's recorded layout has it")];

const SIZES: MatrixSpec = MatrixSpec::new("futures", "bytes", &["size", "buffer at"])
    .counts("the future's size, and how far into the future its buffer begins while it waits; none where the buffer lies \
            outside or there is none");

const SLEEP: u64 = size_of::<tokio::time::Sleep>() as u64;
const BUFFER: u64 = KIB as u64;

/// What the rule says of a future, on any compiler.
struct Rule {
    name: &'static str,
    /// What it must at least be, and at most, in bytes.
    at_least: u64,
    at_most: u64,
    /// Whether its buffer lies in it while it waits. None where that depends on the compiler, or there is none.
    inside: Option<bool>,
}

/// What a tag, an awaited byte and a flag come to at most, with their padding.
const SMALL: u64 = 16;

impl Rule {
    const fn new(name: &'static str, at_least: u64, at_most: u64, inside: Option<bool>) -> Self {
        Self {
            name,
            at_least,
            at_most,
            inside,
        }
    }
}

const RULES: &[Rule] = &[
    Rule::new("greet", SLEEP, SLEEP + 8, None),
    Rule::new("greet_by_hand", SLEEP, SLEEP + 8, None),
    Rule::new("greet_on_slide", SLEEP, SLEEP + 8, None),
    Rule::new("held", BUFFER + 1, BUFFER + SMALL, Some(true)),
    Rule::new("scoped", 1, SMALL, Some(false)),
    // The exceptions: what a compiler without them would make of these is allowed.
    Rule::new("dropped", 1, BUFFER + SMALL, None),
    Rule::new("in_turn", BUFFER + 1, BUFFER + SMALL, Some(true)),
    Rule::new("at_once", 2 * BUFFER + 1, 2 * BUFFER + SMALL, Some(true)),
    Rule::new("argument", BUFFER + 1, 2 * BUFFER + SMALL, Some(true)),
    Rule::new("wrapped", BUFFER + 1, 8 * BUFFER + 8 * SMALL, Some(true)),
    Rule::new("boxed", 8, 8 + SMALL, Some(false)),
];

fn check(context: &Context) -> Claim {
    judge(&context.image, &futures())
}

/// Those that are judged.
#[must_use]
pub fn futures() -> Vec<Machine> {
    let all = catalogue::machines().into_iter();
    all.chain(catalogue::kept()).collect()
}

/// Holds these futures against the rules, and against the layouts on file.
#[must_use]
pub fn judge(image: &ImageUnderTest, futures: &[Machine]) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    let mut provenance = provenance(image);
    let mut not_on_file = Vec::new();
    let made_by = image.image.producers();
    for rule in RULES {
        match futures.iter().find(|future| future.name == rule.name) {
            Some(future) => follows(&mut evaluation, rule, future),
            None => evaluation.fault(format_args!("{} is not among the exhibits", rule.name)),
        }
    }
    for future in futures {
        match OnFile::of(future.name) {
            Ok(on_file) => {
                if on_file.is_of(made_by) {
                    as_recorded(&mut evaluation, future, &on_file);
                } else {
                    not_on_file.push(format!(
                        "{} is recorded for {}",
                        future.name, on_file.compiler
                    ));
                }
                let from = format!("{FOLDER}, {}, {}", on_file.compiler, on_file.date);
                provenance.insert("layouts".to_owned(), from);
                evaluation.layouts.push(on_file.layout);
            }
            Err(error) => not_on_file.push(format!("{}: {error}", future.name)),
        }
    }
    let mut conditions: Vec<String> = CONDITIONS.map(str::to_owned).into();
    if !not_on_file.is_empty() {
        let why = not_on_file.join("; ");
        conditions.insert(0, format!("the exact sizes are not compared: {why}"));
    }
    let with_buffer = futures
        .iter()
        .filter(|future| future.buffer_offset.is_some());
    evaluation.charts.push(chart(with_buffer.clone()));
    let bytes = |name: &str| {
        let bytes = evaluation.value_of_cell(SIZES.name, name, "size");
        bytes.map_or_else(|| "?".to_owned(), |bytes| bytes.to_string())
    };
    let found = format!(
        "greet() {} bytes, by hand {}, a Sleep {SLEEP}; with a buffer of {BUFFER}: {}",
        bytes("greet"),
        bytes("greet_by_hand"),
        with_buffer
            .map(|future| format!("{} {}", future.name, future.bytes))
            .collect::<Vec<_>>()
            .join(", ")
    );
    evaluation.finish(Outcome {
        provenance,
        ..Outcome::live(image, Verdict::HoldsWithConditions, found, conditions)
    })
}

const CONDITIONS: [&str; 4] = [
    "the sizes are this compiler's: a future has no layout that Rust promises",
    "two exceptions to the talk's \"exactly\": an argument by value is stored twice (rust-lang/rust#62958), so that each \
     async fn around a future doubles it; and what was borrowed is stored to the end of its scope, though dropped before \
     (rust-lang/rust#94067, rust-lang/rust#96084)",
    "the machine by hand has no tag of its own, it lies in values that a Sleep never has; the compiler's has one, and with \
     padding that is 8 bytes",
    "where each part lies is on file, from -Zprint-type-sizes; that it lies there is checked by running: the future is \
     polled, and its buffer's address compared with its own",
];

/// The futures that have a buffer, side by side.
fn chart<'a>(futures: impl Iterator<Item = &'a Machine>) -> Chart {
    let points = futures.map(|future| Point::labelled(future.name, future.bytes as u64));
    Chart::new(
        "bytes-per-future",
        "Futures that use a buffer of 1,024 bytes",
        None,
        Axis::linear("size", "bytes"),
        [Series::counted("future", Evidence::Live, points)],
    )
}

/// The size against the rule, and where the running future finds its buffer.
fn follows(evaluation: &mut Evaluation, rule: &Rule, future: &Machine) {
    let bytes = future.bytes as u64;
    evaluation.set_cell(SIZES.name, rule.name, "size", bytes);
    if !(rule.at_least..=rule.at_most).contains(&bytes) {
        evaluation.fault(format_args!(
            "{}: {bytes} bytes, where the rule says {} to {}",
            rule.name, rule.at_least, rule.at_most
        ));
    }
    let Some(buffer_offset) = future.buffer_offset else {
        return;
    };
    let offset = buffer_offset();
    if let Some(offset) = offset {
        evaluation.set_cell(SIZES.name, rule.name, "buffer at", offset as u64);
    }
    if rule.inside.is_some_and(|inside| inside != offset.is_some()) {
        let found = offset.map_or("outside of the future".to_owned(), |offset| {
            format!("{offset} bytes into the future")
        });
        evaluation.fault(format_args!("{}: its buffer lies {found}", rule.name));
    }
}

/// The very compiler that the layout is on file for: all of it must be so.
fn as_recorded(evaluation: &mut Evaluation, future: &Machine, on_file: &OnFile) {
    let layout = &on_file.layout;
    if layout.bytes != future.bytes as u64 {
        evaluation.fault(format_args!(
            "{}: {} bytes, {} on file",
            future.name, future.bytes, layout.bytes
        ));
    }
    let offset = future.buffer_offset.and_then(|find| find());
    let offset = offset.map(|offset| offset as u64);
    let is_buffer = |part: &&Part| {
        let alive = part.alive.as_deref().unwrap_or_default();
        alive.contains("across await 1") && part.bytes >= BUFFER
    };
    let parts = || layout.parts.iter().filter(is_buffer);
    let agrees = match offset {
        Some(offset) => {
            parts().any(|part| part.offset <= offset && offset + BUFFER <= part.offset + part.bytes)
        }
        None => parts().next().is_none(),
    };
    if agrees {
        evaluation.add("as on file", 1);
    } else {
        evaluation.fault(format_args!(
            "{}: its buffer is found at {offset:?}, and on file at {:?}",
            future.name,
            parts().map(|part| part.offset).collect::<Vec<_>>()
        ));
    }
}
