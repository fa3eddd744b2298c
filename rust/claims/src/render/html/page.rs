//! The page: the ladder, the table of claims, a section for each, and the code on show.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::inline::inline;
use super::{ladder, listing, section};
use crate::render::sentence;
use crate::report::{Claim, PROJECT, Report, TALK};

/// The whole page, which needs nothing but itself.
pub fn html(report: &Report) -> String {
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
                    @for claim in &report.claims { (section::section(report, claim)) }
                    (exhibits(report))
                    (citing())
                    footer.page {
                        p { (PROJECT) " " (report.version) ", " (report.date) ". This page as JSON: "
                            a href="data.json" { "data.json" } "." }
                    }
                }
                script { (PreEscaped(include_str!("script.js"))) }
            }
        }
    }
    .into_string()
}

fn contents(report: &Report) -> Markup {
    html! {
        nav.contents aria-label="Contents" {
            p { a href="#top" { (PROJECT) } }
            ul {
                @for claim in &report.claims {
                    li {
                        span class={ "dot " (claim.verdict.as_str().replace(' ', "-")) } aria-hidden="true" {}
                        a href={ "#" (claim.id) } { (claim.id) }
                    }
                }
                li { span.dot aria-hidden="true" {} a href="#exhibits" { "the code on show" } }
                li { span.dot aria-hidden="true" {} a href="#citing" { "how to cite" } }
            }
        }
    }
}

fn head(report: &Report) -> Markup {
    html! {
        header.top id="top" {
            p.eyebrow { (PROJECT) " " (report.version) " · " (report.date) " · " (report.toolchain.target) }
            h1 { "Between a Rust function and the C function it calls, exactly one instruction executes." }
            @if report.headline.is_empty() {
                p.missing {
                    "No call could be walked here, so there is no picture; the claims say what was missing."
                }
            } @else { (ladder::picture(report)) }
            ul.made-by { @for producer in &report.toolchain.made_by { li { (producer) } } }
        }
    }
}

fn claims(report: &Report) -> Markup {
    html! {
        section.overview id="claims" aria-labelledby="claims-title" {
            h2 id="claims-title" { "The claims" }
            table.claims {
                thead { tr { th scope="col" { "claim" } th scope="col" { "verdict" } th scope="col" { "the talk" }
                    th scope="col" { "evidence" } } }
                tbody {
                    @for claim in &report.claims { (row(claim)) }
                }
            }
        }
    }
}

fn row(claim: &Claim) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "#" (claim.id) } { (inline(&sentence(&claim.statement))) } }
            td { (section::badge(claim.verdict)) }
            td { (claim.talk.assessment.as_str()) }
            td { span.kind { (claim.evidence.as_str()) } }
        }
    }
}

/// Each exhibit once, however many claims show it.
fn exhibits(report: &Report) -> Markup {
    html! {
        section.exhibits id="exhibits" aria-labelledby="exhibits-title" {
            h2 id="exhibits-title" { "The code on show" }
            p { "Source and machine code of the image under test; each call is marked with its route." }
            @for code in &report.code { (listing::exhibit(code)) }
        }
    }
}

fn citing() -> Markup {
    html! {
        section.citing id="citing" aria-labelledby="citing-title" {
            h2 id="citing-title" { "How to cite, and how to check a citation" }
            p {
                "Each claim has buttons that copy it as Markdown, as one line, and as BibTeX. A citation names the "
                "claim, the version and a command. To check it, check out that version and run the command; it "
                "prints the verdict."
            }
            p {
                "Counted values are the same wherever compiler, flags and target are the same. Measured values "
                "differ from run to run, and no verdict rests on them. Quotes are from " (TALK) "."
            }
        }
    }
}
