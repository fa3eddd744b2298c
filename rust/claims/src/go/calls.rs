//! What is walked of the program in Go: each call, and what was counted on its way.

use std::time::Duration;

use barecall::walk::{Walk, WalkError, Walker};

use super::program::Program;
use crate::go::phase;
use crate::measure::parallel;
use crate::report::Phase;

/// One call of the program in Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoCall {
    /// As the program names it; an exhibit's name, where it has a twin.
    pub name: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    /// What it is, for the table.
    pub says: &'static str,
    pub kind: GoCallKind,
}

/// What such a call has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoCallKind {
    /// From Go into C.
    Out,
    /// From C back into Go.
    Callback,
    /// A Go function that crosses several times; what is walked is the whole of it.
    Whole,
    /// Within one language: bare, in the same image.
    Control,
}

const fn call(
    name: &'static str,
    from: &'static str,
    to: &'static str,
    kind: GoCallKind,
    says: &'static str,
) -> GoCall {
    GoCall {
        name,
        from,
        to,
        says,
        kind,
    }
}

/// Every one of them, as the table has them.
pub const CALLS: [GoCall; 12] = {
    use GoCallKind::{Callback, Control, Out, Whole};
    [
        call("add_one", "main.addOne", "greet_add_one", Out, "plain"),
        call(
            "add_one_noescape",
            "main.addOneNoescape",
            "greet_add_one",
            Out,
            "`#cgo noescape`",
        ),
        call(
            "add_one_nocallback",
            "main.addOneNocallback",
            "greet_add_one",
            Out,
            "`#cgo nocallback`",
        ),
        call(
            "add_one_annotated",
            "main.addOneAnnotated",
            "greet_add_one",
            Out,
            "both",
        ),
        call(
            "sum_local",
            "main.callSumLocal",
            "main.sumLocal",
            Whole,
            "`&local` argument, which escapes",
        ),
        call(
            "sum_local_annotated",
            "main.callSumLocalAnnotated",
            "main.sumLocalAnnotated",
            Whole,
            "`&local` argument, both annotations",
        ),
        call(
            "say_cstr",
            "main.sayCstr",
            "puts",
            Out,
            "`puts`, C string made before",
        ),
        call(
            "say_string",
            "main.callSayString",
            "main.sayString",
            Whole,
            "`puts`, with `C.CString` and `C.free`",
        ),
        call(
            "add_one_thousand",
            "main.addOneThousand",
            "add_one_times",
            Out,
            "1,000 calls in C in one crossing",
        ),
        call(
            "visit",
            "greet_for_each",
            "main.goVisit",
            Callback,
            "C calls back into Go",
        ),
        call(
            "add_one_in_go",
            "main.addOneInGo",
            "main.goAddOne",
            Control,
            "Go calls Go",
        ),
        call(
            "c_add_one",
            "add_one",
            "greet_add_one",
            Control,
            "C calls C",
        ),
    ]
};

/// The call of that name.
pub fn named(name: &str) -> Option<&'static GoCall> {
    CALLS.iter().find(|act| act.name == name)
}

impl GoCall {
    /// A walk of it, not taken yet.
    pub fn walker(&self, program: &Program) -> Walker {
        Walk::of(program.command(self.name))
            .from(self.from)
            .to(self.to)
            .warmup(2)
            .timeout(Duration::from_secs(20))
    }

