// Goroutines asleep, as many as the argument says: what they take, as one line of JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Taken is what so many goroutines took until all were asleep.
type Taken struct {
	Go         string  `json:"go"`
	Count      int     `json:"count"`
	Asleep     int     `json:"asleep"`
	StackBytes uint64  `json:"stack_bytes"`
	Resident   uint64  `json:"resident"`
	Seconds    float64 `json:"asleep_after"`
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: tasks COUNT")
	}
	count, err := strconv.Atoi(os.Args[1])
	if err != nil || count <= 0 {
		fail("COUNT is a number greater than 0")
	}
	// Not for ever, whoever started this may be gone.
	time.AfterFunc(time.Duration(10+count/10_000)*time.Second, func() { os.Exit(1) })

	resident, stacks := memory("VmRSS:"), stackBytes()
	var started sync.WaitGroup
	started.Add(count)
	start := time.Now()
	for range count {
		go func() {
			started.Done()
			time.Sleep(time.Hour)
		}()
	}
	started.Wait()
	taken := Taken{
		Go:      runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		Count:   count,
		Seconds: time.Since(start).Seconds(),
		// Without this one.
		Asleep:     runtime.NumGoroutine() - 1,
		StackBytes: grown(stackBytes(), stacks),
		Resident:   grown(memory("VmRSS:"), resident),
	}
	if err := json.NewEncoder(os.Stdout).Encode(taken); err != nil {
		fail(err.Error())
	}
}

// grown is by how much more after is than before: a few may fit in what was there.
func grown(after, before uint64) uint64 {
	return max(after, before) - before
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(2)
}

// stackBytes is what Go's heap has reserved for stacks.
func stackBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// memory is a field of /proc/self/status, in bytes; 0 where there is none.
func memory(field string) uint64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == field {
			kib, _ := strconv.ParseUint(words[1], 10, 64)
			return kib * 1024
		}
	}
	return 0
}
