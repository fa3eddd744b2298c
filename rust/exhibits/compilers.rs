//! The twins, compiled by different compilers into one image: c/callers.c, compiled several times.

use std::ffi::{c_char, c_int};

use crate::ffi::greet_point;
use crate::twins::{
    add_one, add_one_times, for_each, midpoint, say, say_cstr, say_then, say_times, say_twice, sum,
};

/// The twins, compiled by one compiler.
#[derive(Debug, Clone, Copy)]
pub struct Twins {
    /// The compiler's own version text, if that is known: `Debian clang version 14.0.6`.
    pub compiler: &'static str,
    /// Twin of [`calls::say`](crate::calls::say).
    pub say: unsafe extern "C" fn(),
    /// Twin of [`calls::say_cstr`](crate::calls::say_cstr).
    pub say_cstr: unsafe extern "C" fn(text: *const c_char) -> c_int,
    /// Twin of [`calls::say_then`](crate::calls::say_then).
    pub say_then: unsafe extern "C" fn() -> bool,
    /// Twin of [`calls::say_twice`](crate::calls::say_twice).
    pub say_twice: unsafe extern "C" fn(),
    /// Twin of [`calls::say_times`](crate::calls::say_times).
    pub say_times: unsafe extern "C" fn(n: usize),
    /// Twin of [`calls::add_one`](crate::calls::add_one).
    pub add_one: unsafe extern "C" fn(value: i64) -> i64,
    /// Twin of [`calls::add_one_times`](crate::calls::add_one_times).
    pub add_one_times: unsafe extern "C" fn(n: usize, start: i64) -> i64,
    /// Twin of [`calls::sum`](crate::calls::sum).
    pub sum: unsafe extern "C" fn(items: *const i64, len: usize) -> i64,
    /// Twin of [`calls::midpoint`](crate::calls::midpoint).
    pub midpoint: unsafe extern "C" fn(a: greet_point, b: greet_point) -> greet_point,
    /// Twin of [`callback::for_each`](crate::callback::for_each).
    pub for_each: unsafe extern "C" fn(items: *const i64, len: usize) -> i64,
}

/// The twins of one object file, whose names end in `$suffix`. They have the same types, since c/callers.c is compiled
/// several times and only renamed.
#[cfg(any(by_clang, by_got))]
macro_rules! renamed {
    ($suffix:literal, $compiler:expr) => {{
        unsafe extern "C" {
            #[link_name = concat!("say", $suffix)]
            fn say();
            #[link_name = concat!("say_cstr", $suffix)]
            fn say_cstr(text: *const c_char) -> c_int;
            #[link_name = concat!("say_then", $suffix)]
            fn say_then() -> bool;
            #[link_name = concat!("say_twice", $suffix)]
            fn say_twice();
            #[link_name = concat!("say_times", $suffix)]
            fn say_times(n: usize);
            #[link_name = concat!("add_one", $suffix)]
            fn add_one(value: i64) -> i64;
            #[link_name = concat!("add_one_times", $suffix)]
            fn add_one_times(n: usize, start: i64) -> i64;
            #[link_name = concat!("sum", $suffix)]
            fn sum(items: *const i64, len: usize) -> i64;
            #[link_name = concat!("midpoint", $suffix)]
            fn midpoint(a: greet_point, b: greet_point) -> greet_point;
            #[link_name = concat!("for_each", $suffix)]
            fn for_each(items: *const i64, len: usize) -> i64;
        }
        Some(Twins {
            compiler: $compiler,
            say,
            say_cstr,
            say_then,
            say_twice,
            say_times,
            add_one,
            add_one_times,
            sum,
            midpoint,
            for_each,
        })
    }};
}

impl Twins {
    /// The twins, compiled by the C compiler of this build.
    pub const BY_CC: Self = Self {
        compiler: "cc",
        say,
        say_cstr,
        say_then,
        say_twice,
        say_times,
        add_one,
        add_one_times,
        sum,
        midpoint,
        for_each,
    };

    /// The twins, compiled by clang, if this build found it. clang uses LLVM, so it compiles a loop as rustc does.
    pub const BY_CLANG: Option<Self> = by_clang();

    /// The twins, compiled by this build's C compiler to call as rustc does, through the GOT (`-fno-plt`, without
    /// relaxation by the linker). `None` if the compiler cannot do that.
    pub const BY_GOT: Option<Self> = by_got();
}

const fn by_clang() -> Option<Twins> {
    #[cfg(by_clang)]
    return renamed!("_by_clang", env!("CLANG_VERSION"));
    #[cfg(not(by_clang))]
    return None;
}

const fn by_got() -> Option<Twins> {
    #[cfg(by_got)]
    return renamed!("_by_got", "cc -fno-plt -Wa,-mrelax-relocations=no");
    #[cfg(not(by_got))]
    return None;
}
