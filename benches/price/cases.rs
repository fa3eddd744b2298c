//! The cases: every exhibit and its twin, calls in a task, and what a poll costs.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};

use zero_cost_ffi::compilers::Twins;
use zero_cost_ffi::ffi::{self, greet_point};
use zero_cost_ffi::{callback, calls, task};

use crate::pairs::{Pair, Work};

/// Calls `call` that often, each time with what it returned before. The same loop for every side: what differs is in
/// what it calls. Each `call` goes through a pointer that the compiler cannot see through, in either language.
#[inline(always)]
fn chain<T>(times: u64, start: T, call: impl Fn(T) -> T) -> T {
    let mut value = start;
    align();
    for _ in 0..times {
        value = call(value);
    }
    value
}

/// Puts the loop that follows at the start of a cache line, on every side: where it lies may cost a cycle each time
/// round, which is neither language's doing.
#[inline(always)]
fn align() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it emits only padding.
    unsafe {
        std::arch::asm!(".p2align 6", options(nomem, nostack, preserves_flags));
    }
}

/// A pair whose C sides are made of the twins as each compiler made them.
fn pair(
    name: impl Into<String>,
    rust: Work,
    c: impl Fn(Twins) -> Work,
    expected: fn(u64) -> i64,
) -> Pair {
    Pair {
        name: name.into(),
        rust,
        c: c(Twins::BY_CC),
        clang: Twins::BY_CLANG.map(&c),
        got: Twins::BY_GOT.map(c),
        expected,
    }
}

/// How many calls were made, where nothing else tells. That each has written its text is checked before, in
/// `sink::written`.
fn counted(times: u64) -> i64 {
    times as i64
}

/// Every exhibit that writes, and how many bytes it writes each time.
pub fn writing() -> Vec<(Pair, u64)> {
    let say = pair(
        "say",
        Box::new(|times| {
            let say = black_box(calls::say as fn());
            chain(times, 0, |n| {
                say();
                n + 1
            })
        }),
        |twins| {
            Box::new(move |times| {
                let say = black_box(twins.say);
                // SAFETY: it has no precondition.
                chain(times, 0, |n| unsafe {
                    say();
                    n + 1
                })
            })
        },
        counted,
    );
    let say_cstr = pair(
        "say_cstr",
        Box::new(|times| {
            let say_cstr = black_box(calls::say_cstr as fn(&std::ffi::CStr) -> i32);
            chain(times, 0, |n| n + i64::from(say_cstr(c"Hello") >= 0))
        }),
        |twins| {
            Box::new(move |times| {
                let say_cstr = black_box(twins.say_cstr);
                chain(times, 0, |n| {
                    // SAFETY: the text ends in a NUL.
                    n + i64::from(unsafe { say_cstr(c"Hello".as_ptr()) } >= 0)
                })
            })
        },
        counted,
    );
    let say_then = pair(
        "say_then",
        Box::new(|times| {
            let say_then = black_box(calls::say_then as fn() -> bool);
            chain(times, 0, |n| n + i64::from(say_then()))
        }),
        |twins| {
            Box::new(move |times| {
                let say_then = black_box(twins.say_then);
                // SAFETY: it has no precondition.
                chain(times, 0, |n| n + i64::from(unsafe { say_then() }))
            })
        },
        counted,
    );
    let say_twice = pair(
        "say_twice",
        Box::new(|times| {
            let say_twice = black_box(calls::say_twice as fn());
            chain(times, 0, |n| {
                say_twice();
                n + 1
            })
        }),
        |twins| {
            Box::new(move |times| {
                let say_twice = black_box(twins.say_twice);
                // SAFETY: it has no precondition.
                chain(times, 0, |n| unsafe {
                    say_twice();
                    n + 1
                })
            })
        },
        counted,
    );
    let say_times = pair(
        "say_times",
        Box::new(|times| {
            calls::say_times(times as usize);
            times as i64
        }),
        |twins| {
            Box::new(move |times| {
                // SAFETY: it has no precondition.
                unsafe { (twins.say_times)(times as usize) };
                times as i64
            })
        },
        counted,
    );
    let bytes = |text: &str| text.len() as u64 + 1;
    vec![
        (say, bytes("Hello")),
        (say_cstr, bytes("Hello")),
        (say_then, bytes("Hello, then")),
        (say_twice, bytes("Hello, once") + bytes("Hello, twice")),
        (say_times, bytes("Hello, again")),
    ]
}

/// The other exhibits, and calls in a task.
pub fn computing() -> Vec<Pair> {
    let mut pairs = vec![add_one(), add_one_times()];
    pairs.extend([8, 64, 1024, 65_536].map(sum));
    pairs.push(midpoint());
    pairs.extend([1, 16, 1024].map(for_each));
    pairs.push(in_a_task());
    pairs.push(nested_in_a_task());
    pairs
}

fn add_one() -> Pair {
    pair(
        "add_one",
        Box::new(|times| {
            let add_one = black_box(calls::add_one as fn(i64) -> i64);
            chain(times, 0, add_one)
        }),
        |twins| {
            Box::new(move |times| {
                let add_one = black_box(twins.add_one);
                // SAFETY: it has no precondition.
                chain(times, 0, |value| unsafe { add_one(value) })
            })
        },
        counted,
    )
}

