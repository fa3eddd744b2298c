//! No number on the page that is not in the JSON.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use testkit::digits::{numbers, numbers_in};

use super::REPORT;

/// The text of a piece of HTML, without what is hidden from readers (an axis' ticks), and the values marked as data
/// with the text that stands for each.
fn text_of(html: &str) -> (String, Vec<(String, String)>) {
    let (mut text, mut data) = (String::new(), Vec::new());
    let mut open: Vec<(String, bool)> = Vec::new();
    let mut value: Option<(String, String)> = None;
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let hidden = open.iter().any(|(_, hidden)| *hidden);
        if !hidden {
            match &mut value {
                Some((_, shown)) => shown.push_str(&rest[..start]),
                None => text.push_str(&rest[..start]),
            }
        }
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let closed = open.pop().map(|(name, _)| name);
            assert_eq!(closed.as_deref(), Some(name), "the tags do not match");
            data.extend(value.take_if(|_| name == "data"));
        } else {
            let name = tag.split_whitespace().next().unwrap_or_default();
            if name == "data" && !hidden {
                let marked = tag
                    .split_once("value=\"")
                    .and_then(|(_, rest)| rest.split_once('"'));
                value = Some((marked.expect("a value").0.to_owned(), String::new()));
            }
            text.push(' ');
            open.push((name.to_owned(), tag.contains("aria-hidden=\"true\"")));
        }
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    (text, data)
}

/// The numbers of a claim's section that its JSON does not have.
fn invented(page: &str, report: &Value) -> BTreeSet<String> {
    let claim = &report["claims"][0];
    let id = claim["id"].as_str().expect("an id");
    let start = page
        .find(&format!("<section class=\"claim\" id=\"{id}\""))
        .expect("its section");
    let end = start + page[start..].find("</section>").expect("its end") + "</section>".len();
    let (text, data) = text_of(&page[start..end]);
    // Of the report of this claim alone: what is its own, and what a citation names.
    let fields = ["claims", "code", "version", "date"].map(|field| &report[field]);
    let known: BTreeSet<String> = fields.into_iter().flat_map(numbers_in).collect();
    let mut invented: BTreeSet<String> = numbers(&text).difference(&known).cloned().collect();
    for (value, shown) in data {
        let (exact, rounded): (f64, f64) = (
            value.parse().expect("a number"),
            shown.parse().expect("a number"),
        );
        let is_known = known.iter().any(|known| known.parse() == Ok(exact.abs()));
        if !is_known || (exact - rounded).abs() > exact.abs() * 0.01 {
            invented.insert(format!("{shown} for {value}"));
        }
    }
    invented
}

/// The report of a claim alone.
fn own(claim: &Value) -> Value {
    let id = claim["id"].as_str().expect("an id");
    let file = REPORT.folder.join(format!("claims/{id}.json"));
    let text = fs::read_to_string(file).expect("its JSON");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn every_number_on_the_page_is_in_the_json() {
    let (page, data) = (&REPORT.page, &REPORT.data);
    for claim in data["claims"].as_array().expect("claims") {
        let own = own(claim);
        assert_eq!(&own["claims"][0], claim);
        assert_eq!(invented(page, &own), BTreeSet::new(), "{}", claim["id"]);
    }
    // Planted: a figure that nothing counted, one rounded too far, and one in prose.
    let first = own(&data["claims"][0]);
    for (from, to) in [
        (
            "<data value=\"10\">10</data>",
            "<data value=\"31337\">31337</data>",
        ),
        (
            "<data value=\"10\">10</data>",
            "<data value=\"10\">12</data>",
        ),
        ("10 of 10 exhibits", "31337 of 10 exhibits"),
    ] {
        let planted = page.replace(from, to);
        assert_ne!(&planted, page, "{from} is not on the page");
        assert_ne!(
            invented(&planted, &first),
            BTreeSet::new(),
            "{to} went unseen"
        );
    }
}
