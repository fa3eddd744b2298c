//! What the judge prints as JSON is what docs/json.md and docs/schema say.

use std::fs;

use serde_json::Value;

use testkit::schema;

use super::{REPORT, run};

fn json(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--format", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

#[test]
fn prove_list_and_cite() {
    let proved = json(&["prove"]);
    schema::assert_describes("report", &proved);
    schema::assert_describes("list", &json(&["list"]));
    schema::assert_describes("cite", &json(&["cite", "callbacks-too"]));
    let mut planted = proved.clone();
    planted["claims"][0]["verdict"] = "probably holds".into();
    let problems = schema::problems("report", &planted);
    assert!(problems[0].contains("/claims/0/verdict"), "{problems:?}");
    let mut planted = proved;
    planted["claims"][0]["figures"]["exhibits"]["value"] = (-1).into();
    assert_ne!(schema::problems("report", &planted), Vec::<String>::new());
}

#[test]
fn show_and_report() {
    let report = &REPORT.data;
    schema::assert_describes("report", report);
    let read = |name: String| -> Value {
        let text = fs::read_to_string(REPORT.folder.join("claims").join(name));
        serde_json::from_str(&text.expect("it is there")).expect("JSON")
    };
    for claim in report["claims"].as_array().expect("claims") {
        let id = claim["id"].as_str().expect("an id");
        let own = read(format!("{id}.json"));
        schema::assert_describes("report", &own);
        assert_eq!(own["claims"], Value::Array(vec![claim.clone()]));
        schema::assert_describes("cite", &read(format!("{id}.cite.json")));
    }
    let shown = json(&["show", "callbacks-too"]);
    schema::assert_describes("report", &shown);
    assert_eq!(shown["claims"][0]["id"], "callbacks-too");
    assert_eq!(shown["claims"].as_array().map(Vec::len), Some(1));
}
