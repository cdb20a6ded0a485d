package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// respectMemoryLimit tells the garbage collector about the memory limit of the
// container, so that near the limit it collects instead of growing. It leaves
// a tenth for what is not heap. The environment variable GOMEMLIMIT goes first.
func respectMemoryLimit() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	for _, file := range []string{
		"/sys/fs/cgroup/memory.max",                   // cgroup v2
		"/sys/fs/cgroup/memory/memory.limit_in_bytes", // cgroup v1
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // no such hierarchy here
		}
		if limit, ok := memoryLimit(string(text)); ok {
			debug.SetMemoryLimit(limit / 10 * 9)
		}
	}
}

// memoryLimit parses the text of a cgroup's limit file. "max" in v2, and a
// number beyond any machine in v1, mean that there is no limit.
func memoryLimit(text string) (int64, bool) {
	limit, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return limit, err == nil && limit > 0 && limit < math.MaxInt64/2
}
