//! A walk as JSON, for programs.

use serde::Serialize;

use super::Walk;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    /// Of barecall.
    version: &'static str,
    #[serde(flatten)]
    walk: &'a Walk,
}

pub(super) fn json(walk: &Walk) -> String {
    serde_json::to_string_pretty(&Document {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        walk,
    })
    .expect("a walk has string keys and finite numbers only")
}
