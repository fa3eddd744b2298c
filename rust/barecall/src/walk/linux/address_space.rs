//! What is mapped where in a process, and what its code is called.

use std::ops::Range;
use std::rc::Rc;
use std::{fs, io};

use nix::unistd::Pid;

use super::images::{ImageCache, NamedImage};
use crate::image::Symbol;
use crate::names::{self, Fit};
use crate::process_maps;
use crate::walk::error::WalkError;

/// The code of a process, by name and by address.
#[derive(Debug, Default)]
pub(super) struct AddressSpace {
    images: Vec<MappedImage>,
}

/// An executable mapping.
#[derive(Debug)]
struct MappedImage {
    range: Range<u64>,
    /// What is added to the file's addresses.
    bias: u64,
    named: Rc<NamedImage>,
}

/// A function of a process.
#[derive(Clone, Debug)]
pub(super) struct MappedFunction {
    /// Its name, demangled.
    pub(super) name: String,
    /// Its first instruction.
    pub(super) address: u64,
    /// All of its code.
    pub(super) code: Vec<Range<u64>>,
    /// Whether it is not the function, but resolves to it when the program is loaded.
    pub(super) is_ifunc: bool,
}

impl AddressSpace {
    /// Reads what is mapped now. `memory` reads the memory of the process.
    pub(super) fn read(
        pid: Pid,
        cache: &mut ImageCache,
        memory: impl Fn(&Range<u64>) -> Vec<u8>,
    ) -> io::Result<Self> {
        let mut images = Vec::new();
        for mapping in process_maps::of(pid)? {
            if mapping.executable
                && let Some(named) = cache.get(&mapping, &memory)
            {
                let start = mapping.range.start;
                let bias = named.image.bias(start, mapping.offset, true);
                images.push(MappedImage {
                    range: mapping.range,
                    bias: bias.unwrap_or(start),
                    named,
                });
            }
        }
        Ok(Self { images })
    }

    /// The program's own entry point.
    pub(super) fn entry(&self, pid: Pid) -> Option<u64> {
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let mut images = self.images.iter();
        let mapped = images.find(|mapped| mapped.named.path() == Some(&program))?;
        Some(mapped.named.image.entry.wrapping_add(mapped.bias))
    }

    /// Whether files may be loaded that are not yet.
    pub(super) fn may_load(&self) -> bool {
        self.images.iter().any(|mapped| mapped.named.may_load())
    }

    /// Whether the program may become another.
    pub(super) fn may_exec(&self) -> bool {
        self.images.iter().any(|mapped| mapped.named.may_exec())
    }

    /// The function a name means; `None` if there is none (yet).
    pub(super) fn find(&self, query: &str) -> Result<Option<MappedFunction>, WalkError> {
        let (file, name) = self.narrowed(query);
        let mut found: Vec<(Fit, &MappedImage, Symbol)> = Vec::new();
        for mapped in &self.images {
            let named = &mapped.named;
            if file.is_some_and(|file| named.file != file) {
                continue;
            }
            if let Some(address) = file.and(name.strip_prefix("0x")) {
                let address = u64::from_str_radix(address, 16).unwrap_or(0);
                let symbol = named.around(address);
                found.extend(symbol.map(|symbol| (Fit::Mangled, mapped, symbol)));
            } else {
                let fitting = named.find(name).into_iter();
                found.extend(fitting.map(|(fit, symbol)| (fit, mapped, symbol)));
            }
        }
        let best = found.iter().map(|(fit, ..)| *fit).max();
        found.retain(|(fit, ..)| Some(*fit) == best);
        // Several names of one function are one function, and a file mapped in
        // several pieces is one file.
        found.sort_by_key(|(_, mapped, symbol)| mapped.address_of(symbol));
        found.dedup_by_key(|(_, mapped, symbol)| mapped.address_of(symbol));
        match &found[..] {
            [] => Ok(None),
            [(_, mapped, symbol)] => Ok(Some(mapped.function(symbol))),
            _ => Err(WalkError::Ambiguous {
                query: query.to_owned(),
                candidates: found
                    .iter()
                    .map(|(_, mapped, symbol)| candidate(&found, mapped, symbol))
                    .collect(),
            }),
        }
    }

