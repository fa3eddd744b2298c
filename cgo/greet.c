// cgo compiles every .c file of the package's folder: this is the library itself, not a copy.
#include "../c/greet.c"
