// @generated from c/greeting.h by bindgen; accept a change with: GREET_BLESS=1 cargo test --features bindgen --test all bindings
// Fingerprint of c/greeting.h: 01ce1bcf6d111aac

#[doc = " Done: the buffer holds `Hi, NAME! Bye, NAME!` and a NUL."]
pub const GREETING_OK: greeting_status = 0;
#[doc = " A pointer was null that must not be."]
pub const GREETING_NULL: greeting_status = -1;
#[doc = " The buffer cannot hold the greeting."]
pub const GREETING_TOO_SMALL: greeting_status = -2;
#[doc = " It was cancelled: the buffer holds `Hi, NAME!` and a NUL."]
pub const GREETING_CANCELLED: greeting_status = -3;
#[doc = " It is not done yet."]
pub const GREETING_PENDING: greeting_status = -4;
#[doc = " No greeting has this handle, or none has it any more."]
pub const GREETING_UNKNOWN: greeting_status = -5;
#[doc = " Memory is short."]
pub const GREETING_NO_MEMORY: greeting_status = -6;
#[doc = " The thread could not be started, or is just being shut down."]
pub const GREETING_NO_THREAD: greeting_status = -7;
#[doc = " No file descriptor could be had."]
pub const GREETING_NO_DESCRIPTOR: greeting_status = -8;
#[doc = " It belongs to another thread."]
pub const GREETING_WRONG_THREAD: greeting_status = -9;
#[doc = " What became of a greeting, or of a call. Errors are negative."]
pub type greeting_status = ::std::os::raw::c_int;
#[doc = " A greeting that was started. Checked: the handle of one that is over is unknown\n for good, until 4,294,967,295 others have had its place. 0 is no greeting's."]
pub type greeting_handle = u64;
#[doc = " Called when a greeting is over: with `GREETING_OK` or `GREETING_CANCELLED`, and\n the `user_data` of its start. The buffer is the caller's again.\n\n It runs with no lock held and may call every function here but one that blocks;\n `greeting_shutdown` refuses. While it runs no other greeting completes. It must\n return: neither `longjmp` nor a foreign exception may cross the C frames below."]
pub type greeting_callback = ::std::option::Option<
    unsafe extern "C" fn(status: greeting_status, user_data: *mut ::std::os::raw::c_void),
