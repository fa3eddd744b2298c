//! The checker of schemas against the crate `jsonschema`: the same verdict on every example and on every fault.
//!
//! `cargo test -p testkit --features jsonschema`

use serde_json::Value;
use testkit::schema::{example, problems, read};

/// What has a schema and an example.
const DOCUMENTS: [&str; 8] = [
    "calls", "check", "cite", "diff", "list", "listing", "report", "walk",
];

#[test]
fn both_check_alike() {
    for name in DOCUMENTS {
        let registry = jsonschema::Registry::new()
            .add("json-schema:///common.schema.json", read("common"))
            .and_then(jsonschema::RegistryBuilder::prepare)
            .expect("what they have in common");
        let validator = jsonschema::options()
            .offline()
            .with_registry(&registry)
            .build(&read(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let document = example(name);
        assert!(validator.is_valid(&document), "{name}: the example");
        let mut faults = vec![document.clone()];
        mutate(&document, &mut |fault| faults.push(fault));
        let mut invalid = 0;
        for fault in &faults {
            let ours = problems(name, fault);
            assert_eq!(
                ours.is_empty(),
                validator.is_valid(fault),
                "{name}: {ours:?}: {fault}"
            );
            invalid += usize::from(!ours.is_empty());
        }
        println!(
            "{name}: {} documents, {invalid} of them invalid",
            faults.len()
        );
        assert!(invalid > 3, "{name}: no fault is one");
    }
}

/// Every document that differs from this one in one place: another value, a field or item too few or too many.
fn mutate(value: &Value, add: &mut dyn FnMut(Value)) {
    for other in [
        Value::Null,
        true.into(),
        0.into(),
        (-1).into(),
        2.0.into(),
        2.5.into(),
        "".into(),
        "0x1f".into(),
        "2026-11-24".into(),
        serde_json::json!([]),
        serde_json::json!({}),
    ] {
        add(other);
    }
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let mut less = fields.clone();
                less.remove(name);
                add(less.into());
                mutate(inner, &mut |inner| {
                    let mut changed = fields.clone();
                    changed.insert(name.clone(), inner);
                    add(changed.into());
                });
            }
            for more in ["undescribed", "got"] {
                let mut fields = fields.clone();
                fields.insert(more.to_owned(), 1.into());
                add(fields.into());
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                let mut less = items.clone();
                less.remove(index);
                add(less.into());
                mutate(inner, &mut |inner| {
                    let mut changed = items.clone();
                    changed[index] = inner;
                    add(changed.into());
                });
            }
            let mut more = items.clone();
            more.push(Value::Null);
            add(more.into());
        }
        _ => {}
    }
}
