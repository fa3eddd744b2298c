//! What a walk asks of the images that are mapped in a process.

use std::io::{Read as _, Seek as _};

use super::{Architecture, Image};
use crate::error::Error;

/// The start, end and file offset of this process's executable mapping of that name.
fn mapped(is_it: impl Fn(&str) -> bool) -> (u64, u64, u64) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps
        .lines()
        .find(|line| line.contains(" r-xp ") && is_it(line))
        .unwrap();
    let hex = |text| u64::from_str_radix(text, 16).unwrap();
    // `start-end r-xp offset …`
    let fields: Vec<_> = line.split(['-', ' ']).collect();
    (hex(fields[0]), hex(fields[1]), hex(fields[4]))
}

#[test]
fn the_bias_of_a_mapping_leads_to_the_functions_in_it() {
    let program = std::env::current_exe().unwrap();
    let (start, _, offset) = mapped(|line| line.ends_with(program.to_str().unwrap()));
    let image = Image::current().unwrap();
    let bias = image.bias(start, offset, true).unwrap();
    let here = Image::current as fn() -> Result<Image, Error> as usize as u64;
    let function = image.function_at(here - bias).unwrap();
    assert_eq!(function.address(), here - bias);
    assert!(function.name().ends_with("::current"), "{function:?}");
    assert_ne!(image.entry, 0);
    assert!(image.interpreted);
    assert!(image.imports().any(|name| name == "memcpy"));
}

#[test]
fn the_vdso_is_an_image_in_memory() {
    let (start, end, offset) = mapped(|line| line.ends_with("[vdso]"));
    let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
    let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
    memory.seek(std::io::SeekFrom::Start(start)).unwrap();
    memory.read_exact(&mut bytes).unwrap();
    let image = Image::read("[vdso]", bytes).unwrap();
    assert_eq!(image.bias(start, offset, true), Some(start));
    assert!(image.function("__vdso_clock_gettime").is_ok());
    assert!(!image.interpreted);
}

#[test]
fn symbols_tell_resolvers_and_old_versions() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps
        .lines()
        .find_map(|line| Some(&line[line.find('/')?..]).filter(|p| p.ends_with("/libc.so.6")))
        .unwrap();
    let libc = Image::open(path).unwrap();
    let named = |wanted: &str| {
        libc.symbols
            .iter()
            .filter(|symbol| libc.text(symbol.name) == wanted)
            .copied()
            .collect::<Vec<_>>()
    };
    let copies = named("memcpy");
    let (old, current): (Vec<_>, Vec<_>) = copies.into_iter().partition(|symbol| symbol.superseded);
    assert!(!current.is_empty());
    if libc.architecture() == Architecture::X86_64 {
        assert!(current.iter().all(|symbol| symbol.resolver));
        assert!(!old.is_empty());
    }
    assert!(named("puts").iter().all(|symbol| !symbol.resolver));
}
