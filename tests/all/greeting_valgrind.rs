//! What valgrind and AddressSanitizer have to say: nothing of the greeting as it is, and
//! something of each fault that is planted in it.
//!
//! C is compiled for either. Rust is run under valgrind, unless it was itself compiled with
//! AddressSanitizer, which takes a nightly (CONTRIBUTING.md has the command).
//! The faults are planted in C by an edit to a copy of c/greeting.c, and in Rust by
//! callers that break the header's rules; neither is in what is shipped. The stress
//! test (rust/claims/tests/stress.rs) runs under valgrind as well.

#![cfg(target_os = "linux")]

use std::ffi::c_void;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use std::{env, fs};

use testkit::alone::{again, name_of};
use zero_cost_ffi::ffi;
use zero_cost_ffi::greeting::{self, counts};
use zero_cost_ffi::task::dedicated::Host;
use zero_cost_ffi::task::{blocking, callback, descriptor};

/// Exit code of a program that valgrind has something to say of.
const FOUND: i32 = 77;

/// `program` under valgrind, or `None`, said aloud, where there is none.
fn valgrind(program: &mut Command) -> Option<Output> {
    if !Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        testkit::missing("valgrind", "`apt-get install valgrind`");
        return None;
    }
    let mut command = Command::new("valgrind");
    command
        .args([
            "--quiet",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
        ])
        .args(["--show-leak-kinds=definite", "--fair-sched=yes"])
        .arg(format!("--error-exitcode={FOUND}"))
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    Some(command.output().expect("valgrind runs"))
}

/// `program`, which was compiled with AddressSanitizer.
fn asan(program: &mut Command) -> Output {
    let output = program
        .env("ASAN_OPTIONS", format!("exitcode={FOUND}"))
        .env("LSAN_OPTIONS", format!("exitcode={FOUND}"))
        .output();
    output.expect("it starts")
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Fails unless valgrind found that.
fn finds(output: &Output, what: &str) {
    assert_eq!(
        output.status.code(),
        Some(FOUND),
        "nothing found: {}",
        words(output)
    );
    assert!(
        words(output).contains(what),
        "not `{what}`: {}",
        words(output)
    );
}

// In C.

/// A caller in C, which does with the greeting whatever can be done.
const CALLER: &str = r#"
#include "greeting.h"
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_int told;
static void tell(greeting_status status, void *user_data) { (void)status; free(user_data); told++; }

int main(void)
{
    greeting_handle handle;
    for (int i = 0; i < 100; i++) {
        /* Freed by the callback, the buffer with it: what C is lent is its own. */
        char *buffer = malloc(25);
        greeting_start("Ferris", buffer, 25, (uint64_t)i % 3 * 20000, tell, buffer, &handle);
        if (i % 2 == 0) greeting_cancel(handle);
        int fd;
        char *mine = malloc(25);
        greeting_open("Ferris", mine, 25, 20000, &fd, &handle);
        if (i % 3 != 0) poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
        greeting_free(handle);
        free(mine);
    }
    while (told < 100) poll(NULL, 0, 1);
    while (greeting_shutdown() != GREETING_OK) poll(NULL, 0, 1);
    puts("done");
}
"#;

/// Who looks for faults.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Valgrind,
    Asan,
}

/// The caller, with the library as it is or with `old` replaced by `new`.
fn in_c(name: &str, by: By, plant: Option<(&str, &str)>) -> Option<Output> {
    let _limit = testkit::limit::seconds(60);
    let folder = tempfile::tempdir().expect("a folder");
    let c = Path::new(env!("CARGO_MANIFEST_DIR")).join("c");
    let mut library = fs::read_to_string(c.join("greeting.c")).expect("it is there");
    if let Some((old, new)) = plant {
        assert_eq!(
            library.matches(old).count(),
            1,
            "nothing to plant in: `{old}`"
        );
        library = library.replace(old, new);
    }
    let [library_c, caller, program] =
        ["greeting.c", "caller.c", name].map(|file| folder.path().join(file));
    fs::write(&library_c, library).expect("it is written");
    fs::write(&caller, CALLER).expect("it is written");
    let flags: &[&str] = match by {
        By::Valgrind => &[],
        By::Asan => &["-fsanitize=address"],
    };
    let compiled = Command::new(env::var("CC").unwrap_or_else(|_| "cc".to_owned()))
        .args(flags)
        .args(["-std=gnu11", "-O1", "-g", "-pthread", "-I"])
        .args([&c, &library_c, &caller])
        .arg("-o")
        .arg(&program)
        .output()
        .expect("a C compiler");
    // Of what it needs only its runtime library may be missing.
    if by == By::Asan && !compiled.status.success() && words(&compiled).contains("asan") {
        testkit::missing("asan", "the C compiler's libasan");
        return None;
    }
    assert!(compiled.status.success(), "{}", words(&compiled));
    match by {
        By::Valgrind => valgrind(&mut Command::new(program)),
        By::Asan => Some(asan(&mut Command::new(program))),
    }
}

