//! What the judge prints as JSON is what docs/json.md and docs/schema say.

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
    schema::assert_describes("prove", &proved);
    schema::assert_describes("list", &json(&["list"]));
    schema::assert_describes("cite", &json(&["cite", "callbacks-too"]));
    let mut planted = proved.clone();
    planted["claims"][0]["verdict"] = "probably holds".into();
    let problems = schema::problems("prove", &planted);
    assert!(problems[0].contains("/claims/0/verdict"), "{problems:?}");
    let mut planted = proved;
    planted["claims"][0]["figures"]["exhibits"]["value"] = (-1).into();
    assert_ne!(schema::problems("prove", &planted), Vec::<String>::new());
}

#[test]
fn show_and_report() {
    let report = &REPORT.data;
    schema::assert_describes("report", report);
    // What `show` prints, of every claim.
    for claim in report["claims"].as_array().expect("claims") {
        schema::assert_describes("show", claim);
    }
    assert_eq!(
        json(&["show", "callbacks-too"])["claim"]["id"],
        "callbacks-too"
    );
}
