package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
)

// scenario is one question with an answer for each tool; some give several
// tables, for example one for each command of a container's life.
type scenario struct {
	Name    string
	short   bool // part of the short form, which compares with recorded ratios
	measure func(*lab) ([]result, error)
}

// scenarios lists all, in the order of the report.
func scenarios() []scenario {
	one := func(name, title string) []part { return []part{{name, title + ", pure cgroup v2"}} }
	all := []scenario{
		timing{parts: one("run-true-v2", "run of `true`, default bundle"),
			cgroups: pureV2, short: true, subjects: runTrue}.scenario(),
		timing{parts: []part{{"run-true-v1", "run of `true`, default bundle, cgroups as this " +
			"machine has them"}},
			cgroups: hostCgroups, subjects: runTrue}.scenario(),
		timing{parts: one("run-true-seccomp-v2", "run of `true`, default bundle with moby's "+
			"default seccomp profile"),
			cgroups: pureV2, short: true, subjects: runTrueSeccomp}.scenario(),
		timing{parts: one("run-true-podman-v2", "run of `true`, podman's default configuration "+
			"with its seccomp profile"),
			cgroups: pureV2, subjects: runTruePodman}.scenario(),
		timing{parts: one("run-true-binds-v2", "run of `true`, default bundle with 60 bind mounts"),
			cgroups: pureV2, subjects: runTrueBinds}.scenario(),
		timing{parts: lifecycleParts, cgroups: pureV2, short: true, subjects: lifecycle}.scenario(),
		timing{parts: one("exec", "exec of `true` in a running container"),
			cgroups: pureV2, short: true, subjects: execTrue}.scenario(),
		{Name: "exec-probes", measure: execProbes},
		timing{parts: one("start-200", "200 containers started, 8 at a time (`run --detach` of "+
			"`sleep`)"),
			cgroups: pureV2, share: 20, unit: "s", subjects: start200}.scenario(),
		{Name: "live-1000", measure: live1000},
		{Name: "memory", measure: memoryHeld},
		{Name: "memory-limit", measure: memoryLimit},
	}
	return append(all, imageScenarios()...)
}

// subject is what one tool does in each round: it returns a sample for each
// part of the timing.
type subject struct {
	tool tool
	do   func() ([]sample, error)
	done func() error // at the end, if there is something to undo
}

// command is a subject that runs one command.
func command(t tool, argv []string) subject {
	return subject{tool: t, do: func() ([]sample, error) {
		s, err := once(argv...)
		return []sample{s}, err
	}}
}

// part names a table of a timing.
type part struct{ name, title string }

// timing is a scenario in which each tool does something once in each round.
type timing struct {
	parts   []part
	cgroups int
	short   bool
	// rounds are those asked for, divided by this, and the first try is one; 0
	// is for short ones, which warm up
	share    int
	unit     string // "" is ms; "s" for what takes long
	peaks    bool   // note how much memory processes held
	disk     uint64 // bytes of a new file system for directories; 0 is none
	subjects func(*lab) ([]subject, error)
	notes    func() []string // called after subjects
}

func (t timing) scenario() scenario {
	return scenario{t.parts[len(t.parts)-1].name, t.short, t.measure}
}

// measure does the timing in a view of its own.
func (t timing) measure(l *lab) (results []result, err error) {
	here := func() error {
		results, err = t.measureHere(l)
		return err
	}
	l.diskNote = ""
	err = l.in(t.cgroups, func() error {
		if t.disk > 0 {
			return l.onDisk(t.disk, here)
		}
		return here()
	})
	if l.diskNote != "" && len(results) > 0 {
		results[0].Notes = append(results[0].Notes, l.diskNote)
	}
	return results, err
}

