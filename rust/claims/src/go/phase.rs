//! What a step of a walk is for: the phases of a call, in any of the three languages.

use barecall::walk::{Leg, Walk};
use serde::{Deserialize, Serialize};

/// What a stretch of instructions in one function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The caller's own instruction.
    #[serde(rename = "call")]
    Call,
    /// The linker's stub.
    #[serde(rename = "stub")]
    Stub,
    /// Arguments and results are put into a struct and taken out again, since the two languages pass them in
    /// different registers; and the pointers among them are seen to.
    #[serde(rename = "argument packing")]
    Packing,
    /// The scheduler is told that this goroutine is out of its reach, and that it is back.
    #[serde(rename = "scheduler")]
    Scheduler,
    /// From the goroutine's small stack to the thread's, and back.
    #[serde(rename = "stack switch")]
    StackSwitch,
    /// Compiled C that takes the arguments out of the struct, or puts them in for a callback.
    #[serde(rename = "C side")]
    CSide,
}

impl Phase {
    /// Every phase, in the order of a call out.
    pub const ALL: [Self; 6] = [
        Self::Call,
        Self::Stub,
        Self::Packing,
        Self::Scheduler,
        Self::StackSwitch,
        Self::CSide,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Stub => "stub",
            Self::Packing => "argument packing",
            Self::Scheduler => "scheduler",
            Self::StackSwitch => "stack switch",
            Self::CSide => "C side",
        }
    }

    /// The phase that a function's instructions belong to, by its name as a walk has it.
    pub fn of(symbol: &str) -> Self {
        let name = symbol.strip_suffix(".abi0").unwrap_or(symbol);
        if name.ends_with("@plt") {
            return Self::Stub;
        }
        // What the C compiler made for cgo, and the one function of Go's that it asks whether the stack moved.
        if name.starts_with("_cgo_") {
            return Self::CSide;
        }
        // The Go half of that, either way; the checks and promises about pointers; what keeps arguments alive.
        if name.contains("._Cfunc_") || name.starts_with("_cgoexp_") {
            return Self::Packing;
        }
        let Some(name) = name.strip_prefix("runtime.") else {
            return match name {
                "gosave_systemstack_switch" | "crosscall2" => Self::StackSwitch,
                _ => Self::Call,
            };
        };
        match name {
            "asmcgocall" | "asmcgocall_landingpad" | "cgocallback" | "systemstack" | "mcall" => {
                Self::StackSwitch
            }
            "cgoUse" | "cgoKeepAlive" | "cgoCheckPointer" | "cgoCheckResult" | "cgoNoCallback"
            | "newobject" | "mallocgc" => Self::Packing,
            _ if name.starts_with("cgoCheck") || name.starts_with("mallocgc") => Self::Packing,
            // cgocall itself is there to tell the scheduler, as is all that it calls.
            _ => Self::Scheduler,
        }
    }
}

/// The phase of each step of a walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Beside [`Walk::out`]'s steps.
    pub out: Vec<Phase>,
    /// Beside [`Walk::back`]'s steps.
    pub back: Vec<Phase>,
}

impl Phases {
    pub fn of(walk: &Walk) -> Self {
        let of = |leg: &Leg| {
            let steps = leg.steps.iter();
            steps.map(|step| of(walk, &step.symbol)).collect()
        };
        Self {
            out: of(&walk.out),
            back: of(&walk.back),
        }
    }
}

/// The phase of a function of this walk.
fn of(walk: &Walk, symbol: &str) -> Phase {
    // The C function that stands for an exported Go function, under its name: `goVisit` for `main.goVisit`.
    let package = walk.to.strip_suffix(symbol);
    if package.is_some_and(|package| package.ends_with('.')) {
        return Phase::CSide;
    }
    Phase::of(symbol)
}

/// Instructions executed in a phase, out and back together.
pub fn instructions(walk: &Walk, phase: Phase) -> u64 {
    let steps = walk.out.steps.iter().chain(&walk.back.steps);
    steps
        .filter(|step| of(walk, &step.symbol) == phase)
        .map(|step| step.instructions)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::Phase;

    #[test]
    fn each_function_of_the_chain_has_its_phase() {
        for (symbol, phase) in [
            ("main.addOne", Phase::Call),
            ("zero_cost_ffi::calls::add_one", Phase::Call),
            ("puts@plt", Phase::Stub),
            ("main._Cfunc_greet_add_one.abi0", Phase::Packing),
            ("runtime.cgoNoCallback", Phase::Packing),
            ("runtime.cgocall", Phase::Scheduler),
            ("runtime.reentersyscall", Phase::Scheduler),
            ("runtime.asmcgocall.abi0", Phase::StackSwitch),
            ("gosave_systemstack_switch", Phase::StackSwitch),
            ("_cgo_f806a57e788a_Cfunc_greet_add_one", Phase::CSide),
            ("_cgo_topofstack", Phase::CSide),
        ] {
            assert_eq!(Phase::of(symbol), phase, "{symbol}");
        }
    }

    #[test]
    fn a_phase_is_written_as_its_word() {
        for phase in Phase::ALL {
            let written = serde_json::to_value(phase).expect("it is written");
            assert_eq!(written, phase.word());
        }
    }
}
