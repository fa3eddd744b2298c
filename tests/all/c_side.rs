//! The C side keeps its promises, and the safe wrappers theirs.

use std::error::Error as _;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, ptr};

use testkit::alone::{again, name_of};
use zero_cost_ffi::ffi;
use zero_cost_ffi::greet::{self, Error, Greeter, Point};
use zero_cost_ffi::{callback, calls, controls, task, twins};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn gcc_has_nothing_to_warn_of() {
    match compiler("gcc") {
        Some(gcc) => no_warnings(&gcc),
        None => testkit::missing("gcc", "neither `gcc` nor `gcc-N` runs"),
    }
}

#[test]
fn clang_has_nothing_to_warn_of() {
    match compiler("clang") {
        Some(clang) => {
            no_warnings(&clang);
            headers_are_cpp(&clang);
        }
        None => testkit::missing("clang", "neither `clang` nor `clang-N` runs"),
    }
}

/// Compiles every file of `c/`, and one with something to warn of.
fn no_warnings(compiler: &str) {
    for file in c_files() {
        let output = compile(compiler, "c", "c11", &file);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    let folder = tempfile::tempdir().unwrap();
    let planted = folder.path().join("planted.c");
    fs::write(&planted, "int f(long n);\nint f(long n) { return n; }\n").unwrap();
    let output = compile(compiler, "c", "c11", &planted);
    assert!(!output.status.success(), "a narrowing conversion passes");
    assert!(text(&output.stderr).contains("conversion"));
}

/// C++ may include the headers, and links to the same symbols. clang needs no C++
/// library for that; gcc has its C++ in a package of its own.
fn headers_are_cpp(clang: &str) {
    let mut headers = c_files();
    headers.retain(|file| file.extension().is_some_and(|extension| extension == "h"));
    assert!(!headers.is_empty());
    for header in headers {
        let output = compile(clang, "c++", "c++17", &header);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let source = fs::read_to_string(&header).unwrap();
        assert!(source.contains("extern \"C\" {"), "{}", header.display());
    }
}

fn c_files() -> Vec<PathBuf> {
    let files = fs::read_dir(Path::new(ROOT).join("c")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

fn compile(compiler: &str, language: &str, standard: &str, file: &Path) -> Output {
    Command::new(compiler)
        // Optimised: some warnings come from what the optimiser finds out.
        .args(["-O2", "-c", "-o", "/dev/null", "-Werror"])
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion"])
        .args(["-x", language, &format!("-std={standard}")])
        .arg(file)
        .output()
        .unwrap()
}

/// The compiler of that name, or the newest that has its version in its name.
fn compiler(name: &str) -> Option<String> {
    let versioned = (10..40).rev().map(|version| format!("{name}-{version}"));
    std::iter::once(name.to_owned())
        .chain(versioned)
        .find(|compiler| runs(compiler))
}

fn runs(compiler: &str) -> bool {
    Command::new(compiler)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

#[test]
fn without_a_c_compiler_the_build_says_what_to_install() {
    let output = Command::new(env!("CARGO"))
        .args(["check", "--package", "zero-cost-ffi", "--lib", "--offline"])
        .current_dir(ROOT)
        // Its own, and kept: only the first run has dependencies to check.
        .env(
            "CARGO_TARGET_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/check"),
        )
        .env("CC", "/nonexistent/cc")
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert!(!output.status.success(), "it builds without a C compiler");
    for part in ["/nonexistent/cc", "apt-get install gcc", "CC"] {
        assert!(stderr.contains(part), "no `{part}` in:\n{stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn rust_and_its_twin_say_the_same() {
    let items = [20, 20, 2];
    let (a, b) = (Point { x: 0.0, y: 1.0 }, Point { x: 2.0, y: 4.0 });
    // SAFETY: the twins want valid pointers, and get those of a slice.
    unsafe {
        assert_eq!(calls::add_one(41), twins::add_one(41));
        assert_eq!(calls::add_one_times(3, 39), twins::add_one_times(3, 39));
        assert_eq!(calls::add_one_times(0, 39), twins::add_one_times(0, 39));
        assert_eq!(calls::sum(&items), twins::sum(items.as_ptr(), 3));
        assert_eq!(
            callback::for_each(&items),
            twins::for_each(items.as_ptr(), 3)
        );
        let (rust, c) = (calls::midpoint(a, b), twins::midpoint(a, b));
        assert_eq!((rust.x, rust.y), (c.x, c.y));
        assert_eq!((rust.x, rust.y), (1.0, 2.5));
    }
    assert_eq!(calls::sum(&items), 42);
    assert_eq!(callback::for_each(&items), 42);
}

#[test]
fn numbers_wrap_around_and_never_overflow() {
    assert_eq!(greet::add_one(i64::MAX), i64::MIN);
    assert_eq!(greet::sum(&[i64::MAX, 1]), i64::MIN);
    assert_eq!(greet::sum(&[]), 0);
    let far = Point {
        x: f64::MAX,
        y: -f64::MAX,
    };
    assert_eq!(greet::midpoint(far, far).x, f64::MAX);
}

#[test]
fn controls_do_what_the_bare_call_does() {
    let boxed: Box<dyn Fn(i64) -> i64> = Box::new(greet::add_one);
    assert_eq!(controls::through_shim(41), 42);
    assert_eq!(controls::through_box(&boxed, 41), 42);
    // SAFETY: `greet_add_one` has no precondition.
    let through_pointer = unsafe { controls::through_pointer(ffi::greet_add_one, 41) };
    assert_eq!(through_pointer, 42);
}

#[test]
fn an_interior_nul_is_an_error_that_says_where() {
    let error = greet::say_str("Hel\0lo").unwrap_err();
    assert!(matches!(error, Error::InteriorNul(_)));
    let source = error.source().expect("the cause is kept").to_string();
    assert!(source.contains("position: 3"), "{source}");
}

#[test]
fn null_from_c_is_an_error_that_names_the_function() {
    let error = Greeter::new(c"").unwrap_err();
    assert!(matches!(error, Error::NullFromC("greeter_new")));
    assert!(error.to_string().contains("greeter_new"));
}

#[test]
fn null_to_c_is_refused_never_followed() {
    unsafe extern "C" fn unreachable(_: i64, _: *mut c_void) -> c_int {
        std::process::abort()
    }
    let null = ptr::null_mut();
    // SAFETY: c/greet.h says what each makes of a null pointer.
    unsafe {
        assert!(ffi::greet_say(ptr::null()) < 0);
        assert_eq!(ffi::greet_sum(ptr::null(), 3), 0);
        assert!(ffi::greeter_new(ptr::null()).is_null());
        ffi::greeter_free(ptr::null_mut());
        for status in [
            ffi::greet_for_each(ptr::null(), 3, Some(unreachable), null),
            ffi::greet_for_each([1].as_ptr(), 1, None, null),
            ffi::greeter_greeting(ptr::null(), [0].as_mut_ptr(), 1),
        ] {
            assert!(matches!(Error::check(status), Err(Error::NullToC)));
        }
        // No items, so no null that anything could follow.
        assert_eq!(
            ffi::greet_for_each(ptr::null(), 0, Some(unreachable), null),
            ffi::GREET_OK
        );
    }
}

#[test]
fn a_status_that_the_header_does_not_have_is_not_success() {
    assert!(matches!(Error::check(7), Err(Error::Unknown(7))));
    assert!(matches!(Error::check(-99), Err(Error::Unknown(-99))));
}

#[test]
fn a_greeting_fits_or_leaves_the_buffer_alone() {
    let greeter = Greeter::new(c"Ferris").unwrap();
    let mut buffer = [b'x'; 15];
    for size in 0..15 {
        assert!(matches!(
            greeter.greeting(&mut buffer[..size]),
            Err(Error::TooSmall)
        ));
        assert_eq!(buffer, [b'x'; 15]);
    }
    assert_eq!(greeter.greeting(&mut buffer).unwrap(), c"Hello, Ferris!");
}

#[test]
fn threads_may_share_a_greeter_and_drop_it_anywhere() {
    let greeter = Greeter::new(c"Ferris").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut buffer = [0; 64];
                assert_eq!(greeter.greeting(&mut buffer).unwrap(), c"Hello, Ferris!");
            });
        }
    });
    std::thread::spawn(move || drop(greeter)).join().unwrap();
}

