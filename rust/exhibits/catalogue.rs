//! The list of everything on show, for the judge and the tests.
//!
//! Each entry has the address of its machine code in this process. It says where the
//! code is, and prevents the linker from dropping it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::machine::{self, kept};
use crate::{callback, calls, controls, task, twins};

/// The opt-level that exhibits, twins and controls were compiled at, C and Rust alike: `0`, `3`, `s`.
pub const OPT_LEVEL: &str = env!("EXHIBITS_OPT_LEVEL");

/// A Rust function whose machine code is on show.
#[derive(Debug, Clone, Copy)]
pub struct Exhibit {
    /// Its name, which is unique among the exhibits, and the name of its twin: `say`.
    pub name: &'static str,
    /// Its path: `zero_cost_ffi::calls::say`. The symbol of a poll has an additional
    /// part, see [`poll`](Self::poll).
    pub path: &'static str,
    /// The C functions it calls, in the order of its source, one for each call.
    pub calls: &'static [&'static str],
    /// The C function that does the same, if there is one.
    pub twin: Option<&'static str>,
    /// What it shows, in one line.
    pub says: &'static str,
    /// The file it stands in, from the root of the repository.
    pub file: &'static str,
    /// The text of that file.
    pub source: &'static str,
    /// The address of its machine code.
    pub entry: *const (),
    /// Whether `entry` is the poll of its future, whose symbol is `path` followed by
    /// `::{{closure}}` (`::{closure#0}` in v0 mangling).
    pub poll: bool,
    /// For a poll: the functions that run its future as a task of the current-thread
    /// and of the multi-thread runtime. They box it as a `dyn Future`, so that tokio
    /// polls the code at `entry`, not a copy of it inlined elsewhere.
    pub tasks: Option<[RunsTask; 2]>,
}

/// Runs a task to its end. Returns an error if the runtime cannot be built.
pub type RunsTask = fn() -> io::Result<()>;

/// A C function that does the same as the exhibit of its name.
#[derive(Debug, Clone, Copy)]
pub struct Twin {
    /// Its name, which is also its symbol.
    pub name: &'static str,
    /// The file it stands in, from the root of the repository.
    pub file: &'static str,
    /// The text of that file.
    pub source: &'static str,
    /// The address of its machine code.
    pub entry: *const (),
}

/// A function built to be the opposite of a bare call.
#[derive(Debug, Clone, Copy)]
pub struct Control {
    /// Its name, unique among the controls: `through_shim`.
    pub name: &'static str,
    /// Its path: `zero_cost_ffi::controls::through_shim`.
    pub path: &'static str,
    /// The route that must be found for its last call: `thunk`, `pointer`.
    pub route: &'static str,
    /// The trampoline that must be named, if it has a name.
    pub via: Option<&'static str>,
    /// What it shows, in one line.
    pub says: &'static str,
    /// The file it stands in, from the root of the repository.
    pub file: &'static str,
    /// The text of that file.
    pub source: &'static str,
    /// The address of its machine code.
    pub entry: *const (),
}

/// A way in which a task waits for C.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy)]
pub struct Pattern {
    /// Its name, which is the name of its module in [`task`]: `callback`.
    pub name: &'static str,
    /// The C functions it calls.
    pub calls: &'static [&'static str],
    /// Runs it once. The reference prevents the linker from dropping it.
    pub run: RunsTask,
}

/// A future that shows what its `poll` does, or what it keeps while it waits.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Its name, unique among the machines: `greet`.
    pub name: &'static str,
    /// The symbol of its `poll`, demangled: `zero_cost_ffi::machine::greet::{{closure}}`.
    pub symbol: &'static str,
    /// Its type, in the compiler's words: `{async fn body of machine::greet()}`.
    pub type_name: &'static str,
    /// What it shows, in one line.
    pub says: &'static str,
    /// The file it stands in, from the root of the repository.
    pub file: &'static str,
    /// The text of that file.
    pub source: &'static str,
    /// The beginning of its first line in that text.
    pub begins: &'static str,
    /// Its size, in bytes.
    pub bytes: usize,
    /// The address of the machine code of its `poll`.
    pub entry: *const (),
    /// If it has a buffer: a function that runs it and returns where the buffer lies
    /// while it waits, see [`kept::buffer_offset`].
    pub buffer_offset: Option<fn() -> Option<usize>>,
}

