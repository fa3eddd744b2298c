//! Relocatable files: ELF, Mach-O and COFF objects, static archives and rlibs, linked in memory to see where their calls lead.
//!
//! What a call in an object reaches is decided by its relocation. So the object (or all objects of an archive
//! together) is given invented addresses, every symbol that it leaves undefined an address of its own outside
//! all sections, and every symbol taken from the GOT a slot; then the relocations are applied, as a linker
//! would, and the result is read like a linked image. Nothing here is a stub: whether a call to an undefined
//! symbol goes through one is for the real linker to say, so such a call is `unresolved`, and still names it.
//!
//! A call to a symbol that is defined here is `direct`: it is when an executable is linked from this. A shared
//! library may interpose a PLT stub before a symbol that it exports; read the library to see it.
//!
//! The relocations of Mach-O and COFF are put as those of ELF that say the same.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use object::elf;
use object::read::archive::ArchiveFile;
use object::read::elf::{FileHeader as _, Rela as _, SectionHeader as _, Sym as _};
use object::{SectionIndex, SymbolIndex};

use super::elf::{LE, Table, between, header, is_data_mark, without_conflicts};
use super::pieces::{self, Candidate};
use super::{Architecture, Bound, Format, Image, Name, Section, Slot, Symbol};
use crate::error::Error;

mod coff;
mod macho;

/// The first invented address; less than this is a number, not an address.
const FIRST: u64 = 0x1_0000;
/// What all sections may come to: with AArch64, every `bl` must be able to reach everything.
const MOST_X86: u64 = 1 << 30;
const MOST_AARCH64: u64 = 120 << 20;
/// Distance between the invented addresses of undefined symbols, in bytes.
const OUTSIDE_STEP: u64 = 16;
/// The symbol that stands for the GOT itself.
const GOT: &[u8] = b"_GLOBAL_OFFSET_TABLE_";

/// Whether this is a COFF object for a machine that this crate reads, or ARM64EC, which it names.
pub(super) fn is_coff(bytes: &[u8]) -> bool {
    matches!(
        bytes.get(..2),
        Some([0x64, 0x86] | [0x64, 0xaa] | [0x41, 0xa6])
    )
}

/// Reads one relocatable object.
pub(super) fn object(path: PathBuf, bytes: &[u8]) -> Result<Image, Error> {
    let mut linker = Linker::default();
    linker.add(
        Place {
            path: &path,
            member: None,
            base: 0,
        },
        bytes,
    )?;
    linker.link(&path)
}

/// Reads a static archive: every object in it. Other members (an rlib's metadata, bitcode) are passed over.
pub(super) fn archive(path: PathBuf, bytes: &[u8]) -> Result<Image, Error> {
    let damaged = |offset: usize, detail: String| Error::Damaged {
        path: path.clone(),
        offset: offset as u64,
        detail,
    };
    let archive = ArchiveFile::parse(bytes).map_err(|error| damaged(0, error.to_string()))?;
    if archive.is_thin() {
        return Err(Error::Unsupported {
            path,
            detail: "a thin archive, which only names its members' files; name those".to_owned(),
        });
    }
    let mut linker = Linker::default();
    let mut others = Vec::new();
    // Long names are in a table, where they may overlap.
    let mut budget = bytes.len().saturating_mul(16);
    // Behind the last member that could be read.
    let mut end = 8;
    for member in archive.members() {
        let member =
            member.map_err(|error| damaged(end, format!("the archive's member here: {error}")))?;
        budget = budget.checked_sub(member.name().len()).ok_or_else(|| {
            damaged(
                end,
                "the members' names overlap so often that they come to 16 times the file"
                    .to_owned(),
            )
        })?;
        let shown = String::from_utf8_lossy(member.name()).into_owned();
        let (offset, size) = member.file_range();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let data = member.data(bytes).map_err(|_| {
            let have = bytes.len();
            damaged(
                start,
                format!("member {shown} claims {size} bytes here; the file has {have} in all"),
            )
        })?;
        end = start.saturating_add(data.len());
        let object = data.starts_with(b"\x7fELF") || super::macho::is_macho(data) || is_coff(data);
        if !object {
            if others.len() < 3 {
                others.push(format!("{shown} ({})", super::what_is(data)));
            }
            continue;
        }
        // On Linux, an rlib's metadata is wrapped in an object without code.
        linker.add(
            Place {
                path: &path,
                member: Some(member.name()),
                base: offset,
            },
            data,
        )?;
    }
    if linker.members.is_empty() {
        let detail = if others.is_empty() {
            "an archive without members".to_owned()
        } else {
            format!(
                "an archive without objects for x86-64 or AArch64; it holds {} …",
                others.join(", ")
            )
        };
        return Err(Error::Unsupported { path, detail });
    }
    linker.link(&path)
}

