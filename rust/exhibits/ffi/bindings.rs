// @generated from c/greet.h by bindgen; accept a change with: GREET_BLESS=1 cargo test --features bindgen --test all bindings
// Fingerprint of c/greet.h: d312da606c0235f5

#[doc = " Done."]
pub const GREET_OK: greet_status = 0;
#[doc = " A pointer was null that must not be."]
pub const GREET_NULL: greet_status = -1;
#[doc = " The caller's buffer cannot hold the result."]
pub const GREET_TOO_SMALL: greet_status = -2;
#[doc = " The visitor asked to stop."]
pub const GREET_STOPPED: greet_status = -3;
#[doc = " What became of a call. Errors are negative, so that the type is `int` under\n every compiler."]
pub type greet_status = ::std::os::raw::c_int;
#[doc = " A point, to be passed and returned by value: in two vector registers on\n x86-64 (System V)."]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct greet_point {
    #[doc = " Abscissa."]
    pub x: f64,
    #[doc = " Ordinate."]
    pub y: f64,
}
#[doc = " Called by `greet_for_each` for one item. Returns 0 to go on, anything else\n to stop. It must return: neither `longjmp` nor a foreign exception may cross\n the C frames below it."]
pub type greet_visitor = ::std::option::Option<
    unsafe extern "C" fn(
        item: i64,
        user_data: *mut ::std::os::raw::c_void,
    ) -> ::std::os::raw::c_int,
>;
#[doc = " Someone who greets, by name. Opaque: made by `greeter_new`, owned by the\n caller, to be released with `greeter_free`."]
#[repr(C)]
#[derive(Debug)]
pub struct greeter {
    _unused: [u8; 0],
}
unsafe extern "C" {
    #[doc = " Writes `text` and a line feed to stdout with `puts` and returns its result:\n not negative, or `EOF` on failure. Borrows `text`, a NUL-terminated string.\n Null: writes nothing and returns `EOF`."]
    pub fn greet_say(text: *const ::std::os::raw::c_char) -> ::std::os::raw::c_int;
    #[doc = " Returns `value + 1`, wrapping around at the end. Two instructions long: what\n a call of it costs is the call."]
    pub fn greet_add_one(value: i64) -> i64;
    #[doc = " Returns the sum of `len` items, wrapping around at the end. Borrows `items`.\n Null counts as an empty buffer: the sum is 0."]
    pub fn greet_sum(items: *const i64, len: usize) -> i64;
    #[doc = " Returns the point halfway between `a` and `b`."]
    pub fn greet_midpoint(a: greet_point, b: greet_point) -> greet_point;
    #[doc = " Calls `visitor` with each of `len` items in order, and with `user_data`,\n which it only hands on.\n\n The visitor runs on the calling thread, once per item, and never after this\n function has returned. Borrows `items`. Returns `GREET_STOPPED` as soon as a\n visitor asks for it, and `GREET_NULL`, before any call, when `visitor` is\n null, or `items` is and `len` is not 0. `user_data` may be anything."]
    pub fn greet_for_each(
        items: *const i64,
        len: usize,
        visitor: greet_visitor,
        user_data: *mut ::std::os::raw::c_void,
    ) -> greet_status;
    #[doc = " Returns a new greeter, which the caller owns. Copies `name`. Returns null\n when `name` is null or empty, or when memory is short."]
    pub fn greeter_new(name: *const ::std::os::raw::c_char) -> *mut greeter;
    #[doc = " Writes the greeting, `Hello, NAME!` and a NUL, into the caller's `buffer` of\n `size` bytes. Borrows `self`, which several threads may do at once. Returns\n `GREET_TOO_SMALL`, with the buffer untouched, when it does not fit, and\n `GREET_NULL` when `self` or `buffer` is null."]
    pub fn greeter_greeting(
        self_: *const greeter,
        buffer: *mut ::std::os::raw::c_char,
        size: usize,
    ) -> greet_status;
    #[doc = " Releases a greeter, once. Null: does nothing."]
    pub fn greeter_free(self_: *mut greeter);
    #[doc = " Returns the address this call returns to: evidence, at run time, of the\n instruction that made the call. Null where the compiler cannot tell (only\n gcc, clang and MSVC can)."]
    pub fn greet_return_address() -> *const ::std::os::raw::c_void;
}
