//! Relocatable objects, laid out, become an image: every relocation applied, as a linker would.

use std::collections::HashMap;

use object::elf::{self, RelocationType};

use super::super::bounds::File;
use super::super::parts::{Contents, Parts};
use super::super::{Architecture, Bound, Name, Section, Slot, Symbol};
use super::layout::{FIRST, Layout, Local, MOST_AARCH64, Relocation, Target};
use super::patch::{adr, adrp, bits, distance, is_adrp, is_branch, is_near_branch};
use crate::error::Error;

/// Distance between the invented addresses of undefined symbols, in bytes.
const OUTSIDE_STEP: u64 = 16;
/// The symbol that stands for the GOT itself.
const GOT: &[u8] = b"_GLOBAL_OFFSET_TABLE_";

/// Applies all relocations.
pub(super) fn link(mut layout: Layout<'_>, file: &File<'_>) -> Result<Parts, Error> {
    let architecture = layout.architecture.unwrap_or(Architecture::X86_64);
    // One slot and one invented address per symbol is the most that can be needed.
    let got_base = layout.next.max(FIRST).next_multiple_of(4096);
    let outside = (got_base + 8 * (layout.symbol_count + 1)).next_multiple_of(4096);
    let end = outside + OUTSIDE_STEP * (layout.symbol_count + 1);
    // On x86-64 a distance to it is no address either, should an unknown relocation have wanted one.
    let nowhere = match architecture {
        Architecture::X86_64 => 2 * end.next_multiple_of(4096),
        Architecture::Aarch64 => end.next_multiple_of(4096),
    };
    if architecture == Architecture::Aarch64 && nowhere > MOST_AARCH64 {
        return Err(file.unsupported(
            "objects so large that a branch would not reach across; what is linked from them is",
        ));
    }
    let members = std::mem::take(&mut layout.members);
    let mut linker = Linker {
        layout,
        undefined: Vec::new(),
        undefined_by_name: HashMap::new(),
        ifuncs: HashMap::new(),
        got: HashMap::new(),
        slots: Vec::new(),
        got_base,
        outside,
        nowhere,
    };
    for member in members {
        for relocation in &member.relocations {
            linker.apply(&member.file, relocation, architecture)?;
        }
    }
    let got = linker.got.iter();
    let got = got.map(|(&target, &at)| Slot {
        at,
        bound: linker.bound(target, 0),
    });
    let slots = linker.slots.iter().copied().chain(got).collect();
    let undefined = (0u64..).zip(&linker.undefined);
    let undefined = undefined.map(|(n, &name)| Symbol {
        address: outside + n * OUTSIDE_STEP,
        name,
        resolver: false,
        superseded: false,
    });
    let undefined = undefined.collect();
    let mut layout = linker.layout;
    if !linker.got.is_empty() {
        layout.sections.push(Section {
            start: got_base,
            end: got_base + 8 * linker.got.len() as u64,
            constant: true,
            ..Section::default()
        });
    }
    Ok(Parts {
        sections: layout.sections,
        slots: vec![slots],
        candidates: layout.candidates,
        undefined,
        outside: (outside, end),
        members: layout.beginnings,
        literals: layout.literals,
        marks: layout.marks,
        ..Parts::new(architecture, layout.format, Contents::Made(layout.out))
    })
}

struct Linker<'a> {
    layout: Layout<'a>,
    undefined: Vec<Name>,
    undefined_by_name: HashMap<&'a [u8], u32>,
    /// Which invented symbol stands for an ifunc, by its resolver's address.
    ifuncs: HashMap<u64, u32>,
    got: HashMap<Target, u64>,
    slots: Vec<Slot>,
    got_base: u64,
    outside: u64,
    nowhere: u64,
}

/// What a relocation is about.
struct Field {
    at: u64,
    executable: bool,
    target: Target,
    addend: i64,
}

impl Field {
    /// Whether the addend may only make up for the field's distance from the instruction's end.
    fn is_near(&self) -> bool {
        (-8..=0).contains(&self.addend)
    }
}

enum Patch {
    Nothing,
    /// That many of the value's low bytes.
    Bytes(usize, u64),
}

