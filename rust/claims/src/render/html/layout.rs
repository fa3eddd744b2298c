//! A value's bytes: a line to the scale of all the claim's, and its parts to its own. What lies in the same bytes at
//! different times is drawn one below the other.

use maud::{Markup, html};

use super::inline::exact;
use crate::report::{Layout, Part};

/// All layouts of a claim.
pub fn figures(layouts: &[Layout]) -> Markup {
    let widest = layouts.iter().map(extent).max().unwrap_or(0).max(1);
    html! {
        @for layout in layouts { (figure(layout, widest)) }
    }
}

/// How many bytes must be drawn: a part that sticks out is shown doing so.
fn extent(layout: &Layout) -> u64 {
    let ends = layout
        .parts
        .iter()
        .map(|part| part.offset.saturating_add(part.bytes));
    ends.chain([layout.bytes]).max().unwrap_or_default()
}

fn figure(layout: &Layout, widest: u64) -> Markup {
    html! {
        figure.layout {
            figcaption { code { (layout.name) } " " span.note { (exact(layout.bytes)) " bytes" } }
            span.size aria-hidden="true" style={ "width:" (per_cent(layout.bytes, widest)) } {}
            div.lanes aria-hidden="true" {
                @for lane in lanes(&layout.parts) {
                    div.lane {
                        @for part in lane {
                            @let whole = extent(layout);
                            span.part class=[(part.name == "padding").then_some("padding")]
                                style={ "left:" (per_cent(part.offset, whole)) ";width:" (per_cent(part.bytes, whole)) }
                                title={ (part.name) ": " (part.bytes) " bytes at " (part.offset) }
                                { @if has_room(part, whole) { (part.name) } }
                        }
                    }
                }
            }
            @if !layout.parts.is_empty() {
                details {
                    summary { "The parts" }
                    div.scroll tabindex="0" role="region" aria-label={ "The parts of " (layout.name) } {
                        table {
                            thead { tr { th scope="col" { "part" } th.number scope="col" { "offset" }
                                th.number scope="col" { "bytes" } th scope="col" { "alive" } } }
                            tbody {
                                @for part in &layout.parts {
                                    tr.part-row {
                                        th scope="row" { code { (part.name) } }
                                        td.number { (exact(part.offset)) }
                                        td.number { (exact(part.bytes)) }
                                        td { (part.alive.as_deref().unwrap_or("always")) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether its name can be read in it, at some hundred characters for the whole.
fn has_room(part: &Part, whole: u64) -> bool {
    part.bytes.saturating_mul(110) >= whole.saturating_mul(part.name.chars().count() as u64 + 1)
}

// Only how wide something is drawn.
#[allow(clippy::cast_precision_loss)]
fn per_cent(part: u64, whole: u64) -> String {
    format!("{:.3}%", part as f64 * 100.0 / whole.max(1) as f64)
}

/// Each part in the first lane where its bytes are free.
fn lanes(parts: &[Part]) -> Vec<Vec<&Part>> {
    let mut lanes: Vec<Vec<&Part>> = Vec::new();
    let overlap = |a: &Part, b: &Part| {
        a.offset < b.offset.saturating_add(b.bytes) && b.offset < a.offset.saturating_add(a.bytes)
    };
    for part in parts {
        match lanes
            .iter_mut()
            .find(|lane| !lane.iter().any(|other| overlap(part, other)))
        {
            Some(lane) => lane.push(part),
            None => lanes.push(vec![part]),
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_drawn_apart() {
        let part = |name: &str, offset, bytes| Part {
            name: name.to_owned(),
            offset,
            bytes,
            alive: None,
        };
        let parts = [
            part("sleep", 0, 112),
            part("before", 0, 16),
            part("tag", 112, 1),
            part("padding", 113, 7),
        ];
        let lanes = lanes(&parts);
        let named: Vec<Vec<&str>> = lanes
            .iter()
            .map(|lane| lane.iter().map(|part| part.name.as_str()).collect())
            .collect();
        assert_eq!(named, [vec!["sleep", "tag", "padding"], vec!["before"]]);
    }
}
