package plan

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// dump prints all of a plan, also what Print leaves out.
func dump(p *Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%s %s %T%+v\n", s.Where, s.Field, s.Op, s.Op)
	}
	fmt.Fprintf(&b, "%q", p.Warnings)
	return b.String()
}

// consistent proves what Check leaves to the compiler: every name that a step
// uses was made by an earlier step.
func consistent(p *Plan) error {
	var problems []error
	trees, spaces, gates := map[string]int{}, map[string]int{}, map[string]int{}
	_, started := Find[AwaitProgram](p)
	copies, contents := map[string]int{}, map[string]int{}
	for _, s := range p.Steps {
		if s.Op.String() == "" {
			problems = append(problems, fmt.Errorf("%T prints nothing", s.Op))
		}
		switch op := s.Op.(type) {
		case OpenTree:
			trees[op.Tree]++
			if !strings.HasPrefix(op.Source, "/") {
				problems = append(problems, fmt.Errorf("%s: source %q is not absolute", s.Field,
					op.Source))
			}
		case MakeProcfs:
			trees[op.Tree]++
		case MakeTmpfs:
			trees[op.Tree]++
			contents[op.Tree]++
			copies[op.Tree]++
		case CopyTree:
			copies[op.Tree] += 10
			problems = append(problems, cleanPath(s, op.Path))
		case CopyContents:
			contents[op.Tree] += 10
		case AttachTree:
			trees[op.Tree] += 10
			problems = append(problems, cleanPath(s, op.Target))
		case AttachRoot:
			trees[Root] += 10
		case MountFS:
			problems = append(problems, cleanPath(s, op.Target))
		case MakeNode:
			problems = append(problems, cleanPath(s, op.Path))
		case EnsureDir:
			problems = append(problems, cleanPath(s, op.Path))
		case ChangeDir:
			problems = append(problems, cleanPath(s, op.Path))
		case OpenNamespace:
			spaces[op.Type]++
		case MakeNetwork:
			spaces[string(specs.NetworkNamespace)]++
		case JoinNamespace:
			if op.Type != ProcessNamespaces {
				spaces[op.Type] += 10
			}
		case OpenGate:
			if op.Name != GateListener {
				gates[op.Name]++
			}
		case Gate:
			gates[op.Name] += 10
		}
	}
	problems = append(problems, succession(p))
	if _, helper := Find[OpenProcfs](p); helper {
		spaces[string(specs.PIDNamespace)]++ // given to it
	} else if !started {
		gates[GateStart]++ // opened by `start`
	}
	for kind, uses := range map[string]map[string]int{
		"tree": trees, "namespace": spaces, "gate": gates, "copy": copies, "content": contents,
	} {
		for name, n := range uses {
			if n != 11 {
				problems = append(problems, fmt.Errorf("%s %q: %d made, %d used, want one of each",
					kind, name, n%10, n/10))
			}
		}
	}
	return errors.Join(problems...)
}

// succession proves what becomes of the process: it forks once if it has joined
// a PID namespace, otherwise never, and the process that goes on leads a
// session and has the terminal.
func succession(p *Plan) error {
	var flags uint64
	for _, join := range steps[JoinNamespace](p) {
		flags |= join.Flags
	}
	want := []string{"NewSession"}
	limits := steps[LimitProcesses](p)
	if flags&unix.CLONE_NEWPID != 0 {
		want = []string{"Fork", "NewSession"}
	}
	if _, terminal := Find[Console](p); terminal {
		want = append(want, "TakeTerminal")
	}
	if _, helper := Find[OpenProcfs](p); helper {
		want = []string{"Fork", "OpenProcfs", "Exit"}
	}
	var got []string
	at := -1
	for i, s := range p.Steps {
		switch s.Op.(type) {
		case Fork, NewSession, TakeTerminal, OpenProcfs, Exit:
			if at >= 0 && at != i-1 && !(kind(p.Steps[at].Op) == "Fork" && at == i-1-len(limits)) {
				return fmt.Errorf("step %d (%s) does not follow step %d", i, s.Op, at)
			}
			got, at = append(got, kind(s.Op)), i
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("the process goes on with %q, want %q", got, want)
	}
	return nil
}

// kind is the name of an operation's type.
func kind(op Op) string { return reflect.TypeOf(op).Name() }

func cleanPath(s Step, path string) error {
	if path == "" || path[0] != '/' || strings.Contains(path, "//") ||
		slices.Contains(strings.Split(path, "/"), "..") {
		return fmt.Errorf("%s: %q is not a clean absolute path", s.Field, path)
	}
	return nil
}

// TestRules breaks each rule in a plan that has steps for it, and expects Check
// to report it.
func TestRules(t *testing.T) {
	plans := allGoldens(t)
	for _, r := range rules {
		name := fmt.Sprintf("%T before %T", r.before, r.after)
		t.Run(strings.ReplaceAll(name, "plan.", ""), func(t *testing.T) {
			p := planWith(plans, r)
			if p == nil {
				t.Fatal("no golden plan has both steps: add one, or remove the rule")
			}
			broken := &Plan{Steps: slices.Clone(p.Steps)}
			i, j := last(p, r.before), first(p, r.after)
			broken.Steps[i].Op, broken.Steps[j].Op = p.Steps[j].Op, p.Steps[i].Op
			err := Check(broken)
			if err == nil {
				t.Fatal("a plan with the two steps exchanged passes")
			}
			want := fmt.Sprintf("step %d (%s) must come before step", j, p.Steps[i].Op)
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), r.why) {
				t.Errorf("got %v\nwant %q because %q", err, want, r.why)
			}
		})
	}
}

