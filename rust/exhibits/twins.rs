//! The exhibits in C: the functions of `c/callers.h`, declared by hand.
//! `tests/all/bindings` checks these types.
//!
//! They are the baseline, not a library. [`calls`](crate::calls) and
//! [`callback`](crate::callback) document what each of them shows.

use std::ffi::{c_char, c_int};

use crate::ffi::greet_point;

unsafe extern "C" {
    /// Twin of [`calls::say`](crate::calls::say).
    pub fn say();
    /// Twin of [`calls::say_cstr`](crate::calls::say_cstr).
    pub fn say_cstr(text: *const c_char) -> c_int;
    /// Twin of [`calls::say_then`](crate::calls::say_then).
    pub fn say_then() -> bool;
    /// Twin of [`calls::say_twice`](crate::calls::say_twice).
    pub fn say_twice();
    /// Twin of [`calls::say_times`](crate::calls::say_times).
    pub fn say_times(n: usize);
    /// Twin of [`calls::add_one`](crate::calls::add_one).
    pub fn add_one(value: i64) -> i64;
    /// Twin of [`calls::add_one_times`](crate::calls::add_one_times).
    pub fn add_one_times(n: usize, start: i64) -> i64;
    /// Twin of [`calls::sum`](crate::calls::sum).
    pub fn sum(items: *const i64, len: usize) -> i64;
    /// Twin of [`calls::midpoint`](crate::calls::midpoint).
    pub fn midpoint(a: greet_point, b: greet_point) -> greet_point;
    /// Twin of [`callback::for_each`](crate::callback::for_each).
    pub fn for_each(items: *const i64, len: usize) -> i64;
}
