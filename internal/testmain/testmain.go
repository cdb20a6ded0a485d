// Package testmain fails a package's tests if they leave something behind on
// the machine: open files, processes, or cgroups. The TestMain of a package
// calls Run:
//
//	func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }
//
// It does not look for mounts, because the mount table belongs to all programs
// of the machine. A mount below t.TempDir fails its test by itself: the
// directory can't be removed.
package testmain

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// cgroupRoot is where the cgroup hierarchies are mounted. The cgroups library
// keeps it open once it was used.
const cgroupRoot = "/sys/fs/cgroup"

// Run runs the tests and then the checks of this package and those in more. It
// returns the exit status for the process, and prints what was left behind. If
// a test has failed, nothing is checked, because such a test may leave things
// behind.
func Run(m *testing.M, more ...func() error) int {
	files, children := OpenFiles(), Children()
	code := m.Run()
	cgroups := removeCgroups()
	if code != 0 {
		return code
	}
	check := func(what string, left []string) {
		if len(left) > 0 {
			fmt.Fprintf(os.Stderr, "the tests left %s behind: %s\n", what, strings.Join(left, ", "))
			code = 1
		}
	}
	check("open files", without(OpenFiles(), files))
	check("processes", without(Children(), children))
	check("cgroups", cgroups)
	for _, f := range more {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// OpenFiles lists the open descriptors of this process and what they refer to,
// without those that the Go runtime and the cgroups library keep.
func OpenFiles() (files []string) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") || target == cgroupRoot {
			continue // the first is the descriptor of the listing itself
		}
		files = append(files, e.Name()+"="+target)
	}
	return files
}

// Children lists the processes that this one has started and not waited for.
func Children() (pids []string) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		data, _ := os.ReadFile(list) // a thread may have ended
		pids = append(pids, strings.Fields(string(data))...)
	}
	slices.Sort(pids)
	return pids
}

// Cgroup is the cgroup for the containers of this process's tests. Run removes
// it.
func Cgroup() string { return fmt.Sprintf("/ocikit-test-%d", os.Getpid()) }

// removeCgroups removes the cgroups that carry this process's id in their name
// from every hierarchy. It returns those that were not empty of other cgroups.
func removeCgroups() (left []string) {
	name := fmt.Sprintf("/ocikit-*-%d", os.Getpid())
	unified, _ := filepath.Glob(cgroupRoot + name)
	hierarchies, _ := filepath.Glob(cgroupRoot + "/*" + name)
	for _, parent := range append(unified, hierarchies...) {
		inside, _ := filepath.Glob(parent + "/*/cgroup.procs")
		for _, file := range inside {
			left = append(left, filepath.Dir(file))
			os.Remove(filepath.Dir(file))
		}
		if err := os.Remove(parent); err != nil {
			left = append(left, err.Error())
		}
	}
	return left
}

// without returns the elements of list that are not in known.
func without(list, known []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(known, s) })
}
