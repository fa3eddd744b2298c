//! The functions of one file, by name and by address. Addresses here are the
//! file's own (as in its symbol table), before it is mapped.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};

use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, UnwindSection as _};
use object::read::elf::{ElfFile64, ProgramHeader as _, SectionHeader as _};
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, ObjectSymbolTable as _, ReadRef, elf,
};

use super::insn::{self, Stub};
use crate::names::{self, Fit};

/// One function of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) name: String,
    pub(super) start: u64,
    pub(super) size: u64,
    /// It is not the function, but chooses it when the program is loaded.
    pub(super) chooses: bool,
    /// Typed as a function: preferred to a bare label.
    typed: bool,
    /// Visible to other files: preferred to a local name.
    global: bool,
}

impl Symbol {
    pub(super) fn range(&self) -> Range<u64> {
        self.start..self.start + self.size
    }
}

/// A slot that is bound when the program is loaded, or later.
#[derive(Clone, Debug)]
struct Slot {
    at: u64,
    /// The symbol it is bound to, if it has a name.
    name: String,
    /// The function that chooses what it is bound to, if it has no name.
    chooser: u64,
}

#[derive(Clone, Debug)]
struct Section {
    name: String,
    range: Range<u64>,
    entry: u64,
}

/// The functions of one file.
#[derive(Debug)]
pub(super) struct Symbols {
    /// The file's short name: `libc.so.6`.
    pub(super) file: String,
    /// Where the program starts, if it is one.
    pub(super) entry: u64,
    /// Whether it is linked by itself: no interpreter will load others for it.
    pub(super) is_static: bool,
    /// Whether it can load other files later: `dlopen`.
    pub(super) may_load: bool,
    /// Whether it can become another program: `execve` and its like.
    pub(super) may_exec: bool,
    /// Of each loaded segment: its offset in the file, and its address.
    segments: Vec<(u64, u64)>,
    /// Sorted by address; one name for each.
    by_address: Vec<Symbol>,
    /// Every name.
    by_name: Vec<Symbol>,
    sections: Vec<Section>,
    /// Slots in the order of their relocations; lazily bound ones apart.
    slots: Vec<Slot>,
    lazy_slots: Vec<Slot>,
    source: Source,
    /// What was asked for so far, by index into `by_name`.
    found: RefCell<HashMap<String, Vec<(Fit, usize)>>>,
    /// The functions of the unwinding tables, sorted. Read when first needed.
    unwound: OnceCell<Vec<Range<u64>>>,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
}

impl Symbols {
    /// Reads the file at `path`.
    pub(super) fn of_file(path: &Path) -> io::Result<Self> {
        let data = object::ReadCache::new(fs::File::open(path)?);
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self::parse(file, &data, Source::File(path.to_owned()))
    }

    /// Reads a file that exists in memory only.
    pub(super) fn of_memory(name: &str, bytes: Vec<u8>) -> io::Result<Self> {
        let data = bytes.clone();
        Self::parse(name.to_owned(), &*data, Source::Bytes(bytes))
    }

    fn parse<'d, R: ReadRef<'d>>(file: String, data: R, source: Source) -> io::Result<Self> {
        let elf = ElfFile64::<object::Endianness, R>::parse(data).map_err(io::Error::other)?;
        let endian = elf.endian();
        let headers = elf.elf_program_headers();
        let sections = executable_sections(&elf);
        let mut by_name = functions(&elf, &sections);
        by_name.sort_by(|a, b| (a.start, &a.name).cmp(&(b.start, &b.name)));
        by_name.dedup_by(|a, b| a.start == b.start && a.name == b.name);
        let (slots, lazy_slots) = slots(&elf);
        Ok(Self {
            file,
            entry: elf.entry(),
            is_static: !headers.iter().any(|h| h.p_type(endian) == elf::PT_INTERP),
            may_load: imports(&elf, |name| matches!(name, "dlopen" | "dlmopen")),
            may_exec: imports(&elf, |name| name.starts_with("exec") || name == "fexecve"),
            segments: headers
                .iter()
                .filter(|h| h.p_type(endian) == elf::PT_LOAD)
                .map(|h| (h.p_offset(endian), h.p_vaddr(endian)))
                .collect(),
            by_address: one_for_each_address(&by_name),
            by_name,
            sections,
            slots,
            lazy_slots,
            source,
            found: RefCell::default(),
            unwound: OnceCell::new(),
        })
    }

