// The exhibits' twins in Go: the same calls of the same C library, through Cgo.
//
//	zcffi-go ACT               performs an act a few times, for a debugger or a walk
//	zcffi-go bench ACT TIMES   performs it that many times and prints the nanoseconds they took
//	zcffi-go blocked CALLS     has that many goroutines wait in C at once, and prints what else could run
//	zcffi-go sleeping CALLS    has that many goroutines sleep in C for a second, and prints the nanoseconds until all have
//	zcffi-go list              names the acts
//
// Exit codes: 0 done; 2 usage or environment.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// An act is performed so often: the first times bind symbols and set things up.
const few = 5

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	const usage = "usage: zcffi-go ACT | bench ACT TIMES | blocked CALLS | sleeping CALLS | list"
	switch {
	case len(args) == 1 && args[0] == "list":
		for _, act := range acts {
			fmt.Println(act.name)
		}
	case len(args) == 2 && (args[0] == "blocked" || args[0] == "sleeping"):
		calls, err := number(args[1], 1000)
		if err != nil {
			return err
		}
		if args[0] == "blocked" {
			return blocked(calls)
		}
		sleeping(calls)
	case len(args) == 3 && args[0] == "bench":
		act := named(args[1])
		if act == nil {
			return fmt.Errorf("no act %s; `zcffi-go list` names them", args[1])
		}
		times, err := number(args[2], 1e12)
		if err != nil {
			return err
		}
		return bench(act, times)
	case len(args) == 1:
		act := named(args[0])
		if act == nil {
			return fmt.Errorf("no act %s; `zcffi-go list` names them; %s", args[0], usage)
		}
		for range few {
			act.once()
		}
	default:
		return fmt.Errorf("%s", usage)
	}
	return nil
}

// bench prints how many nanoseconds the act took, so many times. What the act writes goes to /dev/null.
func bench(act *act, times int) error {
	stdout, err := syscall.Dup(1)
	if err != nil {
		return fmt.Errorf("stdout: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := syscall.Dup2(int(null.Fd()), 1); err != nil {
		return fmt.Errorf("stdout: %w", err)
	}
	act.loop(few)
	start := time.Now()
	act.loop(times)
	elapsed := time.Since(start)
	_, err = fmt.Fprintln(os.NewFile(uintptr(stdout), "stdout"), elapsed.Nanoseconds())
	return err
}

func number(text string, most int) (int, error) {
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 || value > most {
		return 0, fmt.Errorf("%s is no number from 1 to %d", text, most)
	}
	return value, nil
}
