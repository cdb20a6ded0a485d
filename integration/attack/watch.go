package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// watcher waits for new processes. It never sleeps, because it would come too
// late.
type watcher struct {
	loadavg *os.File
	last    int
}

// newWatcher starts to watch. It tells the log when it does.
func (a *attacker) newWatcher() (*watcher, error) {
	f, err := os.Open("/proc/loadavg")
	if err != nil {
		return nil, err
	}
	w := &watcher{loadavg: f}
	if w.last, err = w.newest(); err != nil {
		return nil, err
	}
	return w, a.say("ready", "")
}

// each starts to watch and hands each new process to f, until that fails.
func (a *attacker) each(f func(pid int) error) error {
	w, err := a.newWatcher()
	for err == nil {
		var pid int
		if pid, err = w.next(); err == nil {
			err = f(pid)
		}
	}
	return err
}

// newest is the id that was given last in this PID namespace: the last word of
// /proc/loadavg, proc_loadavg(5).
func (w *watcher) newest() (int, error) {
	var text [128]byte
	n, err := w.loadavg.ReadAt(text[:], 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	line := bytes.TrimSpace(text[:n])
	id, err := strconv.Atoi(string(line[bytes.LastIndexByte(line, ' ')+1:]))
	if err != nil {
		return 0, fmt.Errorf("/proc/loadavg %q: %w", line, err)
	}
	return id, nil
}

// next returns the id of the next process. Some are threads, or gone.
func (w *watcher) next() (int, error) {
	for {
		id, err := w.newest()
		if err != nil {
			return 0, err
		}
		if id > w.last {
			w.last++
			return w.last, reap()
		}
		w.last = id // ids begin again from the lowest
	}
}

// reap waits for orphans that have ended: the first process of a PID namespace
// inherits them, and others may wait until they are gone.
func reap() error {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if errors.Is(err, unix.ECHILD) || err == nil && pid == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("reap: %w", err)
		}
	}
}
