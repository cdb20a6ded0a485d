package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
)

// memoryLimit finds, for each tool, the smallest limit with which several
// runs in a row succeed.
func memoryLimit(l *lab) ([]result, error) {
	r := result{Name: "memory-limit", Title: "smallest cgroup v1 memory limit in which `true` " +
		"of the default bundle starts", Unit: "KiB"}
	if !hasMemoryV1() {
		r.Notes = []string{"The memory controller is not on cgroup v1 here: not measured."}
		return []result{r}, nil
	}
	for i, t := range l.tools {
		limit, err := l.smallest(t)
		if err != nil && i == 0 {
			return nil, err
		} else if err != nil {
			r.Notes = append(r.Notes, leftOut(t, err))
			continue
		}
		r.Rows = append(r.Rows, row{Tool: t.Name, Version: t.Version, Value: limit})
	}
	return []result{r}, nil
}

// smallest searches in steps of 64 KiB up to 32 MiB. A limit works when five
// runs in it succeed.
func (l *lab) smallest(t tool) (float64, error) {
	const step, top = 64 << 10, 512
	var last error // why the last run in a limit did not succeed
	works := func(steps int) (bool, error) {
		cgroup := filepath.Join(l.cgroup, fmt.Sprintf("%s-%d", t.Name, steps))
		for range 5 {
			argv, err := l.runCommand(t, setup{cgroup: cgroup, memory: int64(steps * step)})
			if err := errors.Join(err, l.ctx.Err()); err != nil {
				return false, err
			}
			_, last = once(argv...)
			l.discard(t)
			if last != nil {
				return false, nil
			}
		}
		return true, nil
	}
	steps, err := search(1, top, works)
	if err != nil {
		return 0, errors.Join(err, last)
	}
	return float64(steps) * step / 1024, nil
}

// discard removes what a run that was killed for its memory has left.
func (l *lab) discard(t tool) {
	if !t.floor {
		argv := l.runtime(t, "delete", "--force", "bench-"+t.Name)
		_ = exec.Command(argv[0], argv[1:]...).Run()
	}
	l.clear()
}

// search returns the smallest n in low..high for which works is true, taking
// for granted that it stays true above.
func search(low, high int, works func(int) (bool, error)) (int, error) {
	if ok, err := works(high); err != nil || !ok {
		return 0, errors.Join(err, fmt.Errorf("not even %d steps are enough", high))
	}
	for low < high {
		middle := (low + high) / 2
		ok, err := works(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, nil
}
