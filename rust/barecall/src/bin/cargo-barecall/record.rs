//! Calls as records, for JSON.

use barecall::{Call, Instruction};
use serde::Serialize;

/// The version of every JSON document's form.
pub(crate) const SCHEMA: u32 = 1;

/// One call.
#[derive(Serialize)]
pub(crate) struct Record<'a> {
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
    pub(crate) fn of(call: &Call<'a>) -> Self {
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
pub(crate) struct Line<'a> {
    at: String,
    bytes: String,
    text: String,
    call: Option<Record<'a>>,
}

impl<'a> Line<'a> {
    pub(crate) fn of(instruction: &Instruction<'a>) -> Self {
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

/// A document on one line.
pub(crate) fn line(document: &impl Serialize) -> Result<String, crate::Failure> {
    let mut text = serde_json::to_string(document)?;
    text.push('\n');
    Ok(text)
}