fn add_one_times() -> Pair {
    pair(
        "add_one_times",
        Box::new(|times| calls::add_one_times(times as usize, 0)),
        |twins| {
            // SAFETY: it has no precondition.
            Box::new(move |times| unsafe { (twins.add_one_times)(times as usize, 0) })
        },
        counted,
    )
}

/// 1, 1, 1, …: so that each call adds the length. One buffer for all sides: where it lies is no difference.
fn ones(len: usize) -> &'static [i64] {
    black_box(vec![1; len].leak())
}

/// What so many calls with so many ones come to.
fn per_item(len: usize) -> fn(u64) -> i64 {
    match len {
        1 => counted,
        8 => |times| times as i64 * 8,
        16 => |times| times as i64 * 16,
        64 => |times| times as i64 * 64,
        1024 => |times| times as i64 * 1024,
        65_536 => |times| times as i64 * 65_536,
        _ => |_| i64::MIN,
    }
}

fn sum(len: usize) -> Pair {
    let items = ones(len);
    pair(
        format!("sum of {len}"),
        Box::new(move |times| {
            let sum = black_box(calls::sum as fn(&[i64]) -> i64);
            chain(times, 0, |total| total + sum(items))
        }),
        |twins| {
            Box::new(move |times| {
                let sum = black_box(twins.sum);
                chain(times, 0, |total| {
                    // SAFETY: the pointer is valid for that many items.
                    total + unsafe { sum(items.as_ptr(), items.len()) }
                })
            })
        },
        per_item(len),
    )
}

fn for_each(len: usize) -> Pair {
    let items = ones(len);
    pair(
        format!("for_each of {len}"),
        Box::new(move |times| {
            let for_each = black_box(callback::for_each as fn(&[i64]) -> i64);
            chain(times, 0, |total| total + for_each(items))
        }),
        |twins| {
            Box::new(move |times| {
                let for_each = black_box(twins.for_each);
                chain(times, 0, |total| {
                    // SAFETY: the pointer is valid for that many items.
                    total + unsafe { for_each(items.as_ptr(), items.len()) }
                })
            })
        },
        per_item(len),
    )
}

/// Halfway between a point and the one two further is the next one: the last tells how many calls were made.
fn midpoint() -> Pair {
    type Midpoint = fn(greet_point, greet_point) -> greet_point;
    const ORIGIN: greet_point = greet_point { x: 0.0, y: 0.0 };
    let beyond = |point: greet_point| greet_point {
        x: point.x + 2.0,
        y: point.y + 2.0,
    };
    let arrived = |point: greet_point| {
        if point.x == point.y {
            point.x as i64
        } else {
            i64::MIN
        }
    };
    pair(
        "midpoint",
        Box::new(move |times| {
            let midpoint = black_box(calls::midpoint as Midpoint);
            arrived(chain(times, ORIGIN, |point| midpoint(point, beyond(point))))
        }),
        |twins| {
            Box::new(move |times| {
                let midpoint = black_box(twins.midpoint);
                // SAFETY: it has no precondition.
                arrived(chain(times, ORIGIN, |point| unsafe {
                    midpoint(point, beyond(point))
                }))
            })
        },
        counted,
    )
}

/// All calls in one poll of a task, beside C's loop.
fn in_a_task() -> Pair {
    pair(
        "add_one_times, in a task",
        Box::new(|times| {
            run(async move {
                let mut value = 0;
                for _ in 0..times {
                    // SAFETY: it has no precondition.
                    value = unsafe { ffi::greet_add_one(value) };
                }
                value
            })
        }),
        |twins| {
            // SAFETY: it has no precondition.
            Box::new(move |times| unsafe { (twins.add_one_times)(times as usize, 0) })
        },
        counted,
    )
}

/// An `async fn` awaited for each call: a future made and polled to its end each time, in one poll of the task.
fn nested_in_a_task() -> Pair {
    pair(
        "add_one_in_task().await",
        Box::new(|times| {
            run(async move {
                let mut value = 0;
                for _ in 0..times {
                    value = task::add_one_in_task(value).await;
                }
                value
            })
        }),
        |twins| {
            // SAFETY: it has no precondition.
            Box::new(move |times| unsafe { (twins.add_one_times)(times as usize, 0) })
        },
        counted,
    )
}

/// A task on the current-thread runtime. That it cannot be built shows as a wrong result.
fn run(future: impl Future<Output = i64> + Send + 'static) -> i64 {
    task::on_current_thread(future).unwrap_or(i64::MIN)
}

/// What has no twin in C: a poll. Name, and the nanoseconds of one.
pub fn polls() -> [(&'static str, Work); 4] {
    async fn poll(times: u64, calls: bool) -> i64 {
        let mut value = 0;
        for _ in 0..times {
            Yield(false).await;
            value = if calls {
                // SAFETY: it has no precondition.
                unsafe { ffi::greet_add_one(value) }
            } else {
                value + 1
            };
        }
        value
    }
    let multi = |calls| move |times| task::on_multi_thread(poll(times, calls)).unwrap_or(i64::MIN);
    [
        (
            "a poll, current_thread",
            Box::new(|times| run(poll(times, false))),
        ),
        (
            "a poll with a call in it, current_thread",
            Box::new(|times| run(poll(times, true))),
        ),
        ("a poll, multi_thread", Box::new(multi(false))),
        (
            "a poll with a call in it, multi_thread",
            Box::new(multi(true)),
        ),
    ]
}

/// Not ready at first, and woken at once; ready then.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
