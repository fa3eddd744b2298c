// The calls on show: the twins, in Go, of the exhibits of the same name (add_one is addOne, as Go spells it).

package main

// #cgo CFLAGS: -std=c11 -O3
// #include <stdio.h>
// #include <stdlib.h>
// #include "../c/callers.h"
//
// // An annotation holds for a name, so the annotated call has a name of its own for the same function: what follows
// // __asm__ is the symbol that is called.
// int64_t noescape_add_one(int64_t value) __asm__("greet_add_one");
// int64_t nocallback_add_one(int64_t value) __asm__("greet_add_one");
// int64_t annotated_add_one(int64_t value) __asm__("greet_add_one");
// int64_t annotated_sum(const int64_t *items, size_t len) __asm__("greet_sum");
//
// #cgo noescape noescape_add_one
// #cgo nocallback nocallback_add_one
// #cgo noescape annotated_add_one
// #cgo nocallback annotated_add_one
// #cgo noescape annotated_sum
// #cgo nocallback annotated_sum
//
// int goVisit(int64_t item, void *user_data);
import "C"

import "unsafe"

// addOne is the twin of add_one. C's own function is two instructions long.
//
//go:noinline
func addOne(value int64) int64 { return int64(C.greet_add_one(C.int64_t(value))) }

// addOneNoescape promises that C keeps no pointer: there is none to keep.
//
//go:noinline
func addOneNoescape(value int64) int64 { return int64(C.noescape_add_one(C.int64_t(value))) }

// addOneNocallback promises that C does not call back.
//
//go:noinline
func addOneNocallback(value int64) int64 { return int64(C.nocallback_add_one(C.int64_t(value))) }

// addOneAnnotated promises both.
//
//go:noinline
func addOneAnnotated(value int64) int64 { return int64(C.annotated_add_one(C.int64_t(value))) }

// sumLocal gives C a pointer to a local: C might keep it, so it is allocated on the heap.
//
//go:noinline
func sumLocal(value int64) int64 {
	local := C.int64_t(value)
	return int64(C.greet_sum(&local, 1))
}

// sumLocalAnnotated promises that C neither keeps it nor calls back: the local stays on the stack.
//
//go:noinline
func sumLocalAnnotated(value int64) int64 {
	local := C.int64_t(value)
	return int64(C.annotated_sum(&local, 1))
}

// These call what is walked as a whole, with all that it does beside the call.

//go:noinline
func callSumLocal(value int64) int64 { return sumLocal(value) }

//go:noinline
func callSumLocalAnnotated(value int64) int64 { return sumLocalAnnotated(value) }

//go:noinline
func callSayString(text string) int32 { return sayString(text) }

// sayCstr is the twin of say_cstr: the text is a C string already.
//
//go:noinline
func sayCstr(text *C.char) int32 { return int32(C.puts(text)) }

// sayString makes a C string of a Go string first, and frees it: three crossings.
//
//go:noinline
func sayString(text string) int32 {
	copied := C.CString(text)
	written := C.puts(copied)
	C.free(unsafe.Pointer(copied))
	return int32(written)
}

// addOneThousand has C repeat it a thousand times: one crossing for all of them.
//
//go:noinline
func addOneThousand(start int64) int64 { return int64(C.add_one_times(1000, C.int64_t(start))) }

// forEach is the twin of for_each: C calls goVisit for each item.
//
//go:noinline
func forEach(items []C.int64_t) int32 {
	return int32(C.greet_for_each(&items[0], C.size_t(len(items)), C.greet_visitor(C.goVisit), nil))
}

// total is what goVisit has added up.
var total int64

// goVisit is what C calls back.
//
//export goVisit
//go:noinline
func goVisit(item C.int64_t, _ unsafe.Pointer) C.int {
	total += int64(item)
	return 0
}

// goAddOne is no C function.
//
//go:noinline
func goAddOne(value int64) int64 { return value + 1 }

// addOneInGo calls it: the control, a bare call in the same image.
//
//go:noinline
func addOneInGo(value int64) int64 { return goAddOne(value) }
