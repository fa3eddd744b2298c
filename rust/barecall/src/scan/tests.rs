//! The fast path, [`Graph::search_back`], makes no difference: with and without it, every site of real images is the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Each site of a function by address: what it reaches, and whether it is a tail call.
fn sites(scanner: &mut Scanner<'_>, function: usize) -> BTreeMap<u64, (CallTarget, bool)> {
    let mut sites = Vec::new();
    scanner.function(function, &mut sites);
    let facts = |site: &Site| (site.at, (site.target(), site.tail));
    sites.iter().map(facts).collect()
}

/// Compares every site of an image; returns how many there are, and how many indirect calls are left undecided.
#[track_caller]
fn compare(path: &Path) -> (usize, usize) {
    let image = Image::open(path).unwrap();
    let mut fast = Scanner::new(&image, MANY);
    let mut slow = Scanner::new(&image, MANY);
    slow.searches_back = false;
    let (mut all, mut undecided) = (0, 0);
    for function in 0..image.functions.len() {
        if image.functions[function].part_of.is_some() {
            continue;
        }
        let fast = sites(&mut fast, function);
        let slow = sites(&mut slow, function);
        for at in fast.keys().chain(slow.keys()) {
            let (fast, slow) = (fast.get(at), slow.get(at));
            assert_eq!(
                fast,
                slow,
                "{}: at {at:#x}, left with the fast path",
                path.display()
            );
        }
        all += slow.len();
        let open = |site: &&(CallTarget, bool)| site.0 == CallTarget::Undecided;
        undecided += slow.values().filter(open).count();
    }
    (all, undecided)
}

/// The toolchain's file whose name has this beginning and end, in the folder `below` one that `rustc --print` names.
fn toolchain(print: &str, below: &str, (begin, end): (&str, &str)) -> PathBuf {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", print])
        .output()
        .unwrap();
    let folder = String::from_utf8(output.stdout).unwrap();
    let files = std::fs::read_dir(Path::new(folder.trim()).join(below)).unwrap();
    let mut paths = files.map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(begin) && name.ends_with(end)
    };
    paths.find(is_it).unwrap()
}

#[test]
fn the_fast_path_makes_no_difference() {
    let (sites, undecided) = compare(&std::env::current_exe().unwrap());
    assert!(
        sites > 10_000 && undecided < sites / 1000,
        "{undecided} of {sites}"
    );
    compare(&toolchain("target-libdir", "", ("libstd-", ".rlib")));
    // The C library that this program has loaded, if it has.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    if let Some(libc) = maps
        .split_whitespace()
        .find(|word| word.contains("/libc.so"))
    {
        let (sites, _) = compare(Path::new(libc));
        assert!(sites > 10_000, "{sites}");
    }
}

#[test]
#[ignore = "slow: the compiler has more than a million calls"]
fn the_fast_path_makes_no_difference_in_the_compiler() {
    let (sites, _) = compare(&toolchain("sysroot", "lib", ("librustc_driver-", ".so")));
    assert!(sites > 1_000_000, "{sites}");
}
