//! What is mapped where in a process, and what its code is called.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;
use std::{fs, io};

use nix::unistd::Pid;

use super::symbols::{Symbol, Symbols};
use crate::names::{self, Fit};
use crate::walk::WalkError;

/// One line of `/proc/PID/maps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) range: Range<u64>,
    executable: bool,
    offset: u64,
    path: String,
}

/// The mappings of a process, sorted.
pub(super) fn mappings(pid: Pid) -> io::Result<Vec<Mapping>> {
    Ok(fs::read_to_string(format!("/proc/{pid}/maps"))?
        .lines()
        .filter_map(mapping)
        .collect())
}

/// `7ffff7dd8000-7ffff7f2d000 r-xp 00026000 00:1f 1234   /usr/lib/x86_64-linux-gnu/libc.so.6`
fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let permissions = fields.next()?;
    let offset = fields.next()?;
    Some(Mapping {
        range: hex(start)?..hex(end)?,
        executable: permissions.contains('x'),
        offset: hex(offset)?,
        path: fields.nth(2).unwrap_or_default().trim_start().to_owned(),
    })
}

/// The files read so far. Walks of the same program share it.
#[derive(Debug, Default)]
pub(super) struct Shelf(HashMap<String, Option<Rc<Symbols>>>);

impl Shelf {
    fn symbols(
        &mut self,
        mapping: &Mapping,
        bytes: impl FnOnce(&Range<u64>) -> Vec<u8>,
    ) -> Option<Rc<Symbols>> {
        if let Some(known) = self.0.get(&mapping.path) {
            return known.clone();
        }
        // A file that cannot be read is no reason to fail: its code goes nameless.
        let read = match mapping.path.as_str() {
            "[vdso]" => Symbols::of_memory("[vdso]", bytes(&mapping.range)).ok(),
            path if path.starts_with('/') => Symbols::of_file(&PathBuf::from(path)).ok(),
            _ => None,
        };
        let read = read.map(Rc::new);
        self.0.insert(mapping.path.clone(), read.clone());
        read
    }
}

/// The code of a process, by name and by address.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    range: Range<u64>,
    /// What is added to the file's addresses.
    bias: u64,
    symbols: Rc<Symbols>,
}

/// A function of a process.
#[derive(Clone, Debug)]
pub(super) struct Function {
    /// Its name, demangled.
    pub(super) name: String,
    /// Its first instruction.
    pub(super) address: u64,
    /// All of its code.
    pub(super) code: Vec<Range<u64>>,
    /// It is not the function, but chooses it when the program is loaded.
    pub(super) chooses: bool,
}

impl Mapped {
    /// Reads what is mapped now. `bytes` reads the memory of the process.
    pub(super) fn read(
        pid: Pid,
        shelf: &mut Shelf,
        bytes: impl Fn(&Range<u64>) -> Vec<u8>,
    ) -> io::Result<Self> {
        let files = mappings(pid)?
            .into_iter()
            .filter(|mapping| mapping.executable)
            .filter_map(|mapping| {
                let symbols = shelf.symbols(&mapping, &bytes)?;
                let bias = symbols.bias(mapping.range.start, mapping.offset);
                Some(File {
                    range: mapping.range,
                    bias,
                    symbols,
                })
            })
            .collect();
        Ok(Self { files })
    }

    /// The program's own entry point.
    pub(super) fn entry(&self, pid: Pid) -> Option<u64> {
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let file = self
            .files
            .iter()
            .find(|file| file.symbols.path() == Some(&program))?;
        Some(file.symbols.entry.wrapping_add(file.bias))
    }

    /// Whether files may be loaded that are not yet.
    pub(super) fn may_load(&self) -> bool {
        // Every libc can; what counts is who asks it.
        self.files
            .iter()
            .any(|file| file.symbols.may_load && !file.symbols.file.starts_with("libc."))
    }

    /// Whether the program may become another.
    pub(super) fn may_exec(&self) -> bool {
        self.files
            .iter()
            .any(|file| file.symbols.may_exec && !file.symbols.file.starts_with("libc."))
    }

    /// The function a name means; `None` if there is none (yet).
    pub(super) fn find(&self, query: &str) -> Result<Option<Function>, WalkError> {
        let (file, name) = self.narrowed(query);
        let mut found: Vec<(Fit, &File, &Symbol)> = Vec::new();
        for mapped in self
            .files
            .iter()
            .filter(|f| file.is_none_or(|file| f.symbols.file == file))
        {
            if let Some(address) = file.and(name.strip_prefix("0x")) {
                let address = u64::from_str_radix(address, 16).unwrap_or(0);
                found.extend(
                    mapped
                        .symbols
                        .around(address)
                        .map(|symbol| (Fit::Mangled, mapped, symbol)),
                );
            } else {
                found.extend(
                    mapped
                        .symbols
                        .find(name)
                        .into_iter()
                        .map(|(fit, symbol)| (fit, mapped, symbol)),
                );
            }
        }
        let best = found.iter().map(|(fit, ..)| *fit).max();
        found.retain(|(fit, ..)| Some(*fit) == best);
        // Several names of one function are one function, and a file mapped in
        // several pieces is one file.
        found.sort_by_key(|(_, file, symbol)| symbol.start.wrapping_add(file.bias));
        found.dedup_by_key(|(_, file, symbol)| symbol.start.wrapping_add(file.bias));
        match found[..] {
            [] => Ok(None),
            [(_, file, symbol)] => Ok(Some(file.function(symbol))),
            _ => Err(WalkError::Ambiguous {
                query: query.to_owned(),
                candidates: found
                    .iter()
                    .map(|(_, file, symbol)| candidate(&found, file, symbol))
                    .collect(),
            }),
        }
    }

