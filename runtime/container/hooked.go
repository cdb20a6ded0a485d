package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// killHooks kills what a process that is about to be killed has started and
// waits for: hooks, with their children. The kernel would end a hook itself
// with that process, but not its children. What a hook has left behind on
// purpose is in another session, or nobody's child, and lives on.
//
// The process is stopped first: it reaps no child then, so the numbers stay
// theirs.
func killHooks(process *os.File, pid int) error {
	if err := unix.PidfdSendSignal(int(process.Fd()), unix.SIGSTOP, nil, 0); err != nil {
		return unless(err, unix.ESRCH)
	}
	for deadline := time.Now().Add(stopPatience); ; time.Sleep(time.Millisecond) {
		p, err := readStat(pid)
		if err != nil {
			return err
		}
		if p.state == "T" || p.state == "t" || p.state == "" || p.state == "Z" {
			break
		}
		if time.Now().After(deadline) {
			return nil // it hangs in the kernel, and starts nothing
		}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		p, err := readStat(child)
		if err != nil {
			return err
		}
		if p.parent != pid || p.group != child {
			continue
		}
		if err := unless(unix.Kill(-child, unix.SIGKILL), unix.ESRCH); err != nil {
			return fmt.Errorf("kill process group %d: %w", child, err)
		}
	}
	return nil
}

// stopPatience bounds the wait for a process that was sent SIGSTOP.
const stopPatience = 100 * time.Millisecond

// unless returns the error, if it is not the one that is none here.
func unless(err, none error) error {
	if errors.Is(err, none) {
		return nil
	}
	return err
}

// stat is a part of proc_pid_stat(5).
type stat struct {
	state         string // "" for a process that is gone
	parent, group int
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return stat{}, nil
	}
	if err != nil {
		return stat{}, err
	}
	// 4711 (name, with any characters) S 1 4711 …
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 3 {
		return stat{}, fmt.Errorf("/proc/%d/stat: %q", pid, text)
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return stat{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	group, err := strconv.Atoi(fields[2])
	if err != nil {
		return stat{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return stat{state: fields[0], parent: parent, group: group}, nil
}
