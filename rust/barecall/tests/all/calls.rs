//! All calls of an image, and those of each of its functions.

use barecall::{Call, Image, Route};

fn facts(call: &Call<'_>) -> (u64, u64, Route) {
    (call.at(), call.from().address(), call.route())
}

/// Whichever worker found them, they come in the order of functions and addresses.
#[test]
fn all_calls_are_those_of_each_function_in_order() {
    let image = Image::current().unwrap();
    let each: Vec<_> = image
        .functions()
        .flat_map(|function| function.calls())
        .map(|call| facts(&call))
        .collect();
    let calls = image.calls(|_, _| {});
    let listed: Vec<_> = calls.iter().map(|call| facts(&call)).collect();
    assert!(each.len() > 1000);
    assert!(listed == each);
    assert_eq!(calls.len(), each.len());
    assert_eq!(calls.into_iter().count(), each.len());
}
