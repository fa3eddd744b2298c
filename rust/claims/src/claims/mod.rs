//! The claims: one file each, with one line here.

use crate::evaluation::Spec;

/// Declares the claims' modules, and lists their specifications in this order.
///
/// `cargo fmt` does not see these modules; `.ci/run` formats their files by name.
macro_rules! claims {
    ($($(#[$when:meta])* $name:ident,)*) => {
        $($(#[$when])* pub mod $name;)*

        /// The claims' specifications, in the order of the argument.
        pub static SPECS: &[&Spec] = &[$($(#[$when])* &$name::SPEC),*];
    };
}

claims! {
    one_instruction,
    every_opt_level,
    no_more_than_c,
    from_a_task,
    same_stack,
    callbacks_too,
    below_zero,
    #[cfg(target_os = "linux")]
    drop_cancels,
    state_machine,
    right_sized,
    million_tasks,
    // A thread ring is Linux's: pipes that epoll and io_uring wait for.
    #[cfg(target_os = "linux")]
    reads_per_message,
    #[cfg(target_os = "linux")]
    switch_cost,
    cgo_crosses_its_runtime,
    cgo_buys_something,
}