/// Where bytes come from, for errors.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    member: Option<&'a [u8]>,
    /// Where in the file they begin.
    base: u64,
}

impl Place<'_> {
    fn damaged(&self, offset: u64, detail: impl std::fmt::Display) -> Error {
        Error::Damaged {
            path: self.path.to_owned(),
            offset: self.base.saturating_add(offset),
            detail: self.told(detail),
        }
    }

    fn unsupported(&self, detail: impl std::fmt::Display) -> Error {
        Error::Unsupported {
            path: self.path.to_owned(),
            detail: self.told(detail),
        }
    }

    fn told(&self, detail: impl std::fmt::Display) -> String {
        match self.member {
            Some(member) => format!("member {}: {detail}", String::from_utf8_lossy(member)),
            None => detail.to_string(),
        }
    }

    /// The same error, if it is about damage, at its place in the whole file.
    fn moved(&self, error: Error) -> Error {
        match error {
            Error::Damaged { offset, detail, .. } => self.damaged(offset, detail),
            Error::Unsupported { detail, .. } => self.unsupported(detail),
            other => other,
        }
    }
}

/// Where a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Target {
    /// Here.
    Defined(u64),
    /// Here, but what it is called through is for a resolver to say.
    Ifunc(u64),
    /// Not here; the n-th such symbol.
    Undefined(u32),
    /// No place that code could be called at: a thread-local, a number, a section that is not loaded.
    Nowhere,
}

#[derive(Clone, Copy)]
enum Local<'a> {
    Is(Target),
    /// As the global of that name is.
    Global(&'a [u8]),
}

struct Member<'a> {
    place: Place<'a>,
    relocations: Relocations<'a>,
}

enum Relocations<'a> {
    Elf {
        bytes: &'a [u8],
        table: Table<'a>,
        /// Where each section was laid, by its index.
        laid: Vec<Option<Laid>>,
        /// Each symbol of the symbol table.
        symbols: Vec<Local<'a>>,
        symbol_section: SectionIndex,
    },
    /// Another format's, put as ELF's.
    Put(Vec<Relocation<'a>>),
}

/// A relocation, put as ELF's.
#[derive(Clone, Copy)]
struct Relocation<'a> {
    /// The section that it is about.
    laid: Laid,
    /// Where in that section.
    offset: u64,
    symbol: Local<'a>,
    addend: i64,
    /// ELF's number.
    kind: u32,
    /// Where in the file it stands.
    at: u64,
}

/// The kind of a relocation that ELF has no like of, or that is not understood: it makes no address.
const OTHER_KIND: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Laid {
    start: u64,
    size: u64,
    offset: Option<usize>,
    executable: bool,
}

#[derive(Default)]
struct Linker<'a> {
    architecture: Option<Architecture>,
    format: Format,
    members: Vec<Member<'a>>,
    /// The image's bytes: sections one after another, names in between.
    out: Vec<u8>,
    sections: Vec<Section>,
    candidates: Vec<Candidate>,
    globals: HashMap<&'a [u8], Global>,
    /// AArch64's mapping symbols: where data (or code) begins.
    marks: Vec<(u64, bool)>,
    /// Data between the code, where a table tells.
    literals: Vec<(u64, u64)>,
    /// Where each member's code begins, and its name.
    beginnings: Vec<(u64, Name)>,
    next: u64,
    symbol_count: u64,
    undefined: Vec<Name>,
    undefined_by_name: HashMap<&'a [u8], u32>,
    /// Each ifunc's name, by its resolver's address; and which invented symbol stands for it.
    resolvers: HashMap<u64, Name>,
    ifuncs: HashMap<u64, u32>,
    got: HashMap<Target, u64>,
    slots: Vec<Slot>,
    got_base: u64,
    outside: u64,
    nowhere: u64,
}

