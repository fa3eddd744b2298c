//! The instructions executed so far, decoded once, and the names of the functions
//! they belong to.

use std::collections::HashMap;
use std::ops::Range;

use super::address_space::MappedFunction;
use super::insn::{self, Insn};
use super::program::Program;
use super::recorder::Visit;
use crate::walk::error::WalkError;
use crate::walk::record::{Leg, Step};

/// Decoded instructions by address, and names by the number that they bear.
pub(super) struct DecodedCode {
    decoded: HashMap<u64, Insn>,
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Functions with several names go by the one that was asked for.
    asked_for: Vec<(Range<u64>, String)>,
}

impl DecodedCode {
    /// Nothing yet. The functions go by the names they have here.
    pub(super) fn naming(functions: [&MappedFunction; 2]) -> Self {
        let named = |function: &MappedFunction| {
            let name = function.name.clone();
            let ranges = function.code.clone().into_iter();
            ranges.map(move |range| (range, name.clone()))
        };
        Self {
            decoded: HashMap::new(),
            names: Vec::new(),
            numbers: HashMap::new(),
            asked_for: functions.into_iter().flat_map(named).collect(),
        }
    }

    /// The instruction at an address.
    pub(super) fn at(&mut self, address: u64, program: &mut Program) -> Result<Insn, WalkError> {
        if let Some(insn) = self.decoded.get(&address) {
            return Ok(*insn);
        }
        let bytes = program.tracee.read(address, insn::MAX_LEN);
        let mut asked_for = self.asked_for.iter();
        let mut name = asked_for
            .find(|(range, _)| range.contains(&address))
            .map(|(_, name)| name.clone())
            .or_else(|| program.name(address));
        if name.is_none() {
            // It may have been mapped since (dlopen in mid-walk).
            program.read_maps()?;
            name = program.name(address);
        }
        let number = self.number(name.unwrap_or_else(|| "code without a file".into()));
        let insn = Insn::decode(&bytes, address, number);
        self.decoded.insert(address, insn);
        Ok(insn)
    }

    fn number(&mut self, name: String) -> u32 {
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            next
        })
    }

    /// One way of the walk, with names.
    pub(super) fn leg(&self, visits: &[Visit]) -> Leg {
        let mut leg = Leg::default();
        for visit in visits {
            leg.instructions += visit.instructions;
            leg.stack_switches += visit.stack_switches;
            leg.atomics += visit.atomics;
            leg.syscalls += visit.syscalls;
            leg.steps.push(Step {
                symbol: self.names[visit.symbol as usize].clone(),
                instructions: visit.instructions,
                stack_switches: visit.stack_switches,
                atomics: visit.atomics,
                syscalls: visit.syscalls,
            });
        }
        leg
    }
}
