package main

import (
	"io/fs"
	"math"
	"strconv"
	"strings"
)

// containerMemoryLimit returns the memory limit of the container in bytes, and
// whether there is one. root is the file system; the limit is where a container
// sees its own cgroup.
func containerMemoryLimit(root fs.FS) (int64, bool) {
	for _, file := range []string{
		"sys/fs/cgroup/memory.max",                   // cgroup v2
		"sys/fs/cgroup/memory/memory.limit_in_bytes", // cgroup v1
	} {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			continue // not this version, or no cgroup is mounted: then nothing is known
		}
		// "max" in v2, and a number beyond any machine in v1, mean no limit.
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && limit > 0 && limit < math.MaxInt64/2 {
			return limit, true
		}
	}
	return 0, false
}
