//! Code that only passes control on: the linker's stubs, and thunks.

use super::abi::{FP, SP};
use super::decode::{flow, rd, rm, rn, set, words};
use super::effect::lift;
use crate::ir::{CallTarget, Effect, Expr, Flow, Mem, Place, Reg};
use crate::isa::passing::{self, Passing};

/// Reads a linker stub. It executes at most eight instructions.
pub(crate) fn stub(code: &[u8], address: u64) -> Option<(u64, u32)> {
    let mut chain = Chain::default();
    let classified = words(code, address).map(|(at, word)| match flow(at, word) {
        Flow::JumpVia(Place::Reg(register)) => chain.then(Passing::Jumps, register),
        // braa x17, x16
        Flow::JumpVia(Place::Elsewhere) => chain.then(Passing::Jumps, rn(word)),
        Flow::Next if chain.link(at, word) || is_hint(word) => Passing::Prepares,
        _ => Passing::Other,
    });
    passing::slot(classified.take(8))
}

/// Reads a function that does nothing but pass control on.
pub(super) fn thunk(code: &[u8], address: u64) -> Option<(CallTarget, u32)> {
    let mut chain = Chain::default();
    let mut called = false;
    passing::target(words(code, address).map(|(at, word)| match flow(at, word) {
        Flow::Jump(to) if chain.is_empty() => Passing::Jumps(CallTarget::Address(to)),
        Flow::JumpVia(Place::Reg(register)) => chain.then(Passing::Jumps, register),
        Flow::Call(to) if chain.is_empty() => {
            called = true;
            Passing::Calls(CallTarget::Address(to))
        }
        Flow::CallVia(Place::Reg(register)) => {
            called = true;
            chain.then(Passing::Calls, register)
        }
        Flow::Next if is_passing(word) && chain.survives(at, word) => Passing::Prepares,
        Flow::Next if !called && chain.link(at, word) => Passing::Prepares,
        Flow::Stop if word & 0xfe00_0000 == 0xd600_0000 => Passing::Returns,
        _ => Passing::Other,
    }))
}

/// What a stub makes its target from: adrp, then add or ldr; or ldr from a literal.
#[derive(Default)]
struct Chain {
    page: Option<(Reg, u64)>,
    target: Option<(Reg, CallTarget)>,
}

impl Chain {
    fn is_empty(&self) -> bool {
        self.page.is_none() && self.target.is_none()
    }

    /// Takes an instruction into the chain, if it has a place there.
    fn link(&mut self, at: u64, word: u32) -> bool {
        let mut steps = Vec::new();
        lift(at, word, &mut steps);
        let [step] = steps[..] else {
            return false;
        };
        match step.effect {
            Effect::Set(to, Expr::Const(address))
                if self.is_empty() && word & 0x1f00_0000 == 0x1000_0000 =>
            {
                self.page = Some((to, address));
            }
            // ldr x16, literal
            Effect::Set(to, Expr::Load(mem)) if self.is_empty() && mem.address().is_some() => {
                self.target = Some((to, CallTarget::Slot(mem.disp.cast_unsigned())));
            }
            Effect::Set(to, Expr::Load(Mem { base, index, disp })) => match self.page {
                Some((page, address))
                    if base == Some(page) && index.is_none() && self.target.is_none() =>
                {
                    let slot = address.wrapping_add_signed(disp);
                    self.target = Some((to, CallTarget::Slot(slot)));
                }
                _ => return false,
            },
            Effect::Set(to, Expr::Add(from, by)) => match (self.page, self.target) {
                (Some((page, address)), None) if page == from => {
                    self.target = Some((to, CallTarget::Address(address.wrapping_add_signed(by))));
                }
                // add x16, x16, #lo: the slot's address, for the resolver
                (Some((page, _)), Some((target, _)))
                    if page == from && target != to && to == page => {}
                _ => return false,
            },
            _ => return false,
        }
        true
    }

    /// Whether an instruction leaves the registers of the chain alone.
    fn survives(&self, at: u64, word: u32) -> bool {
        let held = match (self.page, self.target) {
            (_, Some((register, _))) | (Some((register, _)), None) => set(register),
            (None, None) => 0,
        };
        let mut steps = Vec::new();
        lift(at, word, &mut steps);
        steps.iter().all(|step| match step.effect {
            Effect::Set(to, _) | Effect::Pop(to) => held & set(to) == 0,
            Effect::Clobber { writes, .. } => held & writes == 0,
            Effect::None | Effect::Store { .. } | Effect::Push(_) | Effect::Realign => true,
            // An instruction of x86-64.
            Effect::Leave => false,
        })
    }

    /// What going through a register does: only the chain's is known.
    fn then(&self, passes: impl Fn(CallTarget) -> Passing, register: Reg) -> Passing {
        match self.target {
            Some((target, to)) if target == register => passes(to),
            _ => Passing::Other,
        }
    }
}

/// nop, bti, and those that sign or authenticate a pointer.
const fn is_hint(word: u32) -> bool {
    word & 0xffff_f01f == 0xd503_201f
}

/// Whether an instruction only sets up a frame or moves a value between a register and the frame.
fn is_passing(word: u32) -> bool {
    let framed = matches!(rn(word), SP | FP);
    let moves = word & 0x7fe0_ffe0 == 0x2a00_03e0 && rm(word) != SP;
    let adjusts = word & 0xbf80_0000 == 0x9100_0000 && matches!(rd(word), SP | FP) && framed;
    let single = word & 0x3b00_0000 == 0x3900_0000 || word & 0x3b20_0000 == 0x3800_0000;
    let pair = word & 0x3a00_0000 == 0x2800_0000;
    is_hint(word) || moves || adjusts || (framed && (single || pair))
}
