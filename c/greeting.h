/* The talk's greeting, "Hi!", a wait, "Bye!", in the four ways in which C
 * libraries offer what takes time: a call that never waits, a call that blocks,
 * a callback, and a file descriptor. And one more that is tied to a thread.
 *
 * Ownership. `name` is copied. The buffer is lent: it is C's, to be neither read,
 * written nor released, from the call until the moment that each function names,
 * and C never touches it after that. It must hold `greeting_size(name)` bytes.
 * `user_data` is only handed on.
 *
 * Threads. Every function may be called from any thread, and from a callback,
 * except where it says otherwise. What is started is completed on one thread that
 * C owns: made by the first call that needs it, with all signals blocked, and
 * ended by `greeting_shutdown`. After `fork` only the parent has it.
 *
 * Null pointers and unknown handles are errors, never undefined behaviour. A
 * pointer that is not null must be valid. An error means that nothing was done.
 */
#ifndef GREETING_H
#define GREETING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What became of a greeting, or of a call. Errors are negative. */
typedef enum greeting_status {
    /** Done: the buffer holds `Hi, NAME! Bye, NAME!` and a NUL. */
    GREETING_OK = 0,
    /** A pointer was null that must not be. */
    GREETING_NULL = -1,
    /** The buffer cannot hold the greeting. */
    GREETING_TOO_SMALL = -2,
    /** It was cancelled: the buffer holds `Hi, NAME!` and a NUL. */
    GREETING_CANCELLED = -3,
    /** It is not done yet. */
    GREETING_PENDING = -4,
    /** No greeting has this handle, or none has it any more. */
    GREETING_UNKNOWN = -5,
    /** Memory is short. */
    GREETING_NO_MEMORY = -6,
    /** The thread could not be started, or is just being shut down. */
    GREETING_NO_THREAD = -7,
    /** No file descriptor could be had. */
    GREETING_NO_DESCRIPTOR = -8,
    /** It belongs to another thread. */
    GREETING_WRONG_THREAD = -9
} greeting_status;

/** A greeting that was started. Checked: the handle of one that is over is unknown
 * for good, until 4,294,967,295 others have had its place. 0 is no greeting's. */
typedef uint64_t greeting_handle;

/** Called when a greeting is over: with `GREETING_OK` or `GREETING_CANCELLED`, and
 * the `user_data` of its start. The buffer is the caller's again.
 *
 * It runs with no lock held and may call every function here but one that blocks;
 * `greeting_shutdown` refuses. While it runs no other greeting completes. It must
 * return: neither `longjmp` nor a foreign exception may cross the C frames below. */
typedef void (*greeting_callback)(greeting_status status, void *user_data);

/** What was done so far, in this process. */
typedef struct greeting_counts {
    /** Greetings started, by `greeting_start` and `greeting_open`. */
    uint64_t started;
    /** Of these, how many have ended: by callback (counted just before it), or by
     * `greeting_free`. */
    uint64_t ended;
    /** Callbacks made. */
    uint64_t callbacks;
    /** Greetings that were cancelled, by `greeting_cancel` or by `greeting_free`. */
    uint64_t cancelled;
    /** Blocks of memory allocated. */
    uint64_t allocations;
    /** Blocks of memory freed. Equal after `greeting_shutdown`, if no host is left. */
    uint64_t frees;
    /** File descriptors opened. */
    uint64_t opened;
    /** File descriptors closed. */
    uint64_t closed;
} greeting_counts;

/** Someone who greets on one thread only, as libraries with state for each thread
 * do. Opaque: made by `greeting_host_new`, to be used and released there. */
typedef struct greeting_host greeting_host;

/** Returns how many bytes the greeting of `name` takes, with its NUL: twice the
 * length of the name, and 13. Null: 0. Never waits. */
size_t greeting_size(const char *name);

/** Writes the greeting, with no wait between its two parts. Never blocks, takes no
 * lock, allocates nothing. The buffer is lent for the call. */