func (t timing) measureHere(l *lab) ([]result, error) {
	list, err := t.subjects(l)
	defer func() {
		for _, s := range list {
			if s.done != nil {
				l.warn(s.done())
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	able, first, notes, err := usable(list)
	if err != nil {
		return nil, err
	}
	if t.notes != nil {
		notes = append(t.notes(), notes...)
	}
	rounds, warm := max(2, l.rounds/max(1, t.share)), 3
	if t.share > 0 {
		rounds, warm = rounds-1, 0
	}
	samples, err := interleave(l.ctx, able, rounds, warm)
	if err != nil {
		return nil, err
	}
	if t.share > 0 {
		for i := range samples {
			samples[i] = append([][]sample{first[i]}, samples[i]...)
		}
	}
	return t.results(able, samples, notes), nil
}

// results makes a table of each part's samples: those of subject i in round j
// are samples[i][j].
func (t timing) results(list []subject, samples [][][]sample, notes []string) []result {
	unit, scale := "ms", 1.0
	if t.unit == "s" {
		unit, scale = t.unit, 1000
	}
	var results []result
	for p, part := range t.parts {
		r := result{Name: part.name, Title: part.title, Unit: unit, Notes: notes}
		for i, s := range list {
			row := row{Tool: s.tool.Name, Version: s.tool.Version}
			for _, round := range samples[i] {
				row.Wall = append(row.Wall, round[p].wall/scale)
				row.CPU = append(row.CPU, round[p].cpu/scale)
				if t.peaks {
					row.Peak = max(row.Peak, round[p].peak)
				}
			}
			r.Rows = append(r.Rows, row)
		}
		results = append(results, r)
	}
	return results
}

// usable tries every subject once and leaves out the peers that cannot do it
// here, with a note that says why. Ours must not fail. It returns the samples
// of the first try, too.
func usable(list []subject) (able []subject, first [][]sample, notes []string, err error) {
	for i, s := range list {
		got, err := s.do()
		switch {
		case err == nil:
			able = append(able, s)
			first = append(first, got)
		case i == 0:
			return nil, nil, nil, fmt.Errorf("%s: %w", s.tool.Name, err)
		default:
			notes = append(notes, leftOut(s.tool, err))
		}
	}
	return able, first, notes, nil
}

func leftOut(t tool, err error) string {
	return fmt.Sprintf("%s %s is left out: %s", t.Name, t.Version, err)
}

// interleave lets every subject do its work once in each round, in a new order
// each time. The first rounds warm the caches and are not counted.
func interleave(ctx context.Context, list []subject, rounds, warm int) ([][][]sample, error) {
	samples := make([][][]sample, len(list))
	order := make([]int, len(list))
	for i := range list {
		order[i] = i
	}
	random := rand.New(rand.NewPCG(1, uint64(rounds)))
	for round := range rounds + warm {
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			s, err := list[i].do()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list[i].tool.Name, err)
			}
			if round >= warm {
				samples[i] = append(samples[i], s)
			}
		}
	}
	return samples, nil
}

// runs makes a subject of each tool that runs true in a variant of the default
// bundle.
func (l *lab) runs(tools []tool, vary func(*setup)) ([]subject, error) {
	var list []subject
	for _, t := range tools {
		s := setup{cgroup: filepath.Join(l.cgroup, t.Name)}
		if vary != nil {
			vary(&s)
		}
		argv, err := l.runCommand(t, s)
		if err != nil {
			return nil, err
		}
		list = append(list, command(t, argv))
	}
	return list, nil
}

// runTrue is `run` of true in the default bundle.
func runTrue(l *lab) ([]subject, error) { return l.runs(l.tools, nil) }

// runTrueSeccomp is the same with moby's default seccomp profile. The floor
// loads no filter, so it has no place here.
func runTrueSeccomp(l *lab) ([]subject, error) {
	return l.runs(l.runtimes(), func(s *setup) { s.seccomp = true })
}

// runTruePodman is `run` of true with the configuration that podman writes.
func runTruePodman(l *lab) ([]subject, error) {
	base, err := l.podmanConfig()
	if err != nil {
		return nil, err
	}
	return l.runs(l.runtimes(), func(s *setup) { s.base = base })
}

// runTrueBinds is `run` of true in the default bundle with many bind mounts,
// as a pod with many volumes has them. The floor makes none.
func runTrueBinds(l *lab) ([]subject, error) {
	return l.runs(l.runtimes(), func(s *setup) { s.binds = 60 })
}