    /// What speaks against a walk's being what such a call has to be; with any Go, and any C compiler.
    pub fn faults(&self, walk: &Walk) -> Vec<String> {
        let mut faults = Vec::new();
        match self.kind {
            GoCallKind::Out | GoCallKind::Callback => {
                let switches = (walk.out.stack_switches, walk.back.stack_switches);
                if switches != (1, 1) {
                    faults.push(format!(
                        "{} stack switches out and {} back, not one each way",
                        switches.0, switches.1
                    ));
                }
                let syscalls = walk.out.syscalls + walk.back.syscalls;
                if syscalls > 0 {
                    faults.push(format!("{syscalls} system calls on the way"));
                }
                let phases = phase::of(walk);
                for (steps, way) in [(&phases.out, "out"), (&phases.back, "back")] {
                    let mut wanted = [
                        Phase::Packing,
                        Phase::Scheduler,
                        Phase::StackSwitch,
                        Phase::CSide,
                    ];
                    if (self.kind == GoCallKind::Callback) != (way == "back") {
                        wanted.reverse();
                    }
                    if let Some(phase) = out_of_order(steps, &wanted) {
                        faults.push(format!("{way}: no {} where it belongs", phase.as_str()));
                    }
                }
                // Out of the scheduler's reach before C, and back in it afterwards; the other way about for a callback.
                let [first, second] = if self.kind == GoCallKind::Out {
                    ["entersyscall", "exitsyscall"]
                } else {
                    ["exitsyscall", "entersyscall"]
                };
                for (leg, way, wanted) in [(&walk.out, "out", first), (&walk.back, "back", second)]
                {
                    if !leg.steps.iter().any(|step| step.symbol.contains(wanted)) {
                        faults.push(format!("{way}: no {wanted}"));
                    }
                }
            }
            GoCallKind::Whole | GoCallKind::Control => {
                if !walk.is_bare() || !walk.is_same_stack() {
                    faults.push(
                        "not bare, and it must be: the instrument sees what is not there".into(),
                    );
                }
            }
        }
        faults
    }
}

/// The first of `wanted` that does not come in its turn.
fn out_of_order(steps: &[Phase], wanted: &[Phase]) -> Option<Phase> {
    let mut wanted = wanted.iter().copied().peekable();
    for step in steps {
        if wanted.peek() == Some(step) {
            wanted.next();
        }
    }
    wanted.next()
}

/// How often a walk is taken again that Go's monitor came in between,
const AGAIN: usize = 9;
/// and how often if it waited for its whole time limit.
const AGAIN_BLOCKED: usize = 2;

/// Whether Go's monitor came in between. After ten milliseconds, which a walk may take on a busy machine, it takes the
/// processor from a goroutine in C, which then has to find another, and asks one in Go to make room for others. Neither
/// is what a call costs. Or the thread that it was given to is stopped for the walk, and there is no other to find.
fn is_interrupted(walk: &Result<Walk, WalkError>) -> bool {
    let walk = match walk {
        Ok(walk) => walk,
        Err(error) => return is_without_processor(error),
    };
    let is_its_doing = |symbol: &str| {
        [
            "exitsyscallfast_pidle",
            "exitsyscall0",
            "exitsyscallTryGetP",
            "exitsyscallNoP",
            "runtime.morestack",
            "runtime.newstack",
            "runtime.gopreempt_m",
        ]
        .iter()
        .any(|&name| symbol.contains(name))
    };
    let mut steps = walk.out.steps.iter().chain(&walk.back.steps);
    steps.any(|step| is_its_doing(&step.symbol))
}

/// Whether a walk waits where Go does for a processor.
fn is_without_processor(error: &WalkError) -> bool {
    matches!(error, WalkError::Blocked { syscall, .. } if syscall.contains("futex"))
}

/// Takes a walk, and again where Go's monitor came in between.
pub fn walk_undisturbed(walker: impl Fn() -> Walker) -> Result<Walk, WalkError> {
    let mut walk = walker().run();
    let mut blocked = 0;
    for _ in 0..AGAIN {
        blocked += usize::from(walk.as_ref().is_err_and(is_without_processor));
        if !is_interrupted(&walk) || blocked > AGAIN_BLOCKED {
            break;
        }
        walk = walker().run();
    }
    walk
}

/// Takes the walk of each, as many at a time as there are processors.
pub fn walk(program: &Program, calls: &[GoCall]) -> Vec<Result<Walk, WalkError>> {
    parallel::map(calls, |call| walk_undisturbed(|| call.walker(program)))
}