    /// Where the file is, if it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            Source::Bytes(_) => None,
        }
    }

    /// What must be added to the file's addresses when the page at `offset` of
    /// it is mapped at `start`.
    pub(super) fn bias(&self, start: u64, offset: u64) -> u64 {
        const PAGE: u64 = !0xfff;
        self.segments
            .iter()
            .find(|(at, _)| at & PAGE == offset)
            .map_or(start, |(_, address)| start.wrapping_sub(address & PAGE))
    }

    /// Whether the file names none of its functions.
    pub(super) fn is_stripped(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Every function whose name fits.
    pub(super) fn find(&self, query: &str) -> Vec<(Fit, &Symbol)> {
        let mut found = self.found.borrow_mut();
        // Demangling takes long, and the same is asked in every walk.
        let found = found.entry(query.to_owned()).or_insert_with(|| {
            let symbols = self.by_name.iter().enumerate();
            symbols
                .filter_map(|(index, symbol)| Some((names::fit(query, &symbol.name)?, index)))
                .collect()
        });
        found
            .iter()
            .map(|(fit, index)| (*fit, &self.by_name[*index]))
            .collect()
    }

    /// The function at exactly this address, or around it.
    pub(super) fn around(&self, address: u64) -> Option<&Symbol> {
        let after = self.by_address.partition_point(|s| s.start <= address);
        // Functions may lie within others (assembly): the innermost counts.
        self.by_address[..after]
            .iter()
            .rev()
            .take(8)
            .find(|s| s.range().contains(&address))
    }

    /// The code of a function: its own range, and what the compiler put apart
    /// as unlikely.
    pub(super) fn code_of(&self, symbol: &Symbol) -> Vec<Range<u64>> {
        let cold = format!("{}.cold", symbol.name);
        let parts = self.by_name.iter().filter(|s| {
            s.name
                .strip_prefix(&cold)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        std::iter::once(symbol.range())
            .chain(parts.map(Symbol::range))
            .collect()
    }

    /// The name of the code at an address, whether it has a symbol or not.
    /// `bytes` reads the code itself.
    pub(super) fn name(&self, address: u64, bytes: impl Fn(u64) -> Vec<u8>) -> String {
        let section = self.sections.iter().find(|s| s.range.contains(&address));
        if let Some(section) = section.filter(|s| s.name.starts_with(".plt")) {
            let start = address - (address - section.range.start) % section.entry;
            return match insn::stub(&bytes(start), start).and_then(|stub| self.bound_by(stub)) {
                Some(name) => format!("{name}@plt"),
                None => format!("{}:{}", self.file, section.name),
            };
        }
        if let Some(symbol) = self.around(address) {
            return names::demangle(&symbol.name);
        }
        let unwound = self
            .unwound
            .get_or_init(|| self.functions_unwound().unwrap_or_default());
        let after = unwound.partition_point(|range| range.start <= address);
        match unwound[..after]
            .last()
            .filter(|range| range.contains(&address))
        {
            Some(range) => format!("{}+{:#x}", self.file, range.start),
            None => format!("{}:{}", self.file, section.map_or("?", |s| &s.name)),
        }
    }

    /// The slots that are bound to what `symbol` of `other` chooses.
    pub(super) fn slots_of<'s>(
        &'s self,
        symbol: &'s Symbol,
        same_file: bool,
    ) -> impl Iterator<Item = u64> + 's {
        self.slots
            .iter()
            .chain(&self.lazy_slots)
            .filter_map(move |slot| {
                let by_name = !slot.name.is_empty() && slot.name == symbol.name;
                let by_chooser = same_file && slot.name.is_empty() && slot.chooser == symbol.start;
                (by_name || by_chooser).then_some(slot.at)
            })
    }

    /// Whether an address is in a linker's stub.
    pub(super) fn is_stub(&self, address: u64) -> bool {
        self.sections
            .iter()
            .any(|s| s.name.starts_with(".plt") && s.range.contains(&address))
    }

    /// The names most like what was typed, the best first, with how like they are.
    pub(super) fn near(&self, query: &str) -> Vec<(f64, String)> {
        let mut near: Vec<_> = self
            .by_address
            .iter()
            .map(|symbol| names::demangle(&symbol.name))
            .map(|name| (names::likeness(query, &name), name))
            .filter(|(likeness, _)| *likeness > 0.8)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.truncate(3);
        near
    }

    fn bound_by(&self, stub: Stub) -> Option<String> {
        let slot = match stub {
            Stub::Slot(at) => self
                .slots
                .iter()
                .chain(&self.lazy_slots)
                .find(|slot| slot.at == at),
            Stub::Entry(index) => self.lazy_slots.get(index as usize),
        }?;
        if slot.name.is_empty() {
            // A static program's: the slot of an IFUNC.
            return self.around(slot.chooser).map(|symbol| symbol.name.clone());
        }
        Some(names::demangle(&slot.name))
    }

    fn functions_unwound(&self) -> Option<Vec<Range<u64>>> {
        match &self.source {
            Source::File(path) => {
                let data = object::ReadCache::new(fs::File::open(path).ok()?);
                unwound(&ElfFile64::<object::Endianness, _>::parse(&data).ok()?)
            }
            Source::Bytes(bytes) => {
                unwound(&ElfFile64::<object::Endianness, _>::parse(&**bytes).ok()?)
            }
        }
    }
}

