package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// shrink cuts every piece of memory that a new process has open to nothing: it
// is shared with the host's process, which gets SIGBUS where there is nothing.
func shrink(a *attacker) error {
	return a.trace(func(pid int) error {
		return a.eachChannel(pid, func(link string, fd int) error {
			if !strings.HasPrefix(link, "/memfd:") {
				return nil
			}
			return a.say("caught", "%d %s cut short: %v", pid, link, unix.Ftruncate(fd, 0))
		})
	})
}

// lie fills the memory and the pipes of a new process with nonsense.
func lie(a *attacker) error {
	nonsense := []byte(strings.Repeat("\xff\xff\xff\xff\x01\x00\x00\x00\x02\x00\x00\x00\xfe\xff\xff\x7f", 64))
	return a.trace(func(pid int) error {
		return a.eachChannel(pid, func(link string, fd int) error {
			_, err := unix.Write(fd, nonsense)
			return a.say("caught", "%d %s written to: %v", pid, link, err)
		})
	})
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
