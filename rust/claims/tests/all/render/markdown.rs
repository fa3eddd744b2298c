//! EVIDENCE.md.

use claims::render::markdown;

use super::{fixture, records};

#[test]
fn it_has_the_exact_figures_with_what_they_count_and_nothing_measured() {
    let report = fixture::report();
    let text = markdown::evidence(&records(&report));
    for line in [
        "| [hostile-claim](#hostile-claim) | holds with conditions | simplified | recorded |",
        "| calls & more | 313 | instructions | instructions once round the <i>loop</i> \\| callee excluded |",
        "Counted, whole functions (instructions): instructions of the <i>function</i>, callee excluded.",
        "|  | Rust | C by <clang> |",
        "| --- | ---: | ---: |",
        "| <b>poll</b> | 1234 | – |",
        "| `go/say` | `<script>alert(\"1\")</script>&amp;` | 7 | 5 | 1 out, 1 back |",
        "            4  runtime.cgocall",
        "The code, from [hostile.rust.O3.snap](asm-snapshots/some/hostile.rust.O3.snap):",
        "    jmp <puts>",
        "Check it: `cargo run --release -- prove --live hostile-claim`",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line:?} is not in:\n{text}"
        );
    }
    assert!(
        text.contains("\nRecorded 2024-10-30 by rustc version 1.95.0"),
        "{text}"
    );
    for measured in ["26.8", "25", "31.5", "150"] {
        assert!(!text.contains(measured), "{measured}: {text}");
    }
}

#[test]
fn prose_is_wrapped() {
    let text = markdown::evidence(&records(&fixture::report()));
    let long = text.lines().find(|line| line.chars().count() > 120);
    assert_eq!(long, None);
}
