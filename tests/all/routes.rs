//! The exhibits and the controls in this test's own image, at this profile's opt-level: each exhibit's calls are
//! bare, and each control is reported as what it is. If a control passes for bare, nothing here proves anything.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use barecall::{Image, Route};
use zero_cost_ffi::catalogue::{controls, exhibits, twins};
use zero_cost_ffi::task;

use super::compile::{self, run};

fn symbol(path: &str, poll: bool) -> String {
    if poll {
        format!("{path}::{{{{closure}}}}")
    } else {
        path.to_owned()
    }
}

/// How far the loader moved this image: what an address at run time is more than the same in the file.
fn bias(image: &Image) -> usize {
    let say = exhibits()[0];
    let function = image
        .function(say.path)
        .expect("the exhibit is in this image");
    say.entry.addr() - usize::try_from(function.address()).expect("64 bits")
}

#[test]
fn every_exhibit_is_bare() {
    let image = Image::current().expect("a readable image");
    let failures: Vec<String> = exhibits()
        .iter()
        .filter_map(|exhibit| {
            let function = image
                .function(&symbol(exhibit.path, exhibit.poll))
                .expect("the exhibit is in this image");
            let bare = function.bare_calls(exhibit.calls);
            if let Ok(calls) = &bare {
                assert!(
                    calls.iter().all(|call| call.instructions() == Some(1)),
                    "{}: {calls:?}",
                    exhibit.name
                );
            }
            bare.err().map(|error| error.to_string())
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Where an exhibit runs is where the symbol table says it is: what is read is what is executed.
#[test]
fn what_is_read_is_what_runs() {
    let image = Image::current().expect("a readable image");
    let bias = bias(&image);
    for exhibit in exhibits() {
        let at = u64::try_from(exhibit.entry.addr() - bias).expect("64 bits");
        let function = image.function_at(at).expect("a function is there");
        assert_eq!(function.address(), at, "{}", exhibit.name);
        assert_eq!(
            function.name(),
            symbol(exhibit.path, exhibit.poll).replace("{{closure}}", closure(&function.name()))
        );
    }
}

fn closure(name: &str) -> &str {
    if name.contains("{closure#0}") {
        "{closure#0}"
    } else {
        "{{closure}}"
    }
}

#[test]
fn every_control_is_what_it_is() {
    let image = Image::current().expect("a readable image");
    for control in controls() {
        let function = image
            .function(control.path)
            .expect("the control is in this image");
        let calls = function.calls();
        let call = calls
            .iter()
            .rev()
            .find(|call| !call.route().is_bare())
            .unwrap_or_else(|| {
                panic!(
                    "{}: expected {}, found only bare calls: {calls:?}",
                    control.name, control.route
                )
            });
        assert_eq!(
            call.route().as_str(),
            control.route,
            "{}: {calls:?}",
            control.name
        );
        if let Some(via) = control.via {
            assert_eq!(call.via()[0], via, "{}", control.name);
        }
    }
}

/// The assertion itself, turned on the controls: it must fail, and name the trampoline.
#[test]
fn an_exhibit_through_a_trampoline_is_not_bare() {
    let image = Image::current().expect("a readable image");
    for (control, symbol) in [
        ("through_shim", "greet_add_one"),
        ("say_through_shim", "puts"),
        ("through_pointer", "greet_add_one"),
        ("through_dlsym", "puts"),
        ("through_box", "greet_add_one"),
    ] {
        let known = controls()
            .into_iter()
            .find(|known| known.name == control)
            .expect("a control");
        let function = image
            .function(known.path)
            .expect("the control is in this image");
        let error = function
            .bare_calls(&[symbol])
            .expect_err(control)
            .to_string();
        for word in [known.route].into_iter().chain(known.via) {
            assert!(
                error.contains(word),
                "{control}: {word} is not named in:\n{error}"
            );
        }
    }
}

/// The C baseline: gcc and clang reach a shared library's function through the PLT, a linked one's directly.
#[test]
fn the_twins_take_the_routes_of_c() {
    let image = Image::current().expect("a readable image");
    for twin in twins() {
        let exhibit = exhibits()
            .into_iter()
            .find(|exhibit| exhibit.name == twin.name)
            .expect("its exhibit");
        let function = image
            .function(twin.name)
            .expect("the twin is in this image");
        let calls = function.calls();
        let calls: Vec<_> = calls
            .iter()
            .filter(|call| exhibit.calls.iter().any(|to| call.reaches(to)))
            .collect();
        assert!(!calls.is_empty(), "{}", twin.name);
        let expected = if exhibit.calls[0] == "puts" {
            Route::Plt
        } else {
            Route::Direct
        };
        assert!(
            calls.iter().all(|call| call.route() == expected),
            "{}: expected {expected}, found {calls:?}",
            twin.name
        );
    }
}

/// The call that a task executed, found by where C was to return to.
#[test]
fn the_call_that_a_task_executed_is_bare() {
    let image = Image::current().expect("a readable image");
    let bias = bias(&image);
    for (runtime, returned) in [
        (
            "current_thread",
            task::on_current_thread(task::return_address()),
        ),
        (
            "multi_thread",
            task::on_multi_thread(task::return_address()),
        ),
    ] {
        let to = u64::try_from(returned.expect("a runtime") - bias).expect("64 bits");
        // The address behind a call may be another function's, if the call never returns.
        let function = image.function_at(to - 1).expect("in this image");
        let calls = function.calls();
        let call = calls
            .iter()
            .find(|call| call.at() + call.bytes().len() as u64 == to);
        let call = call.unwrap_or_else(|| {
            panic!("{runtime}: no call before {to:#x} in {function:?}: {calls:?}")
        });
        assert!(
            call.route().is_bare() && call.reaches("greet_return_address"),
            "{runtime}: {call:?}"
        );
    }
}

/// The free control: without PIC, rustc's own `puts` goes through a PLT stub, and the verdict turns.
#[test]
fn without_pic_puts_goes_through_the_plt() {
    let model = ["-C", "relocation-model=static"];
    let optimised = [&model[..], &["-C", "opt-level=3"]].concat();
    let folder = compile::here().compile("static", "rlib", &optimised);
    // One exhibit in a program: an example would build every dev-dependency.
    let (source, program) = (folder.join("say.rs"), folder.join("say"));
    std::fs::write(&source, "fn main() { zero_cost_ffi::calls::say() }").expect("a source");
    run(compile::rustc()
        .args(["--edition=2024", "-O"])
        .args(model)
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .arg("--extern")
        .arg(format!(
            "zero_cost_ffi={}",
            folder.join("libzero_cost_ffi.rlib").display()
        ))
        .arg("-L")
        .arg(format!(
            "dependency={}",
            compile::here().dependencies().display()
        )));
    let image = Image::open(&program).expect("the program");
    let error = image
        .function("zero_cost_ffi::calls::say")
        .expect("the exhibit")
        .bare_calls(&["puts"]);
    let error = error.expect_err("a PLT stub is no bare call").to_string();
    assert!(
        error.contains("plt -> puts") && error.contains("via puts@plt"),
        "{error}"
    );
    let puts: Vec<_> = image
        .calls(|_, _| {})
        .into_iter()
        .filter(|call| call.reaches("puts"))
        .collect();
    assert!(!puts.is_empty(), "{image:?}");
    for call in puts {
        assert_eq!(
            (call.route(), call.instructions()),
            (Route::Plt, Some(2)),
            "{call:?}"
        );
    }
}