/// Fails unless both find it in C, in their own words.
fn is_found_in_c(name: &str, plant: (&str, &str), by_valgrind: &str, by_asan: &str) {
    for (by, what) in [(By::Valgrind, by_valgrind), (By::Asan, by_asan)] {
        if let Some(output) = in_c(name, by, Some(plant)) {
            finds(&output, what);
        }
    }
}

#[test]
fn c_as_it_is_is_clean() {
    for by in [By::Valgrind, By::Asan] {
        if let Some(output) = in_c("as_it_is", by, None) {
            assert_eq!(output.status.code(), Some(0), "{}", words(&output));
            assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
        }
    }
}

#[test]
fn a_leak_in_c_is_found() {
    let plant = (
        "    release(self); /* first: whoever is told may count */\n",
        "",
    );
    is_found_in_c("leak", plant, "definitely lost", "detected memory leaks");
}

#[test]
fn a_use_after_free_in_c_is_found() {
    let plant = (
        "    release(self); /* first: whoever is told may count */\n",
        "    release(self);\n    self->user_data = NULL;\n",
    );
    is_found_in_c(
        "use_after_free",
        plant,
        "Invalid write",
        "heap-use-after-free",
    );
}

#[test]
fn a_double_callback_in_c_is_found() {
    let plant = (
        "    callback(status, user_data);\n",
        "    callback(status, user_data);\n    callback(status, user_data);\n",
    );
    is_found_in_c(
        "double_callback",
        plant,
        "Invalid free",
        "attempting double-free",
    );
}

/// A buffer that is written to after `greeting_free`: the greeting stays in the queue.
#[test]
fn a_write_after_free_in_mid_flight_is_found() {
    let plant = (
        "            leave_queue(self);\n        }\n        leave(self);",
        "        }\n        leave(self);",
    );
    is_found_in_c("mid_flight", plant, "Invalid read", "heap-use-after-free");
}

// In Rust.

/// Names the fault that this program is started again for.
const PLANTED: &str = "GREETING_PLANTED";

/// This program once more, as the test of that name, with the fault planted.
fn in_rust(test: &str) -> Option<Output> {
    let _limit = testkit::limit::seconds(60);
    let mut program = again(test);
    program.arg("--test-threads=1").env(PLANTED, test);
    if by_asan() {
        Some(asan(&mut program))
    } else {
        valgrind(&mut program)
    }
}

/// Whether this program was compiled with AddressSanitizer, under which valgrind cannot run
/// it: its options are set. If that is not so, nothing is found, and the tests fail.
fn by_asan() -> bool {
    env::var_os("ASAN_OPTIONS").is_some()
}

/// Fails unless it was found in Rust, in the words of who looked.
fn is_found(output: &Output, by_valgrind: &str, in_asans_words: &str) {
    finds(
        output,
        if by_asan() {
            in_asans_words
        } else {
            by_valgrind
        },
    );
}

fn planted(test: &str) -> bool {
    env::var(PLANTED).is_ok_and(|planted| planted == test)
}

