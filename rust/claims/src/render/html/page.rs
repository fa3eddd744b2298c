//! The page: the ladder, the table of claims, a section for each, and the code on show.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::prose::inline;
use super::{Report, ladder, listing, section};
use crate::claim::{Claim, TALK};
use crate::render::cite::{PROJECT, kind, sentence};
use crate::render::show::Shown;

/// The whole page, which needs nothing but itself.
pub fn html(report: &Report<'_>) -> String {
    let title = "What a call into C costs, proved";
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) ": " (PROJECT) " " (report.version) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                a.skip href="#claims" { "To the claims" }
                (contents(report))
                main {
                    (head(report))
                    (claims(report))
                    @for full in &report.claims { (section::section(full)) }
                    (exhibits(report))
                    (citing())
                    footer.page {
                        p { (PROJECT) " " (report.version) ", " (report.date) ". All of this page, for programs: "
                            a href="data.json" { "data.json" } "." }
                    }
                }
                script { (PreEscaped(include_str!("script.js"))) }
            }
        }
    }
    .into_string()
}

fn contents(report: &Report<'_>) -> Markup {
    html! {
        nav.contents aria-label="Contents" {
            p { a href="#top" { (PROJECT) } }
            ul {
                @for full in &report.claims {
                    li {
                        span class={ "dot " (full.claim.verdict.words().replace(' ', "-")) } aria-hidden="true" {}
                        a href={ "#" (full.claim.id) } { (full.claim.id) }
                    }
                }
                li { span.dot aria-hidden="true" {} a href="#exhibits" { "the code on show" } }
                li { span.dot aria-hidden="true" {} a href="#citing" { "how to cite" } }
            }
        }
    }
}

fn head(report: &Report<'_>) -> Markup {
    html! {
        header.top id="top" {
            p.eyebrow { (PROJECT) " " (report.version) " · " (report.date) " · " (report.toolchain.target) }
            h1 { "Between a Rust function and the C function it calls, exactly one instruction executes." }
            @if report.ladder.is_empty() {
                p.missing {
                    "No call could be walked here, so there is no ladder to draw; the claims say what was missing."
                }
            } @else { (ladder::picture(&report.ladder)) }
            ul.made-by { @for producer in &report.toolchain.made_by { li { (producer) } } }
        }
    }
}

fn claims(report: &Report<'_>) -> Markup {
    html! {
        section.overview id="claims" aria-labelledby="claims-title" {
            h2 id="claims-title" { "The claims" }
            table.claims {
                thead { tr { th scope="col" { "claim" } th scope="col" { "verdict" } th scope="col" { "the talk" }
                    th scope="col" { "evidence" } } }
                tbody {
                    @for full in &report.claims { (row(full.claim)) }
                }
            }
        }
    }
}

fn row(claim: &Claim) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "#" (claim.id) } { (inline(&sentence(claim.says))) } }
            td { (section::badge(claim.verdict)) }
            td { (claim.talk.assessment.words()) }
            td { span.kind { (kind(claim.evidence)) } }
        }
    }
}

/// Each exhibit once, however many claims are about it.
fn exhibits(report: &Report<'_>) -> Markup {
    let mut seen = BTreeSet::new();
    let shown: Vec<&Shown> = report
        .claims
        .iter()
        .flat_map(|full| &full.exhibits)
        .filter(|shown| seen.insert(shown.name))
        .collect();
    html! {
        section.exhibits id="exhibits" aria-labelledby="exhibits-title" {
            h2 id="exhibits-title" { "The code on show" }
            p { "Source and machine code as they are in the image that was judged; each call is marked by its route." }
            @for shown in shown { (listing::exhibit(shown)) }
        }
    }
}

fn citing() -> Markup {
    html! {
        section.citing id="citing" aria-labelledby="citing-title" {
            h2 id="citing-title" { "How to cite, and how to check a citation" }
            p {
                "Each claim has buttons that copy it as Markdown, as one line, and as BibTeX. A citation names the "
                "claim and the version; to check it, take that version of the sources and run the command in it, "
                "which ends in the verdict:"
            }
            pre tabindex="0" { "cargo run --release -- prove ID" }
            p {
                "What was counted is the same wherever compiler, flags and target are; what was measured is not, "
                "and no verdict rests on it. Quotes are from " (TALK) "."
            }
        }
    }
}
