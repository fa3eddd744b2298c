//! What is rendered from a report: each output, from one that has everything.

mod charts;
mod citation;
mod commands;
mod dummy;
mod fixture;
mod folder;
mod markdown;
mod on_file;
mod page;
mod picture;
mod text;

use claims::baseline::Record;
use claims::report::Report;
use claims::report::facts::Facts;
use testkit::schema;

/// What goes on file of a report, as if these had recorded it that day.
fn records(report: &Report) -> Vec<Record<Facts>> {
    let record = |claim| Record {
        schema: claims::baseline::evidence::SCHEMA,
        recorded: report.date.clone(),
        target: claims::baseline::TARGET.to_owned(),
        made_by: report.toolchain.made_by.clone(),
        facts: Facts::from(claim),
    };
    report.claims.iter().map(record).collect()
}

/// Every output of a report, by name.
fn outputs(report: &Report) -> Vec<(&'static str, String)> {
    let printed = |print: fn(&mut Vec<u8>, &Report) -> std::io::Result<()>| {
        let mut out = Vec::new();
        print(&mut out, report).expect("a vector takes it");
        String::from_utf8(out).expect("UTF-8")
    };
    let cited = report.claims.iter();
    let cited =
        cited.map(|claim| claims::render::citation::Citation::of(report, claim).to_string());
    let mut outputs = vec![
        ("table", printed(claims::render::text::table)),
        ("show", printed(claims::render::text::show)),
        ("page", claims::render::html::html(report)),
        ("cite", cited.collect()),
    ];
    outputs.extend(claims::render::documents(&records(report)));
    outputs
}

/// The JSON has all that any output says: read back, it renders the same bytes.
#[test]
fn every_output_is_the_same_from_the_json() {
    let report = fixture::report();
    let json = serde_json::to_string(&report).expect("JSON");
    let read: Report = serde_json::from_str(&json).expect("a report");
    assert_eq!(read, report);
    for ((name, before), (_, after)) in outputs(&report).into_iter().zip(outputs(&read)) {
        assert!(before.len() > 500, "{name}: {before}");
        assert_eq!(before, after, "{name}");
    }
    // So does a record.
    for record in records(&report) {
        let text = record.to_text().expect("JSON");
        let read: Record<Facts> = serde_json::from_str(&text).expect("a record");
        assert_eq!(read, record);
    }
}

/// Every field that a report can have is described.
#[test]
fn it_is_as_described() {
    let report = fixture::report();
    schema::assert_describes("report", &serde_json::to_value(&report).expect("JSON"));
    let document = claims::render::citation::Document::of(&report, &report.claims[0]);
    schema::assert_describes("cite", &serde_json::to_value(document).expect("JSON"));
}
