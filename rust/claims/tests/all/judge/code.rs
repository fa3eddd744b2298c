//! The code on show is cut out of its files whole.

use claims::measure::code::{cut, cut_from};
use zero_cost_ffi::catalogue;

#[test]
fn every_exhibit_and_twin_has_source() {
    for exhibit in catalogue::exhibits() {
        let text = cut(exhibit.source, exhibit.name);
        assert!(
            text.contains(&format!("fn {}(", exhibit.name)) && text.ends_with("}\n"),
            "{}: {text}",
            exhibit.name
        );
        assert_eq!(text.matches("\n}").count(), 1, "{text}");
    }
    for machine in catalogue::machines().iter().chain(&catalogue::kept()) {
        let text = cut_from(machine.source, |line| line.starts_with(machine.begins));
        assert!(
            text.starts_with(machine.begins) && text.ends_with("}\n"),
            "{}: {text}",
            machine.name
        );
    }
    for twin in catalogue::twins() {
        let text = cut(twin.source, twin.name);
        assert!(
            text.contains(&format!(" {}(", twin.name)) && text.ends_with("}\n"),
            "{}: {text}",
            twin.name
        );
    }
}
