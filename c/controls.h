/* The C side of the controls: code built to be in the way.
 *
 * Null and ownership are as in the function that each one passes control on to.
 */
#ifndef CONTROLS_H
#define CONTROLS_H

#include "greet.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Does nothing but pass control on to `greet_add_one`. */
int64_t greet_shim_add_one(int64_t value);

/** Does nothing but pass control on to `puts`, whose null is undefined:
 * `text` must not be. */
int greet_shim_say(const char *text);

#ifdef __cplusplus
}
#endif

#endif
