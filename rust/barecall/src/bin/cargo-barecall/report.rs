//! `cargo barecall report`: a page with the calls into C, offenders first, and their listings on demand.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use barecall::{Call, Function, Route};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::calls::{Count, ImageCalls, details};
use crate::images::Images;
use crate::selection::Selection;
use crate::{Failure, Outcome, counted, record};

/// What marks a page as one that may be replaced.
const GENERATOR: &str = "cargo barecall report";
/// More calls than this are counted, and listed by `cargo barecall calls`.
const MOST: usize = 2000;
/// Instructions on either side of a call.
const CONTEXT: usize = 6;

/// Write a page with the calls into C by route, offenders first, and their listings on demand.
///
/// The page is a single self-contained file, which also contains the calls as JSON.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo barecall report --release
  cargo barecall report --release --from '^my_crate::' --out calls.html
  cargo barecall report --file target/release/libmy.so

The element with the id \"data\" contains JSON: a list of what `cargo barecall calls` prints.")]
pub(crate) struct Args {
    #[command(flatten)]
    images: Images,
    #[command(flatten, next_help_heading = "Calls")]
    selection: Selection,
    /// The file to write; replaces an earlier page
    #[arg(long, value_name = "FILE", default_value = "target/barecall.html")]
    out: PathBuf,
}

impl Args {
    /// Writes it, and says where.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        usable(&self.out)?;
        let images = self.images.open()?;
        let images = images.iter();
        let images: Vec<_> = images
            .map(|image| ImageCalls::of(image, &self.selection))
            .collect();
        let page = page(&images)?;
        write(&self.out, &page)?;
        Ok(Outcome {
            text: self.out.display().to_string(),
            holds: true,
        })
    }
}

/// Why no page was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{} is a folder: name a file with --out", .0.display())]
    Folder(PathBuf),
    #[error("{} is not a page that this command wrote: remove it, or name another file with --out", .0.display())]
    Foreign(PathBuf),
    #[error("{} cannot be written: {why}; name another file with --out", .file.display())]
    Unwritable { file: PathBuf, why: io::Error },
}

/// Whether a page may be put there, before anything is built.
fn usable(file: &Path) -> Result<(), Error> {
    match fs::read(file) {
        Ok(old) if old.is_empty() || is_ours(&old) => Ok(()),
        Ok(_) => Err(Error::Foreign(file.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) if file.is_dir() => Err(Error::Folder(file.to_owned())),
        Err(why) => Err(Error::Unwritable {
            file: file.to_owned(),
            why,
        }),
    }
}

fn is_ours(page: &[u8]) -> bool {
    let mark = format!("content=\"{GENERATOR}\"");
    let head = &page[..page.len().min(1000)];
    String::from_utf8_lossy(head).contains(&mark)
}

/// All at once: whoever looks meanwhile sees the old page or the new one.
fn write(file: &Path, page: &str) -> Result<(), Error> {
    let put = || {
        let folder = file.parent().unwrap_or(Path::new(""));
        if !folder.as_os_str().is_empty() {
            fs::create_dir_all(folder)?;
        }
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let new = folder.join(name);
        fs::write(&new, page)
            .and_then(|()| fs::rename(&new, file))
            .inspect_err(|_| {
                // Where it was never made there is nothing to remove.
                let _ = fs::remove_file(&new);
            })
    };
    put().map_err(|why| Error::Unwritable {
        file: file.to_owned(),
        why,
    })
}

fn page(images: &[ImageCalls<'_>]) -> Result<String, Failure> {
    let documents = images.iter().map(record::line);
    let documents = documents.collect::<Result<Vec<_>, _>>()?;
    // What could end the element it stands in is written as JSON can write it, too.
    let data = format!("[{}]", documents.join(",")).replace('<', "\\u003c");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content=(GENERATOR);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { "Calls into C, by route" }
                style { (PreEscaped(include_str!("report.css"))) }
            }
            body {
                main {
                    p.eyebrow { "cargo barecall " (env!("CARGO_PKG_VERSION")) }
                    h1 { "How the calls into C get there" }
                    @for (at, image) in images.iter().enumerate() { (section(at, image)) }
                    footer {
                        p {
                            "A call is bare when exactly one instruction executes between the caller and the callee’s "
                            "first: by " code { "direct" } ", " code { "got" } " or " code { "register" } ". A stub ("
                            code { "plt" } "), a " code { "thunk" } " and a " code { "pointer" } " are not, nor is "
                            "what is " code { "unresolved" } "."
                        }
                    }
                }
                script id="data" type="application/json" { (PreEscaped(data)) }
            }
        }
    };
    Ok(page.into_string())
}

