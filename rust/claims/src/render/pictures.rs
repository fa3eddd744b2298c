//! The charts and layouts of a claim, as text.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::Style;

use crate::claim::{Chart, Evidence, Layout, Pictures};

const BOLD: Style = Style::new().bold();

pub fn print(out: &mut impl Write, pictures: &Pictures) -> io::Result<()> {
    charts(out, &pictures.charts)?;
    for layout in &pictures.layouts {
        self::layout(out, layout)?;
    }
    Ok(())
}

/// A line for each place on the x axis, with what every chart that has this axis shows there.
pub fn charts(out: &mut impl Write, charts: &[Chart]) -> io::Result<()> {
    let mut axes: Vec<(&str, &str)> = charts.iter().map(axis).collect();
    axes.dedup();
    for (name, unit) in axes {
        // By value; where there is none, in the order in which the labels come.
        let mut lines: BTreeMap<(u64, usize), (String, Vec<String>)> = BTreeMap::new();
        let mut labels: Vec<&str> = Vec::new();
        for chart in charts.iter().filter(|chart| axis(chart) == (name, unit)) {
            for series in &chart.series {
                for point in &series.points {
                    let label = point.label.as_deref().unwrap_or_default();
                    if !labels.contains(&label) {
                        labels.push(label);
                    }
                    let turn = labels
                        .iter()
                        .position(|known| *known == label)
                        .unwrap_or_default();
                    // No number of things on an axis is negative: as bits they have the same order.
                    let key = (point.x.map_or(0, f64::to_bits), turn);
                    let place = point.x.map_or_else(|| label.to_owned(), rounded);
                    let (_, said) = lines.entry(key).or_insert_with(|| (place, Vec::new()));
                    let recorded = if series.evidence == Evidence::Recorded {
                        " (on file)"
                    } else {
                        ""
                    };
                    said.push(format!(
                        "{} {} {}{recorded}",
                        series.name,
                        rounded(point.y),
                        chart.y.unit
                    ));
                }
            }
        }
        writeln!(out, "{BOLD}{}{BOLD:#}", format!("{name} {unit}").trim())?;
        let width = lines
            .values()
            .map(|(place, _)| place.len())
            .max()
            .unwrap_or_default();
        for (place, said) in lines.values() {
            writeln!(out, "  {place:>width$}  {}", said.join("; "))?;
        }
    }
    Ok(())
}

fn axis(chart: &Chart) -> (&str, &str) {
    chart
        .x
        .as_ref()
        .map_or((chart.title, ""), |axis| (axis.name, axis.unit))
}

/// Whole, unless it is small.
fn rounded(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

fn layout(out: &mut impl Write, layout: &Layout) -> io::Result<()> {
    writeln!(
        out,
        "\n{BOLD}{}{BOLD:#}: {} bytes",
        layout.name, layout.bytes
    )?;
    writeln!(out, "  offset  bytes  part")?;
    for part in &layout.parts {
        let line = format!(
            "  {:>6}  {:>5}  {:<22}  {}",
            part.offset,
            part.bytes,
            part.name,
            part.alive.as_deref().unwrap_or_default()
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::{Axis, Part, Point, Series};

    fn chart(
        x: Option<Axis>,
        unit: &'static str,
        points: &[(Option<f64>, Option<&str>, f64)],
    ) -> Chart {
        let point = |&(x, label, y): &(Option<f64>, Option<&str>, f64)| Point {
            label: label.map(str::to_owned),
            x,
            y,
            spread: None,
        };
        Chart {
            id: "chart",
            title: "a chart",
            x,
            y: Axis {
                name: "y",
                unit,
                log: false,
            },
            series: vec![Series {
                name: format!("in {unit}"),
                exact: true,
                evidence: Evidence::Live,
                points: points.iter().map(point).collect(),
            }],
        }
    }

    fn text(print: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).expect("it is written");
        anstream::adapter::strip_str(std::str::from_utf8(&out).expect("UTF-8")).to_string()
    }

    #[test]
    fn charts_with_the_same_axis_share_lines() {
        let x = || {
            Some(Axis {
                name: "tasks",
                unit: "",
                log: true,
            })
        };
        let charts = [
            chart(
                x(),
                "bytes",
                &[(Some(1000.0), None, 256.0), (Some(10.0), None, 0.25)],
            ),
            chart(x(), "ns", &[(Some(1000.0), None, 300.4)]),
            chart(
                None,
                "calls",
                &[(None, Some("threads"), 2.0), (None, Some("epoll"), 3.0)],
            ),
        ];
        assert_eq!(
            text(|out| super::charts(out, &charts)),
            "tasks\n    10  in bytes 0.2 bytes\n  1000  in bytes 256 bytes; in ns 300 ns\n\
             a chart\n  threads  in calls 2 calls\n    epoll  in calls 3 calls\n"
        );
    }

    #[test]
    fn a_layout_is_a_table() {
        let part = Part {
            name: "tag".to_owned(),
            offset: 8,
            bytes: 1,
            alive: None,
        };
        let layout = Layout {
            name: "f".to_owned(),
            bytes: 9,
            parts: vec![part],
        };
        assert_eq!(
            text(|out| super::layout(out, &layout)),
            "\nf: 9 bytes\n  offset  bytes  part\n       8      1  tag\n"
        );
    }
}
