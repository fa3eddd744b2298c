// Calls plusone as often as it is told and prints the milliseconds that took.
package main

// #cgo CFLAGS: -O2
// #cgo LDFLAGS: -L${SRCDIR} -lplus -Wl,-rpath,${SRCDIR}
// int plusone(int x);
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// Not inlined, so that it can be found, and counted.
//
//go:noinline
func run(count C.int) C.int {
	var x C.int
	for x < count {
		x = C.plusone(x)
	}
	return x
}

func main() {
	count := 0
	if len(os.Args) == 2 {
		count, _ = strconv.Atoi(os.Args[1])
	}
	start := time.Now()
	x := run(C.int(count))
	fmt.Println(time.Since(start).Milliseconds(), x)
}
