package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sample is one run: wall and CPU time (of the command and of all its
// descendants that were waited for) in milliseconds, and the most memory that
// one process of it held, in MiB.
type sample struct{ wall, cpu, peak float64 }

// add joins what was done one after the other.
func (s sample) add(t sample) sample {
	return sample{s.wall + t.wall, s.cpu + t.cpu, max(s.peak, t.peak)}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// once runs a command that must succeed. Its standard error is a file, not a
// pipe: a process that the command leaves running keeps it open, and nobody
// waits for that.
func once(argv ...string) (sample, error) {
	return onceWith(exec.Command(argv[0], argv[1:]...))
}

// onceWith is once for a command with an environment, a directory or files.
func onceWith(cmd *exec.Cmd) (sample, error) {
	memory, err := unix.MemfdCreate("stderr", unix.MFD_CLOEXEC)
	if err != nil {
		return sample{}, fmt.Errorf("memfd: %w", err)
	}
	said := os.NewFile(uintptr(memory), "stderr")
	defer said.Close()
	cmd.Stderr = said
	start := time.Now()
	err = cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, lastWords(said))
	}
	state := cmd.ProcessState
	s := sample{wall: ms(wall), cpu: ms(state.UserTime() + state.SystemTime())}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		s.peak = float64(usage.Maxrss) / 1024
	}
	return s, nil
}

// lastWords is the end of what a command said: the reason usually comes last.
func lastWords(f *os.File) string {
	const most = 600
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, size-most), most))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

// adopt makes this process the parent of what its commands leave running, so
// that it can wait for it.
func adopt() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("subreaper: %w", err)
	}
	return nil
}

// reap waits for the end of a process that was left to us, and returns the
// CPU time that it used, in milliseconds.
func reap(pid int) (float64, error) {
	for {
		var usage unix.Rusage
		_, err := unix.Wait4(pid, nil, 0, &usage)
		switch err {
		case nil:
			return ms(time.Duration(usage.Utime.Nano() + usage.Stime.Nano())), nil
		case unix.EINTR:
		default:
			return 0, fmt.Errorf("wait for process %d: %w", pid, err)
		}
	}
}

// end kills a process that was left to us, and waits for its end.
func end(pid int) error {
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	_, err := reap(pid)
	return err
}

// children lists the processes whose parent we are.
func children() []int {
	var pids []int
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range files {
		text, _ := os.ReadFile(name) // of a thread that has ended: nothing
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// readPid reads a file as --pid-file writes it.
func readPid(name string) (int, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// cpuOf is the CPU time that the threads of a live process have used, in
// milliseconds: to the nanosecond, which /proc/PID/stat is not.
func cpuOf(pid int) float64 {
	var total float64
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range files {
		text, _ := os.ReadFile(name)
		if words := strings.Fields(string(text)); len(words) > 0 {
			ns, _ := strconv.ParseFloat(words[0], 64)
			total += ns / 1e6
		}
	}
	return total
}

// pss is the memory of a process in KiB, where what several processes share
// counts for each in part.
func pss(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "Pss:" {
			return strconv.ParseFloat(words[1], 64)
		}
	}
	return 0, fmt.Errorf("process %d: smaps_rollup has no Pss", pid)
}

// reapNew waits for the end of the children that were not there before. A
// command has left them to end by themselves, as podman leaves conmon.
func reapNew(before []int) {
	for _, pid := range children() {
		if !slices.Contains(before, pid) {
			_, _ = reap(pid)
		}
	}
}
