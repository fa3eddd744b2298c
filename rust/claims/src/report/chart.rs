//! What can be drawn: charts, and the layouts of values.

use serde::{Deserialize, Serialize};

use super::figures::{Matrix, Row};
use super::verdict::Evidence;

/// One chart's data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Unique within its claim: `bytes-per-task`.
    pub id: String,
    /// The caption.
    pub title: String,
    /// None where the points are categories, named by their label.
    pub x: Option<Axis>,
    /// The vertical axis.
    pub y: Axis,
    /// The lines, or sets of bars.
    pub series: Vec<Series>,
}

impl Chart {
    /// A chart of those of the series that have points.
    pub fn new(
        id: &str,
        title: &str,
        x: Option<Axis>,
        y: Axis,
        series: impl IntoIterator<Item = Series>,
    ) -> Self {
        let series = series.into_iter();
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            x,
            y,
            series: series.filter(|series| !series.points.is_empty()).collect(),
        }
    }

    /// The columns of a matrix side by side, row by row: each by its name in the matrix and in the chart.
    #[must_use]
    pub fn of_matrix(
        matrix: &Matrix,
        [id, title]: [&str; 2],
        y: Axis,
        evidence: Evidence,
        columns: &[(&str, &str)],
    ) -> Self {
        let series = columns.iter().map(|(column, name)| {
            let point =
                |row: &Row| Some(Point::labelled(&row.name, matrix.value(&row.name, column)?));
            Series::counted(*name, evidence, matrix.rows.iter().filter_map(point))
        });
        Self::new(id, title, None, y, series)
    }
}

/// An axis of a [`Chart`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// What it is of.
    pub name: String,
    /// In which unit.
    pub unit: String,
    /// Whether it is drawn on a logarithmic scale.
    pub log: bool,
}

impl Axis {
    /// A linear axis.
    #[must_use]
    pub fn linear(name: &str, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            log: false,
        }
    }

    /// A logarithmic axis.
    #[must_use]
    pub fn log(name: &str, unit: &str) -> Self {
        Self {
            log: true,
            ..Self::linear(name, unit)
        }
    }
}

/// One line, or one set of bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is of.
    pub name: String,
    /// Whether it was counted (exact) or measured.
    pub exact: bool,
    /// Whether it was found now or is recorded.
    pub evidence: Evidence,
    /// The points, from left to right.
    pub points: Vec<Point>,
}

impl Series {
    /// Points that were counted, and are exact.
    pub fn counted(
        name: impl Into<String>,
        evidence: Evidence,
        points: impl IntoIterator<Item = Point>,
    ) -> Self {
        Self {
            name: name.into(),
            exact: true,
            evidence,
            points: points.into_iter().collect(),
        }
    }

    /// Points that were measured.
    pub fn measured(
        name: impl Into<String>,
        evidence: Evidence,
        points: impl IntoIterator<Item = Point>,
    ) -> Self {
        Self {
            exact: false,
            ..Self::counted(name, evidence, points)
        }
    }
}

/// A point of a [`Series`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The category, where there is no axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where it is on the horizontal axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// Its value.
    pub y: f64,
    /// The least and the greatest, where it was measured several times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<[f64; 2]>,
}

impl Point {
    /// The count in a category.
    pub fn labelled(label: impl Into<String>, count: u64) -> Self {
        Self {
            label: Some(label.into()),
            x: None,
            y: approximately(count),
            spread: None,
        }
    }

    /// The value at a place on the horizontal axis.
    #[must_use]
    pub fn at(x: u64, y: f64) -> Self {
        Self {
            label: None,
            x: Some(approximately(x)),
            y,
            spread: None,
        }
    }
}

/// A count as charts and measured values have it: exact up to 2^53.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no count here is that large")]
pub const fn approximately(count: u64) -> f64 {
    count as f64
}

/// Where the bytes of a value are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// What the value is.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// By offset; what lies in the same bytes at different times overlaps.
    pub parts: Vec<Part>,
}

/// A part of a [`Layout`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The local, or `tag`, or `padding`.
    pub name: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its size.
    pub bytes: u64,
    /// The states in which it is alive: `across the first await`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alive: Option<String>,
}
