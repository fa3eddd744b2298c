//! How long the calls take that `cgo/README.md` counts: C, Rust and Go in one interleaved run, as ratios to C.
//!
//! `cargo bench -p claims --bench cgo` prints the tables; with `-- --write` they go into `cgo/README.md`. Nothing is
//! asserted: times are of this machine and this run.

#![allow(missing_docs, reason = "a program")]

use std::ffi::CStr;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use zero_cost_ffi::{callback, calls, ffi, twins};

use claims::go::program::{self, Program};

/// Many and short: on a busy machine most of them are not interrupted.
const ROUNDS: usize = 45;
const TEXT: &CStr = c"Hello";

/// One line of the table: what is called, how often in a round, and who takes its time.
struct Row {
    group: &'static str,
    says: &'static str,
    times: u64,
    by: By,
    /// Nanoseconds for one call, a round each.
    found: Vec<f64>,
}

enum By {
    /// Here.
    Here(fn(u64)),
    /// The program in Go; so many calls in one time of its act.
    Go(&'static str, u64),
}

fn rows() -> Vec<Row> {
    use By::{Go, Here};
    const MANY: u64 = 200_000;
    const SOME: u64 = 30_000;
    let row = |group, says, times, by| Row {
        group,
        says,
        times,
        by,
        found: Vec::new(),
    };
    let empty = "`greet_add_one`, two instructions";
    let puts = "`puts` of 5 characters, to /dev/null";
    let back = "a callback, one for each item";
    vec![
        row(empty, "C", MANY * 10, Here(c_add_one)),
        row(empty, "Rust", MANY * 10, Here(rust_add_one)),
        row(
            empty,
            "through a pointer, from either",
            MANY * 10,
            Here(pointer_add_one),
        ),
        row(
            empty,
            "Go calling Go, not inlined",
            MANY * 10,
            Go("add_one_in_go", 1),
        ),
        row(
            empty,
            "Go, in C a thousand at a time",
            MANY / 100,
            Go("add_one_thousand", 1000),
        ),
        row(empty, "Go", MANY, Go("add_one", 1)),
        row(
            empty,
            "Go, `#cgo noescape`",
            MANY,
            Go("add_one_noescape", 1),
        ),
        row(
            empty,
            "Go, `#cgo nocallback`",
            MANY,
            Go("add_one_nocallback", 1),
        ),
        row(empty, "Go, both", MANY, Go("add_one_annotated", 1)),
        row(
            empty,
            "Go, `&local` (`greet_sum` of one)",
            MANY,
            Go("sum_local", 1),
        ),
        row(
            empty,
            "Go, `&local`, both",
            MANY,
            Go("sum_local_annotated", 1),
        ),
        row(puts, "C", SOME * 4, Here(c_puts)),
        row(puts, "Rust", SOME * 4, Here(rust_puts)),
        row(
            puts,
            "Go, C string made before",
            SOME * 4,
            Go("say_cstr", 1),
        ),
        row(
            puts,
            "Go, with `C.CString` and `C.free`",
            SOME,
            Go("say_string", 1),
        ),
        row(back, "C", MANY * 5, Here(c_visit)),
        row(back, "Rust", MANY * 5, Here(rust_visit)),
        row(back, "Go", MANY, Go("visit", 1)),
    ]
}

fn c_add_one(times: u64) {
    // SAFETY: it takes any numbers.
    black_box(unsafe { twins::add_one_times(usize::try_from(times).unwrap_or(0), 0) });
}

fn rust_add_one(times: u64) {
    black_box(calls::add_one_times(usize::try_from(times).unwrap_or(0), 0));
}

/// What Rust's own call is made by, where it is by `register`.
fn pointer_add_one(times: u64) {
    let call: unsafe extern "C" fn(i64) -> i64 = black_box(ffi::greet_add_one);
    let mut value = 0;
    for _ in 0..times {
        // SAFETY: it takes any number.
        value = unsafe { call(value) };
    }
    black_box(value);
}

fn c_puts(times: u64) {
    for _ in 0..times {
        // SAFETY: the text ends in a NUL and lives for ever.
        black_box(unsafe { twins::say_cstr(TEXT.as_ptr()) });
    }
}

fn rust_puts(times: u64) {
    for _ in 0..times {
        black_box(calls::say_cstr(TEXT));
    }
}

fn c_visit(times: u64) {
    let items = [1; 1000];
    for _ in 0..times / 1000 {
        // SAFETY: as many items as is said.
        black_box(unsafe { twins::for_each(items.as_ptr(), items.len()) });
    }
}

fn rust_visit(times: u64) {
    let items = [1; 1000];
    for _ in 0..times / 1000 {
        black_box(callback::for_each(&items));
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    // As `cargo test --benches` runs it: that it starts is all that is asked.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let program = Program::build()?;
    let mut rows = rows();
    let stdout = stdout_to_null()?;
    for round in 0..ROUNDS {
        if io::stderr().is_terminal() {
            eprint!("\rround {} of {ROUNDS}", round + 1);
        }
        for row in &mut rows {
            let (nanoseconds, calls) = match row.by {
                By::Here(calls) => {
                    let started = Instant::now();
                    calls(row.times);
                    (nanoseconds(started.elapsed()), row.times)
                }
                By::Go(act, each) => (timed(&program, act, row.times)?, row.times * each),
            };
            #[expect(clippy::cast_precision_loss, reason = "some millions")]
            row.found.push(nanoseconds / calls as f64);
        }
    }
    let waiting = waiting(&program)?;
    back(stdout)?;
    let text = table(&program, &rows) + "\n" + &waiting;
    print!("{text}");
    if std::env::args().any(|argument| argument == "--write") {
        let path = program::sources().join("README.md");
        let readme = std::fs::read_to_string(&path)?;
        let (begin, end) = ("<!-- times -->\n", "<!-- end of times -->");
        let (before, rest) = readme.split_once(begin).ok_or("no place for times")?;
        let (_, after) = rest.split_once(end).ok_or("no end of times")?;
        std::fs::write(&path, format!("{before}{begin}{text}{end}{after}"))?;
    }
    Ok(())
}

/// What the program in Go says it took.
fn timed(program: &Program, act: &str, times: u64) -> Result<f64, Box<dyn std::error::Error>> {
    asked(program, &["bench", act, &times.to_string()])
}

fn asked(program: &Program, arguments: &[&str]) -> Result<f64, Box<dyn std::error::Error>> {
    let output = std::process::Command::new(&program.path)
        .args(arguments)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "some seconds")]
fn nanoseconds(elapsed: Duration) -> f64 {
    elapsed.as_nanos() as f64
}

fn stdout_to_null() -> io::Result<i32> {
    // SAFETY: neither call is given anything but files and a text that ends in a NUL.
    unsafe {
        let stdout = libc::dup(1);
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY);
        if stdout < 0 || null < 0 || libc::dup2(null, 1) < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::close(null);
        Ok(stdout)
    }
}