impl<'a> Linker<'a> {
    fn apply(
        &mut self,
        file: &File<'a>,
        relocation: &Relocation<'a>,
        architecture: Architecture,
    ) -> Result<(), Error> {
        let Relocation {
            laid,
            offset,
            kind,
            at,
            ..
        } = *relocation;
        let Some(begin) = laid.offset else {
            return Err(file.damaged(at, "relocations for a section without contents"));
        };
        let target = match relocation.symbol {
            Local::Is(target) => target,
            Local::Global(name) => self.global(name),
        };
        let field = Field {
            at: laid.start.wrapping_add(offset),
            executable: laid.executable,
            target,
            addend: relocation.addend,
        };
        let patch = match architecture {
            Architecture::X86_64 => self.x86_64(kind, &field),
            Architecture::Aarch64 => {
                let word = laid.bytes(&self.layout.out, offset);
                self.aarch64(kind, &field, word.map_or(0, u32::from_le_bytes))
            }
        };
        let Patch::Bytes(width, value) = patch else {
            return Ok(());
        };
        let within = offset
            .checked_add(width as u64)
            .is_some_and(|end| end <= laid.size);
        if !within {
            return Err(file.damaged(
                at,
                format!(
                    "a relocation for offset {offset:#x} of a section of {:#x} bytes",
                    laid.size
                ),
            ));
        }
        // Within the section, so within the bytes.
        let from = begin + usize::try_from(offset).unwrap_or(0);
        if let Some(bytes) = self.layout.out.get_mut(from..from + width) {
            bytes.copy_from_slice(&value.to_le_bytes()[..width]);
        }
        Ok(())
    }

    fn global(&mut self, name: &'a [u8]) -> Target {
        if let Some(global) = self.layout.globals.get(name) {
            return global.target;
        }
        if name == GOT {
            return Target::Defined(self.got_base);
        }
        if let Some(&known) = self.undefined_by_name.get(name) {
            return Target::Undefined(known);
        }
        let text = self.layout.name(name);
        let n = self.undefine(text);
        self.undefined_by_name.insert(name, n);
        Target::Undefined(n)
    }

    fn undefine(&mut self, name: Name) -> u32 {
        self.undefined.push(name);
        u32::try_from(self.undefined.len() - 1).unwrap_or(u32::MAX)
    }

    /// The address that a direct reference gets.
    fn address(&mut self, target: Target) -> u64 {
        let n = match target {
            Target::Defined(address) => return address,
            Target::Nowhere => return self.nowhere,
            Target::Undefined(n) => n,
            // The linker puts a stub before an ifunc, in a static image too.
            Target::Ifunc(resolver) => match self.ifuncs.get(&resolver) {
                Some(&known) => known,
                None => {
                    let Some(&name) = self.layout.resolvers.get(&resolver) else {
                        return self.nowhere;
                    };
                    let n = self.undefine(name);
                    self.ifuncs.insert(resolver, n);
                    n
                }
            },
        };
        self.outside + u64::from(n) * OUTSIDE_STEP
    }

    /// The symbol's slot in the GOT.
    fn slot(&mut self, field: &Field) -> u64 {
        if field.target == Target::Nowhere {
            return self.nowhere;
        }
        let next = self.got_base + 8 * self.got.len() as u64;
        *self.got.entry(field.target).or_insert(next)
    }

    fn bound(&self, target: Target, addend: i64) -> Bound {
        match target {
            Target::Defined(address) => Bound::Address(address.wrapping_add_signed(addend)),
            Target::Ifunc(resolver) if addend == 0 => Bound::Resolved(resolver),
            Target::Undefined(n) if addend == 0 => self
                .undefined
                .get(n as usize)
                .map_or(Bound::Other, |&name| Bound::Symbol(name)),
            _ => Bound::Other,
        }
    }

    /// A whole word: also a slot that a call may go through.
    fn word(&mut self, field: &Field) -> Patch {
        let bound = self.bound(field.target, field.addend);
        self.slots.push(Slot {
            at: field.at,
            bound,
        });
        Patch::Bytes(8, self.reference(field))
    }

    /// No address can be told: the word, if it is data, is none.
    fn other(&mut self, field: &Field) -> Patch {
        if !field.executable {
            self.slots.push(Slot {
                at: field.at,
                bound: Bound::Other,
            });
        }
        Patch::Nothing
    }

