package main

import (
	"crypto/sha256"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine is what a reader must know to judge the figures.
type machine struct {
	Version string  `json:"version"`
	Kernel  string  `json:"kernel"`
	Arch    string  `json:"arch"`
	CPUs    int     `json:"cpus"`
	CPU     string  `json:"cpu"`
	Cgroups string  `json:"cgroups"`
	Noise   float64 `json:"noise"` // p95 of a fixed busy loop over its fastest run, minus 1
	Go      string  `json:"go"`
}

func describeMachine(version string) machine {
	m := machine{
		Version: version,
		Arch:    runtime.GOARCH,
		CPUs:    runtime.NumCPU(),
		CPU:     cpuModel(),
		Cgroups: cgroupMode(),
		Noise:   noise(),
		Go:      runtime.Version(),
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

func cpuModel() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for _, line := range strings.Split(string(data), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok &&
			strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func cgroupMode() string {
	switch {
	case exists("/sys/fs/cgroup/cgroup.controllers"):
		return "v2"
	case exists("/sys/fs/cgroup/unified"):
		return "hybrid"
	}
	return "v1"
}

// noise runs a fixed piece of work many times: on a quiet machine each run
// takes the same time.
func noise() float64 {
	block := make([]byte, 1<<20)
	var times []float64
	for range 100 {
		start := time.Now()
		sha256.Sum256(block)
		times = append(times, ms(time.Since(start)))
	}
	s := sorted(times)
	return quantile(s, 0.95)/s[0] - 1
}