fn imports<'d, R: ReadRef<'d>>(
    elf: &ElfFile64<'d, object::Endianness, R>,
    wanted: impl Fn(&str) -> bool,
) -> bool {
    elf.dynamic_symbols()
        .any(|symbol| symbol.is_undefined() && symbol.name().is_ok_and(&wanted))
}

fn executable_sections<'d, R: ReadRef<'d>>(
    elf: &ElfFile64<'d, object::Endianness, R>,
) -> Vec<Section> {
    let endian = elf.endian();
    elf.sections()
        .filter(|section| {
            section
                .elf_section_header()
                .sh_flags(endian)
                .contains(elf::SHF_EXECINSTR)
        })
        .map(|section| {
            let entry = section.elf_section_header().sh_entsize(endian);
            Section {
                name: section.name().unwrap_or("?").to_owned(),
                range: section.address()..section.address() + section.size(),
                entry: if entry == 0 { 16 } else { entry },
            }
        })
        .collect()
}

fn functions<'d, R: ReadRef<'d>>(
    elf: &ElfFile64<'d, object::Endianness, R>,
    sections: &[Section],
) -> Vec<Symbol> {
    let endian = elf.endian();
    let versions = elf
        .elf_section_table()
        .versions(endian, elf.data())
        .ok()
        .flatten();
    let static_symbols = elf.symbols().map(|symbol| (false, symbol));
    let dynamic_symbols = elf.dynamic_symbols().map(|symbol| (true, symbol));
    let symbols = static_symbols
        .chain(dynamic_symbols)
        .filter_map(|(dynamic, symbol)| {
            let kind = symbol.elf_symbol().st_type();
            let typed = kind == elf::STT_FUNC || kind == elf::STT_GNU_IFUNC;
            let in_code = sections.iter().any(|s| s.range.contains(&symbol.address()));
            if symbol.is_undefined() || !in_code || !(typed || kind == elf::STT_NOTYPE) {
                return None;
            }
            // An old version of the symbol (`memcpy@GLIBC_2.2.5`), kept for
            // programs linked long ago: not what the name means.
            let hidden = dynamic
                && versions
                    .as_ref()
                    .is_some_and(|v| v.version_index(endian, symbol.index()).is_hidden());
            let name = symbol
                .name()
                .ok()
                .filter(|name| !name.is_empty() && !name.starts_with(".L"))?;
            (!hidden).then(|| Symbol {
                name: name.to_owned(),
                start: symbol.address(),
                size: symbol.size(),
                chooses: kind == elf::STT_GNU_IFUNC,
                typed,
                global: symbol.is_global(),
            })
        })
        .collect();
    sized(symbols, sections)
}

