package main

import (
	"os"
	"path/filepath"
	"strconv"
)

// look reads about each new process until it ends, but only some hundred times:
// by then it has become the user's program.
func look(a *attacker) error {
	const looks = 300
	return a.each(func(pid int) error {
		seen := 0
		for ; seen < looks; seen++ {
			if _, dead := readStatus(pid); dead {
				break
			}
			if err := a.accuse(pid, a.limits.exceeded(pid)); err != nil {
				return err
			}
		}
		if seen == 0 {
			return nil
		}
		return a.say("caught", "%d looked at %d times", pid, seen)
	})
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
