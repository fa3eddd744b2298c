//! The fuzz target's work on the pinned toolchain: real files, mutated from a seed, for a bounded time.
//!
//! `BARECALL_FUZZ_SECONDS` says for how long (2 unless told), `BARECALL_FUZZ_SEED` with which seed, and
//! `BARECALL_FUZZ_CORPUS` names a folder that receives the real files, to start `cargo fuzz` from
//! (`rust/barecall/fuzz`, which is guided by coverage and needs nightly).

use std::path::Path;
use std::time::{Duration, Instant};

use barecall::Image;

/// What one file of some kilobytes may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Reads bytes as an image, and asks everything about every call in it. As `fuzz/fuzz_targets/image.rs` does.
fn ask_everything(bytes: Vec<u8>) -> usize {
    let Ok(image) = Image::read("fuzz", bytes) else {
        return 0;
    };
    let mut calls = 0;
    for function in image.functions() {
        for call in function.calls() {
            let reached = (call.to(), call.to_mangled(), call.via(), call.text());
            std::hint::black_box(reached);
            if call.route().is_bare() {
                assert_eq!(
                    call.instructions(),
                    Some(1),
                    "a bare call is one instruction"
                );
                assert!(call.to().is_some(), "a bare call has a known target");
            }
            calls += 1;
        }
    }
    let _ = std::hint::black_box(image.function("main"));
    calls
}

#[test]
fn mutated_real_files_neither_panic_nor_hang() {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|error| panic!("{name}={text}: {error}")),
        Err(_) => default,
    };
    let seconds = number("BARECALL_FUZZ_SECONDS", 2);
    let seed = number("BARECALL_FUZZ_SEED", 1);
    let files = testkit::real::files();
    if let Some(folder) = std::env::var_os("BARECALL_FUZZ_CORPUS") {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in files {
            std::fs::write(Path::new(&folder).join(name), bytes).unwrap();
        }
    }
    for (name, bytes) in files {
        assert!(ask_everything(bytes.clone()) > 0, "no calls in {name}");
    }
    let (executions, read) = match fuzz(Duration::from_secs(seconds), seed, ask_everything) {
        Ok(counts) => counts,
        Err(found) => {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-found");
            std::fs::write(&path, found.bytes).unwrap();
            panic!(
                "execution {} of seed {seed}: {}; the file is {}",
                found.execution,
                found.what,
                path.display()
            );
        }
    };
    eprintln!("{executions} executions in {seconds} s, {read} of images with calls, seed {seed}");
    assert!(
        seconds == 0 || read > 0,
        "nothing that was mutated could still be read"
    );
}

#[test]
fn a_panic_is_found() {
    // The control: a reader that does not expect a thousand-and-first section.
    let panics = |bytes: Vec<u8>| {
        assert!(
            bytes.get(61).is_none_or(|&high| high < 4),
            "more than 1,023 sections"
        );
        ask_everything(bytes)
    };
    let found = fuzz(Duration::from_secs(60), 1, panics).expect_err("a planted panic");
    assert!(found.bytes[61] >= 4 && found.what == "it panicked");
}

/// Bytes that a reader did not take well.
struct Found {
    bytes: Vec<u8>,
    execution: u64,
    what: &'static str,
}

/// Hands mutated real files to `check`, which says how many calls it found. Returns how many executions there
/// were, and how many found any.
fn fuzz(
    time: Duration,
    seed: u64,
    check: impl Fn(Vec<u8>) -> usize + std::panic::RefUnwindSafe,
) -> Result<(u64, u64), Found> {
    let files = testkit::real::files();
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut inputs: Vec<Vec<u8>> = files.iter().map(|file| file.1.clone()).collect();
    let began = Instant::now();
    let (mut executions, mut read) = (0, 0);
    while began.elapsed() < time {
        let mut bytes = inputs[random.below(inputs.len())].clone();
        for _ in 0..=random.below(6) {
            mutate(&mut bytes, files, &mut random);
        }
        let given = bytes.clone();
        let started = Instant::now();
        let result = std::panic::catch_unwind(|| check(given));
        executions += 1;
        let what = match result {
            Ok(_) if started.elapsed() > LONGEST => "it took too long",
            Err(_) => "it panicked",
            Ok(calls) => {
                read += u64::from(calls > 0);
                // What still has calls is worth mutating further.
                if calls > 0 && random.below(64) == 0 {
                    if inputs.len() < 256 {
                        inputs.push(bytes);
                    } else {
                        let at = files.len() + random.below(inputs.len() - files.len());
                        inputs[at] = bytes;
                    }
                }
                continue;
            }
        };
        return Err(Found {
            bytes,
            execution: executions,
            what,
        });
    }
    Ok((executions, read))
}

/// Changes a file in one way of many.
fn mutate(bytes: &mut Vec<u8>, files: &[(String, Vec<u8>)], random: &mut Random) {
    const WORDS: [u64; 12] = [
        0,
        1,
        8,
        0x7f,
        0xff,
        0x1000,
        0xffff,
        0x7fff_ffff,
        0xffff_ffff,
        1 << 40,
        u64::MAX / 2,
        u64::MAX,
    ];
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    match random.below(8) {
        0..=2 => bytes[at] ^= 1 << random.below(8),
        3 => bytes[at] = u8::try_from(random.below(256)).unwrap_or(0),
        4 => {
            let width = [1, 2, 4, 8][random.below(4)];
            let at = at & !(width - 1);
            let word = WORDS[random.below(WORDS.len())].to_le_bytes();
            let end = (at + width).min(bytes.len());
            bytes[at..end].copy_from_slice(&word[..end - at]);
        }
        5 => {
            // A stretch of the file over another.
            let len = random.below(64).min(bytes.len() - at);
            let to = random.below(bytes.len() - len + 1);
            bytes.copy_within(at..at + len, to);
        }
        6 => {
            // A stretch of another file.
            let other = &files[random.below(files.len())].1;
            let from = random.below(other.len());
            let len = random
                .below(64)
                .min(other.len() - from)
                .min(bytes.len() - at);
            bytes[at..at + len].copy_from_slice(&other[from..from + len]);
        }
        _ if random.below(8) == 0 => bytes.truncate(at),
        _ => {
            let by = u8::try_from(1 + random.below(16)).unwrap_or(1);
            bytes[at] = bytes[at].wrapping_add(by);
        }
    }
}

/// xorshift64: the same sequence for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % end as u64).unwrap_or(0)
    }
}