/// A section to be laid out; without data, zeroes.
struct NewSection<'b> {
    size: u64,
    data: Option<&'b [u8]>,
    executable: bool,
    constant: bool,
}

struct Global {
    target: Target,
    weak: bool,
}

impl<'a> Linker<'a> {
    /// Lays out a member's sections and takes note of its symbols.
    fn add(&mut self, place: Place<'a>, bytes: &'a [u8]) -> Result<(), Error> {
        if super::macho::is_macho(bytes) {
            self.add_macho(place, bytes)
        } else if is_coff(bytes) {
            self.add_coff(place, bytes)
        } else {
            self.add_elf(place, bytes)
        }
    }

    fn add_elf(&mut self, place: Place<'a>, bytes: &'a [u8]) -> Result<(), Error> {
        let (header, architecture) =
            header(place.path, bytes).map_err(|error| place.moved(error))?;
        if header.e_type(LE) != elf::ET_REL {
            return Err(linked_within(&place));
        }
        let table = header
            .sections(LE, bytes)
            .map_err(|error| place.damaged(40, error))?;
        apart(&place, &table, bytes.len() as u64)?;
        self.begin(&place, Format::Elf, architecture)?;
        let laid = self.lay(&place, &table, bytes)?;
        let (symbols, symbol_section) = self.symbols(&place, &table, bytes, &laid)?;
        self.members.push(Member {
            place,
            relocations: Relocations::Elf {
                bytes,
                table,
                laid,
                symbols,
                symbol_section,
            },
        });
        Ok(())
    }