/// Returns the file of a module, and its text.
macro_rules! source {
    (calls) => {
        source!("calls.rs")
    };
    (callback) => {
        source!("callback.rs")
    };
    (task) => {
        source!("task/mod.rs")
    };
    (controls) => {
        source!("controls.rs")
    };
    (machine) => {
        source!("machine/mod.rs")
    };
    (kept) => {
        source!("machine/kept.rs")
    };
    ($file:literal) => {
        (concat!("rust/exhibits/", $file), include_str!($file))
    };
}

/// Makes an entry from one path, so that name, path and address cannot disagree.
macro_rules! exhibit {
    (poll task::$name:ident($($argument:expr),*), $calls:expr, $says:expr) => {
        exhibit!(@ task::$name, $calls, None, $says, poll_of(|| task::$name($($argument),*)), true, Some([
            || task::on_current_thread(boxed(task::$name($($argument),*))).map(drop),
            || task::on_multi_thread(boxed(task::$name($($argument),*))).map(drop),
        ]))
    };
    ($module:ident::$name:ident, $calls:expr, $says:expr) => {
        exhibit!(@ $module::$name, $calls, Some(stringify!($name)), $says, $module::$name as *const (), false, None)
    };
    (@ $module:ident::$name:ident, $calls:expr, $twin:expr, $says:expr, $entry:expr, $poll:expr, $tasks:expr) => {
        Exhibit {
            name: stringify!($name),
            path: concat!("zero_cost_ffi::", stringify!($module), "::", stringify!($name)),
            calls: &$calls,
            twin: $twin,
            says: $says,
            file: source!($module).0,
            source: source!($module).1,
            entry: $entry,
            poll: $poll,
            tasks: $tasks,
        }
    };
}

macro_rules! twin {
    ($name:ident) => {
        Twin {
            name: stringify!($name),
            file: "c/callers.c",
            source: include_str!("../../c/callers.c"),
            entry: twins::$name as *const (),
        }
    };
}

macro_rules! control {
    ($name:ident, $route:expr, $via:expr, $says:expr) => {
        Control {
            name: stringify!($name),
            path: concat!("zero_cost_ffi::controls::", stringify!($name)),
            route: $route,
            via: $via,
            says: $says,
            file: source!(controls).0,
            source: source!(controls).1,
            entry: controls::$name as *const (),
        }
    };
}

/// Makes a machine from its name, the symbol of its `poll`, its type, the beginning of
/// its source, an expression that creates one, and what it shows.
macro_rules! machine {
    ($module:ident::$name:ident, $symbol:expr, $type:expr, $begins:expr, $made:expr, $says:literal) => {
        Machine {
            name: stringify!($name),
            symbol: $symbol,
            type_name: $type,
            says: $says,
            file: source!($module).0,
            source: source!($module).1,
            begins: $begins,
            bytes: bytes_of(|| $made),
            entry: poll_of(|| $made),
            buffer_offset: machine!(@ $module $made),
        }
    };
    (@ machine $made:expr) => {
        None
    };
    (@ kept $made:expr) => {
        Some(|| kept::buffer_offset($made))
    };
    (kept::$name:ident($($argument:expr)?), $says:literal) => {
        machine!(
            kept::$name,
            concat!("zero_cost_ffi::machine::kept::", stringify!($name), "::{{closure}}"),
            concat!("{async fn body of machine::kept::", stringify!($name), "()}"),
            concat!("pub async fn ", stringify!($name), "("),
            kept::$name($($argument)?),
            $says
        )
    };
}

