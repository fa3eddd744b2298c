//! All tests of the exhibits in one program: each program of its own would be linked with the same libraries once more.

mod bindings;
mod c_side;
mod compile;
mod echo_server;
mod examples;
mod greeting_c;
mod greeting_tasks;
mod greeting_twin;
mod greeting_valgrind;
mod layouts;
mod listings;
mod loom;
mod misuse;
mod routes;
mod thread_ring;
