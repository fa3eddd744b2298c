//! The page of one's own crate: offenders first, nothing lost, nothing taken for markup, nothing overwritten.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cargo-barecall"))
        .args(arguments)
        .output()
        .expect("it runs")
}

/// This test's own image.
fn image() -> String {
    let image = std::env::current_exe().expect("the test's own image");
    image.to_str().expect("UTF-8").to_owned()
}

/// A caller whose name has what HTML takes for a tag, and a call through a pointer in it, which is not bare.
#[inline(never)]
fn offender<T: Fn(i32) -> i32>(pointer: T) -> i32 {
    // SAFETY: `abs` takes any number but the least.
    black_box(pointer)(unsafe { libc::abs(black_box(3)) })
}

fn page(arguments: &[&str], file: &Path) -> String {
    let file = file.to_str().expect("UTF-8");
    let output = run(&[&["report", "--file", &image(), "--out", file], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), file);
    fs::read_to_string(file).expect("the page")
}

#[test]
fn offenders_come_first_and_every_call_is_there() {
    let called: extern "C" fn(i32) -> i32 = black_box(called);
    assert_eq!(
        offender::<fn(i32) -> i32>(|number| number) + offender(|number| called(number)),
        6
    );
    let folder = tempfile::tempdir().expect("a folder");
    let page = page(
        &["--from", "offender|Command"],
        &folder.path().join("page.html"),
    );
    let data = page
        .split_once("type=\"application/json\">")
        .and_then(|(_, rest)| rest.split_once("</script>"));
    let data: Value = serde_json::from_str(data.expect("data").0).expect("JSON");
    let calls = data[0]["calls"].as_array().expect("calls");
    let (mut bare, mut others) = (0, 0);
    for call in calls
        .iter()
        .filter(|call| call["compiler_inserted"] == false)
    {
        if call["bare"] == true {
            bare += 1
        } else {
            others += 1
        }
    }
    assert!(bare > 0 && others > 0, "{bare} bare, {others} not");
    assert_eq!(page.matches("<li class=\"bare\">").count(), bare);
    assert_eq!(page.matches("<li class=\"offends\">").count(), others);
    assert!(page.contains("<h3>Not bare</h3>") && page.contains("<h3>Bare</h3>"));
    let articles: Vec<&str> = page.split("<article>").skip(1).collect();
    let offenders: Vec<usize> = articles
        .iter()
        .map(|article| article.matches("\"offends\"").count())
        .collect();
    assert!(
        offenders.is_sorted_by(|first, second| first >= second),
        "{offenders:?}"
    );
    for article in articles {
        let first_bare = article.find("\"bare\"").unwrap_or(article.len());
        assert!(
            article
                .rfind("\"offends\"")
                .is_none_or(|last| last < first_bare),
            "{article}"
        );
    }
    // `<fn(i32) -> i32>`, `<impl …>` and the like in names.
    let body = page.split_once("<body>").expect("a body").1;
    assert!(
        body.contains("&lt;") && !body.contains("<fn"),
        "a name was taken for markup"
    );
    assert_eq!(body.matches("<script").count(), 1);
    assert!(!page.contains("http://") && !page.contains("https://"));
}

extern "C" fn called(number: i32) -> i32 {
    number
}

#[test]
fn nothing_else_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("deep/page.html");
    let below = file.join("below");
    page(&["--to", "^write$"], &file);
    page(&["--to", "^write$"], &file);
    let written = fs::read_dir(folder.path().join("deep")).expect("a folder");
    assert_eq!(written.count(), 1, "nothing is left beside the page");
    fs::write(&file, "mine").expect("written");
    for (out, expected) in [
        (file.as_path(), "not a page that this command wrote"),
        (folder.path(), "is a folder"),
        (below.as_path(), "cannot be written"),
        (Path::new("/proc/nowhere/page.html"), "cannot be written"),
    ] {
        let output = run(&[
            "report",
            "--file",
            &image(),
            "--to",
            "^write$",
            "--out",
            out.to_str().expect("UTF-8"),
        ]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.contains(expected) && stderr.contains("--out"),
            "{stderr}"
        );
    }
    assert_eq!(fs::read_to_string(&file).expect("still there"), "mine");
}