// planWith returns a plan that has steps of both types of a rule.
func planWith(plans map[string]*Plan, r rule) *Plan {
	for _, p := range plans {
		if first(p, r.before) >= 0 && first(p, r.after) >= 0 {
			return p
		}
	}
	return nil
}

func TestRulesAreDistinct(t *testing.T) {
	seen := map[[2]string]bool{}
	for _, r := range rules {
		key := [2]string{fmt.Sprintf("%#v", r.before), fmt.Sprintf("%#v", r.after)}
		reverse := [2]string{key[1], key[0]}
		if seen[key] || seen[reverse] {
			t.Errorf("the rule %s before %s is there twice", key[0], key[1])
		}
		seen[key] = true
		if r.why == "" {
			t.Errorf("the rule %s before %s has no reason", key[0], key[1])
		}
	}
}

func TestCheck(t *testing.T) {
	exec := Step{Where: Start, Op: Exec{Args: []string{"a"}}}
	weak := []Step{{Where: Child, Op: DropBounding{}}, {Where: Child, Op: SetCapabilities{}},
		{Where: Child, Op: CloseFiles{}}}
	for _, tt := range []struct {
		name  string
		steps []Step
		want  []string // parts of the error; none: no error
	}{
		{name: "minimal", steps: slices.Concat(weak, []Step{exec})},
		{name: "absent", steps: slices.Concat(weak, []Step{{Where: Start, Op: NoProgram{}}})},
		{name: "no end", want: []string{"0 ends"}},
		{name: "two ends", steps: []Step{exec, {Where: Start, Op: NoProgram{}}},
			want: []string{"2 ends"}},
		{
			name: "sections out of order",
			steps: []Step{{Where: Child, Op: NewSession{}}, {Where: Parent, Op: RecordInit{}},
				exec},
			want: []string{"step 1 (record the first process) of the parent comes after one of " +
				"the child"},
		},
		{
			name: "last of several",
			steps: []Step{{Op: OpenTree{Tree: "a"}}, {Op: Clone{}}, {Op: OpenTree{Tree: "b"}},
				exec},
			want: []string{"step 2", "must come before step 1", "only trusted code runs"},
		},
		{
			name: "all problems at once",
			steps: []Step{
				{Where: Child, Op: PivotRoot{}}, {Where: Child, Op: MaskPath{}}, {Where: Child,
					Op: NullDevice{}},
			},
			want: []string{"masks are made of /dev/null", "nothing may run in the new root",
				"0 ends"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Check(&Plan{Steps: tt.steps})
			if len(tt.want) == 0 && err != nil {
				t.Fatal(err)
			}
			for _, part := range tt.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want %q in it", err, part)
				}
			}
		})
	}
}

func TestFind(t *testing.T) {
	p := &Plan{Steps: []Step{{Op: Gate{Name: "a"}}, {Op: Gate{Name: "b"}}}}
	if op, ok := Find[Gate](p); !ok || op.Name != "a" {
		t.Errorf("got %v, %v; want the first gate", op, ok)
	}
	if op, ok := Find[Exec](p); ok || op.Args != nil {
		t.Errorf("got %v, %v; want nothing", op, ok)
	}
}
