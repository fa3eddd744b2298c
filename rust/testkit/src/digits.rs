//! The numbers in a text, and in a JSON value.

use std::collections::BTreeSet;

use serde_json::Value;

/// The runs of digits in a text, with a fraction if there is one.
pub fn numbers(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = text;
    while let Some(start) = rest.find(|char: char| char.is_ascii_digit()) {
        rest = &rest[start..];
        let mut end = rest
            .find(|char: char| !char.is_ascii_digit())
            .unwrap_or(rest.len());
        let fraction = rest[end..].strip_prefix('.').unwrap_or_default();
        let digits = fraction
            .find(|char: char| !char.is_ascii_digit())
            .unwrap_or(fraction.len());
        if digits > 0 {
            end += 1 + digits;
        }
        found.insert(rest[..end].to_owned());
        rest = &rest[end..];
    }
    found
}

/// Those of all that a JSON value holds, names of fields among them.
pub fn numbers_in(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                let mut found = numbers_in(value);
                found.append(&mut numbers(name));
                found
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(numbers_in).collect(),
        Value::String(text) => numbers(text),
        // Whole, it is written with a fraction here and without one there.
        other => {
            let text = other.to_string();
            numbers(text.strip_suffix(".0").unwrap_or(&text))
        }
    }
}
