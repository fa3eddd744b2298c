//! A citation: in a line, for a bibliography, and in Markdown.

use claims::render::citation::{Citation, Document};

use super::fixture;

#[test]
fn each_form_names_claim_version_and_command() {
    let report = fixture::report();
    let claim = &report.claims[0];
    let citation = Citation::of(&report, claim);
    for text in [&citation.plain, &citation.bibtex, &citation.markdown] {
        assert!(
            text.contains(&claim.id) && text.contains(&report.version),
            "{text}"
        );
        assert!(
            text.contains("2024-10-30") && text.contains(claim.verdict.as_str()),
            "{text}"
        );
    }
    assert!(
        citation
            .plain
            .ends_with("Check: cargo run --release -- prove --live hostile-claim"),
        "{}",
        citation.plain
    );
    let bibtex = &citation.bibtex;
    assert!(bibtex.contains("year         = {2024},\n"), "{bibtex}");
    assert!(
        bibtex.contains(r"\texttt{cargo run -{}-release -{}- prove -{}-live hostile-claim}"),
        "{bibtex}"
    );
    let document = serde_json::to_value(Document::of(&report, claim)).expect("JSON");
    assert_eq!(document["citation"]["plain"], citation.plain);
}

#[test]
fn tex_is_escaped() {
    let report = fixture::report();
    let bibtex = Citation::of(&report, &report.claims[0]).bibtex;
    assert!(
        bibtex.contains(r"in it: 50 \% of a\_b \& \{c\}\textbackslash{}"),
        "{bibtex}"
    );
    let count =
        |brace| bibtex.matches(brace).count() - bibtex.matches(&format!("\\{brace}")).count();
    assert_eq!(count("{"), count("}"), "{bibtex}");
}
