//! A walk in which Go lost its processor to a thread that is stopped waits in a futex: it is taken again.
//!
//! Go loses it when it will; a program in C that waits in the same way does so for certain.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use barecall::walk::{Walk, WalkError, Walker};

use claims::go::calls::walk_undisturbed;

/// With an argument it waits, by that system call, for what never comes.
const WAITING: &str = r#"
#include <stdlib.h>
static int word;
__attribute__((noinline)) void reached(void) { __asm__ volatile(""); }
__attribute__((noinline)) void waits(long call) {
    register long timeout __asm__("r10") = 0;
    if (call)
        __asm__ volatile("syscall" : "+a"(call)
                         : "D"(&word), "S"(0L), "d"(0L), "r"(timeout) : "rcx", "r11", "memory");
    reached();
    __asm__ volatile("");
}
int main(int argc, char **argv) { waits(argc > 1 ? atol(argv[1]) : 0); return 0; }
"#;

fn compile(folder: &Path) -> bool {
    let source = folder.join("waiting.c");
    std::fs::write(&source, WAITING).expect("written");
    let compiled = Command::new("cc")
        .args(["-O1", "-o"])
        .args([folder.join("waiting"), source])
        .status();
    match compiled {
        Ok(status) => {
            assert!(status.success(), "{status}");
            true
        }
        Err(error) => {
            testkit::missing("cc", &error.to_string());
            false
        }
    }
}

#[test]
fn a_walk_that_waits_for_a_processor_is_taken_again() {
    let folder = tempfile::tempdir().expect("a folder");
    if !compile(folder.path()) {
        return;
    }
    let walker = |call: Option<&str>| -> Walker {
        let mut command = Command::new(folder.path().join("waiting"));
        command.args(call);
        Walk::of(command)
            .from("waits")
            .to("reached")
            .timeout(Duration::from_secs(1))
    };
    // How often it is walked if it waits by `call`, so many times first.
    let walked = |call, times| {
        let taken = Cell::new(0);
        let walk = walk_undisturbed(|| {
            taken.set(taken.get() + 1);
            walker((taken.get() <= times).then_some(call))
        });
        (taken.get(), walk)
    };
    let (futex, pause) = ("202", "34");
    let (taken, walk) = walked(futex, 1);
    assert!(walk.is_ok() && taken == 2, "{taken} times: {walk:?}");
    let (taken, walk) = walked(futex, usize::MAX);
    let blocked = matches!(&walk, Err(WalkError::Blocked { .. }));
    assert!(blocked && taken == 3, "{taken} times: {walk:?}");
    // Nor is any other wait Go's.
    let (taken, walk) = walked(pause, 1);
    let blocked = matches!(&walk, Err(WalkError::Blocked { .. }));
    assert!(blocked && taken == 1, "{taken} times: {walk:?}");
}
