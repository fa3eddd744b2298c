/* C calling C: the twins of the exhibits, under the same names. They are the
 * baseline: whatever one of them costs, C costs.
 *
 * Pointers must be valid, as in greet.h, and not null.
 */
#ifndef CALLERS_H
#define CALLERS_H

#include <stdbool.h>

#include "greet.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Twin of `calls::say`. */
void say(void);

/** Twin of `calls::say_cstr`. Borrows `text`, a NUL-terminated string. */
int say_cstr(const char *text);

/** Twin of `calls::say_then`. */
bool say_then(void);

/** Twin of `calls::say_twice`. */
void say_twice(void);

/** Twin of `calls::say_times`. */
void say_times(size_t n);

/** Twin of `calls::add_one`. */
int64_t add_one(int64_t value);

/** Twin of `calls::add_one_times`. */
int64_t add_one_times(size_t n, int64_t start);

/** Twin of `calls::sum`. Borrows `len` items: a slice of Rust arrives in the
 * same two registers. */
int64_t sum(const int64_t *items, size_t len);

/** Twin of `calls::midpoint`. */
greet_point midpoint(greet_point a, greet_point b);

/** Twin of `callback::for_each`. Borrows `len` items. */
int64_t for_each(const int64_t *items, size_t len);

#ifdef __cplusplus
}
#endif

#endif
