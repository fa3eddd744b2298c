//! Progress on stderr, where that is a terminal and it takes longer than a second.

use std::sync::Once;
use std::time::{Duration, Instant};

use barecall::{Calls, Image};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The calls of an image, with progress.
pub(crate) fn calls(image: &Image) -> Calls<'_> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes} of code, {eta}")
    {
        bar.set_style(style);
    }
    let (begun, shown) = (Instant::now(), Once::new());
    let calls = image.calls(|done, total| {
        if begun.elapsed() > Duration::from_secs(1) {
            shown.call_once(|| {
                bar.set_length(total);
                bar.set_draw_target(ProgressDrawTarget::stderr());
            });
            bar.set_position(done);
        }
    });
    bar.finish_and_clear();
    calls
}
