package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/bundle/profile"
	"github.com/ocikit/ocikit/runtime/seccomp"
)

// podmanProfile is where Debian's golang-github-containers-common has it.
const podmanProfile = "/usr/share/containers/seccomp.json"

const compileTitle = "a seccomp profile compiled, and taken from the cache of filters"

// compileProfiles measures how long a profile takes to compile, and to come
// out of the cache, in this process.
func compileProfiles(l *lab) ([]result, error) {
	r := result{Name: "seccomp-compile", Title: compileTitle, Unit: "µs", Alone: true}
	spec := bundle.Default()
	bounding := spec.Process.Capabilities.Bounding
	moby, err := profile.Default(bounding)
	if err != nil {
		return nil, err
	}
	subjects := []compilation{{"moby", moby}}
	if text, err := os.ReadFile(podmanProfile); err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("podman's profile is left out: %v", err))
	} else {
		podman, err := profile.Parse(text, bounding)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, compilation{"podman", podman})
	}
	r.Rows, err = compileRounds(subjects, filepath.Join(l.work, "filters"), l.version, l.rounds)
	return []result{r}, err
}

// compilation is a profile to compile.
type compilation struct {
	name    string
	profile *specs.LinuxSeccomp
}

// compileRounds compiles each profile without and with a cache, in turn, in
// each round. The first rounds warm up, and fill the cache.
func compileRounds(subjects []compilation, dir, version string, rounds int) ([]row, error) {
	options, err := seccomp.HostOptions()
	if err != nil {
		return nil, err
	}
	const warm = 3
	rows := make([]row, 2*len(subjects))
	for round := range rounds + warm {
		for i := range rows {
			c, cache := subjects[i/2], seccomp.Cache{}
			rows[i].Tool, rows[i].Version = c.name, version
			if i%2 == 1 {
				rows[i].Tool += ", cached"
				cache.Dir = dir
			}
			s, err := compileOnce(cache, c.profile, options)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", rows[i].Tool, err)
			}
			if round >= warm {
				rows[i].Wall = append(rows[i].Wall, s.wall)
				rows[i].CPU = append(rows[i].CPU, s.cpu)
			}
		}
	}
	return rows, nil
}

// compileOnce is one compilation: wall and CPU time, of its thread, in
// microseconds. A cache that does not work is an error.
func compileOnce(cache seccomp.Cache, profile *specs.LinuxSeccomp, options seccomp.Options) (sample, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := threadTime()
	if err != nil {
		return sample{}, err
	}
	start := time.Now()
	_, warnings, err := cache.Compile(profile, options)
	wall := time.Since(start)
	if err != nil {
		return sample{}, err
	}
	for _, w := range warnings {
		if w.Path == "" {
			return sample{}, fmt.Errorf("%s", w.Text)
		}
	}
	after, err := threadTime()
	return sample{wall: 1000 * ms(wall), cpu: 1000 * ms(after-before)}, err
}

// threadTime is the CPU time of this thread.
func threadTime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("CPU time: %w", err)
	}
	return time.Duration(t.Nano()), nil
}
