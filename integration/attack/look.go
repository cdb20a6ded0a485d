package main

import (
	"os"
	"path/filepath"
	"strconv"
)

// look reads about each new process until it ends or has become the user's
// program, which it is taken for after a number of looks.
func look(a *attacker) error {
	const looks = 300
	w, err := a.newWatcher()
	if err != nil {
		return err
	}
	for {
		pid, err := w.next()
		if err != nil {
			return err
		}
		seen := 0
		for ; seen < looks; seen++ {
			if _, dead := readStatus(pid); dead {
				break
			}
			if err := a.accuse(pid, a.limits.exceeded(pid)); err != nil {
				return err
			}
		}
		if seen > 0 {
			if err := a.say("caught", "%d looked at %d times", pid, seen); err != nil {
				return err
			}
		}
	}
}

// hook looks once at all processes but itself.
func hook(a *attacker) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(filepath.Base(e.Name()))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if err := a.accuse(pid, a.limits.exceeded(pid)); err != nil {
			return err
		}
		if err := a.say("caught", "%d from a hook", pid); err != nil {
			return err
		}
	}
	return nil
}
