//! A chart as inline SVG, with its numbers in a table below: bars or dots for categories, lines over an axis.
//!
//! All text is HTML, placed in per cent, so that it stays readable at any width.

use maud::{Markup, html};

use super::inline::{exact, measured, rounded};
use crate::report::{Axis, Chart, Point, Series};

pub fn figure(claim: &str, chart: &Chart) -> Markup {
    let id = format!("{claim}-{}", chart.id);
    html! {
        figure.chart aria-labelledby={ (id) "-title" } data-chart=(chart.id) {
            figcaption id={ (id) "-title" } { (chart.title) span.axis { (y_words(chart)) } }
            @if chart.series.iter().all(|series| series.points.is_empty()) {
                p.missing { "Nothing was measured here: there is nothing to draw." }
            } @else {
                ul.legend {
                    @for (index, series) in chart.series.iter().enumerate() {
                        li { (swatch(index)) (series.name) " " span.note { (nature(series)) } }
                    }
                }
                @match &chart.x {
                    Some(x) => (plot(&id, chart, x)),
                    None => (bars(&id, chart)),
                }
                details {
                    summary { "The numbers" }
                    div.scroll tabindex="0" role="region" aria-label={ "The numbers of: " (chart.title) } {
                        (table(chart))
                    }
                }
            }
        }
    }
}

fn y_words(chart: &Chart) -> String {
    let scale = if chart.y.log { ", logarithmic" } else { "" };
    if has_unit(&chart.y) {
        format!("{} in {}{scale}", chart.y.name, chart.y.unit)
    } else {
        format!("{}{scale}", chart.y.name)
    }
}

/// Whether its unit says more than its name.
fn has_unit(axis: &Axis) -> bool {
    !axis.unit.is_empty() && axis.unit != axis.name
}

fn nature(series: &Series) -> String {
    let exactness = if series.exact { "counted" } else { "measured" };
    format!("{exactness}, {}", series.evidence.as_str())
}

/// The series' mark: a shape, so that colour is not all that tells them apart.
fn swatch(index: usize) -> Markup {
    html! {
        svg.swatch aria-hidden="true" width="14" height="14" { (shape(index, "7", "7")) }
    }
}

const SHAPES: [&str; 8] = [
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "M-4 -4h8v8h-8z",
    "M0 -5.5L5 4h-10z",
    "M0 -5.5L5.5 0L0 5.5L-5.5 0z",
    "M-5 -4h10L0 5z",
    "M-5 -2h10v4h-10z",
    "M-2 -5h4v10h-4z",
    "M-5 -5L5 -5L-5 5L5 5z",
];

fn shape(index: usize, x: &str, y: &str) -> Markup {
    html! {
        // A nested image can be placed in per cent, a path cannot.
        svg x=(x) y=(y) overflow="visible" width="1" height="1" {
            path class={ "series-" (index % SHAPES.len()) } d=(SHAPES[index % SHAPES.len()]) {}
        }
    }
}

/// From values to per cent of the way along an axis.
struct Scale {
    from: f64,
    to: f64,
    log: bool,
    ticks: Vec<f64>,
}

impl Scale {
    /// One that has room for all of these: from zero, or by whole powers of ten.
    fn of(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let positive = || values.iter().copied().filter(|value| *value > 0.0);
        let most = values.iter().copied().fold(0.0_f64, f64::max);
        // Where there is nothing above zero there is no logarithm.
        if log && positive().next().is_some() {
            let from = positive().fold(f64::INFINITY, f64::min).log10().floor();
            let to = most.log10().ceil().max(from + 1.0);
            let every = ((to - from) / 6.0).ceil().max(1.0);
            let mut ticks = Vec::new();
            let mut tick = from;
            while tick <= to {
                ticks.push(10_f64.powf(tick));
                tick += every;
            }
            return Self {
                from,
                to,
                log: true,
                ticks,
            };
        }
        let most = if most > 0.0 { most } else { 1.0 };
        let unit = 10_f64.powf((most / 4.0).log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * unit);
        let step = steps
            .into_iter()
            .find(|step| most / step <= 5.0)
            .unwrap_or(10.0 * unit);
        let count = (most / step).ceil();
        let mut ticks = Vec::new();
        let mut tick = 0.0;
        while tick <= count {
            ticks.push(tick * step);
            tick += 1.0;
        }
        Self {
            from: 0.0,
            to: count * step,
            log: false,
            ticks,
        }
    }