/// Starts one, and returns how many callbacks there were before.
fn start(
    buffer: *mut u8,
    size: usize,
    callback: ffi::greeting_callback,
    user_data: *mut c_void,
) -> u64 {
    let before = counts().callbacks;
    // SAFETY: none: the fault is here.
    let status = unsafe {
        ffi::greeting_start(
            c"Ferris".as_ptr(),
            buffer.cast(),
            size,
            300_000_000,
            callback,
            user_data,
            std::ptr::null_mut(),
        )
    };
    assert_eq!(status, ffi::GREETING_OK);
    before
}

/// Until C has called back once more than that.
fn until_called_back(before: u64) {
    while counts().callbacks == before {
        std::thread::yield_now();
    }
}

/// Every pattern, awaited and dropped.
#[test]
#[ignore = "slow: all of this program under valgrind"]
fn rust_as_it_is_is_clean() {
    let name = name_of(&rust_as_it_is_is_clean);
    if planted(name) {
        return greet_in_every_way();
    }
    let Some(output) = in_rust(name) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

fn greet_in_every_way() {
    let (soon, hour) = (Duration::from_millis(1), Duration::from_secs(3600));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        for _ in 0..20 {
            for delay in [Duration::ZERO, soon] {
                callback::greet(c"Ferris", delay)
                    .expect("it starts")
                    .await
                    .expect("it greets");
                descriptor::greet(c"Ferris", delay)
                    .await
                    .expect("it greets");
                blocking::greet(c"Ferris", delay).await.expect("it greets");
            }
            drop(callback::greet(c"Ferris", hour).expect("it starts"));
            let cancelled = callback::greet(c"Ferris", hour).expect("it starts");
            cancelled.cancel().expect("in time");
            cancelled.await.expect_err("it was cancelled");
            let late = tokio::time::timeout(soon, descriptor::greet(c"Ferris", hour)).await;
            late.expect_err("it takes an hour");
        }
        let host = Host::new().expect("a thread");
        host.greet(c"Ferris").await.expect("it greets");
    });
    drop(runtime);
    while greeting::shutdown().is_err() {
        std::thread::yield_now();
    }
}

/// What hyper#2140 is: the buffer is the future's, and dropped with it.
#[test]
#[ignore = "slow: all of this program under valgrind"]
fn a_buffer_that_the_future_owns_is_found() {
    unsafe extern "C" fn nothing(_: ffi::greeting_status, _: *mut c_void) {}
    let name = name_of(&a_buffer_that_the_future_owns_is_found);
    if planted(name) {
        let mut buffer = vec![0_u8; 25];
        let before = start(
            buffer.as_mut_ptr(),
            buffer.len(),
            Some(nothing),
            std::ptr::null_mut(),
        );
        drop(buffer);
        return until_called_back(before);
    }
    let Some(output) = in_rust(name) else { return };
    is_found(&output, "Invalid", "heap-use-after-free");
}

/// A callback that does not take back what it was given.
#[test]
#[ignore = "slow: all of this program under valgrind"]
fn a_box_that_the_callback_does_not_take_back_is_found() {
    unsafe extern "C" fn nothing(_: ffi::greeting_status, _: *mut c_void) {}
    let name = name_of(&a_box_that_the_callback_does_not_take_back_is_found);
    if planted(name) {
        let lent = Box::into_raw(Box::new([0_u8; 1000]));
        return until_called_back(start(lent.cast(), 1000, Some(nothing), lent.cast()));
    }
    let Some(output) = in_rust(name) else { return };
    is_found(&output, "definitely lost", "detected memory leaks");
}

/// A callback that takes it back twice, as it would if C called twice.
#[test]
#[ignore = "slow: all of this program under valgrind"]
fn a_box_that_is_taken_back_twice_is_found() {
    unsafe extern "C" fn twice(_: ffi::greeting_status, lent: *mut c_void) {
        for _ in 0..2 {
            // SAFETY: none, the second time: the fault is here.
            drop(unsafe { Box::from_raw(lent.cast::<[u8; 25]>()) });
        }
    }
    let name = name_of(&a_box_that_is_taken_back_twice_is_found);
    if planted(name) {
        let lent = Box::into_raw(Box::new([0_u8; 25]));
        return until_called_back(start(lent.cast(), 25, Some(twice), lent.cast()));
    }
    let Some(output) = in_rust(name) else { return };
    is_found(&output, "Invalid free", "attempting double-free");
}
