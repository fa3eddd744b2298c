// What the program can be asked to do: each call once, to be walked, and in a loop, to be timed.

package main

// #include <stdio.h>
// #include <stdlib.h>
// #include "../c/callers.h"
//
// int64_t noescape_add_one(int64_t value) __asm__("greet_add_one");
// int64_t nocallback_add_one(int64_t value) __asm__("greet_add_one");
// int64_t annotated_add_one(int64_t value) __asm__("greet_add_one");
// int64_t annotated_sum(const int64_t *items, size_t len) __asm__("greet_sum");
import "C"

import "unsafe"

// An act is one call: made once by the function on show, and again and again by a loop that has nothing else in it.
type act struct {
	name string
	once func()
	loop func(times int)
}

const text = "Hello"

var cText = C.CString(text)

var acts = []act{
	{"add_one", func() { total = addOne(41) }, func(times int) {
		value := C.int64_t(0)
		for range times {
			value = C.greet_add_one(value)
		}
		total = int64(value)
	}},
	{"add_one_noescape", func() { total = addOneNoescape(41) }, func(times int) {
		value := C.int64_t(0)
		for range times {
			value = C.noescape_add_one(value)
		}
		total = int64(value)
	}},
	{"add_one_nocallback", func() { total = addOneNocallback(41) }, func(times int) {
		value := C.int64_t(0)
		for range times {
			value = C.nocallback_add_one(value)
		}
		total = int64(value)
	}},
	{"add_one_annotated", func() { total = addOneAnnotated(41) }, func(times int) {
		value := C.int64_t(0)
		for range times {
			value = C.annotated_add_one(value)
		}
		total = int64(value)
	}},
	{"sum_local", func() { total = callSumLocal(41) }, func(times int) {
		for range times {
			total = sumLocal(total)
		}
	}},
	{"sum_local_annotated", func() { total = callSumLocalAnnotated(41) }, func(times int) {
		for range times {
			total = sumLocalAnnotated(total)
		}
	}},
	{"say_cstr", func() { sayCstr(cText) }, func(times int) {
		for range times {
			C.puts(cText)
		}
	}},
	{"say_string", func() { callSayString(text) }, func(times int) {
		for range times {
			copied := C.CString(text)
			C.puts(copied)
			C.free(unsafe.Pointer(copied))
		}
	}},
	// A thousand calls in one crossing.
	{"add_one_thousand", func() { total = addOneThousand(41) }, func(times int) {
		value := C.int64_t(0)
		for range times {
			value = C.add_one_times(1000, value)
		}
		total = int64(value)
	}},
	// As many callbacks, all in one crossing.
	{"visit", func() { forEach(items[:1]) }, func(times int) {
		for ; times > len(items); times -= len(items) {
			forEach(items)
		}
		forEach(items[:times])
	}},
	{"add_one_in_go", func() { total = addOneInGo(41) }, func(times int) {
		value := int64(0)
		for range times {
			value = goAddOne(value)
		}
		total = value
	}},
	// C calling C, all in one crossing.
	{"c_add_one", func() { C.add_one(41) }, func(times int) {
		total = int64(C.add_one_times(C.size_t(times), 0))
	}},
}

var items = make([]C.int64_t, 1000)

func named(name string) *act {
	for index := range acts {
		if acts[index].name == name {
			return &acts[index]
		}
	}
	return nil
}
