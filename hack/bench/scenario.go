package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// scenario is one question with an answer for each tool.
type scenario struct {
	Name    string
	Title   string
	measure func(*lab) (result, error)
}

// scenarios lists all, in the order of the report. A timing is a function
// that gives each tool its command; see runTrue.
func scenarios() []scenario {
	return []scenario{
		timing("run-true-v2", "run of `true`, default bundle, pure cgroup v2", inV2, runTrue),
		timing("run-true-v1", "run of `true`, default bundle, cgroups as this machine has them", inHost, runTrue),
		timing("run-true-seccomp-v2", "run of `true`, default bundle with moby's default seccomp profile, pure cgroup v2", inV2, runTrueSeccomp),
		{"seccomp-compile", compileTitle, compileProfiles},
		{"memory-limit", "smallest cgroup v1 memory limit in which `true` of the default bundle starts", memoryLimit},
	}
}

// view runs a function in some view of the cgroups.
type view func(func() error) error

func inV2(f func() error) error   { return pureV2(f) }
func inHost(f func() error) error { return f() }

// subject is what one tool does in each round.
type subject struct {
	tool tool
	argv []string
}

// timing makes a scenario that runs one command of each tool in each round.
func timing(name, title string, in view, subjects func(*lab) ([]subject, error)) scenario {
	measure := func(l *lab) (result, error) {
		r := result{Name: name, Title: title, Unit: "ms"}
		err := in(func() error {
			list, err := subjects(l)
			if err != nil {
				return err
			}
			if list, r.Notes, err = usable(list); err != nil {
				return err
			}
			r.Rows, err = interleave(list, l.rounds)
			return err
		})
		return r, err
	}
	return scenario{name, title, measure}
}

// runTrue is `run` of true in the default bundle.
func runTrue(l *lab) ([]subject, error) {
	var list []subject
	for _, t := range l.tools {
		argv, err := l.runCommand(t, setup{cgroup: filepath.Join(l.cgroup, t.Name)})
		if err != nil {
			return nil, err
		}
		list = append(list, subject{t, argv})
	}
	return list, nil
}

// runCommand is the command with which a tool runs true in the setup. The
// floor program takes the cgroup's folder itself, of one hierarchy: v2 when it
// is there and no memory limit is asked for.
func (l *lab) runCommand(t tool, s setup) ([]string, error) {
	if !t.floor {
		dir, err := l.bundle(t.Name, s)
		return []string{t.path, "--root", filepath.Join(l.work, "state-"+t.Name), "run", "--bundle", dir, "bench-" + t.Name}, err
	}
	root := "/sys/fs/cgroup"
	switch {
	case exists(root + "/cgroup.controllers"):
	case s.memory > 0:
		root += "/memory"
	default:
		root += "/unified"
	}
	dir := filepath.Join(root, s.cgroup)
	argv := []string{t.path, l.rootfs, dir}
	if s.memory > 0 {
		argv = append(argv, fmt.Sprint(s.memory))
	}
	return argv, os.MkdirAll(filepath.Dir(dir), 0o755)
}

// usable tries every subject once and leaves out the peers that cannot do it
// here, with a note that says why. Ours must.
func usable(list []subject) (able []subject, notes []string, err error) {
	for i, s := range list {
		_, err := once(s.argv)
		switch {
		case err == nil:
			able = append(able, s)
		case i == 0:
			return nil, nil, err
		default:
			notes = append(notes, fmt.Sprintf("%s %s is left out: %s", s.tool.Name, s.tool.Version, err))
		}
	}
	return able, notes, nil
}

// interleave runs every subject once in each round, in a new order each time.
// The first rounds warm the caches and are not counted.
func interleave(list []subject, rounds int) ([]row, error) {
	const warm = 3
	rows := make([]row, len(list))
	order := make([]int, len(list))
	for i, s := range list {
		rows[i].Tool, rows[i].Version = s.tool.Name, s.tool.Version
		order[i] = i
	}
	random := rand.New(rand.NewPCG(1, uint64(rounds)))
	for round := range rounds + warm {
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			s, err := once(list[i].argv)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list[i].tool.Name, err)
			}
			if round >= warm {
				rows[i].Wall = append(rows[i].Wall, s.wall)
				rows[i].CPU = append(rows[i].CPU, s.cpu)
			}
		}
	}
	return rows, nil
}

// sample is one run: wall and CPU time (of the command and of all its
// descendants that were waited for) in milliseconds.
type sample struct{ wall, cpu float64 }

// once runs a command that must succeed.
func once(argv []string) (sample, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = new(limited)
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, cmd.Stderr)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return sample{ms(wall), ms(cpu)}, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// limited keeps the first kilobyte of what a command says.
type limited struct{ text []byte }

func (l *limited) Write(p []byte) (int, error) {
	if room := 1024 - len(l.text); room > 0 {
		l.text = append(l.text, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

func (l *limited) String() string { return strings.TrimSpace(string(l.text)) }

// memoryLimit finds, for each tool, the smallest limit with which several
// runs in a row succeed.
func memoryLimit(l *lab) (result, error) {
	r := result{Name: "memory-limit", Title: "smallest cgroup v1 memory limit in which `true` of the default bundle starts", Unit: "KiB"}
	if !hasMemoryV1() {
		return r, errors.New("the memory controller is not on cgroup v1 here")
	}
	for i, t := range l.tools {
		limit, err := l.smallest(t)
		if err != nil && i == 0 {
			return r, err
		} else if err != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("%s %s is left out: %s", t.Name, t.Version, err))
			continue
		}
		r.Rows = append(r.Rows, row{Tool: t.Name, Version: t.Version, Value: limit})
	}
	return r, nil
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
			if err != nil {
				return false, err
			}
			_, last = once(argv)
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
		_ = exec.Command(t.path, "--root", filepath.Join(l.work, "state-"+t.Name), "delete", "--force", "bench-"+t.Name).Run()
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