#[test]
fn a_callback_runs_once_per_item_in_order_on_this_thread() {
    let here = std::thread::current().id();
    let mut seen = Vec::new();
    greet::for_each(&[3, 1, 2], |item| {
        assert_eq!(std::thread::current().id(), here);
        seen.push(item);
    })
    .unwrap();
    assert_eq!(seen, [3, 1, 2]);
    greet::for_each(&[], |_| panic!("there is no item")).unwrap();
}

#[test]
fn a_panic_in_a_callback_stops_c_and_goes_on_in_rust() {
    let mut seen = Vec::new();
    let held = std::rc::Rc::new(());
    let kept = held.clone();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        greet::for_each(&[1, 2, 3], |item| {
            let _dropped_on_the_way = &kept;
            seen.push(item);
            if item == 2 {
                std::panic::panic_any(item);
            }
        })
    }))
    .expect_err("the panic is swallowed");
    assert_eq!(
        panic.downcast_ref::<i64>(),
        Some(&2),
        "another panic than ours"
    );
    assert_eq!(seen, [1, 2], "C went on after the panic");
    drop(kept);
    assert_eq!(std::rc::Rc::strong_count(&held), 1);
}

/// The opposite: without the wrapper's care, the process is gone.
#[test]
fn a_panic_that_reaches_c_aborts() {
    unsafe extern "C" fn panics(_: i64, _: *mut c_void) -> c_int {
        panic!("planted")
    }
    const CHILD: &str = "GREET_PLANTED_PANIC";
    if env::var_os(CHILD).is_some() {
        // SAFETY: the item is valid, and no pointer is used.
        unsafe { ffi::greet_for_each([1].as_ptr(), 1, Some(panics), ptr::null_mut()) };
        return; // would be success, which the parent does not accept
    }
    let output = again(name_of(&a_panic_that_reaches_c_aborts))
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(!output.status.success(), "a panic crossed C unharmed");
    let stderr = text(&output.stderr);
    assert!(stderr.contains("cannot unwind"), "{stderr}");
}

#[test]
fn c_returns_to_whoever_called_it() {
    // SAFETY: it has no precondition.
    let here = unsafe { ffi::greet_return_address() }.addr();
    let current = task::on_current_thread(task::return_address()).unwrap();
    let multi = task::on_multi_thread(task::return_address()).unwrap();
    for executed in [current, multi] {
        assert_ne!(executed, 0);
        assert_ne!(executed, here, "the task's call is not this one");
    }
    // The same instruction every time: it is code, not chance.
    let again = task::on_multi_thread(task::return_address()).unwrap();
    assert_eq!(again, multi);
}

#[test]
fn what_is_required_and_missing_is_a_failure() {
    assert!(testkit::requires("all", "go"));
    assert!(testkit::requires("clang, libclang", "libclang"));
    assert!(!testkit::requires("clang", "libclang"));
    assert!(!testkit::requires("", "go"));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
