//! docs/ladder.svg, and the same picture on the page.

use claims::render::html::html;
use claims::render::picture;
use claims::report::headline::{Ladder, headline};
use claims::report::{Report, Walked, without_hash};

use super::{fixture, records};

fn ladders(report: &Report) -> Vec<Ladder<'_>> {
    let walks: Vec<&Walked> = report
        .claims
        .iter()
        .flat_map(|claim| &claim.walks)
        .collect();
    walks.into_iter().map(Ladder::from).collect()
}

#[test]
fn a_square_for_each_instruction_and_no_more() {
    let report = fixture::report();
    let rungs = headline(&ladders(&report));
    let counted: u64 = rungs.iter().map(|rung| rung.instructions).sum();
    assert_eq!(
        rungs
            .iter()
            .map(|rung| (rung.language.as_str(), rung.instructions))
            .collect::<Vec<_>>(),
        [("Rust", 1), ("C", 2), ("Go", 12)]
    );
    let page = html(&report);
    assert_eq!(page.matches("<i></i>").count() as u64, counted);
    assert_eq!(page.matches("⇅").count(), 2, "{page}");
    let file = picture::svg(&rungs, &ladders(&report));
    // Call, stub, scheduler, stack switch; the C function, and what switches stacks.
    let legend = 4 + 2;
    assert_eq!(file.matches("<rect").count() as u64, counted + legend);
    assert!(file.contains("1 in Rust, 2 in C, 12 in Go"));
    for tag in ["g", "title", "text", "style", "svg"] {
        let opened =
            file.matches(&format!("<{tag}>")).count() + file.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, file.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    assert_eq!(
        picture::svg_of(&records(&report)),
        file,
        "what is on file draws the same"
    );
    assert_eq!(
        without_hash("_cgo_ee0ae6c70822_Cfunc_puts"),
        "_cgo_HASH_Cfunc_puts"
    );
    assert_eq!(without_hash("_cgo_topofstack"), "_cgo_topofstack");
}

#[test]
fn names_cannot_leave_their_place() {
    let report = fixture::report();
    let file = picture::svg(&report.headline, &ladders(&report));
    assert!(!file.contains("<script"), "{file}");
    assert!(file.contains("&lt;script&gt;"), "{file}");
}

#[test]
fn what_each_is_for_adds_up() {
    for rung in fixture::report().headline {
        assert_eq!(rung.phases.values().sum::<u64>(), rung.instructions);
    }
}
