package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// shrink truncates every memfd that a new process has open. The host's process
// shares that memory, and would get SIGBUS where it is cut off.
func shrink(a *attacker) error {
	return a.trace(func(pid int) error {
		if err := a.say("caught", "%d with its memory", pid); err != nil {
			return err
		}
		return a.eachChannel(pid, func(link string, fd int) error {
			if !strings.HasPrefix(link, "/memfd:") {
				return nil
			}
			return a.say("tried", "to cut %s of %d short: %v", link, pid, unix.Ftruncate(fd, 0))
		})
	})
}

// lie fills the memory and the pipes of a new process with nonsense.
func lie(a *attacker) error {
	// Numbers of 32 bits: no instruction, the first, the second, a large one.
	nonsense := []byte(strings.Repeat(
		"\xff\xff\xff\xff\x01\x00\x00\x00\x02\x00\x00\x00\xfe\xff\xff\x7f", 64))
	return a.trace(func(pid int) error {
		if err := a.say("caught", "%d with its channels", pid); err != nil {
			return err
		}
		return a.eachChannel(pid, func(link string, fd int) error {
			_, err := unix.Write(fd, nonsense)
			return a.say("tried", "to write to %s of %d: %v", link, pid, err)
		})
	})
}

// withhold kills each new process and does not wait for it. Its real parent
// learns of its end only once the tracer has, ptrace(2).
func withhold(a *attacker) error {
	return a.each(func(pid int) error {
		if err := unix.PtraceSeize(pid); err != nil {
			return nil // it has ended, or is one of ours
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			return err
		}
		return a.say("caught", "%d killed and kept", pid)
	})
}

// own looks at what this program was given beyond stdio. What it has opened
// itself is closed by exec, and what it has inherited is not.
func own(a *attacker) error {
	for fd := 3; fd < 1024; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue
		}
		link, err := os.Readlink(proc(os.Getpid(), "fd/"+strconv.Itoa(fd)))
		if err != nil {
			return err
		}
		if err := a.accuse(os.Getpid(), []string{fmt.Sprintf("inherited descriptor: %d %q", fd,
			link)}); err != nil {
			return err
		}
	}
	return a.say("caught", "%d itself", os.Getpid())
}

// eachChannel opens the memory and the pipes of a process, but for stdio, for
// writing.
func (a *attacker) eachChannel(pid int, use func(link string, fd int) error) error {
	dir := proc(pid, "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // it has ended
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		link, err := os.Readlink(name)
		if n, bad := strconv.Atoi(e.Name()); err != nil || bad != nil || n < 3 {
			continue
		}
		if !strings.HasPrefix(link, "/memfd:") && !strings.HasPrefix(link, "pipe:") {
			continue
		}
		fd, err := unix.Open(name, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // the image of a program is sealed, and the other end of a pipe may be gone
		}
		err = use(link, fd)
		if err := unix.Close(fd); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	return nil
}
