//! What is walked of the program in Go: each call, and what was counted on its way.

use std::time::Duration;

use barecall::walk::{Walk, WalkError, Walker};

use super::program::Program;
use crate::go::phase::{Phase, Phases};
use crate::measure::parallel;

/// One call of the program in Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoAct {
    /// As the program names it; an exhibit's name, where it has a twin.
    pub name: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    /// What it is, for the table.
    pub says: &'static str,
    pub kind: Kind,
}

/// What such a call has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From Go into C.
    Out,
    /// From C back into Go.
    Callback,
    /// A Go function that crosses several times; what is walked is the whole of it.
    Whole,
    /// Within one language: bare, in the same image.
    Control,
}

const fn act(
    name: &'static str,
    from: &'static str,
    to: &'static str,
    kind: Kind,
    says: &'static str,
) -> GoAct {
    GoAct {
        name,
        from,
        to,
        says,
        kind,
    }
}

/// Every one of them, as the table has them.
pub const ACTS: [GoAct; 12] = [
    act(
        "add_one",
        "main.addOne",
        "greet_add_one",
        Kind::Out,
        "plain",
    ),
    act(
        "add_one_noescape",
        "main.addOneNoescape",
        "greet_add_one",
        Kind::Out,
        "`#cgo noescape`",
    ),
    act(
        "add_one_nocallback",
        "main.addOneNocallback",
        "greet_add_one",
        Kind::Out,
        "`#cgo nocallback`",
    ),
    act(
        "add_one_annotated",
        "main.addOneAnnotated",
        "greet_add_one",
        Kind::Out,
        "both",
    ),
    act(
        "sum_local",
        "main.callSumLocal",
        "main.sumLocal",
        Kind::Whole,
        "`&local` argument, which escapes",
    ),
    act(
        "sum_local_annotated",
        "main.callSumLocalAnnotated",
        "main.sumLocalAnnotated",
        Kind::Whole,
        "`&local` argument, both annotations",
    ),
    act(
        "say_cstr",
        "main.sayCstr",
        "puts",
        Kind::Out,
        "`puts`, C string made before",
    ),
    act(
        "say_string",
        "main.callSayString",
        "main.sayString",
        Kind::Whole,
        "`puts`, with `C.CString` and `C.free`",
    ),
    act(
        "add_one_thousand",
        "main.addOneThousand",
        "add_one_times",
        Kind::Out,
        "1,000 calls in C in one crossing",
    ),
    act(
        "visit",
        "greet_for_each",
        "main.goVisit",
        Kind::Callback,
        "C calls back into Go",
    ),
    act(
        "add_one_in_go",
        "main.addOneInGo",
        "main.goAddOne",
        Kind::Control,
        "Go calls Go",
    ),
    act(
        "c_add_one",
        "add_one",
        "greet_add_one",
        Kind::Control,
        "C calls C",
    ),
];

/// The act of that name.
pub fn named(name: &str) -> Option<&'static GoAct> {
    ACTS.iter().find(|act| act.name == name)
}

impl GoAct {
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
            Kind::Out | Kind::Callback => {
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
                let phases = Phases::of(walk);
                for (steps, way) in [(&phases.out, "out"), (&phases.back, "back")] {
                    let mut wanted = [
                        Phase::Packing,
                        Phase::Scheduler,
                        Phase::StackSwitch,
                        Phase::CSide,
                    ];
                    if (self.kind == Kind::Callback) != (way == "back") {
                        wanted.reverse();
                    }
                    if let Some(phase) = out_of_order(steps, &wanted) {
                        faults.push(format!("{way}: no {} where it belongs", phase.word()));
                    }
                }
                // Out of the scheduler's reach before C, and back in it afterwards; the other way about for a callback.
                let [first, second] = if self.kind == Kind::Out {
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
            Kind::Whole | Kind::Control => {
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
pub fn walk(program: &Program, acts: &[GoAct]) -> Vec<Result<Walk, WalkError>> {
    parallel::map(acts, |act| walk_undisturbed(|| act.walker(program)))
}