>;
#[doc = " What was done so far, in this process."]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct greeting_counts {
    #[doc = " Greetings started, by `greeting_start` and `greeting_open`."]
    pub started: u64,
    #[doc = " Of these, how many have ended: by callback (counted just before it), or by\n `greeting_free`."]
    pub ended: u64,
    #[doc = " Callbacks made."]
    pub callbacks: u64,
    #[doc = " Greetings that were cancelled, by `greeting_cancel` or by `greeting_free`."]
    pub cancelled: u64,
    #[doc = " Blocks of memory allocated."]
    pub allocations: u64,
    #[doc = " Blocks of memory freed. Equal after `greeting_shutdown`, if no host is left."]
    pub frees: u64,
    #[doc = " File descriptors opened."]
    pub opened: u64,
    #[doc = " File descriptors closed."]
    pub closed: u64,
}
#[doc = " Someone who greets on one thread only, as libraries with state for each thread\n do. Opaque: made by `greeting_host_new`, to be used and released there."]
#[repr(C)]
#[derive(Debug)]
pub struct greeting_host {
    _unused: [u8; 0],
}
unsafe extern "C" {
    #[doc = " Returns how many bytes the greeting of `name` takes, with its NUL: twice the\n length of the name, and 13. Null: 0. Never waits."]
    pub fn greeting_size(name: *const ::std::os::raw::c_char) -> usize;
    #[doc = " Writes the greeting, with no wait between its two parts. Never blocks, takes no\n lock, allocates nothing. The buffer is lent for the call."]
    pub fn greeting_now(
        name: *const ::std::os::raw::c_char,
        buffer: *mut ::std::os::raw::c_char,
        size: usize,
    ) -> greeting_status;
    #[doc = " Writes the greeting, and blocks the calling thread for `delay` nanoseconds in\n between. The buffer is lent for the call."]
    pub fn greeting_wait(
        name: *const ::std::os::raw::c_char,
        buffer: *mut ::std::os::raw::c_char,
        size: usize,
        delay: u64,
    ) -> greeting_status;
    #[doc = " Starts a greeting that ends in a callback.\n\n When it returns `GREETING_OK`, the callback runs exactly once, whatever happens,\n also after `greeting_cancel`; otherwise it never does. It may run before this\n function has returned: on C's thread, or, when `delay` (nanoseconds) is 0, on the\n calling thread, within this call, which then needs no thread of C's. The buffer\n is lent until the callback begins, and so is whatever `user_data` points to.\n\n `handle` may be null. It is written before the callback can run; 0 where the\n callback ran within this call. The handle is unknown once the callback begins.\n Errors: `GREETING_NULL` (name, buffer or callback), `GREETING_TOO_SMALL`,\n `GREETING_NO_MEMORY`, `GREETING_NO_THREAD`."]
    pub fn greeting_start(
        name: *const ::std::os::raw::c_char,
        buffer: *mut ::std::os::raw::c_char,
        size: usize,
        delay: u64,
        callback: greeting_callback,
        user_data: *mut ::std::os::raw::c_void,
        handle: *mut greeting_handle,
    ) -> greeting_status;
    #[doc = " Starts a greeting that makes a file descriptor readable when it is over, after\n `delay` nanoseconds, or when it is cancelled.\n\n The descriptor is C's: to be waited for, and nothing else. It stays readable until\n `greeting_free` closes it, before which whoever waits for it must have been told.\n The buffer is lent until `greeting_result` says that it is over, or until\n `greeting_free` has returned. Neither `fd` nor `handle` may be null. Errors: as for\n `greeting_start`, and `GREETING_NO_DESCRIPTOR`."]
    pub fn greeting_open(
        name: *const ::std::os::raw::c_char,
        buffer: *mut ::std::os::raw::c_char,
        size: usize,
        delay: u64,
        fd: *mut ::std::os::raw::c_int,
        handle: *mut greeting_handle,
    ) -> greeting_status;
    #[doc = " Asks a greeting to end now: its callback runs, or its descriptor becomes\n readable, soon, with `GREETING_CANCELLED`, if it had not ended before. Does not\n wait for that. Returns `GREETING_OK`; `GREETING_CANCELLED` when it was asked\n before; `GREETING_UNKNOWN` when there is nothing to cancel any more."]
    pub fn greeting_cancel(handle: greeting_handle) -> greeting_status;
    #[doc = " Returns how a greeting of `greeting_open` ended: `GREETING_OK` or\n `GREETING_CANCELLED`. `GREETING_PENDING`: it has not. `GREETING_UNKNOWN`: no\n greeting of `greeting_open` has this handle. Never waits."]
    pub fn greeting_result(handle: greeting_handle) -> greeting_status;
    #[doc = " Releases a greeting of `greeting_open`, in mid-flight too: when this has\n returned, the descriptor is closed, the handle unknown, and C touches the buffer no\n more. One of `greeting_start` is owed its callback, and cannot be freed:\n `GREETING_PENDING`."]
    pub fn greeting_free(handle: greeting_handle) -> greeting_status;
    #[doc = " Ends C's thread, waits for that, and releases what is kept between greetings.\n Refuses with `GREETING_PENDING` while any greeting has a handle, and in a\n callback. May be called again, and greetings may be started again. Blocks."]
    pub fn greeting_shutdown() -> greeting_status;
    #[doc = " Copies what was counted to `counts`. Null: does nothing."]
    pub fn greeting_count(counts: *mut greeting_counts);
    #[doc = " Returns a new host, which belongs to the calling thread, or null when memory is\n short."]
    pub fn greeting_host_new() -> *mut greeting_host;
    #[doc = " Writes the greeting as `greeting_now` does, and the number of greetings that\n this host has written, if `served` is not null. `GREETING_WRONG_THREAD` on any\n thread but the host's."]
    pub fn greeting_host_greet(
        self_: *mut greeting_host,
        name: *const ::std::os::raw::c_char,
        buffer: *mut ::std::os::raw::c_char,
        size: usize,
        served: *mut u64,
    ) -> greeting_status;
    #[doc = " Releases a host, once. `GREETING_WRONG_THREAD`, with nothing released, on any\n thread but the host's. Null: does nothing."]
    pub fn greeting_host_free(self_: *mut greeting_host) -> greeting_status;
}