    /// Begins with a member, which must be for the same machine as those before it.
    fn begin(
        &mut self,
        place: &Place<'a>,
        format: Format,
        architecture: Architecture,
    ) -> Result<(), Error> {
        match self.architecture {
            Some(known) if known != architecture || self.format != format => {
                return Err(place.unsupported(format!(
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
        if let Some(member) = place.member {
            let name = self.name(member);
            self.beginnings.push((self.next, name));
        }
        Ok(())
    }

    /// Lays out one section.
    fn lay_section(
        &mut self,
        place: &Place<'a>,
        shown: &[u8],
        align: u64,
        new: &NewSection<'_>,
    ) -> Result<Laid, Error> {
        let most = match self.architecture {
            Some(Architecture::Aarch64) => MOST_AARCH64,
            _ => MOST_X86,
        };
        let align = match align {
            align if align.is_power_of_two() => align.clamp(16, 4096),
            _ => 16,
        };
        let start = self.next.next_multiple_of(align);
        if new.size > most || start + new.size > most {
            return Err(place.unsupported(format!(
                "sections of more than {most:#x} bytes in all (section {} has {:#x}); what is linked from them is",
                String::from_utf8_lossy(shown),
                new.size
            )));
        }
        let offset = new.data.map(|data| {
            let offset = self.out.len();
            self.out.extend_from_slice(data);
            offset
        });
        self.next = start + new.size;
        self.sections.push(Section {
            start,
            end: start + new.size,
            offset,
            executable: new.executable,
            constant: new.constant,
            stubs: false,
            entry_size: 0,
            name: None,
        });
        Ok(Laid {
            start,
            size: new.size,
            offset,
            executable: new.executable,
        })
    }

    fn lay(
        &mut self,
        place: &Place<'a>,
        table: &Table<'a>,
        bytes: &'a [u8],
    ) -> Result<Vec<Option<Laid>>, Error> {
        let mut laid = vec![None; table.len()];
        for (index, section) in table.enumerate() {
            let flags = section.sh_flags(LE);
            let size = section.sh_size(LE);
            let name = table.section_name(LE, section).unwrap_or(b"");
            // Symbols tell where functions are; the unwind table of an object adds nothing.
            if !flags.contains(elf::SHF_ALLOC)
                || flags.contains(elf::SHF_TLS)
                || size == 0
                || name == b".eh_frame"
            {
                continue;
            }
            let zeroes = section.sh_type(LE) == elf::SHT_NOBITS;
            let data = if zeroes {
                None
            } else {
                let data = section
                    .data(LE, bytes)
                    .map_err(|error| place.damaged(section.sh_offset(LE), error))?;
                Some(data)
            };
            let new = NewSection {
                size,
                data,
                executable: flags.contains(elf::SHF_EXECINSTR),
                constant: !flags.contains(elf::SHF_WRITE) || name.starts_with(b".data.rel.ro"),
            };
            laid[index.0] = Some(self.lay_section(place, name, section.sh_addralign(LE), &new)?);
        }
        Ok(laid)
    }

    fn symbols(
        &mut self,
        place: &Place<'a>,
        table: &Table<'a>,
        bytes: &'a [u8],
        laid: &[Option<Laid>],
    ) -> Result<(Vec<Local<'a>>, SectionIndex), Error> {
        let symbols = table
            .symbols(LE, bytes, elf::SHT_SYMTAB)
            .map_err(|error| place.damaged(0, error))?;
        self.symbol_count += symbols.len() as u64;
        // Names may share bytes, but not many times over; a table that lies would cost quadratic time.
        let strings_at = table
            .section(symbols.string_section())
            .map_or(0, |section| section.sh_offset(LE));
        let mut budget = (bytes.len() as u64).saturating_mul(16);
        let mut found = Vec::with_capacity(symbols.len());
        for (index, symbol) in symbols.enumerate() {
            let name = symbols.symbol_name(LE, symbol).map_err(|_| {
                place.damaged(
                    strings_at,
                    format!(
                        "the name of symbol {} is not within the string table",
                        index.0
                    ),
                )
            })?;
            budget = budget.checked_sub(name.len() as u64).ok_or_else(|| {
                place.damaged(
                    strings_at,
                    "the symbols' names overlap so often that they come to 16 times the file",
                )
            })?;
            let section = symbols
                .symbol_section(LE, symbol, index)
                .map_err(|error| place.damaged(0, format!("symbol {}: {error}", index.0)))?;
            let target = match section.and_then(|section| *laid.get(section.0)?) {
                Some(laid) if symbol.st_type() != elf::STT_TLS => {
                    let value = symbol.st_value(LE);
                    if value > laid.size {
                        Target::Nowhere
                    } else {
                        let address = laid.start + value;
                        if let Some(data) = is_data_mark(name)
                            && self.architecture == Some(Architecture::Aarch64)
                        {
                            self.marks.push((address, data));
                        }
                        self.candidate(symbol, name, address, laid);
                        if symbol.st_type() == elf::STT_GNU_IFUNC {
                            Target::Ifunc(address)
                        } else {
                            Target::Defined(address)
                        }
                    }
                }
                _ => Target::Nowhere,
            };
            if symbol.is_local() || name.is_empty() {
                found.push(Local::Is(target));
                continue;
            }
            found.push(Local::Global(name));
            if symbol.is_undefined(LE) {
                continue;
            }
            self.define(name, target, symbol.is_weak());
        }
        Ok((found, symbols.section()))
    }

    fn define(&mut self, name: &'a [u8], target: Target, weak: bool) {
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

    fn candidate(
        &mut self,
        symbol: &elf::Sym64<object::LittleEndian>,
        name: &[u8],
        address: u64,
        laid: Laid,
    ) {
        let typed = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC);
        if !(typed || symbol.st_type() == elf::STT_NOTYPE)
            || !laid.executable
            || address >= laid.start + laid.size
            || pieces::is_no_name(name)
        {
            return;
        }
        let text = self.name(name);
        if symbol.st_type() == elf::STT_GNU_IFUNC {
            self.resolvers.insert(address, text);
        }
        self.candidates.push(Candidate {
            address,
            untyped: !typed,
            local: symbol.is_local(),
            underscored: name[0] == b'_',
            length: name.len(),
            name: text,
            size: symbol.st_size(LE),
            resolver: symbol.st_type() == elf::STT_GNU_IFUNC,
            superseded: false,
        });
    }

    /// Keeps a name in the image's bytes.
    fn name(&mut self, name: &[u8]) -> Name {
        let at = self.out.len();
        self.out.extend_from_slice(name);
        self.out.push(0);
        Name(at)
    }

    /// Applies all relocations and reads the result.
    fn link(mut self, path: &Path) -> Result<Image, Error> {
        let architecture = self.architecture.unwrap_or(Architecture::X86_64);
        // One slot and one invented address per symbol is the most that can be needed.
        self.got_base = self.next.max(FIRST).next_multiple_of(4096);
        self.outside = (self.got_base + 8 * (self.symbol_count + 1)).next_multiple_of(4096);
        let end = self.outside + OUTSIDE_STEP * (self.symbol_count + 1);
        // On x86-64 a distance to it is no address either, should an unknown relocation have wanted one.
        self.nowhere = match architecture {
            Architecture::X86_64 => 2 * end.next_multiple_of(4096),
            Architecture::Aarch64 => end.next_multiple_of(4096),
        };
        if architecture == Architecture::Aarch64 && self.nowhere > MOST_AARCH64 {
            return Err(Error::Unsupported {
                path: path.to_owned(),
                detail: "objects so large that a branch would not reach across; what is linked from them is".to_owned(),
            });
        }
        for member in std::mem::take(&mut self.members) {
            self.relocate(&member, architecture)?;
        }
        if !self.got.is_empty() {
            self.sections.push(Section {
                start: self.got_base,
                end: self.got_base + 8 * self.got.len() as u64,
                offset: None,
                executable: false,
                constant: true,
                stubs: false,
                entry_size: 0,
                name: None,
            });
        }
        let mut literals = std::mem::take(&mut self.literals);
        literals.extend(between(&self.sections, std::mem::take(&mut self.marks)));
        literals.sort_unstable();
        let mut slots = std::mem::take(&mut self.slots);
        for (&target, &at) in &self.got {
            slots.push(Slot {
                at,
                bound: self.bound(target, 0),
            });
        }
        without_conflicts(&mut slots);
        let candidates = std::mem::take(&mut self.candidates);
        let (functions, mut symbols) =
            pieces::of(&self.out, &self.sections, candidates, Vec::new());
        // Behind all others, so that the order holds.
        symbols.extend((0u64..).zip(&self.undefined).map(|(n, &name)| Symbol {
            address: self.outside + n * OUTSIDE_STEP,
            name,
            resolver: false,
            superseded: false,
        }));
        Ok(Image {
            path: PathBuf::new(),
            bytes: self.out,
            architecture,
            format: self.format,
            sections: self.sections,
            relro: Vec::new(),
            slots,
            functions,
            pages: Vec::new(),
            parts: Vec::new(),
            symbols,
            entry: 0,
            segments: Vec::new(),
            interpreted: false,
            lazy_slots: Vec::new(),
            producers: Vec::new(),
            movable: true,
            outside: (self.outside, end),
            members: self.beginnings,
            twice: std::sync::OnceLock::new(),
            literals,
            thunks: Vec::new(),
        })
    }

    fn relocate(&mut self, member: &Member<'a>, architecture: Architecture) -> Result<(), Error> {
        let place = &member.place;
        let (bytes, table, laid, symbols, symbol_section) = match &member.relocations {
            Relocations::Put(relocations) => {
                for relocation in relocations {
                    self.apply(place, relocation, architecture)?;
                }
                return Ok(());
            }
            Relocations::Elf {
                bytes,
                table,
                laid,
                symbols,
                symbol_section,
            } => (*bytes, table, laid, symbols, *symbol_section),
        };
        for section in table.iter() {
            let kind = section.sh_type(LE);
            if !matches!(kind, elf::SHT_RELA | elf::SHT_REL | elf::SHT_CREL) {
                continue;
            }
            let Some(laid) = laid.get(section.sh_info(LE) as usize).copied().flatten() else {
                continue;
            };
            let at = section.sh_offset(LE);
            let rela = section
                .rela(LE, bytes)
                .map_err(|error| place.damaged(at, error))?;
            let Some((relocations, link)) = rela else {
                return Err(place.unsupported(
                    "relocations without addends, or compressed ones (SHT_REL, SHT_CREL); SHT_RELA is",
                ));
            };
            if link != symbol_section && !relocations.is_empty() && link.0 != 0 {
                return Err(place.damaged(at, "relocations that use another symbol table"));
            }
            for (n, relocation) in (0u64..).zip(relocations) {
                let index = SymbolIndex(relocation.r_sym(LE, false) as usize);
                let symbol = match symbols.get(index.0) {
                    Some(&symbol) => symbol,
                    None if index.0 == 0 => Local::Is(Target::Nowhere),
                    None => {
                        return Err(place.damaged(
                            at.saturating_add(n.saturating_mul(24)),
                            format!(
                                "a relocation uses symbol {}; there are {}",
                                index.0,
                                symbols.len()
                            ),
                        ));
                    }
                };
                let relocation = Relocation {
                    laid,
                    offset: relocation.r_offset(LE),
                    symbol,
                    addend: relocation.r_addend(LE),
                    kind: relocation.r_type(LE, false).0,
                    at: at.saturating_add(n.saturating_mul(24)),
                };
                self.apply(place, &relocation, architecture)?;
            }
        }
        Ok(())
    }

    fn apply(
        &mut self,
        place: &Place<'a>,
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
            return Err(place.damaged(at, "relocations for a section without contents"));
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
            Architecture::X86_64 => self.x86(kind, &field),
            Architecture::Aarch64 => {
                let word = usize::try_from(offset)
                    .ok()
                    .and_then(|offset| begin.checked_add(offset))
                    .filter(|_| offset.saturating_add(4) <= laid.size)
                    .and_then(|from| self.out.get(from..from.checked_add(4)?)?.try_into().ok())
                    .map_or(0, u32::from_le_bytes);
                self.aarch64(kind, &field, word)
            }
        };
        let Patch::Bytes(width, value) = patch else {
            return Ok(());
        };
        let within = offset
            .checked_add(width as u64)
            .is_some_and(|end| end <= laid.size);
        if !within {
            return Err(place.damaged(
                at,
                format!(
                    "a relocation for offset {offset:#x} of a section of {:#x} bytes",
                    laid.size
                ),
            ));
        }
        // Within the section, so within the bytes.
        let from = begin + usize::try_from(offset).unwrap_or(0);
        if let Some(bytes) = self.out.get_mut(from..from + width) {
            bytes.copy_from_slice(&value.to_le_bytes()[..width]);
        }
        Ok(())
    }

    fn global(&mut self, name: &'a [u8]) -> Target {
        if let Some(global) = self.globals.get(name) {
            return global.target;
        }
        if name == GOT {
            return Target::Defined(self.got_base);
        }
        if let Some(&known) = self.undefined_by_name.get(name) {
            return Target::Undefined(known);
        }
        let text = self.name(name);
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
        match target {
            Target::Defined(address) => address,
            Target::Undefined(n) => self.outside + u64::from(n) * OUTSIDE_STEP,
            // The linker puts a stub before an ifunc, in a static image too.
            Target::Ifunc(resolver) => {
                let n = if let Some(&known) = self.ifuncs.get(&resolver) {
                    known
                } else {
                    let Some(&name) = self.resolvers.get(&resolver) else {
                        return self.nowhere;
                    };
                    let n = self.undefine(name);
                    self.ifuncs.insert(resolver, n);
                    n
                };
                self.outside + u64::from(n) * OUTSIDE_STEP
            }
            Target::Nowhere => self.nowhere,
        }
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
        let near = (-8..=0).contains(&field.addend);
        if address == self.nowhere || (address >= self.got_base && !near) {
            return self.nowhere;
        }
        address.wrapping_add_signed(field.addend)
    }

    fn x86(&mut self, kind: u32, field: &Field) -> Patch {
        let relative = |to: u64| to.wrapping_sub(field.at);
        let nowhere = relative(self.nowhere);
        // What does not fit, a linker would refuse.
        let narrow = |value: u64| {
            let fits = i32::try_from(value.cast_signed()).is_ok();
            Patch::Bytes(4, if fits { value } else { nowhere })
        };
        match kind {
            // NONE, TLSDESC_CALL: they only mark an instruction.
            0 | 35 => Patch::Nothing,
            // 64
            1 => self.word(field),
            // PC32, PLT32
            2 | 4 => narrow(relative(self.reference(field))),
            // GOTPCREL, GOTPCRELX, REX_GOTPCRELX, CODE_4_GOTPCRELX
            9 | 41 | 42 | 43 if (-8..=0).contains(&field.addend) => {
                narrow(relative(self.slot(field).wrapping_add_signed(field.addend)))
            }
            // 32, 32S
            10 | 11 => narrow(self.reference(field)),
            // PC64
            24 => Patch::Bytes(8, relative(self.reference(field))),
            // PC8: jumps within a section that the assembler left open.
            15 => {
                let value = relative(self.reference(field));
                match i8::try_from(value.cast_signed()) {
                    Ok(_) => Patch::Bytes(1, value),
                    Err(_) => Patch::Nothing,
                }
            }
            // Of data, no other kind makes an address.
            _ if !field.executable => self.other(field),
            // DTPMOD64, DTPOFF64, TPOFF64, SIZE64; GOTOFF64, GOT64, PLTOFF64 and their kin, of the large code model.
            16..=18 | 25 | 27..=31 | 33 => Patch::Bytes(8, self.nowhere),
            // TLSGD, TLSLD, GOTTPOFF, TPOFF32, GOTPC32, and whatever is not known.
            _ => Patch::Bytes(4, nowhere),
        }
    }

    fn aarch64(&mut self, kind: u32, field: &Field, word: u32) -> Patch {
        let Field { at, addend, .. } = *field;
        let page = |address: u64| address & !0xfff;
        let target = |linker: &mut Self| linker.reference(field);
        match kind {
            // NONE (both numbers), TLSDESC_CALL
            0 | 256 | 569 => return Patch::Nothing,
            // ABS64
            257 => return self.word(field),
            // ABS32
            258 => return Patch::Bytes(4, target(self)),
            // PREL64
            260 => return Patch::Bytes(8, target(self).wrapping_sub(at)),
            // PREL32, PLT32
            261 | 314 => return Patch::Bytes(4, target(self).wrapping_sub(at)),
            _ if !field.executable => return self.other(field),
            _ => {}
        }
        let patched = match kind {
            // MOVW_UABS_G0 to G3, each but the last with an _NC twin
            263..=269 => {
                let shift = 16 * u64::from((kind - 263) / 2);
                bits(word, 5, 16, (target(self) >> shift).cast_signed(), false)
            }
            // LD_PREL_LO19, CONDBR19
            273 | 280 => distance(word, 5, 19, target(self), at),
            // ADR_PREL_LO21
            274 => adr(word, target(self).wrapping_sub(at).cast_signed()),
            // ADR_PREL_PG_HI21, and _NC
            275 | 276 => adrp(word, target(self), at),
            // ADD_ABS_LO12_NC, LDST8 and so on: scaled by the width
            277 | 278 | 284 | 285 | 286 | 299 => {
                let scale = match kind {
                    277 | 278 => 0,
                    284 => 1,
                    285 => 2,
                    286 => 3,
                    _ => 4,
                };
                bits(
                    word,
                    10,
                    12,
                    ((target(self) & 0xfff) >> scale).cast_signed(),
                    false,
                )
            }
            // TSTBR14
            279 => distance(word, 5, 14, target(self), at),
            // JUMP26, CALL26
            282 | 283 => distance(word, 0, 26, target(self), at),
            // GOT_LD_PREL19
            309 if addend == 0 => distance(word, 5, 19, self.slot(field), at),
            // ADR_GOT_PAGE
            311 if addend == 0 => adrp(word, self.slot(field), at),
            // LD64_GOT_LO12_NC
            312 if addend == 0 => {
                let slot = self.slot(field);
                bits(word, 10, 12, ((slot & 0xfff) >> 3).cast_signed(), false)
            }
            // LD64_GOTPAGE_LO15
            313 if addend == 0 => {
                let slot = self.slot(field);
                let from = slot.wrapping_sub(page(self.got_base)) >> 3;
                bits(word, 10, 12, from.cast_signed(), true)
            }
            _ => None,
        };
        patched.map_or_else(
            || Patch::Bytes(4, self.undecided(kind, word, at).into()),
            |word| Patch::Bytes(4, word.into()),
        )
    }

    /// An AArch64 instruction whose operand is not known, with one that is certainly no address of code.
    fn undecided(&self, kind: u32, word: u32, at: u64) -> u32 {
        // Thread-local storage adds these offsets to what is no code address.
        let thread_local = (512..=573).contains(&kind);
        match word {
            // b, bl
            _ if word & 0x7c00_0000 == 0x1400_0000 => distance(word, 0, 26, self.nowhere, at),
            _ if word & 0x9f00_0000 == 0x9000_0000 => adrp(word, self.nowhere, at),
            // b.cond, cbz, tbz: never to a symbol that a compiler would call.
            _ if word & 0xff00_0000 == 0x5400_0000 || word & 0x7c00_0000 == 0x3400_0000 => {
                Some(word)
            }
            _ if thread_local && word & 0x1f00_0000 != 0x1000_0000 => Some(word),
            _ => None,
        }
        // mrs, which is followed as a value that only the running program knows.
        .unwrap_or(0xd53b_d040 | (word & 31))
    }
}

/// What a relocation is about.
struct Field {
    at: u64,
    executable: bool,
    target: Target,
    addend: i64,
}

enum Patch {
    Nothing,
    /// That many of the value's low bytes.
    Bytes(usize, u64),
}

/// Sets a field of an instruction, if the value fits.
fn bits(word: u32, low: u32, width: u32, value: i64, must_fit: bool) -> Option<u32> {
    if must_fit && (value < 0 || value >= 1 << width) {
        return None;
    }
    let mask = (1u32 << width) - 1;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "masked"
    )]
    let value = (value as u32) & mask;
    Some(word & !(mask << low) | (value << low))
}

/// Sets a signed distance in instructions.
fn distance(word: u32, low: u32, width: u32, to: u64, at: u64) -> Option<u32> {
    let by = to.wrapping_sub(at).cast_signed();
    let reach = 1i64 << (width + 1);
    if by % 4 != 0 || by < -reach || by >= reach {
        return None;
    }
    bits(word, low, width, by >> 2, false)
}

fn adrp(word: u32, to: u64, at: u64) -> Option<u32> {
    let pages = (to & !0xfff).wrapping_sub(at & !0xfff).cast_signed() >> 12;
    adr(word, pages)
}

fn adr(word: u32, value: i64) -> Option<u32> {
    if !(-(1 << 20)..1 << 20).contains(&value) {
        return None;
    }
    let word = bits(word, 29, 2, value & 3, false)?;
    bits(word, 5, 19, value >> 2, false)
}

fn linked_within(place: &Place<'_>) -> Error {
    place.unsupported("a linked image within an archive; name the image itself")
}

/// No two sections share bytes of the file: what is read twice costs twice.
fn apart(place: &Place<'_>, table: &Table<'_>, have: u64) -> Result<(), Error> {
    let mut ranges = Vec::new();
    for section in table.iter() {
        let (offset, size) = (section.sh_offset(LE), section.sh_size(LE));
        if matches!(section.sh_type(LE), elf::SHT_NOBITS | elf::SHT_NULL) || size == 0 {
            continue;
        }
        let Some(end) = offset.checked_add(size).filter(|&end| end <= have) else {
            return Err(place.damaged(
                offset,
                format!(
                    "section {} claims {size} bytes here; there are {have} in all",
                    String::from_utf8_lossy(table.section_name(LE, section).unwrap_or(b""))
                ),
            ));
        };
        ranges.push((offset, end));
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        if pair[1].0 < pair[0].1 {
            return Err(place.damaged(
                pair[1].0,
                format!(
                    "the sections at offsets {:#x} and {:#x} overlap",
                    pair[0].0, pair[1].0
                ),
            ));
        }
    }
    Ok(())
}