    fn per_cent(&self, value: f64) -> f64 {
        let at = if self.log {
            if value > 0.0 {
                value.log10()
            } else {
                self.from
            }
        } else {
            value
        };
        ((at - self.from) / (self.to - self.from) * 100.0).clamp(0.0, 100.0)
    }
}

fn per_cent(value: f64) -> String {
    format!("{value:.2}%")
}

/// `1`, `1k`, `2.5M`: an axis is not where one reads values.
fn tick(value: f64) -> String {
    match value.abs() {
        size if size >= 1e9 => format!("{}G", rounded(value / 1e9)),
        size if size >= 1e6 => format!("{}M", rounded(value / 1e6)),
        size if size >= 1e4 => format!("{}k", rounded(value / 1e3)),
        size if size > 0.0 && size < 1e-3 => format!("{value:e}"),
        // Ticks are few and round: no digit of theirs is left out.
        _ => format!("{}", (value * 1e6).round() / 1e6),
    }
}

fn reach(point: &Point) -> impl Iterator<Item = f64> {
    [point.y]
        .into_iter()
        .chain(point.spread.into_iter().flatten())
}

fn points(chart: &Chart) -> impl Iterator<Item = &Point> {
    chart.series.iter().flat_map(|series| &series.points)
}

/// Lines over an axis.
fn plot(id: &str, chart: &Chart, x: &Axis) -> Markup {
    let across = Scale::of(points(chart).filter_map(|point| point.x), x.log);
    let up = Scale::of(points(chart).flat_map(reach), chart.y.log);
    let place = |point: &Point| {
        (
            across.per_cent(point.x.unwrap_or_default()),
            100.0 - up.per_cent(point.y),
        )
    };
    html! {
        div.plot {
            div.ticks-y aria-hidden="true" {
                @for value in &up.ticks {
                    span style={ "bottom:" (per_cent(up.per_cent(*value))) } { (tick(*value)) }
                }
            }
            svg.marks role="img" aria-labelledby={ (id) "-title" } {
                @for value in &up.ticks {
                    @let at = per_cent(100.0 - up.per_cent(*value));
                    line.grid x1="0" x2="100%" y1=(at) y2=(at) {}
                }
                @for (index, series) in chart.series.iter().enumerate() {
                    svg viewBox="0 0 100 100" preserveAspectRatio="none" overflow="visible" {
                        polyline class={ "series-" (index % SHAPES.len()) } vector-effect="non-scaling-stroke"
                            points=(series.points.iter().map(|point| {
                                let (x, y) = place(point);
                                format!("{x:.2},{y:.2}")
                            }).collect::<Vec<_>>().join(" ")) {}
                    }
                    @for point in &series.points {
                        @let (x, y) = place(point);
                        g.mark data-y=(point.y) {
                            title { (series.name) ": " (point.y) " " (chart.y.unit) }
                            @if let Some(spread) = point.spread {
                                @let [low, high] = spread.map(|end| per_cent(100.0 - up.per_cent(end)));
                                line class={ "spread series-" (index % SHAPES.len()) }
                                    x1=(per_cent(x)) x2=(per_cent(x)) y1=(low) y2=(high) {}
                            }
                            (shape(index, &per_cent(x), &per_cent(y)))
                        }
                    }
                }
            }
            div.ticks-x aria-hidden="true" {
                @for value in &across.ticks {
                    span style={ "left:" (per_cent(across.per_cent(*value))) } { (tick(*value)) }
                }
            }
            p.axis-x aria-hidden="true" { (x.name) @if has_unit(x) { ", " (x.unit) } }
        }
    }
}