    /// What an IFUNC was resolved to, by the slots of the file that `caller` is in.
    pub(super) fn resolved(
        &self,
        ifunc: &MappedFunction,
        caller: &MappedFunction,
        word: impl Fn(u64) -> u64,
    ) -> Option<MappedFunction> {
        let home = self.at(ifunc.address)?;
        let from = self.at(caller.address)?;
        let address = from
            .named
            .slots_of(ifunc.address.wrapping_sub(home.bias), &home.named)
            .map(|slot| word(slot.wrapping_add(from.bias)))
            .find(|address| {
                // Not yet bound, it leads to the linker's stub.
                self.at(*address).is_some_and(|at| {
                    let own = address.wrapping_sub(at.bias);
                    at.named.image.stub_around(own).is_none()
                })
            })?;
        Some(MappedFunction {
            address,
            is_ifunc: false,
            code: Vec::new(),
            ..ifunc.clone()
        })
    }

    /// The name of the code at an address.
    pub(super) fn name(&self, address: u64) -> Option<String> {
        let mapped = self.at(address)?;
        Some(mapped.named.name(address.wrapping_sub(mapped.bias)).0)
    }

    /// An address as text: `puts+0x1a in libc.so.6`.
    pub(super) fn whereabouts(&self, address: u64) -> String {
        let Some(mapped) = self.at(address) else {
            return format!("{address:#x}");
        };
        let file = &mapped.named.file;
        match mapped.named.name(address.wrapping_sub(mapped.bias)) {
            (name, 0) => format!("{name} in {file}"),
            (name, distance) => format!("{name}+{distance:#x} in {file}"),
        }
    }

    /// Why there is no function of that name.
    pub(super) fn no_such(&self, query: &str, pid: Pid) -> WalkError {
        let query = query.to_owned();
        if let [first, rest @ ..] = &self.images[..]
            && let named = &first.named
            && named.image.is_stripped()
            && !named.image.interpreted
            && rest
                .iter()
                .all(|other| Rc::ptr_eq(&other.named, named) || other.named.path().is_none())
        {
            let path = fs::read_link(format!("/proc/{pid}/exe"));
            let path = path.unwrap_or_else(|_| named.image.path().to_owned());
            return WalkError::NoSymbols { path, query };
        }
        let mut images: Vec<_> = self.images.iter().map(|mapped| &mapped.named).collect();
        images.dedup_by(|a, b| Rc::ptr_eq(a, b));
        let known = images.iter().flat_map(|named| {
            let symbols = named.image.symbols.iter();
            symbols.map(|symbol| named.name_of(symbol))
        });
        WalkError::NoSuchSymbol {
            near: names::near(&query, known),
            files: images.iter().map(|named| named.file.clone()).collect(),
            query,
        }
    }

    fn at(&self, address: u64) -> Option<&MappedImage> {
        let mut images = self.images.iter();
        images.find(|mapped| mapped.range.contains(&address))
    }

    /// `libc.so.6:puts` as the file and the name, if there is such a file. A program often bears its crate's name:
    /// `demo::say` is a path, not `:say` of the file `demo`.
    fn narrowed<'q>(&self, query: &'q str) -> (Option<&'q str>, &'q str) {
        match query.split_once(':') {
            Some((file, name))
                if !name.starts_with(':')
                    && self.images.iter().any(|mapped| mapped.named.file == file) =>
            {
                (Some(file), name)
            }
            _ => (None, query),
        }
    }
}

impl MappedImage {
    fn address_of(&self, symbol: &Symbol) -> u64 {
        symbol.address.wrapping_add(self.bias)
    }

    fn function(&self, symbol: &Symbol) -> MappedFunction {
        let mapped = |range: Range<u64>| {
            range.start.wrapping_add(self.bias)..range.end.wrapping_add(self.bias)
        };
        let code = self.named.code_from(symbol.address).into_iter();
        MappedFunction {
            name: self.named.name_of(symbol),
            address: self.address_of(symbol),
            code: code.map(mapped).collect(),
            is_ifunc: symbol.resolver,
        }
    }
}

/// A text that names one of several alone, and its full name.
fn candidate(
    all: &[(Fit, &MappedImage, Symbol)],
    mapped: &MappedImage,
    symbol: &Symbol,
) -> (String, String) {
    let named = &mapped.named;
    let name = named.name_of(symbol);
    let namesakes = all.iter().filter(|(_, other, symbol)| {
        Rc::ptr_eq(&other.named, named) && named.name_of(symbol) == name
    });
    let unique = if namesakes.count() == 1 {
        format!("{}:{name}", named.file)
    } else {
        format!("{}:{:#x}", named.file, symbol.address)
    };
    (unique, name)
}
