/* The twins. They have a translation unit of their own, because Rust cannot see
 * into greet.c either: a C compiler that could would inline, not call. */
#include "callers.h"

#include <stdio.h>

void say(void)
{
    puts("Hello");
}

int say_cstr(const char *text)
{
    return puts(text);
}

bool say_then(void)
{
    return puts("Hello, then") >= 0;
}

void say_twice(void)
{
    puts("Hello, once");
    puts("Hello, twice");
}

void say_times(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        puts("Hello, again");
    }
}

int64_t add_one(int64_t value)
{
    return greet_add_one(value);
}

int64_t add_one_times(size_t n, int64_t start)
{
    int64_t value = start;

    for (size_t i = 0; i < n; i++) {
        value = greet_add_one(value);
    }
    return value;
}

int64_t sum(const int64_t *items, size_t len)
{
    return greet_sum(items, len);
}

greet_point midpoint(greet_point a, greet_point b)
{
    return greet_midpoint(a, b);
}

/* Its name would be `visit`, but a symbol `visit` is asking for a clash. */
static int add_to(int64_t item, void *user_data)
{
    int64_t *total = user_data;

    *total = (int64_t)((uint64_t)*total + (uint64_t)item);
    return 0;
}

int64_t for_each(const int64_t *items, size_t len)
{
    int64_t total = 0;

    greet_for_each(items, len, add_to, &total);
    return total;
}