    /// What an IFUNC was resolved to, by the slots of the file that `caller` is in.
    pub(super) fn chosen(
        &self,
        chooser: &Function,
        caller: &Function,
        word: impl Fn(u64) -> u64,
    ) -> Option<Function> {
        let home = self.at(chooser.address)?;
        let symbol = home
            .symbols
            .around(chooser.address.wrapping_sub(home.bias))?;
        let from = self.at(caller.address)?;
        let address = from
            .symbols
            .slots_of(symbol, Rc::ptr_eq(&home.symbols, &from.symbols))
            .map(|slot| word(slot.wrapping_add(from.bias)))
            .find(|address| {
                self.at(*address)
                    .is_some_and(|f| !f.symbols.is_stub(address.wrapping_sub(f.bias)))
            })?;
        Some(Function {
            address,
            chooses: false,
            code: Vec::new(),
            ..chooser.clone()
        })
    }

    /// The name of the code at an address.
    pub(super) fn name(
        &self,
        address: u64,
        bytes: impl Fn(&Range<u64>) -> Vec<u8>,
    ) -> Option<String> {
        let file = self.at(address)?;
        let stub = |at: u64| bytes(&(at.wrapping_add(file.bias)..at.wrapping_add(file.bias) + 16));
        Some(file.symbols.name(address.wrapping_sub(file.bias), stub))
    }

    /// An address as text: `puts+0x1a in libc.so.6`.
    pub(super) fn whereabouts(
        &self,
        address: u64,
        bytes: impl Fn(&Range<u64>) -> Vec<u8>,
    ) -> String {
        let Some(file) = self.at(address) else {
            return format!("{address:#x}");
        };
        let name = self.name(address, bytes).unwrap_or_default();
        let own = address.wrapping_sub(file.bias);
        match file.symbols.around(own) {
            Some(symbol) if symbol.start < own => {
                format!("{name}+{:#x} in {}", own - symbol.start, file.symbols.file)
            }
            _ => format!("{name} in {}", file.symbols.file),
        }
    }

    /// Why there is no function of that name.
    pub(super) fn no_such(&self, query: &str, pid: Pid) -> WalkError {
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
        if let [file, rest @ ..] = &self.files[..]
            && file.symbols.is_stripped()
            && file.symbols.is_static
            && rest
                .iter()
                .all(|f| f.symbols.path() == file.symbols.path() || f.symbols.path().is_none())
        {
            let path = program
                .or_else(|| file.symbols.path().map(PathBuf::from))
                .unwrap_or_default();
            return WalkError::NoSymbols {
                path,
                query: query.to_owned(),
            };
        }
        let mut near: Vec<_> = self
            .files
            .iter()
            .flat_map(|file| file.symbols.near(query))
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut near: Vec<_> = near.into_iter().map(|(_, name)| name).collect();
        near.dedup();
        near.truncate(3);
        let mut files: Vec<_> = self
            .files
            .iter()
            .map(|file| file.symbols.file.clone())
            .collect();
        files.dedup();
        WalkError::NoSuchSymbol {
            query: query.to_owned(),
            near,
            files,
        }
    }

    fn at(&self, address: u64) -> Option<&File> {
        self.files.iter().find(|file| file.range.contains(&address))
    }

    /// `libc.so.6:puts` as the file and the name, if there is such a file. A program often bears its crate's name:
    /// `demo::say` is a path, not `:say` of the file `demo`.
    fn narrowed<'q>(&self, query: &'q str) -> (Option<&'q str>, &'q str) {
        match query.split_once(':') {
            Some((file, name))
                if !name.starts_with(':') && self.files.iter().any(|f| f.symbols.file == file) =>
            {
                (Some(file), name)
            }
            _ => (None, query),
        }
    }
}

impl File {
    fn function(&self, symbol: &Symbol) -> Function {
        let mapped = |range: Range<u64>| {
            range.start.wrapping_add(self.bias)..range.end.wrapping_add(self.bias)
        };
        Function {
            name: names::demangle(&symbol.name),
            address: symbol.start.wrapping_add(self.bias),
            code: self
                .symbols
                .code_of(symbol)
                .into_iter()
                .map(mapped)
                .collect(),
            chooses: symbol.chooses,
        }
    }
}

/// A text that names one of several alone, and its full name.
fn candidate(all: &[(Fit, &File, &Symbol)], file: &File, symbol: &Symbol) -> (String, String) {
    let in_file = |f: &File| Rc::ptr_eq(&f.symbols, &file.symbols);
    let name = names::demangle(&symbol.name);
    let alone = all
        .iter()
        .filter(|(_, f, s)| in_file(f) && names::demangle(&s.name) == name)
        .count()
        == 1;
    let file = &file.symbols.file;
    let unique = if alone {
        format!("{file}:{name}")
    } else {
        format!("{file}:{:#x}", symbol.start)
    };
    (unique, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_is_read() {
        let line = "7ffff7dd8000-7ffff7f2d000 r-xp 00026000 00:1f 12                         /a b/libc.so.6";
        let read = mapping(line).unwrap();
        assert_eq!(read.range, 0x7fff_f7dd_8000..0x7fff_f7f2_d000);
        assert_eq!(
            (read.executable, read.offset, read.path.as_str()),
            (true, 0x26000, "/a b/libc.so.6")
        );
        assert_eq!(
            mapping("1000-2000 rw-p 00000000 00:00 0 ").unwrap().path,
            ""
        );
    }
}