greeting_status greeting_now(const char *name, char *buffer, size_t size);

/** Writes the greeting, and blocks the calling thread for `delay` nanoseconds in
 * between. The buffer is lent for the call. */
greeting_status greeting_wait(const char *name, char *buffer, size_t size, uint64_t delay);

/** Starts a greeting that ends in a callback.
 *
 * When it returns `GREETING_OK`, the callback runs exactly once, whatever happens,
 * also after `greeting_cancel`; otherwise it never does. It may run before this
 * function has returned: on C's thread, or, when `delay` (nanoseconds) is 0, on the
 * calling thread, within this call, which then needs no thread of C's. The buffer
 * is lent until the callback begins, and so is whatever `user_data` points to.
 *
 * `handle` may be null. It is written before the callback can run; 0 where the
 * callback ran within this call. The handle is unknown once the callback begins.
 * Errors: `GREETING_NULL` (name, buffer or callback), `GREETING_TOO_SMALL`,
 * `GREETING_NO_MEMORY`, `GREETING_NO_THREAD`. */
greeting_status greeting_start(const char *name, char *buffer, size_t size, uint64_t delay,
                               greeting_callback callback, void *user_data,
                               greeting_handle *handle);

/** Starts a greeting that makes a file descriptor readable when it is over, after
 * `delay` nanoseconds, or when it is cancelled.
 *
 * The descriptor is C's: to be waited for, and nothing else. It stays readable until
 * `greeting_free` closes it, before which whoever waits for it must have been told.
 * The buffer is lent until `greeting_result` says that it is over, or until
 * `greeting_free` has returned. Neither `fd` nor `handle` may be null. Errors: as for
 * `greeting_start`, and `GREETING_NO_DESCRIPTOR`. */
greeting_status greeting_open(const char *name, char *buffer, size_t size, uint64_t delay,
                              int *fd, greeting_handle *handle);

/** Asks a greeting to end now: its callback runs, or its descriptor becomes
 * readable, soon, with `GREETING_CANCELLED`, if it had not ended before. Does not
 * wait for that. Returns `GREETING_OK`; `GREETING_CANCELLED` when it was asked
 * before; `GREETING_UNKNOWN` when there is nothing to cancel any more. */
greeting_status greeting_cancel(greeting_handle handle);

/** Returns how a greeting of `greeting_open` ended: `GREETING_OK` or
 * `GREETING_CANCELLED`. `GREETING_PENDING`: it has not. `GREETING_UNKNOWN`: no
 * greeting of `greeting_open` has this handle. Never waits. */
greeting_status greeting_result(greeting_handle handle);

/** Releases a greeting of `greeting_open`, in mid-flight too: when this has
 * returned, the descriptor is closed, the handle unknown, and C touches the buffer no
 * more. One of `greeting_start` is owed its callback, and cannot be freed:
 * `GREETING_PENDING`. */
greeting_status greeting_free(greeting_handle handle);

/** Ends C's thread, waits for that, and releases what is kept between greetings.
 * Refuses with `GREETING_PENDING` while any greeting has a handle, and in a
 * callback. May be called again, and greetings may be started again. Blocks. */
greeting_status greeting_shutdown(void);

/** Copies what was counted to `counts`. Null: does nothing. */
void greeting_count(greeting_counts *counts);

/** Returns a new host, which belongs to the calling thread, or null when memory is
 * short. */
greeting_host *greeting_host_new(void);

/** Writes the greeting as `greeting_now` does, and the number of greetings that
 * this host has written, if `served` is not null. `GREETING_WRONG_THREAD` on any
 * thread but the host's. */
greeting_status greeting_host_greet(greeting_host *self, const char *name, char *buffer,
                                    size_t size, uint64_t *served);

/** Releases a host, once. `GREETING_WRONG_THREAD`, with nothing released, on any
 * thread but the host's. Null: does nothing. */
greeting_status greeting_host_free(greeting_host *self);

#ifdef __cplusplus
}
#endif

#endif