    /// The address that a field refers to. An addend makes another address of a symbol's own; of one that is
    /// not here it may only make up for the field's distance from the instruction's end.
    fn reference(&mut self, field: &Field) -> u64 {
        let address = self.address(field.target);
        if address == self.nowhere || (address >= self.got_base && !field.is_near()) {
            return self.nowhere;
        }
        address.wrapping_add_signed(field.addend)
    }

    fn x86_64(&mut self, kind: Option<RelocationType>, field: &Field) -> Patch {
        let relative = |to: u64| to.wrapping_sub(field.at);
        let nowhere = relative(self.nowhere);
        // What does not fit, a linker would refuse.
        let narrow = |value: u64| {
            let fits = i32::try_from(value.cast_signed()).is_ok();
            Patch::Bytes(4, if fits { value } else { nowhere })
        };
        // One that is not understood is as wide as most.
        match kind.unwrap_or(elf::R_X86_64_GOTPC32) {
            // They only mark an instruction.
            elf::R_X86_64_NONE | elf::R_X86_64_TLSDESC_CALL => Patch::Nothing,
            elf::R_X86_64_64 => self.word(field),
            elf::R_X86_64_PC32 | elf::R_X86_64_PLT32 => narrow(relative(self.reference(field))),
            elf::R_X86_64_GOTPCREL
            | elf::R_X86_64_GOTPCRELX
            | elf::R_X86_64_REX_GOTPCRELX
            | elf::R_X86_64_CODE_4_GOTPCRELX
                if field.is_near() =>
            {
                narrow(relative(self.slot(field).wrapping_add_signed(field.addend)))
            }
            elf::R_X86_64_32 | elf::R_X86_64_32S => narrow(self.reference(field)),
            elf::R_X86_64_PC64 => Patch::Bytes(8, relative(self.reference(field))),
            // Jumps within a section that the assembler left open.
            elf::R_X86_64_PC8 => {
                let value = relative(self.reference(field));
                match i8::try_from(value.cast_signed()) {
                    Ok(_) => Patch::Bytes(1, value),
                    Err(_) => Patch::Nothing,
                }
            }
            // Of data, no other kind makes an address.
            _ if !field.executable => self.other(field),
            // Thread-locals, sizes, and the large code model.
            elf::R_X86_64_DTPMOD64
            | elf::R_X86_64_DTPOFF64
            | elf::R_X86_64_TPOFF64
            | elf::R_X86_64_GOTOFF64
            | elf::R_X86_64_GOT64
            | elf::R_X86_64_GOTPCREL64
            | elf::R_X86_64_GOTPC64
            | elf::R_X86_64_GOTPLT64
            | elf::R_X86_64_PLTOFF64
            | elf::R_X86_64_SIZE64 => Patch::Bytes(8, self.nowhere),
            // TLSGD, TLSLD, GOTTPOFF, TPOFF32, GOTPC32, and whatever is not known.
            _ => Patch::Bytes(4, nowhere),
        }
    }

    fn aarch64(&mut self, kind: Option<RelocationType>, field: &Field, word: u32) -> Patch {
        /// What `R_AARCH64_NONE` was once.
        const WITHDRAWN_NONE: RelocationType = RelocationType(256);
        let at = field.at;
        match kind {
            Some(elf::R_AARCH64_NONE | WITHDRAWN_NONE | elf::R_AARCH64_TLSDESC_CALL) => {
                return Patch::Nothing;
            }
            Some(elf::R_AARCH64_ABS64) => return self.word(field),
            Some(elf::R_AARCH64_ABS32) => return Patch::Bytes(4, self.reference(field)),
            Some(elf::R_AARCH64_PREL64) => {
                return Patch::Bytes(8, self.reference(field).wrapping_sub(at));
            }
            Some(elf::R_AARCH64_PREL32 | elf::R_AARCH64_PLT32) => {
                return Patch::Bytes(4, self.reference(field).wrapping_sub(at));
            }
            _ if !field.executable => return self.other(field),
            _ => {}
        }
        let patched = kind.and_then(|kind| self.instruction(kind, field, word));
        let word = patched.unwrap_or_else(|| self.undecided(kind, word, at));
        Patch::Bytes(4, word.into())
    }

