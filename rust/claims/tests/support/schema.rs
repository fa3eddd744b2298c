//! The schemas in docs/schema, and the examples of docs/json.md.

use std::fs;
use std::path::Path;

use serde_json::Value;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

/// Why a document is not of the form that docs/schema/NAME.schema.json describes; nothing if it is.
pub fn problems(name: &str, document: &Value) -> Vec<String> {
    let read = |name: &str| -> Value {
        let file = Path::new(DOCS)
            .join("schema")
            .join(format!("{name}.schema.json"));
        let text =
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let registry = jsonschema::Registry::new()
        .add("json-schema:///common.schema.json", read("common"))
        .and_then(jsonschema::RegistryBuilder::prepare)
        .expect("what they have in common");
    let validator = jsonschema::options()
        .offline()
        .with_registry(&registry)
        .build(&read(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let describe = |error: jsonschema::ValidationError<'_>| {
        format!("{name}{}: {error}", error.instance_path())
    };
    validator.iter_errors(document).map(describe).collect()
}

/// The document's example in docs/json.md.
pub fn example(name: &str) -> Value {
    let text = fs::read_to_string(Path::new(DOCS).join("json.md")).expect("docs/json.md");
    let (_, section) = text
        .split_once(&format!("\n## {name}\n"))
        .unwrap_or_else(|| panic!("no section {name}"));
    let (_, json) = section.split_once("\n```json\n").expect("an example");
    let (json, _) = json.split_once("\n```\n").expect("its end");
    serde_json::from_str(json).unwrap_or_else(|error| panic!("the example of {name}: {error}"))
}

/// Asserts that a document is of its form, and so is the example; and that a field too many, and one too few, would be
/// seen.
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