fn section(at: usize, image: &ImageCalls<'_>) -> Markup {
    let calls = image.calls.iter();
    let groups = by_caller(calls.filter(|call| !call.is_compiler_inserted()));
    let summary = &image.summary;
    let (ours, inserted) = (&summary.ours, summary.compiler_inserted.calls);
    let mut shown = 0;
    let groups: Vec<&Group<'_>> = groups
        .iter()
        .take_while(|group| {
            let room = shown < MOST;
            shown += group.calls.len();
            room
        })
        .collect();
    let listed: usize = groups.iter().map(|group| group.calls.len()).sum();
    let (offending, bare): (Vec<&&Group<'_>>, Vec<_>) =
        groups.iter().partition(|group| group.offenders() > 0);
    let title = format!("image-{at}");
    html! {
        section.image id=(title) aria-labelledby={ (title) "-title" } {
            h2 id={ (title) "-title" } { code { (image.file) } }
            p.summary { (image.headline()) ", " (ours.bare) " of them bare" }
            (routes(ours))
            @if inserted > 0 {
                p.note { "Besides, " (counted(inserted, "calls that the compiler inserted")) "." }
            }
            @if summary.anywhere > 0 {
                p.note {
                    "Besides, " (summary.anywhere) " calls that may lead anywhere, through a pointer or undecided."
                }
            }
            h3 { "Not bare" }
            @if offending.is_empty() { p.good { "None." } }
            @for group in &offending { (caller(group)) }
            @if !bare.is_empty() { h3 { "Bare" } }
            @for group in &bare { (caller(group)) }
            @if listed < ours.calls {
                p.note {
                    (ours.calls - listed) " more are in the data of this page, and " code { "cargo barecall calls" }
                    " lists them."
                }
            }
        }
    }
}

fn routes(count: &Count) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Calls by route" {
            table {
                thead { tr { @for route in Route::ALL { th.number scope="col" { (route) } } } }
                tbody { tr { @for route in Route::ALL { td.number { (count.routes[route.as_str()]) } } } }
            }
        }
    }
}

/// A function and its calls.
struct Group<'a> {
    from: Function<'a>,
    calls: Vec<&'a Call<'a>>,
}

impl Group<'_> {
    fn offenders(&self) -> usize {
        self.calls
            .iter()
            .filter(|call| !call.route().is_bare())
            .count()
    }
}

/// Those with the most offenders first, then by name; in each, the offenders first, then by address.
fn by_caller<'a>(calls: impl Iterator<Item = &'a Call<'a>>) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<u64, Group<'a>> = BTreeMap::new();
    for call in calls {
        let from = call.from();
        let group = groups.entry(from.address()).or_insert_with(|| Group {
            from,
            calls: Vec::new(),
        });
        group.calls.push(call);
    }
    let mut groups: Vec<Group<'a>> = groups.into_values().collect();
    for group in &mut groups {
        group.calls.sort_by_key(|call| call.route().is_bare());
    }
    groups.sort_by_cached_key(|group| (std::cmp::Reverse(group.offenders()), group.from.name()));
    groups
}

fn caller(group: &Group<'_>) -> Markup {
    html! {
        article {
            h4 { code { (group.from.name()) } }
            ul {
                @for call in &group.calls {
                    li class=(if call.route().is_bare() { "bare" } else { "offends" }) {
                        span.route { (call.route()) }
                        code { (call.to().as_deref().unwrap_or("?")) }
                        span.note {
                            (format!("{:#x}", call.at())) (details(call))
                        }
                    }
                }
            }
            details { summary { "Listing" } pre tabindex="0" { (listing(group)) } }
        }
    }
}

fn listing(group: &Group<'_>) -> String {
    let marks: Vec<u64> = group.calls.iter().map(|call| call.at()).collect();
    group.from.listing().excerpt(&marks, CONTEXT)
}
