//! `no-more-than-c`: the same call written in C executes no less, nor does the whole function that makes it.

use barecall::Call;
use zero_cost_ffi::catalogue;

use crate::baseline;
use crate::evaluation::{
    Context, Evaluation, FigureSpec, MatrixSpec, OnFile, Quote, Shows, Spec, plain, walked,
};
use crate::image_under_test::{ImageUnderTest, on_show, words};
use crate::measure::callgrind::{Counting, Error, FILE, InstructionCounts, Record, made_by};
use crate::report::{Axis, Claim, Evidence, Side, Verdict};
use crate::scenario::call::CallScenario;

/// The claim.
pub static SPEC: Spec = Spec {
    id: "no-more-than-c",
    statement: "Rust executes no more instructions than C: from its call to the C function's first, and in the whole \
                function beside the same in C built by clang",
    talk: Quote::as_said("zero-cost abstractions: FFI-friendly + state machines"),
    shows: Shows::Exhibits(|exhibit| !exhibit.poll),
    figures: &[
        &[FigureSpec::new("pairs", "functions")
            .counts("exhibits whose call executes no more instructions in the image than their twin's in C")],
        WALKED_PAIRS,
    ],
    matrices: &[
        MatrixSpec::new("to the callee", "instructions", &["Rust", "C"])
            .counts("most instructions from a call to the callee's first in the image, the call included"),
        WALKED_OUT,
        WALKED_BACK,
        MatrixSpec::new("whole function", "instructions", &["Rust", "C", "C by clang"])
            .counts("instructions of one call of the function, those of a PLT stub and of a function that C calls back \
                    included, the C callee's excluded; of a loop's, once round"),
    ],
    check,
    ..Spec::DEFAULT
};

/// The figures of [`walk_pair`].
pub const WALKED_PAIRS: &[FigureSpec] = &[FigureSpec::new("walked pairs", "functions")
    .counts("pairs of a call in Rust and the same in C, single-stepped, in which Rust executes no more out and back")];

/// The matrix of [`walk_pair`]s, out.
pub const WALKED_OUT: MatrixSpec =
    MatrixSpec::new("walked to the callee", "instructions", &["Rust", "C"])
        .counts("most instructions executed from a call to the callee's first, the call included");

/// The matrix of [`walk_pair`]s, back.
pub const WALKED_BACK: MatrixSpec = MatrixSpec::new(
    "walked back from the callee",
    "instructions",
    &["Rust", "C"],
)
.counts("most instructions executed from behind the callee's return to the caller's next");

fn check(context: &Context) -> Claim {
    let image = &context.image;
    let mut evaluation = Evaluation::new(&SPEC);
    // Callgrind counts while the calls are read and walked.
    let counting = is_optimised().then(Counting::start);
    // All at once, which is faster than a pair at a time.
    image.walks(&CallScenario::of(&[Side::Rust, Side::C], &plain()));
    at_rest(image, &mut evaluation);
    for exhibit in plain() {
        let [ours, theirs] =
            [Side::Rust, Side::C].map(|side| CallScenario::new(side, exhibit.name));
        walk_pair(&mut evaluation, image, ours, theirs, exhibit.calls[0]);
    }
    let counted = match counting {
        Some(started) => {
            let counts = started.finish(image);
            counted(context, counts, &mut evaluation)
        }
        None => on_file(&mut evaluation, &FILE),
    };
    let cell = |matrix, callee, side| evaluation.count_in(matrix, callee, side);
    let walked = match evaluation.value("walked pairs") {
        0 => "not walked".to_owned(),
        pairs => format!(
            "{pairs} walked: to puts {} and {} out, {} and {} back",
            cell(WALKED_OUT.name, "puts", "Rust"),
            cell(WALKED_OUT.name, "puts", "C"),
            cell(WALKED_BACK.name, "puts", "Rust"),
            cell(WALKED_BACK.name, "puts", "C"),
        ),
    };
    let found = format!(
        "{} pairs; to puts {} instruction(s) in Rust and {} in C, to a static library's function {} and {}; {walked}; {}",
        evaluation.value("pairs"),
        cell("to the callee", "puts", "Rust"),
        cell("to the callee", "puts", "C"),
        cell("to the callee", "greet_add_one", "Rust"),
        cell("to the callee", "greet_add_one", "C"),
        counted.found,
    );
    let mut conditions = vec![
        "C as this C compiler builds it by default: it calls a shared library's function through a PLT stub; with \
         -fno-plt it calls as Rust does"
            .into(),
        "C calls a static library's function directly where Rust loads the address from the GOT: one instruction \
         each, but not the same one"
            .into(),
    ];
    conditions.extend(counted.conditions);
    evaluation.finish_live(image, Verdict::Holds, found, conditions)
}

