// The twins in C, for what is timed in one process with the calls from Go.
#include "../c/callers.c"
