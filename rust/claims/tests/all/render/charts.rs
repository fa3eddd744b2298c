//! Charts and layouts as text.

use std::io;

use claims::report::{Axis, Chart, Evidence, Layout, Part, Point, Series};

fn chart(x: Option<Axis>, unit: &str, points: &[(Option<f64>, Option<&str>, f64)]) -> Chart {
    let point = |&(x, label, y): &(Option<f64>, Option<&str>, f64)| Point {
        label: label.map(str::to_owned),
        x,
        y,
        spread: None,
    };
    Chart {
        id: "chart".to_owned(),
        title: "a chart".to_owned(),
        x,
        y: Axis {
            name: "y".to_owned(),
            unit: unit.to_owned(),
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
            name: "tasks".to_owned(),
            unit: String::new(),
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
        text(|out| claims::render::charts::charts(out, &charts)),
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
        text(|out| claims::render::charts::layouts(out, std::slice::from_ref(&layout))),
        "\nf: 9 bytes\n  offset  bytes  part\n       8      1  tag\n"
    );
}