/// The category of a point.
fn name(point: &Point) -> &str {
    point.label.as_deref().unwrap_or_default()
}

/// A bar for each category; dots where the scale is logarithmic, since there is no zero for a bar to begin at.
fn bars(id: &str, chart: &Chart) -> Markup {
    let mut along = Scale::of(points(chart).flat_map(reach), chart.y.log);
    if !along.log {
        // There are no ticks: the longest bar may have all the room.
        let most = points(chart).flat_map(reach).fold(0.0, f64::max);
        along.to = if most > 0.0 { most } else { 1.0 };
    }
    let mut labels: Vec<&str> = Vec::new();
    for point in points(chart) {
        let label = name(point);
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    html! {
        div.bars role="img" aria-labelledby={ (id) "-title" } {
            @for label in labels {
                div.label { (label) }
                div.group {
                    @for (index, series) in chart.series.iter().enumerate() {
                        @for point in series.points.iter().filter(|point| name(point) == label) {
                            @let at = per_cent(along.per_cent(point.y));
                            div.row {
                                svg.mark data-y=(point.y) width="100%" height="16" aria-hidden="true" {
                                    title { (label) ", " (series.name) ": " (point.y) " " (chart.y.unit) }
                                    @if along.log { (shape(index, &at, "8")) }
                                    @else {
                                        rect class={ "series-" (index % SHAPES.len()) }
                                            x="0" y="2" height="12" rx="2" width=(at) {}
                                    }
                                    @if let Some(spread) = point.spread {
                                        @let [low, high] = spread.map(|end| per_cent(along.per_cent(end)));
                                        line.whisker x1=(low) x2=(high) y1="8" y2="8" {}
                                    }
                                }
                                span.value { (value(series, point.y)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn value(series: &Series, value: f64) -> Markup {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    if series.exact && value >= 0.0 && value.fract() == 0.0 && value < 1e15 {
        return exact(value as u64);
    }
    measured(value)
}

fn table(chart: &Chart) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "series" }
                    th scope="col" { @match &chart.x { Some(x) => (x.name), None => "what" } }
                    th.number scope="col" { (if has_unit(&chart.y) { &chart.y.unit } else { &chart.y.name }) }
                    th.number scope="col" { "least" }
                    th.number scope="col" { "most" }
                }
            }
            tbody {
                @for series in &chart.series {
                    @for point in &series.points {
                        tr {
                            th scope="row" { (series.name) }
                            td {
                                @if let Some(label) = &point.label { (label) }
                                @if let Some(x) = point.x { (measured(x)) }
                            }
                            td.number { (value(series, point.y)) }
                            @match point.spread {
                                Some(spread) => { @for end in spread { td.number { (measured(end)) } } }
                                None => { td.number { "–" } td.number { "–" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;

    #[test]
    fn a_scale_has_room_for_all_values() {
        for (values, log) in [
            (vec![0.0, 26.8, 31.0], false),
            (vec![256.0, 26000.0], true),
            (vec![0.0], true),
            (vec![], false),
            (vec![1.0], true),
            (vec![1e-9, 1e9], true),
        ] {
            let scale = Scale::of(values.iter().copied(), log);
            assert!(
                (2..=8).contains(&scale.ticks.len()),
                "{values:?}: {:?}",
                scale.ticks
            );
            for value in values {
                let at = scale.per_cent(value);
                assert!((0.0..=100.0).contains(&at), "{value}");
            }
        }
        let scale = Scale::of([1.0, 100.0].into_iter(), true);
        assert!((scale.per_cent(10.0) - 50.0).abs() < 1e-9);
    }
}
