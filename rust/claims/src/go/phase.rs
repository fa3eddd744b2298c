//! What a step of a walk is for, by the name of its function, in any of the three languages.

use barecall::walk::{Leg, Walk};

use crate::report::{Phase, Phases};

/// The phase of each step of a walk.
#[must_use]
pub fn of(walk: &Walk) -> Phases {
    let of = |leg: &Leg| {
        let steps = leg.steps.iter();
        steps.map(|step| of_step(walk, &step.symbol)).collect()
    };
    Phases {
        out: of(&walk.out),
        back: of(&walk.back),
    }
}

/// The phase of a function of this walk.
fn of_step(walk: &Walk, symbol: &str) -> Phase {
    // The C function that stands for an exported Go function, under its name: `goVisit` for `main.goVisit`.
    let package = walk.to.strip_suffix(symbol);
    if package.is_some_and(|package| package.ends_with('.')) {
        return Phase::CSide;
    }
    of_symbol(symbol)
}

/// Instructions executed in a phase, out and back together.
#[must_use]
pub fn instructions(walk: &Walk, phase: Phase) -> u64 {
    let steps = walk.out.steps.iter().chain(&walk.back.steps);
    steps
        .filter(|step| of_step(walk, &step.symbol) == phase)
        .map(|step| step.instructions)
        .sum()
}

/// The phase that a function's instructions belong to, by its name as a walk has it.
#[must_use]
pub fn of_symbol(symbol: &str) -> Phase {
    let name = symbol.strip_suffix(".abi0").unwrap_or(symbol);
    if name.ends_with("@plt") {
        return Phase::Stub;
    }
    // What the C compiler made for cgo, and the one function of Go's that it asks whether the stack moved.
    if name.starts_with("_cgo_") {
        return Phase::CSide;
    }
    // The Go half of that, either way; the checks and promises about pointers; what keeps arguments alive.
    if name.contains("._Cfunc_") || name.starts_with("_cgoexp_") {
        return Phase::Packing;
    }
    let Some(name) = name.strip_prefix("runtime.") else {
        return match name {
            "gosave_systemstack_switch" | "crosscall2" => Phase::StackSwitch,
            _ => Phase::Call,
        };
    };
    match name {
        "asmcgocall" | "asmcgocall_landingpad" | "cgocallback" | "systemstack" | "mcall" => {
            Phase::StackSwitch
        }
        "cgoUse" | "cgoKeepAlive" | "cgoCheckPointer" | "cgoCheckResult" | "cgoNoCallback"
        | "newobject" | "mallocgc" => Phase::Packing,
        _ if name.starts_with("cgoCheck") || name.starts_with("mallocgc") => Phase::Packing,
        // cgocall itself is there to tell the scheduler, as is all that it calls.
        _ => Phase::Scheduler,
    }
}
