// What else can run while calls wait in C.

package main

// #include <unistd.h>
import "C"

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// What was found while all the calls waited in C. Its JSON is this program's only output.
type waiting struct {
	Processors int `json:"processors"` // GOMAXPROCS: how many goroutines may run Go code at once
	Calls      int `json:"calls"`
	InC        int `json:"in_c"`  // threads of this process that the system has waiting in that very call
	Ticks      int `json:"ticks"` // what another goroutine did meanwhile, of as many asked for
	Before     int `json:"threads_before"`
	Threads    int `json:"threads"` // of this process, while they waited
}

const (
	ticks    = 1000
	patience = 20 * time.Second
)

// blocked has so many goroutines call C's read(2) on a pipe that nobody writes to, on one processor.
func blocked(calls int) error {
	runtime.GOMAXPROCS(1)
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	fd := int(reader.Fd())
	found := waiting{Processors: runtime.GOMAXPROCS(0), Calls: calls, Before: threads()}
	done := make(chan struct{}, calls)
	for range calls {
		go func() {
			var one [1]byte
			C.read(C.int(fd), unsafe.Pointer(&one), 1)
			done <- struct{}{}
		}()
	}
	deadline := time.Now().Add(patience)
	for found.InC < calls {
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s, %d of %d calls are in C", patience, found.InC, calls)
		}
		// To the end of the queue: whoever has not called yet comes first.
		runtime.Gosched()
		if found.InC, err = inRead(fd); err != nil {
			return err
		}
	}
	// The bystander: it answers whenever it is asked, while every call waits.
	ask, answer := make(chan struct{}), make(chan struct{})
	go func() {
		for range ask {
			answer <- struct{}{}
		}
	}()
	for range ticks {
		ask <- struct{}{}
		<-answer
		found.Ticks++
	}
	found.Threads = threads()
	if _, err := writer.Write(make([]byte, calls)); err != nil {
		return err
	}
	for range calls {
		<-done
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// sleeping prints how many nanoseconds it takes until so many goroutines, on one processor, have each slept in C for
// a second.
func sleeping(calls int) {
	runtime.GOMAXPROCS(1)
	done := make(chan struct{}, calls)
	start := time.Now()
	for range calls {
		go func() {
			C.sleep(1)
			done <- struct{}{}
		}()
	}
	for range calls {
		<-done
	}
	fmt.Println(time.Since(start).Nanoseconds())
}

// inRead counts the threads of this process that are in read(2) of that file.
func inRead(fd int) (int, error) {
	files, err := filepath.Glob("/proc/self/task/*/syscall")
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("/proc/self/task/*/syscall: not there: %w", err)
	}
	in := 0
	wanted := []string{"0", "0x" + strconv.FormatInt(int64(fd), 16)}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		words := strings.Fields(string(line))
		if len(words) > 1 && words[0] == wanted[0] && words[1] == wanted[1] {
			in++
		}
	}
	return in, nil
}

func threads() int {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0
	}
	return len(entries)
}