/// Returns every exhibit, in reading order.
///
/// ```
/// let exhibits = zero_cost_ffi::catalogue::exhibits();
/// assert_eq!(exhibits[0].path, "zero_cost_ffi::calls::say");
/// assert_eq!(exhibits[0].calls, ["puts"]);
/// ```
#[must_use]
pub fn exhibits() -> Vec<Exhibit> {
    vec![
        exhibit!(calls::say, ["puts"], "the talk's one line"),
        exhibit!(calls::say_cstr, ["puts"], "the idiomatic form"),
        exhibit!(calls::say_then, ["puts"], "a call that comes back"),
        exhibit!(
            calls::say_twice,
            ["puts", "puts"],
            "two calls of the same symbol"
        ),
        exhibit!(calls::say_times, ["puts"], "a call in a loop"),
        exhibit!(
            calls::add_one,
            ["greet_add_one"],
            "a function of a static library"
        ),
        exhibit!(
            calls::add_one_times,
            ["greet_add_one"],
            "calls that each wait for the last"
        ),
        exhibit!(calls::sum, ["greet_sum"], "a borrowed buffer"),
        exhibit!(
            calls::midpoint,
            ["greet_midpoint"],
            "a struct by value, in and out"
        ),
        exhibit!(
            callback::for_each,
            ["greet_for_each"],
            "C calling back into Rust"
        ),
        exhibit!(poll task::say_ready(), ["puts"], "in an async fn that never suspends"),
        exhibit!(poll task::say_after_yield(), ["puts"], "in an async fn that suspended before"),
        exhibit!(poll task::add_one_in_task(0), ["greet_add_one"], "with an argument that the task holds"),
        exhibit!(poll task::return_address(), ["greet_return_address"], "where in the task C returns to"),
    ]
}

/// Returns the twin of every exhibit that has one.
///
/// ```
/// use zero_cost_ffi::catalogue::{exhibits, twins};
///
/// for exhibit in exhibits() {
///     let twin = twins().into_iter().find(|twin| twin.name == exhibit.name);
///     assert_eq!(twin.map(|twin| twin.name), exhibit.twin);
/// }
/// ```
#[must_use]
pub fn twins() -> Vec<Twin> {
    vec![
        twin!(say),
        twin!(say_cstr),
        twin!(say_then),
        twin!(say_twice),
        twin!(say_times),
        twin!(add_one),
        twin!(add_one_times),
        twin!(sum),
        twin!(midpoint),
        twin!(for_each),
    ]
}

/// Returns every pattern.
///
/// ```
/// for pattern in zero_cost_ffi::catalogue::patterns() {
///     (pattern.run)()?;
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[cfg(target_os = "linux")]
#[must_use]
pub fn patterns() -> Vec<Pattern> {
    use crate::greeting::Error;
    use std::time::Duration;

    const NAME: &std::ffi::CStr = c"Ferris";
    const DELAY: Duration = Duration::from_nanos(1);
    fn run<T>(future: impl Future<Output = Result<T, Error>>) -> io::Result<()> {
        // With I/O, which `descriptor` needs.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let done = runtime.enable_io().build()?.block_on(future);
        done.map(drop).map_err(io::Error::other)
    }
    let pattern = |name, calls, run| Pattern { name, calls, run };
    vec![
        pattern("direct", &["greeting_now"], || {
            run(task::direct::greet(NAME))
        }),
        pattern("blocking", &["greeting_wait"], || {
            run(task::blocking::greet(NAME, DELAY))
        }),
        pattern("callback", &["greeting_start", "greeting_cancel"], || {
            run(async { task::callback::greet(NAME, DELAY)?.await })
        }),
        pattern(
            "descriptor",
            &["greeting_open", "greeting_result", "greeting_free"],
            || run(task::descriptor::greet(NAME, DELAY)),
        ),
        pattern("dedicated", &["greeting_host_greet"], || {
            run(async { task::dedicated::Host::new()?.greet(NAME).await })
        }),
    ]
}

