//! The sections of relocatable objects at invented addresses, their symbols, and the relocations that are to be applied.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use object::elf::RelocationType;

use super::super::bounds::File;
use super::super::parts::Candidate;
use super::super::{Architecture, Format, Name, Section};
use crate::error::Error;

/// The first invented address; less than this is a number, not an address.
pub(super) const FIRST: u64 = 0x1_0000;
/// What all sections may come to: with AArch64, every `bl` must be able to reach everything.
const MOST_X86: u64 = 1 << 30;
pub(super) const MOST_AARCH64: u64 = 120 << 20;

/// Where a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Target {
    /// Here.
    Defined(u64),
    /// Here, but what it is called through is for a resolver to say.
    Ifunc(u64),
    /// Not here; the n-th such symbol.
    Undefined(u32),
    /// No place that code could be called at: a thread-local, a number, a section that is not loaded.
    Nowhere,
}

/// What a member's symbol stands for.
#[derive(Clone, Copy)]
pub(super) enum Local<'a> {
    Is(Target),
    /// As the global of that name is.
    Global(&'a [u8]),
}

/// A global symbol that is defined here.
pub(super) struct Global {
    pub target: Target,
    weak: bool,
}

/// An object, with its relocations.
pub(super) struct Member<'a> {
    pub file: File<'a>,
    pub relocations: Vec<Relocation<'a>>,
}

/// A relocation, put as that of ELF which says the same.
#[derive(Clone, Copy)]
pub(super) struct Relocation<'a> {
    /// The section that it is about.
    pub laid: Laid,
    /// Where in that section.
    pub offset: u64,
    pub symbol: Local<'a>,
    pub addend: i64,
    /// None if ELF has nothing like it, or it is not understood: it makes no address.
    pub kind: Option<RelocationType>,
    /// Where in the file it stands.
    pub at: u64,
}

/// A section that was laid out.
#[derive(Clone, Copy)]
pub(super) struct Laid {
    pub start: u64,
    pub size: u64,
    /// Where its bytes begin in [`Layout::out`]; none for zeroes.
    pub offset: Option<usize>,
    pub executable: bool,
}

impl Laid {
    /// That many bytes at an offset of the section.
    pub(super) fn bytes<const N: usize>(self, out: &[u8], offset: u64) -> Option<[u8; N]> {
        let from = self.offset?.checked_add(usize::try_from(offset).ok()?)?;
        let within = offset.checked_add(N as u64)? <= self.size;
        out.get(from..)?.first_chunk().copied().filter(|_| within)
    }
}

/// A section to be laid out.
pub(super) struct NewSection<'a> {
    pub name: &'a [u8],
    /// Where its contents begin in the file; none for zeroes.
    pub offset: Option<u64>,
    pub size: u64,
    pub align: u64,
    pub executable: bool,
    pub constant: bool,
}

/// What members have come to so far.
#[derive(Default)]
pub(super) struct Layout<'a> {
    pub architecture: Option<Architecture>,
    pub format: Format,
    pub members: Vec<Member<'a>>,
    /// The image's bytes: sections one after another, names in between.
    pub out: Vec<u8>,
    pub sections: Vec<Section>,
    pub candidates: Vec<Candidate>,
    pub globals: HashMap<&'a [u8], Global>,
    /// AArch64's mapping symbols: where data (or code) begins.
    pub marks: Vec<(u64, bool)>,
    /// Data between the code, where a table tells.
    pub literals: Vec<(u64, u64)>,
    /// Where each member's code begins, and its name.
    pub beginnings: Vec<(u64, Name)>,
    pub next: u64,
    pub symbol_count: u64,
    /// Each ifunc's name, by its resolver's address.
    pub resolvers: HashMap<u64, Name>,
}

impl<'a> Layout<'a> {
    /// Begins with a member, which must be for the same machine as those before it.
    pub(super) fn begin(
        &mut self,
        file: &File<'a>,
        format: Format,
        architecture: Architecture,
    ) -> Result<(), Error> {
        match self.architecture {
            Some(known) if known != architecture || self.format != format => {
                return Err(file.unsupported(format!(
                    "it is {format:?} for {architecture:?}, the members before it are {:?} for {known:?}; \
                     an archive for one machine is",
                    self.format
                )));
            }
            _ => {
                self.architecture = Some(architecture);
                self.format = format;
            }
        }
        self.next = self.next.max(FIRST).next_multiple_of(16);
        if let Some(member) = file.member_name() {
            let name = self.name(member);
            self.beginnings.push((self.next, name));
        }
        Ok(())
    }

    /// Lays out one section.
    pub(super) fn lay(&mut self, file: &File<'a>, new: &NewSection<'_>) -> Result<Laid, Error> {
        let most = match self.architecture {
            Some(Architecture::Aarch64) => MOST_AARCH64,
            _ => MOST_X86,
        };
        let align = match new.align {
            align if align.is_power_of_two() => align.clamp(16, 4096),
            _ => 16,
        };
        let data = match new.offset {
            Some(offset) => Some(file.data(new.name, offset, new.size)?),
            None => None,
        };
        let start = self.next.next_multiple_of(align);
        if new.size > most || start + new.size > most {
            return Err(file.unsupported(format!(
                "sections of more than {most:#x} bytes in all (section {} has {:#x}); what is linked from them is",
                String::from_utf8_lossy(new.name),
                new.size
            )));
        }
        let laid = Laid {
            start,
            size: new.size,
            offset: data.map(|_| self.out.len()),
            executable: new.executable,
        };
        self.out.extend_from_slice(data.unwrap_or(&[]));
        self.next = start + new.size;
        self.sections.push(Section {
            start,
            end: start + new.size,
            offset: laid.offset,
            executable: new.executable,
            constant: new.constant,
            ..Section::default()
        });
        Ok(laid)
    }

    /// Keeps a name in the image's bytes.
    pub(super) fn name(&mut self, name: &[u8]) -> Name {
        let at = self.out.len();
        self.out.extend_from_slice(name);
        self.out.push(0);
        Name::new(at)
    }

    /// What a symbol stands for, whose own definition, if it has one, is at `target`.
    pub(super) fn symbol(&mut self, name: &'a [u8], target: Target, linkage: Linkage) -> Local<'a> {
        if linkage == Linkage::Local || name.is_empty() {
            return Local::Is(target);
        }
        let weak = linkage == Linkage::Weak;
        if linkage != Linkage::Undefined {
            match self.globals.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(Global { target, weak });
                }
                // The first strong definition is the one that counts, as for a linker.
                Entry::Occupied(mut entry) if entry.get().weak && !weak => {
                    entry.insert(Global { target, weak });
                }
                Entry::Occupied(_) => {}
            }
        }
        Local::Global(name)
    }
}

/// How a symbol is seen from other objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Linkage {
    Local,
    Weak,
    Strong,
    /// It is defined elsewhere, or may be.
    Undefined,
}

/// The symbol that a relocation at `at` names by its index.
pub(super) fn symbol<'a>(
    file: &File<'a>,
    symbols: &[Local<'a>],
    index: usize,
    at: u64,
) -> Result<Local<'a>, Error> {
    symbols.get(index).copied().ok_or_else(|| {
        let have = symbols.len();
        file.damaged(
            at,
            format!("a relocation uses symbol {index}; there are {have}"),
        )
    })
}

/// Why an image is not read as an object.
pub(super) fn linked_within(file: &File<'_>) -> Error {
    file.unsupported("a linked image within an archive; name the image itself")
}
