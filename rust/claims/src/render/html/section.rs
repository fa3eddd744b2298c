//! A claim's section: what is said, the verdict with its conditions, and everything it rests on.

use maud::{Markup, html};

use super::inline::{exact, inline, measured};
use super::{chart, folder, ladder, layout, listing};
use crate::render::citation::Citation;
use crate::render::sentence;
use crate::report::{Claim, Code, Matrix, Report, Verdict, Walked};

/// More figures than this are shown on demand.
const FEW: usize = 8;

pub fn section(report: &Report, claim: &Claim) -> Markup {
    html! {
        section.claim id=(claim.id) aria-labelledby={ (claim.id) "-title" } {
            p.id {
                code { (claim.id) }
                a.permalink href={ "#" (claim.id) } aria-label={ "Link to " (claim.id) } { "#" }
            }
            h2 id={ (claim.id) "-title" } { (inline(&sentence(&claim.statement))) }
            p.found { (badge(claim.verdict)) " " span.kind { (claim.evidence.as_str()) } " " (inline(&claim.found)) }
            @for finding in &claim.findings { pre.finding tabindex="0" { (finding) } }
            @for missing in &claim.missing {
                p.missing { strong { "Missing: " (missing.what) ". " } (inline(&missing.why)) }
            }
            div.aside {
                div {
                    h3 { "Conditions" }
                    ul { @for condition in &claim.conditions { li { (inline(condition)) } } }
                    @if !claim.notes.is_empty() {
                        h3 { "Notes" }
                        ul { @for note in &claim.notes { li { (inline(note)) } } }
                    }
                }
                blockquote {
                    p { (inline(&claim.talk.quote)) }
                    footer {
                        (claim.talk.from) ": " strong { (claim.talk.assessment.as_str()) }
                        @if let Some(because) = &claim.talk.because { ". " (inline(because)) }
                    }
                }
            }
            (figures(claim))
            @for chart in &claim.charts { (chart::figure(&claim.id, chart)) }
            @if !claim.layouts.is_empty() {
                h3 { "Layouts, to scale" }
                (layout::figures(&claim.layouts))
            }
            (walks(claim))
            (exhibits(report, claim))
            (provenance(report, claim))
        }
    }
}

pub fn badge(verdict: Verdict) -> Markup {
    html! { span class={ "verdict " (verdict.as_str().replace(' ', "-")) } { (verdict.as_str()) } }
}

fn figures(claim: &Claim) -> Markup {
    let counted = html! {
        dl.figures {
            @for (name, figure) in &claim.figures {
                div {
                    dt { (name) span.counts { (inline(&figure.counts)) } }
                    dd { (exact(figure.value)) " " span.unit { (figure.unit) } }
                }
            }
        }
    };
    html! {
        @if !claim.figures.is_empty() {
            h3 { "Counted" }
            @if claim.figures.len() > FEW {
                details { summary { "All counted values" } (counted) }
            } @else { (counted) }
        }
        @for matrix in &claim.matrices { (self::matrix(matrix)) }
        @if !claim.measured.is_empty() {
            h3 { "Measured " span.note { "on this machine, in this run; no verdict rests on these values" } }
            dl.figures {
                @for (name, value) in &claim.measured {
                    div {
                        dt { (name) }
                        dd {
                            (measured(value.value)) " " span.unit { (value.unit) }
                            @if let Some([least, most]) = value.spread {
                                " " span.spread { "from " (measured(least)) " to " (measured(most)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What was counted in rows and columns.
fn matrix(matrix: &Matrix) -> Markup {
    html! {
        h3 { (matrix.name) " " span.note { (matrix.unit) ": " (inline(&matrix.counts)) } }
        div.scroll tabindex="0" role="region" aria-label={ "Counted: " (matrix.name) } {
            table.matrix {
                thead { tr { td {} @for column in &matrix.columns { th.number scope="col" { (column) } } } }
                tbody {
                    @for row in &matrix.rows {
                        tr {
                            th scope="row" { (row.name) }
                            @for value in &row.values {
                                td.number { @match value { Some(value) => (exact(*value)), None => "–" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One line a walk, and the ladder of each that is more than one instruction.
fn walks(claim: &Claim) -> Markup {
    let long = |walked: &&Walked| !walked.walk.is_bare();
    html! {
        @if !claim.walks.is_empty() {
            h3 { "Walked" }
            div.scroll tabindex="0" role="region" aria-label={ "The walks of " (claim.id) } {
                table.walks {
                    thead { tr { th scope="col" { "call of" } th scope="col" { "to" } th scope="col" { "instruction" }
                        th.number scope="col" { "out" } th.number scope="col" { "back" }
                        th.number scope="col" { "stack switches out, back" } } }
                    tbody {
                        @for walked in &claim.walks {
                            @let walk = &walked.walk;
                            tr {
                                th scope="row" { code { (walked.label()) } }
                                td { code { (walk.to) } }
                                td { code { (walk.call) } }
                                td.number { (exact(walk.out.instructions)) }
                                td.number { (exact(walk.back.instructions)) }
                                td.number {
                                    (exact(walk.out.stack_switches)) ", " (exact(walk.back.stack_switches))
                                }
                            }
                        }
                    }
                }
            }
            @for walked in claim.walks.iter().filter(long) {
                details.ladder {
                    summary {
                        "Step by step: " code { (walked.label()) } ", "
                        (exact(walked.walk.out.instructions)) " out, " (exact(walked.walk.back.instructions)) " back"
                    }
                    (ladder::steps(walked))
                }
            }
        }
    }
}

fn exhibits(report: &Report, claim: &Claim) -> Markup {
    let code: Vec<&Code> = report.code_of(claim).collect();
    html! {
        @if let Some(first) = code.first() {
            h3 { "The code" }
            (listing::machine_code(first))
            p.links {
                "On show, with their source: "
                @for shown in code {
                    a href={ "#" (listing::anchor(&shown.name)) } { code { (shown.name) } } " "
                }
            }
        }
    }
}

fn provenance(report: &Report, claim: &Claim) -> Markup {
    let citation = Citation::of(report, claim);
    html! {
        footer.provenance {
            h3 { "Provenance, and how to check it" }
            dl {
                @for (name, value) in &claim.provenance { dt { (name) } dd { (value) } }
                dt { "check it" } dd { code { (claim.reproduce) } }
                dt { "data" } dd { a href={ (folder::CLAIMS) "/" (claim.id) ".json" } { (claim.id) ".json" } }
            }
            div.tools {
                @for (form, words) in [
                    ("markdown", "Copy as Markdown"), ("plain", "Copy citation"), ("bibtex", "Copy BibTeX")
                ] {
                    button type="button" data-copy=(form) { (words) }
                }
                span.copied role="status" {}
            }
            details.citation {
                summary { "Cite it by hand" }
                @for (form, text) in [
                    ("markdown", &citation.markdown),
                    ("plain", &citation.plain),
                    ("bibtex", &citation.bibtex)
                ] {
                    pre tabindex="0" data-form=(form) { (text) }
                }
            }
        }
    }
}
