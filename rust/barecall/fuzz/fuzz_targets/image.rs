//! Reads arbitrary bytes as an image and asks everything about every call in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = barecall::Image::read("fuzz", bytes.to_vec()) else {
        return;
    };
    for function in image.functions() {
        for call in function.calls() {
            let reached = (call.to(), call.to_mangled(), call.via(), call.text());
            std::hint::black_box(reached);
            if call.route().is_bare() {
                assert_eq!(call.instructions(), Some(1), "a bare call is one instruction");
            }
        }
    }
    let _ = std::hint::black_box(image.function("main"));
});
