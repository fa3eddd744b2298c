//! The charts and layouts of a claim, as text.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::text::BOLD;
use crate::report::{Chart, Evidence, Layout};

/// Prints a line for each place on the x axis, with what every chart that has this axis shows there.
///
/// # Errors
/// When it cannot be written.
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
        .map_or((&chart.title, ""), |axis| (&axis.name, &axis.unit))
}

/// Whole, unless it is small.
fn rounded(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// Prints each layout as a table of its parts.
///
/// # Errors
/// When it cannot be written.
pub fn layouts(out: &mut impl Write, layouts: &[Layout]) -> io::Result<()> {
    for layout in layouts {
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
    }
    Ok(())
}
