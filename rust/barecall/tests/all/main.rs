//! All tests of the instrument in one program: each program of its own would be linked with all of the library once more.

mod agreement;
mod assert_bare;
mod bad_input;
mod calls;
mod cgo;
mod cli;
mod formats;
mod fuzz;
mod objects;
mod remedies;
mod report;
mod routes;
mod schemas;
mod walk;
mod walk_errors;
mod walk_text;