/// What C still holds goes to /dev/null as well.
fn back(stdout: i32) -> io::Result<()> {
    // SAFETY: the file is the one that was kept, and null means every stream.
    unsafe {
        libc::fflush(std::ptr::null_mut());
        if libc::dup2(stdout, 1) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn median(found: &[f64]) -> (f64, f64, f64) {
    let mut sorted = found.to_vec();
    sorted.sort_by(f64::total_cmp);
    (
        sorted[sorted.len() / 2],
        sorted[0],
        sorted[sorted.len() - 1],
    )
}

fn table(program: &Program, rows: &[Row]) -> String {
    let mut text = format!(
        "{}, {}, {}, {}: the median of {ROUNDS} rounds, in\nwhich each takes its turn, and the least and the most.\n",
        time::UtcDateTime::now().date(),
        processor(),
        program.toolchain.version,
        program.toolchain.cc,
    );
    let mut group = "";
    let mut c = 0.0;
    for row in rows {
        let (median, least, most) = median(&row.found);
        // Writing to a string cannot fail.
        if row.group != group {
            group = row.group;
            c = median;
            let _ = writeln!(
                text,
                "\n| {group} | ns a call | least – most | × C |\n|:--|--:|--:|--:|"
            );
        }
        let _ = writeln!(
            text,
            "| {} | {median:.2} | {least:.2} – {most:.2} | {:.2} |",
            row.says,
            median / c
        );
    }
    text
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = name.map(|name| name.trim_start_matches([' ', '\t', ':']).to_owned());
    name.unwrap_or_else(|| "a processor without a name".to_owned())
}

/// Eight calls of C's `sleep(1)`, all asked for at once.
fn waiting(program: &Program) -> Result<String, Box<dyn std::error::Error>> {
    const CALLS: u64 = 8;
    const WORKERS: usize = 2;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .build()?;
    // SAFETY: it takes any number.
    let sleep = || unsafe { libc::sleep(1) };
    let all = |elsewhere: bool| {
        let started = Instant::now();
        let tasks: Vec<_> = (0..CALLS)
            .map(|_| {
                runtime.spawn(async move {
                    if elsewhere {
                        let _ = tokio::task::spawn_blocking(sleep).await;
                    } else {
                        sleep();
                    }
                })
            })
            .collect();
        for task in tasks {
            let _ = runtime.block_on(task);
        }
        started.elapsed().as_secs_f64()
    };
    eprintln!("\nwaiting, for some 6 s");
    let (directly, elsewhere) = (all(false), all(true));
    let go = asked(program, &["sleeping", &CALLS.to_string()])? / 1e9;
    // What the remedy costs where it is not needed.
    let times = 20_000_u32;
    let started = Instant::now();
    runtime.block_on(async {
        for _ in 0..times {
            let _ = tokio::task::spawn_blocking(|| black_box(calls::add_one(41))).await;
        }
    });
    let each = nanoseconds(started.elapsed()) / f64::from(times);
    Ok(format!(
        "| 8 calls of C's `sleep(1)`, at once | s |\n|:--|--:|\n\
         | tokio tasks on {WORKERS} workers, called directly | {directly:.1} |\n\
         | tokio tasks on {WORKERS} workers, by `spawn_blocking` | {elsewhere:.1} |\n\
         | goroutines on 1 processor | {go:.1} |\n\n\
         A `spawn_blocking` of `greet_add_one`, awaited: {each:.0} ns.\n"
    ))
}
