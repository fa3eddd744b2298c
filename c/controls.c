/* Forwarding shims, in a translation unit of their own, so that they cannot be
 * inlined into anything. build.rs compiles this file optimised whatever the
 * profile: a shim must be a lone `jmp` to be a trampoline and nothing else. */
#include "controls.h"

#include <stdio.h>

int64_t greet_shim_add_one(int64_t value)
{
    return greet_add_one(value);
}

int greet_shim_say(const char *text)
{
    return puts(text);
}
