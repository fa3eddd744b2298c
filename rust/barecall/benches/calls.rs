//! How fast an image's calls are found: all routes decided, beside a bare decode loop over the same bytes on the
//! same cores and `objdump -d`, in one run.
//!
//! `cargo bench -p barecall --bench calls [-- [FILE] [--no-objdump]]`; without FILE, the toolchain's own
//! `librustc_driver-*.so`. The figures depend on what else the machine does; their ratios much less. Peak memory is
//! what is resident at once (`VmHWM`): the file's bytes, what is kept of them, the calls, and the workers' own.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use barecall::{Architecture, Image};
use iced_x86::{Decoder, DecoderOptions, Instruction};
use object::{Object as _, ObjectSection as _};

/// An address and the code there.
type Code<'a> = (u64, &'a [u8]);

const ROUNDS: usize = 7;
/// Makes this program a child that only finds the calls of the file it names and prints its peak memory.
const CHILD: &str = "BARECALL_BENCH_FILE";

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = std::env::var_os(CHILD) {
        return only_calls(Path::new(&path));
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs benches too, without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let named = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"));
    let path = match named {
        Some(path) => PathBuf::from(path),
        None => toolchain()?,
    };
    let image = Image::open(&path)?;
    if image.architecture() != Architecture::X86_64 {
        return Err("the bare decode loop is for x86-64".into());
    }
    let bytes = std::fs::read(&path)?;
    let code = functions(&image, &bytes)?;
    let total: usize = code.iter().map(|function| function.1.len()).sum();
    println!("{}", path.display());
    println!(
        "{} MB, {} MB of code in {} pieces, {} cores",
        bytes.len() / 1_000_000,
        total / 1_000_000,
        code.len(),
        cores()
    );

    let (mut ours, mut bare) = (Quietest::default(), Quietest::default());
    let (mut calls, mut instructions) = (0, 0);
    for _ in 0..ROUNDS {
        calls = ours.of(|| image.calls(|_, _| {}).len());
        instructions = bare.of(|| decode(&code));
    }
    println!(
        "bare decode loop  {:>8.3?}  {instructions} instructions",
        bare.wall
    );
    println!(
        "calls             {:>8.3?}  {calls} calls; {:.2} x the bare loop, wanted: at most 2",
        ours.wall,
        ours.wall.as_secs_f64() / bare.wall.as_secs_f64()
    );
    println!(
        "  processor time  {:>8.3?}  {:.2} x the bare loop's",
        ours.processor,
        ours.processor.as_secs_f64() / bare.processor.as_secs_f64()
    );
    let ours = ours.wall;
    drop((image, code));

    if !arguments.iter().any(|argument| argument == "--no-objdump") {
        let start = Instant::now();
        let status = Command::new("objdump")
            .arg("-d")
            .arg(&path)
            .stdout(Stdio::null())
            .status()?;
        let objdump = start.elapsed();
        if !status.success() {
            return Err("objdump failed".into());
        }
        println!(
            "objdump -d        {objdump:>8.3?}  {:.1} x the time of calls, wanted: at least 30",
            objdump.as_secs_f64() / ours.as_secs_f64()
        );
    }

    let output = Command::new(std::env::current_exe()?)
        .env(CHILD, &path)
        .output()?;
    let peak = String::from_utf8(output.stdout)?;
    if let Ok(peak) = peak.trim().parse::<u64>() {
        println!(
            "peak memory       {} MB  {:.2} x the file, wanted: less than 1.5",
            peak / 1_000_000,
            peak as f64 / bytes.len() as f64
        );
    } else {
        println!("peak memory       not known here");
    }
    Ok(())
}

/// Opens the file, finds the calls, and prints the peak of the memory used, in bytes.
fn only_calls(path: &Path) -> Result<(), Box<dyn Error>> {
    let image = Image::open(path)?;
    let calls = image.calls(|_, _| {});
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .ok_or("no VmHWM")?;
    println!("{}", peak.trim().parse::<u64>()? * 1024);
    drop(calls);
    Ok(())
}

/// The compiler's own library, of the toolchain that builds this.
fn toolchain() -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()?;
    let folder = Path::new(String::from_utf8(output.stdout)?.trim()).join("lib");
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("librustc_driver-") {
            return Ok(path);
        }
    }
    Err(format!("no librustc_driver in {}: name a file", folder.display()).into())
}

/// The bytes of every function, each part by itself, with their addresses.
fn functions<'a>(image: &Image, bytes: &'a [u8]) -> Result<Vec<Code<'a>>, Box<dyn Error>> {
    let file = object::File::parse(bytes)?;
    let mut sections = Vec::new();
    for section in file.sections() {
        sections.push((section.address(), section.data()?));
    }
    sections.retain(|section| section.0 != 0);
    sections.sort_by_key(|section| section.0);
    let mut code = Vec::new();
    for function in image.functions() {
        for (start, end) in function.parts() {
            let at = sections.partition_point(|section| section.0 <= start);
            let Some(&(address, data)) = at.checked_sub(1).and_then(|at| sections.get(at)) else {
                continue;
            };
            let from = usize::try_from(start - address)?;
            let to = usize::try_from(end - address)?.min(data.len());
            code.extend(data.get(from..to).map(|code| (start, code)));
        }
    }
    Ok(code)
}

/// Decodes everything on all cores, and does nothing with it; how many instructions there were.
fn decode(code: &[Code<'_>]) -> usize {
    const CHUNK: usize = 1024;
    let (next, decoded) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                let mut instruction = Instruction::default();
                let mut count = 0;
                while let Some(chunk) = code.chunks(CHUNK).nth(next.fetch_add(1, Ordering::Relaxed))
                {
                    for &(address, code) in chunk {
                        let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
                        while decoder.can_decode() {
                            decoder.decode_out(&mut instruction);
                            count += usize::from(std::hint::black_box(&instruction).len() > 0);
                        }
                    }
                }
                decoded.fetch_add(count, Ordering::Relaxed);
            });
        }
    });
    decoded.into_inner()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The least time that anything took: its quietest moment is the least disturbed.
struct Quietest {
    wall: Duration,
    /// Of all threads together. What else the machine does disturbs it less.
    processor: Duration,
}

impl Default for Quietest {
    fn default() -> Self {
        Self {
            wall: Duration::MAX,
            processor: Duration::MAX,
        }
    }
}

impl Quietest {
    fn of<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (start, before) = (Instant::now(), processor_time());
        let done = work();
        self.wall = self.wall.min(start.elapsed());
        self.processor = self.processor.min(processor_time().saturating_sub(before));
        done
    }
}

/// The time that this process's threads have run; the wall clock's where the system does not say.
fn processor_time() -> Duration {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    if let Ok(time) = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID.now() {
        return time.into();
    }
    std::time::UNIX_EPOCH.elapsed().unwrap_or_default()
}