    /// An AArch64 instruction with its operand.
    fn instruction(&mut self, kind: RelocationType, field: &Field, word: u32) -> Option<u32> {
        let at = field.at;
        // 16 bits of the address, for movz and movk.
        let wide = |to: u64, shift: u32| bits(word, 5, 16, (to >> shift).cast_signed(), false);
        // The address within its page, in units of the access.
        let low = |to: u64, scale: u32| {
            let within = (to & 0xfff) >> scale;
            bits(word, 10, 12, within.cast_signed(), false)
        };
        match kind {
            elf::R_AARCH64_MOVW_UABS_G0 | elf::R_AARCH64_MOVW_UABS_G0_NC => {
                wide(self.reference(field), 0)
            }
            elf::R_AARCH64_MOVW_UABS_G1 | elf::R_AARCH64_MOVW_UABS_G1_NC => {
                wide(self.reference(field), 16)
            }
            elf::R_AARCH64_MOVW_UABS_G2 | elf::R_AARCH64_MOVW_UABS_G2_NC => {
                wide(self.reference(field), 32)
            }
            elf::R_AARCH64_MOVW_UABS_G3 => wide(self.reference(field), 48),
            elf::R_AARCH64_LD_PREL_LO19 | elf::R_AARCH64_CONDBR19 => {
                distance(word, 5, 19, self.reference(field), at)
            }
            elf::R_AARCH64_ADR_PREL_LO21 => {
                adr(word, self.reference(field).wrapping_sub(at).cast_signed())
            }
            elf::R_AARCH64_ADR_PREL_PG_HI21 | elf::R_AARCH64_ADR_PREL_PG_HI21_NC => {
                adrp(word, self.reference(field), at)
            }
            elf::R_AARCH64_ADD_ABS_LO12_NC | elf::R_AARCH64_LDST8_ABS_LO12_NC => {
                low(self.reference(field), 0)
            }
            elf::R_AARCH64_LDST16_ABS_LO12_NC => low(self.reference(field), 1),
            elf::R_AARCH64_LDST32_ABS_LO12_NC => low(self.reference(field), 2),
            elf::R_AARCH64_LDST64_ABS_LO12_NC => low(self.reference(field), 3),
            elf::R_AARCH64_LDST128_ABS_LO12_NC => low(self.reference(field), 4),
            elf::R_AARCH64_TSTBR14 => distance(word, 5, 14, self.reference(field), at),
            elf::R_AARCH64_JUMP26 | elf::R_AARCH64_CALL26 => {
                distance(word, 0, 26, self.reference(field), at)
            }
            _ if field.addend != 0 => None,
            elf::R_AARCH64_GOT_LD_PREL19 => distance(word, 5, 19, self.slot(field), at),
            elf::R_AARCH64_ADR_GOT_PAGE => adrp(word, self.slot(field), at),
            elf::R_AARCH64_LD64_GOT_LO12_NC => low(self.slot(field), 3),
            elf::R_AARCH64_LD64_GOTPAGE_LO15 => {
                let from = self.slot(field).wrapping_sub(self.got_base & !0xfff) >> 3;
                bits(word, 10, 12, from.cast_signed(), true)
            }
            _ => None,
        }
    }

    /// An AArch64 instruction whose operand is not known, with one that is certainly no address of code.
    fn undecided(&self, kind: Option<RelocationType>, word: u32, at: u64) -> u32 {
        // Thread-local storage adds these offsets to what is no code address.
        let thread_local = kind.is_some_and(|kind| {
            (elf::R_AARCH64_TLSGD_ADR_PREL21.0..=elf::R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC.0)
                .contains(&kind.0)
        });
        let word_or_none = if is_branch(word) {
            distance(word, 0, 26, self.nowhere, at)
        } else if is_adrp(word) {
            adrp(word, self.nowhere, at)
        } else if is_near_branch(word) || (thread_local && word & 0x1f00_0000 != 0x1000_0000) {
            Some(word)
        } else {
            None
        };
        // mrs, which is followed as a value that only the running program knows.
        word_or_none.unwrap_or(0xd53b_d040 | (word & 31))
    }
}
