//! Generates the bindings of a header (feature `bindgen`), in the same way for `build.rs` and for the tests.

use super::fingerprint::{self, Bound};

/// Returns the bindings of `header`, which is the path of the header of `bound`.
///
/// # Errors
/// Returns what is missing to generate them.
pub fn bindings(bound: Bound, header: &str) -> Result<String, String> {
    // bindgen panics when it finds no libclang; we would rather say so.
    clang_sys::load().map_err(|why| {
        format!(
            "bindgen needs libclang: {why}. Install it (Debian, Ubuntu: `apt-get install clang-14` \
             or any later; macOS: `xcode-select --install`), or name its folder in LIBCLANG_PATH"
        )
    })?;

    let rust = bindgen::RustTarget::stable(85, 0).map_err(|why| why.to_string())?;
    let text = std::fs::read_to_string(header).map_err(|why| format!("{header}: {why}"))?;
    bindgen::builder()
        .header(header)
        .clang_arg("-std=c11")
        .allowlist_item(bound.names)
        .prepend_enum_name(false)
        // Its numbers are of this target only; the tests ask the C compiler
        // of each target instead.
        .layout_tests(false)
        .merge_extern_blocks(true)
        // Fixed: bindgen would otherwise ask the compiler that happens to be there.
        .rust_target(rust)
        .rust_edition(bindgen::RustEdition::Edition2024)
        // bindgen's own names its version, which is no part of the interface.
        .disable_header_comment()
        .raw_line(format!(
            "// @generated from {} by bindgen; accept a change with: {}",
            bound.header,
            fingerprint::ACCEPT
        ))
        .raw_line(bound.line(&text))
        .generate()
        .map(|bindings| bindings.to_string().trim_end().to_owned() + "\n")
        .map_err(|why| format!("bindgen cannot make bindings of {header}: {why}"))
}
