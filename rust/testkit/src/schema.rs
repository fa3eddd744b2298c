//! JSON documents against the schemas in docs/schema, and the examples of docs/json.md.
//!
//! The schemas use a dozen keywords of JSON Schema. Checking just these takes a page; the crate that knows them all is
//! by far the slowest to compile of everything the tests need. `tests/schema.rs` holds the two to the same verdicts.

use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::{Map, Value};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

/// Returns a schema of docs/schema.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read(name: &str) -> Value {
    let file = Path::new(DOCS)
        .join("schema")
        .join(format!("{name}.schema.json"));
    let text =
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Returns why a document does not conform to docs/schema/NAME.schema.json, and nothing if it does.
///
/// # Panics
/// When the schema cannot be read, or uses a keyword that is not checked here.
#[must_use]
pub fn problems(name: &str, document: &Value) -> Vec<String> {
    let (own, common) = (read(name), read("common"));
    let check = Check {
        root: &own,
        common: &common,
    };
    let found = check.problems(&own, document, "");
    found.iter().map(|found| format!("{name}{found}")).collect()
}

/// The file that a schema stands in, and the one whose definitions all files share.
struct Check<'a> {
    root: &'a Value,
    common: &'a Value,
}

impl Check<'_> {
    /// What is wrong with a value, each with the value's place in the document.
    fn problems(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (keyword, says) in schema.as_object().expect("a schema is an object") {
            if !self.holds(keyword, says, schema, value, at, &mut found) {
                found.push(format!("{at}: {value} breaks {keyword}: {says}"));
            }
        }
        found
    }

    /// Whether one keyword holds of the value itself; what is wrong within the value is added to `found`.
    fn holds(
        &self,
        keyword: &str,
        says: &Value,
        schema: &Value,
        value: &Value,
        at: &str,
        found: &mut Vec<String>,
    ) -> bool {
        let none = Map::new();
        let fields = value.as_object().unwrap_or(&none);
        let length = value.as_array().map(Vec::len);
        match keyword {
            "$schema" | "$defs" | "title" | "description" => true,
            "type" => is_of_type(value, says.as_str().expect("one type")),
            // As JSON Schema has it, 2.0 is 2.
            "const" => value == says || (value.is_number() && value.as_f64() == says.as_f64()),
            "enum" => says.as_array().expect("a list").contains(value),
            "minimum" => value.as_f64() >= says.as_f64() || !value.is_number(),
            "pattern" => {
                let pattern = Regex::new(says.as_str().expect("a pattern")).expect("a pattern");
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "minItems" => length.is_none_or(|length| says.as_u64() <= Some(length as u64)),
            "maxItems" => length.is_none_or(|length| says.as_u64() >= Some(length as u64)),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(self.problems(says, item, &format!("{at}/{index}")));
                }
                true
            }
            "required" => {
                let names = says.as_array().expect("a list").iter();
                let mut names = names.map(|name| name.as_str().expect("a name"));
                !value.is_object() || names.all(|name| fields.contains_key(name))
            }
            "properties" => {
                for (name, schema) in says.as_object().expect("schemas by name") {
                    if let Some(value) = fields.get(name) {
                        found.extend(self.problems(schema, value, &format!("{at}/{name}")));
                    }
                }
                true
            }
            "additionalProperties" => {
                let mut more = fields
                    .iter()
                    .filter(|(name, _)| schema["properties"].get(name).is_none());
                if let Some(allowed) = says.as_bool() {
                    return allowed || more.next().is_none();
                }
                for (name, value) in more {
                    found.extend(self.problems(says, value, &format!("{at}/{name}")));
                }
                true
            }
            "propertyNames" => {
                for name in fields.keys() {
                    found.extend(self.problems(says, &name.as_str().into(), at));
                }
                true
            }
            "anyOf" => {
                let mut schemas = says.as_array().expect("a list").iter();
                schemas.any(|schema| self.problems(schema, value, at).is_empty())
            }
            "$ref" => {
                let (file, pointer) = says
                    .as_str()
                    .and_then(|to| to.split_once('#'))
                    .expect("a reference with a fragment");
                let root = match file {
                    "" => self.root,
                    "common.schema.json" => self.common,
                    _ => panic!("{file} is not read"),
                };
                let to = root.pointer(pointer).expect("a definition");
                found.extend(Check { root, ..*self }.problems(to, value, at));
                true
            }
            _ => panic!("the keyword {keyword} of JSON Schema is not checked; add it here"),
        }
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("{name} is no type of JSON"),
    }
}

/// Returns the document's example in docs/json.md.
///
/// # Panics
/// When there is none.
pub fn example(name: &str) -> Value {
    let text = fs::read_to_string(Path::new(DOCS).join("json.md")).expect("docs/json.md");
    let (_, section) = text
        .split_once(&format!("\n## {name}\n"))
        .unwrap_or_else(|| panic!("no section {name}"));
    let (_, json) = section.split_once("\n```json\n").expect("an example");
    let (json, _) = json.split_once("\n```\n").expect("its end");
    serde_json::from_str(json).unwrap_or_else(|error| panic!("the example of {name}: {error}"))
}

/// Asserts that a document and its example conform to the schema, and that a field too many or too few would be seen.
///
/// # Panics
/// When that is not so.
pub fn assert_describes(name: &str, document: &Value) {
    for document in [document, &example(name)] {
        assert_eq!(problems(name, document), Vec::<String>::new());
    }
    let mut more = document.clone();
    more["undescribed"] = Value::Null;
    assert_ne!(
        problems(name, &more),
        Vec::<String>::new(),
        "{name}: a field too many goes unseen"
    );
    let mut less = document.clone();
    less.as_object_mut().expect("an object").remove("schema");
    assert_ne!(
        problems(name, &less),
        Vec::<String>::new(),
        "{name}: a field too few goes unseen"
    );
}
