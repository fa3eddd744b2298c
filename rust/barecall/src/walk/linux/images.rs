//! The images of the files that a program maps, each read once, and the names in
//! them. Addresses here are the file's own, before it is mapped.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use crate::call::Function;
use crate::image::{Bound, Image, Symbol};
use crate::names::{self, Fit};
use crate::process_maps::Mapping;

/// The images read so far. Walks of the same program share it.
#[derive(Debug, Default)]
pub(super) struct ImageCache(HashMap<String, Option<Rc<NamedImage>>>);

impl ImageCache {
    /// The image that is mapped there; `memory` reads the memory of the process.
    pub(super) fn get(
        &mut self,
        mapping: &Mapping,
        memory: impl FnOnce(&Range<u64>) -> Vec<u8>,
    ) -> Option<Rc<NamedImage>> {
        if let Some(known) = self.0.get(&mapping.file) {
            return known.clone();
        }
        // A file that cannot be read is no reason to fail: its code goes nameless.
        let read = match mapping.path.as_str() {
            "[vdso]" => Image::read("[vdso]", memory(&mapping.range)).ok(),
            path if path.starts_with('/') => Image::open(path).ok(),
            _ => None,
        };
        let read = read.map(|image| Rc::new(NamedImage::new(image)));
        self.0.insert(mapping.file.clone(), read.clone());
        read
    }
}

/// An image, and its functions by name.
#[derive(Debug)]
pub(super) struct NamedImage {
    pub(super) image: Image,
    /// The file's short name: `libc.so.6`.
    pub(super) file: String,
    /// What was asked for so far, by index into the image's symbols.
    found: RefCell<HashMap<String, Vec<(Fit, usize)>>>,
}

impl NamedImage {
    fn new(image: Image) -> Self {
        let file = image.path().file_name().unwrap_or_default();
        Self {
            file: file.to_string_lossy().into_owned(),
            image,
            found: RefCell::default(),
        }
    }

    /// Where the file is; `None` if it is in memory only.
    pub(super) fn path(&self) -> Option<&Path> {
        let path = self.image.path();
        path.is_absolute().then_some(path)
    }

    /// Whether it can load other files later (`dlopen`).
    pub(super) fn may_load(&self) -> bool {
        self.calls_out_to(|name| matches!(name, "dlopen" | "dlmopen"))
    }

    /// Whether it can execute another program (`execve` and its like).
    pub(super) fn may_exec(&self) -> bool {
        self.calls_out_to(|name| name.starts_with("exec") || name == "fexecve")
    }

    fn calls_out_to(&self, wanted: impl FnMut(&str) -> bool) -> bool {
        // Every libc can; what counts is who asks it.
        !self.file.starts_with("libc.") && self.image.imports().any(wanted)
    }

    /// Every function whose name fits.
    pub(super) fn find(&self, query: &str) -> Vec<(Fit, Symbol)> {
        let image = &self.image;
        let fit = |(index, symbol): (usize, &Symbol)| {
            let fit = names::fit(query, image.text(symbol.name))?;
            let begins = !symbol.superseded && image.fragment_from(symbol.address).is_some();
            begins.then_some((fit, index))
        };
        let mut found = self.found.borrow_mut();
        // Demangling takes long, and the same is asked in every walk.
        let found = found
            .entry(query.to_owned())
            .or_insert_with(|| image.symbols.iter().enumerate().filter_map(fit).collect());
        let symbols = found
            .iter()
            .map(|&(fit, index)| (fit, image.symbols[index]));
        symbols.collect()
    }

    /// The symbol of the function around an address.
    pub(super) fn around(&self, address: u64) -> Option<Symbol> {
        let start = self.image.function_at(address)?.address();
        self.preferred_symbol(start)
    }

    /// The preferred symbol of what begins at an address: not one that only stands
    /// for an old version.
    fn preferred_symbol(&self, address: u64) -> Option<Symbol> {
        let symbols = &self.image.symbols;
        let at = symbols.partition_point(|symbol| symbol.address < address);
        let mut here = symbols[at..]
            .iter()
            .take_while(|symbol| symbol.address == address);
        here.find(|symbol| !symbol.superseded).copied()
    }

    /// A symbol's name, demangled.
    pub(super) fn name_of(&self, symbol: &Symbol) -> String {
        names::demangle(self.image.text(symbol.name))
    }

    /// The code of the function that begins at an address: its own range, and what
    /// the compiler put apart as unlikely.
    pub(super) fn code_from(&self, address: u64) -> Vec<Range<u64>> {
        let function = self.image.function_at(address);
        let parts = function.iter().flat_map(Function::parts);
        parts.map(|(start, end)| start..end).collect()
    }

    /// The name of the code at an address, and how far into what bears it; the name
    /// tells the file where there is no symbol.
    pub(super) fn name(&self, address: u64) -> (String, u64) {
        let (image, file) = (&self.image, &self.file);
        let section = image.section_at(address);
        let section_name = section.and_then(|section| section.name);
        let section_name = section_name.map_or("?", |name| image.text(name));
        if let Some(stub) = image.stub_around(address) {
            let name = match self.stub_name(stub) {
                Some(name) => format!("{name}@plt"),
                None => format!("{file}:{section_name}"),
            };
            return (name, 0);
        }
        let Some(piece) = image.fragment_at(address) else {
            return (format!("{file}:{section_name}"), 0);
        };
        let start = image.functions[piece].start;
        match self.preferred_symbol(start) {
            Some(symbol) => (self.name_of(&symbol), address - start),
            // The rest of a function behind another that lies in it.
            None => match self.around(address) {
                Some(whole) => (self.name_of(&whole), address.wrapping_sub(whole.address)),
                None => (format!("{file}+{start:#x}"), 0),
            },
        }
    }

    /// The name of what the linker's stub at an address leads to.
    fn stub_name(&self, stub: u64) -> Option<String> {
        let image = &self.image;
        // The lazy half of a split stub: push index; jmp resolver.
        let lazy = || {
            let code = image.contents(stub, 9);
            let code = code.strip_prefix(b"\xf3\x0f\x1e\xfa").unwrap_or(code);
            let &[0x68, a, b, c, d, ..] = code else {
                return None;
            };
            let index = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
            image.bound(*image.lazy_slots.get(index)?)
        };
        match image.stub(stub).or_else(lazy)? {
            Bound::Symbol(name) | Bound::Lazily(name) => Some(names::demangle(image.text(name))),
            // A static program's: the slot of an IFUNC.
            Bound::Resolved(resolver) => Some(self.name_of(&self.around(resolver)?)),
            Bound::Address(_) | Bound::Other => None,
        }
    }

    /// The slots of this image that are bound to what the IFUNC at an address of
    /// another image, or of this one, resolves to.
    pub(super) fn slots_of<'s>(
        &'s self,
        ifunc: u64,
        home: &'s NamedImage,
    ) -> impl Iterator<Item = u64> + 's {
        let bindings = self.image.bindings();
        bindings.filter_map(move |(slot, bound)| {
            let to_it = match bound {
                Bound::Symbol(name) | Bound::Lazily(name) => {
                    let name = self.image.text(name);
                    home.image.names_at(ifunc).any(|own| own == name)
                }
                Bound::Resolved(resolver) => std::ptr::eq(self, home) && resolver == ifunc,
                Bound::Address(_) | Bound::Other => false,
            };
            to_it.then_some(slot)
        })
    }
}