/// Returns every control.
///
/// ```
/// let controls = zero_cost_ffi::catalogue::controls();
/// assert_eq!(controls[0].name, "through_shim");
/// assert_eq!(controls[0].via, Some("greet_shim_add_one"));
/// ```
#[must_use]
pub fn controls() -> Vec<Control> {
    vec![
        control!(
            through_shim,
            "thunk",
            Some("greet_shim_add_one"),
            "a C function in between"
        ),
        control!(
            say_through_shim,
            "thunk",
            Some("greet_shim_say"),
            "the same, on the way to puts"
        ),
        control!(through_pointer, "pointer", None, "a function pointer"),
        #[cfg(unix)]
        control!(
            through_dlsym,
            "pointer",
            None,
            "a symbol looked up at run time"
        ),
        control!(through_box, "pointer", None, "a boxed closure"),
    ]
}

/// Returns the three versions of the talk's `greet()`.
///
/// ```
/// let names: Vec<_> = zero_cost_ffi::catalogue::machines().iter().map(|machine| machine.name).collect();
/// assert_eq!(names, ["greet", "greet_by_hand", "greet_on_slide"]);
/// ```
#[must_use]
pub fn machines() -> Vec<Machine> {
    vec![
        machine!(
            machine::greet,
            "zero_cost_ffi::machine::greet::{{closure}}",
            "{async fn body of machine::greet()}",
            "pub async fn greet()",
            machine::greet(),
            "an async fn: the compiler makes the machine"
        ),
        machine!(
            machine::greet_by_hand,
            "<zero_cost_ffi::machine::Greet as core::future::future::Future>::poll",
            "machine::Greet",
            "impl Future for Greet ",
            machine::Greet::Init,
            "the same machine, written by hand"
        ),
        machine!(
            machine::greet_on_slide,
            "<zero_cost_ffi::machine::GreetOnSlide as core::future::future::Future>::poll",
            "machine::GreetOnSlide",
            "impl Future for GreetOnSlide ",
            machine::GreetOnSlide::Init,
            "the slide's poll, which never wakes"
        ),
    ]
}

/// Returns the futures that show what is kept across an await, in
/// reading order.
///
/// ```
/// let held = zero_cost_ffi::catalogue::kept()[0];
/// assert_eq!(held.name, "held");
/// assert!(held.bytes > zero_cost_ffi::machine::kept::KIB);
/// ```
#[must_use]
pub fn kept() -> Vec<Machine> {
    vec![
        machine!(kept::held(), "alive across the await"),
        machine!(kept::scoped(), "gone with its scope before the await"),
        machine!(
            kept::dropped(),
            "dropped before the await, in the same scope"
        ),
        machine!(
            kept::in_turn(),
            "two buffers, each across an await of its own"
        ),
        machine!(kept::at_once(), "two buffers across the same await"),
        machine!(
            kept::argument(kept::Buffer::filled(8)),
            "an argument by value"
        ),
        machine!(
            kept::wrapped,
            "zero_cost_ffi::machine::kept::wrap::{{closure}}",
            "{async fn body of machine::kept::wrap<{async fn body of machine::kept::wrap<\
             {async fn body of machine::kept::wrap<{async fn body of machine::kept::held()}>()}>()}>()}",
            "pub fn wrapped()",
            kept::wrapped(),
            "held, in three wrappers"
        ),
        machine!(kept::boxed(), "held, in a box"),
    ]
}

/// Returns the size of a future without having a value of it.
const fn bytes_of<F: Future>(_: fn() -> F) -> usize {
    size_of::<F>()
}

/// Returns the address of a future's `poll` without having a value of it.
fn poll_of<F: Future>(_: fn() -> F) -> *const () {
    let poll: fn(Pin<&mut F>, &mut Context<'_>) -> Poll<F::Output> = F::poll;
    poll as *const ()
}

/// Boxes a future. It stands beside [`poll_of`], so that both take the address of the same code.
fn boxed<F>(future: F) -> Pin<Box<dyn Future<Output = F::Output> + Send>>
where
    F: Future + Send + 'static,
{
    Box::pin(future)
}