/// Compares the calls of each exhibit with those of its twin, as they are in the image.
fn at_rest(image: &ImageUnderTest, evaluation: &mut Evaluation) {
    let twins = catalogue::twins();
    for exhibit in plain() {
        let rust = image
            .exhibit(&exhibit)
            .map(|function| on_show(&function, exhibit.calls))
            .unwrap_or_default();
        let twin = twins.iter().find(|twin| Some(twin.name) == exhibit.twin);
        let c = twin
            .and_then(|twin| image.twin(twin))
            .map(|function| on_show(&function, exhibit.calls))
            .unwrap_or_default();
        match (longest(&rust, None), longest(&c, Some(2))) {
            (Some(Some(ours)), Some(Some(theirs))) if ours <= theirs => {
                evaluation.add("pairs", 1);
                for (side, count) in [("Rust", ours), ("C", theirs)] {
                    let callee = exhibit.calls[0];
                    evaluation.most_in_cell("to the callee", callee, side, count.into());
                }
            }
            (ours, theirs) => {
                let shown =
                    |calls: &[Call<'_>]| calls.iter().map(words).collect::<Vec<_>>().join("; ");
                let count = |count: Option<Option<u32>>| match count {
                    None => "makes no such call".to_owned(),
                    Some(None) => "executes an unknown number of instructions".to_owned(),
                    Some(Some(count)) => format!("executes {count}"),
                };
                evaluation.fault(format_args!(
                    "{}: Rust {} ({}), C {} ({})",
                    exhibit.name,
                    count(ours),
                    shown(&rust),
                    count(theirs),
                    shown(&c)
                ));
            }
        }
    }
}

/// Instructions of the longest of these calls: none if there is no call, or if one's are not known. Where a resolver
/// may run on the way, there are at least those of a stub: `at_least`.
fn longest(calls: &[Call<'_>], at_least: Option<u32>) -> Option<Option<u32>> {
    calls
        .iter()
        .map(|call| call.instructions().or(at_least))
        .reduce(|one, other| Some(one?.max(other?)))
}

/// Walks the same call in Rust and in C, and finds fault where Rust executes more. What C's took: `2 out, 0 back`.
pub fn walk_pair(
    evaluation: &mut Evaluation,
    image: &ImageUnderTest,
    ours: CallScenario,
    theirs: CallScenario,
    callee: &str,
) -> String {
    let mut pair = Vec::new();
    for ((act, taken), side) in image.walks(&[ours, theirs]).into_iter().zip(["Rust", "C"]) {
        match &*taken {
            Ok(walk) => {
                let (out, back) = (walk.out.instructions, walk.back.instructions);
                evaluation.most_in_cell(WALKED_OUT.name, callee, side, out);
                evaluation.most_in_cell(WALKED_BACK.name, callee, side, back);
                pair.push(walked(act, walk));
            }
            Err(error) => evaluation.failed(act, error),
        }
    }
    let [rust, c] = &pair[..] else {
        return "not walked".to_owned();
    };
    let (out, back) = (c.walk.out.instructions, c.walk.back.instructions);
    if rust.walk.out.instructions > out || rust.walk.back.instructions > back {
        evaluation.fault(format_args!(
            "walked {}:\n{}\nwalked {}:\n{}",
            rust.label(),
            rust.walk,
            c.label(),
            c.walk
        ));
    } else {
        evaluation.add("walked pairs", 1);
    }
    for walked in pair {
        if !evaluation.walks.contains(&walked) {
            evaluation.walks.push(walked);
        }
    }
    format!("{out} out, {back} back")
}

/// What was found by counting.
pub struct Counted {
    pub found: String,
    pub conditions: Vec<String>,
}

/// At opt-level 0 a function executes what its author's compiler wrote down, in either language.
fn is_optimised() -> bool {
    catalogue::OPT_LEVEL != "0"
}

/// Judges what was counted now; if nothing could be, what is on file.
fn counted(
    context: &Context,
    counts: Result<Vec<InstructionCounts>, Error>,
    evaluation: &mut Evaluation,
) -> Counted {
    let mut counts = match counts {
        Ok(counts) => counts,
        Err(error) => {
            match error {
                Error::NoValgrind(_) => {
                    evaluation.lack("valgrind", error);
                }
                error => evaluation.fault(format_args!("not counted: {error}")),
            }
            return on_file(evaluation, &FILE);
        }
    };
    let made_by = made_by(&context.image);
    if context.request.on_file == OnFile::Record
        && let Err(why) = Record::new(&FILE, made_by.clone(), counts.clone()).write(&FILE)
    {
        evaluation.fault(why);
    }
    let record = match Record::read(&FILE) {
        Ok(record) => Some(record),
        Err(why) => {
            evaluation.unusable(&why);
            None
        }
    };
    // Made by the same compilers, the record must be what is counted now.
    if let Some(record) = &record
        && record.made_by == made_by
        && record.facts != counts
    {
        evaluation.fault(format_args!(
            "the counts differ from those on file: {}; to record them: `{}`",
            differing(&record.facts, &counts),
            FILE.command
        ));
    }
    let mut by_clang = "live";
    if counts.iter().any(|count| count.clang.is_none()) {
        evaluation.lack(
            "clang",
            "the build found none: `apt-get install clang-14`, then `touch build.rs`",
        );
        by_clang = "recorded";
        let on_file = record.map(|record| record.facts).unwrap_or_default();
        for count in &mut counts {
            let same = on_file.iter().find(|on_file| on_file.name == count.name);
            count.clang = same.and_then(|on_file| on_file.clang);
        }
    }
    let mut counted = judge(evaluation, &counts, Evidence::Live);
    let how = format!("counted by callgrind; C by clang: {by_clang}");
    counted.conditions.push(how);
    counted
}

/// Judges what is on file.
pub fn on_file(evaluation: &mut Evaluation, file: &baseline::File) -> Counted {
    match Record::read(file) {
        Ok(record) => {
            let mut counted = judge(evaluation, &record.facts, Evidence::Recorded);
            counted.conditions.push(format!(
                "whole functions are counted in an optimised image, by callgrind; these counts are on file: {}, {}",
                record.made_by.join(", "),
                record.recorded
            ));
            counted
        }
        Err(why) => {
            evaluation.unusable(&why);
            Counted {
                found: "not counted".to_owned(),
                conditions: vec![format!("whole functions are not counted: {why}")],
            }
        }
    }
}

/// Rust may execute no more than C by clang. By another C compiler it is told, and why, but not held against either:
/// gcc may shape a loop better or worse than LLVM does, in whichever language.
pub fn judge(
    evaluation: &mut Evaluation,
    counts: &[InstructionCounts],
    evidence: Evidence,
) -> Counted {
    let (mut of_clang, mut of_c, mut shapes) = (0, 0, Vec::new());
    for InstructionCounts {
        name,
        rust,
        c,
        clang,
    } in counts
    {
        evaluation.set_row("whole function", name, [Some(*rust), Some(*c), *clang]);
        of_c += u64::from(rust <= c);
        match clang {
            Some(clang) if rust > clang => evaluation.fault(format_args!(
                "{name} executes {rust} instructions in Rust, {clang} in C built by clang"
            )),
            Some(clang) => {
                of_clang += 1;
                if c != clang {
                    shapes.push(format!("{name} {c}, by clang {clang}, in Rust {rust}"));
                }
            }
            None => evaluation.fault(format_args!(
                "{name}: there is no count of its twin built by clang"
            )),
        }
    }
    if counts.is_empty() {
        evaluation.fault("there is no count of any exhibit");
    }
    evaluation.draw(
        "whole function",
        [
            "instructions-beyond-the-callee",
            "What an exhibit executes beyond the C function it calls",
        ],
        Axis::linear("a performance", "instructions"),
        evidence,
        &["Rust", "C", "C by clang"].map(|side| (side, side)),
    );
    let counted = match evidence {
        Evidence::Live => "counted",
        Evidence::Recorded => "counted (on file)",
    };
    let mut conditions = Vec::new();
    if !shapes.is_empty() {
        conditions.push(format!(
            "this C compiler shapes these otherwise than LLVM does, on which clang and rustc are built: {}",
            shapes.join("; ")
        ));
    }
    Counted {
        found: format!(
            "{counted}: {of_clang} of {} whole functions no more than clang's C, {of_c} than this C compiler's",
            counts.len()
        ),
        conditions,
    }
}

/// `say_times: 4, 6, 5; now 4, 7, 5`
fn differing(on_file: &[InstructionCounts], now: &[InstructionCounts]) -> String {
    let shown = |count: &InstructionCounts| format!("{} {} {:?}", count.rust, count.c, count.clang);
    let changed = now.iter().filter_map(|count| {
        let before = on_file.iter().find(|before| before.name == count.name);
        (before != Some(count)).then(|| {
            format!(
                "{}: {}, now {}",
                count.name,
                before.map_or("none".to_owned(), shown),
                shown(count)
            )
        })
    });
    changed.collect::<Vec<_>>().join("; ")
}
