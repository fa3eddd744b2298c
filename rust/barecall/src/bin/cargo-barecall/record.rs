//! Calls and listings as JSON.

use barecall::{Call, Function, Instruction};
use serde::{Serialize, Serializer};

/// The version of every JSON document's form.
const SCHEMA: u32 = 1;

/// A document on one line, with the version of its form and of barecall.
pub(crate) fn line(document: impl Serialize) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Versioned<T> {
        schema: u32,
        /// Of barecall.
        version: &'static str,
        #[serde(flatten)]
        document: T,
    }
    serde_json::to_string(&Versioned {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        document,
    })
}

/// Serializes a call.
pub(crate) fn call<S: Serializer>(call: &Call<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    Record::of(call).serialize(serializer)
}

/// Serializes calls, one at a time: there may be millions.
pub(crate) fn calls<S: Serializer>(calls: &[Call<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(calls.iter().map(Record::of))
}

/// Serializes a function as the lines of its listing.
pub(crate) fn listing<S: Serializer>(
    function: &Function<'_>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(function.listing().instructions().iter().map(Line::of))
}

/// One call.
#[derive(Serialize)]
struct Record<'a> {
    from: String,
    from_mangled: Option<&'a str>,
    to: Option<String>,
    to_mangled: Vec<&'a str>,
    route: &'static str,
    bare: bool,
    tail: bool,
    at: String,
    bytes: String,
    text: String,
    via: Vec<String>,
    instructions: Option<u32>,
    compiler_inserted: bool,
}

impl<'a> Record<'a> {
    fn of(call: &Call<'a>) -> Self {
        // Resolved for this record alone: a listing may have millions.
        let call = &call.clone();
        let from = call.from();
        Self {
            from: from.name(),
            from_mangled: from.mangled(),
            to: call.to(),
            to_mangled: call.to_mangled(),
            route: call.route().as_str(),
            bare: call.route().is_bare(),
            tail: call.tail(),
            at: format!("{:#x}", call.at()),
            bytes: bytes(call.bytes()),
            text: call.text(),
            via: call.via().to_vec(),
            instructions: call.instructions(),
            compiler_inserted: call.is_compiler_inserted(),
        }
    }
}

/// One instruction of a listing.
#[derive(Serialize)]
struct Line<'a> {
    at: String,
    bytes: String,
    text: String,
    call: Option<Record<'a>>,
}

impl<'a> Line<'a> {
    fn of(instruction: &Instruction<'a>) -> Self {
        Self {
            at: format!("{:#x}", instruction.address()),
            bytes: bytes(instruction.bytes()),
            text: instruction.text(),
            call: instruction.call().map(Record::of),
        }
    }
}

fn bytes(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}