/// Assembly often gives no size: such a function goes on to the next, or to the
/// end of its section; and a label inside a sized function is none.
fn sized(mut symbols: Vec<Symbol>, sections: &[Section]) -> Vec<Symbol> {
    symbols.sort_by_key(|s| s.start);
    let sized: Vec<_> = symbols
        .iter()
        .filter(|s| s.size > 0)
        .map(Symbol::range)
        .collect();
    let starts: Vec<_> = symbols.iter().map(|s| s.start).collect();
    symbols.retain_mut(|symbol| {
        if symbol.size > 0 {
            return true;
        }
        let before = sized.partition_point(|range| range.start < symbol.start);
        if sized[..before]
            .iter()
            .rev()
            .take(4)
            .any(|range| range.contains(&symbol.start))
        {
            return false;
        }
        let next = starts[starts.partition_point(|start| *start <= symbol.start)..].first();
        let end = sections
            .iter()
            .find(|s| s.range.contains(&symbol.start))
            .map_or(symbol.start, |s| s.range.end);
        symbol.size = next.map_or(end, |next| end.min(*next)) - symbol.start;
        true
    });
    symbols
}

/// Of several names for one address: a function's before a label's, a public
/// one before a local, `puts` before `_IO_puts`.
fn one_for_each_address(sorted: &[Symbol]) -> Vec<Symbol> {
    let underscores = |name: &str| name.len() - name.trim_start_matches('_').len();
    sorted
        .chunk_by(|a, b| a.start == b.start)
        .filter_map(|names| {
            names
                .iter()
                .min_by_key(|s| (!s.typed, !s.global, underscores(&s.name), s.name.len()))
        })
        .cloned()
        .collect()
}

fn slots<'d, R: ReadRef<'d>>(elf: &ElfFile64<'d, object::Endianness, R>) -> (Vec<Slot>, Vec<Slot>) {
    let endian = elf.endian();
    let names: HashMap<usize, String> = elf
        .dynamic_symbol_table()
        .map(|table| {
            table
                .symbols()
                .filter_map(|s| Some((s.index().0, s.name().ok()?.to_owned())))
                .collect()
        })
        .unwrap_or_default();
    let (mut slots, mut lazy) = (Vec::new(), Vec::new());
    for section in elf.sections() {
        let header = section.elf_section_header();
        // Only relocations that are left for the loader: `-Wl,-q` keeps the others.
        if !header.sh_flags(endian).contains(elf::SHF_ALLOC) {
            continue;
        }
        let Ok(Some((relocations, _))) = header.rela(endian, elf.data()) else {
            continue;
        };
        for relocation in relocations {
            let name = names
                .get(&(relocation.r_sym(endian, false) as usize))
                .cloned()
                .unwrap_or_default();
            let at = relocation.r_offset.get(endian);
            let chooser = relocation.r_addend.get(endian).cast_unsigned();
            match relocation.r_type(endian, false) {
                elf::R_X86_64_JUMP_SLOT => lazy.push(Slot {
                    at,
                    name,
                    chooser: 0,
                }),
                // Among the lazy ones it is counted with them.
                elf::R_X86_64_IRELATIVE if section.name().is_ok_and(|n| n.ends_with("plt")) => {
                    lazy.push(Slot {
                        at,
                        name: String::new(),
                        chooser,
                    });
                }
                elf::R_X86_64_GLOB_DAT | elf::R_X86_64_64 if !name.is_empty() => {
                    slots.push(Slot {
                        at,
                        name,
                        chooser: 0,
                    });
                }
                elf::R_X86_64_IRELATIVE => slots.push(Slot {
                    at,
                    name: String::new(),
                    chooser,
                }),
                _ => {}
            }
        }
    }
    (slots, lazy)
}

/// The bounds of every function in the unwinding tables.
fn unwound<'d, R: ReadRef<'d>>(
    elf: &ElfFile64<'d, object::Endianness, R>,
) -> Option<Vec<Range<u64>>> {
    let section = elf.section_by_name(".eh_frame")?;
    let mut table = EhFrame::new(section.data().ok()?, LittleEndian);
    table.set_address_size(8);
    let text = elf.section_by_name(".text").map_or(0, |s| s.address());
    let bases = BaseAddresses::default()
        .set_eh_frame(section.address())
        .set_text(text);
    let mut ranges = Vec::new();
    let mut entries = table.entries(&bases);
    while let Ok(Some(entry)) = entries.next() {
        if let CieOrFde::Fde(partial) = entry
            && let Ok(function) = partial.parse(EhFrame::cie_from_offset)
        {
            ranges.push(function.initial_address()..function.initial_address() + function.len());
        }
    }
    ranges.sort_by_key(|range| range.start);
    Some(ranges)
}
