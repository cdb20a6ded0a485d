package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestVisible breaks plans as a compiler with a wrong order would, and expects
// Check to say that a process that others can see is too strong. Each way to
// break a plan must apply to at least one golden plan.
func TestVisible(t *testing.T) {
	plans := allGoldens(t)
	for _, b := range breaks() {
		t.Run(b.name, func(t *testing.T) {
			broken := 0
			for name, p := range plans {
				steps, ok := b.apply(slices.Clone(p.Steps), seenFrom(p))
				if !ok {
					continue
				}
				broken++
				if err := Check(&Plan{Steps: steps}); err == nil || !strings.Contains(err.Error(),
					b.want) {
					t.Errorf("%s: got %v, want %q in it", name, err, b.want)
				}
			}
			if broken == 0 {
				t.Error("no golden plan can be broken in this way: add one, or remove the rule")
			}
		})
	}
}

// breach is a way to break a plan. apply returns the steps of the broken plan,
// or false if it does not apply.
type breach struct {
	name, want string
	apply      func(steps []Step, seen int) ([]Step, bool)
}

func breaks() []breach {
	list := []breach{
		{"descriptors stay open", "nothing closes the descriptors", func(steps []Step,
			_ int) ([]Step, bool) {
			return slices.DeleteFunc(steps, func(s Step) bool {
				return isOne(s.Op,
					[]Op{CloseFiles{}})
			}), true
		}},
		{"the caller's terminal stays", "is in the caller's session", func(steps []Step,
			_ int) ([]Step, bool) {
			if !slices.ContainsFunc(steps, func(s Step) bool { return isOne(s.Op, []Op{Fork{}}) }) {
				return nil, false
			}
			return slices.DeleteFunc(steps, func(s Step) bool {
				return isOne(s.Op,
					[]Op{LeaveSession{}})
			}), true
		}},
		{"a listener stays open", "leaves the filter's listener", func(steps []Step,
			seen int) ([]Step, bool) {
			for i, s := range steps[:seen] {
				if load, ok := s.Op.(LoadSeccomp); ok && load.Listens() {
					load.Keep = true
					steps[i].Op = load
					return steps, true
				}
			}
			return nil, false
		}},
		later(LoadSeccomp{}),
	}
	for _, op := range []Op{DropBounding{}, SetCapabilities{}} {
		list = append(list, breach{fmt.Sprintf("no %T", op), "keeps what the runtime has",
			func(steps []Step, _ int) ([]Step, bool) {
				return slices.DeleteFunc(steps, func(s Step) bool { return isOne(s.Op, []Op{op}) }),
					true
			}})
	}
	for _, op := range weakens {
		switch op.(type) {
		case LeaveMount, ChangeRoot: // of --no-pivot, with which no golden plan has others that see
		default:
			list = append(list, later(op))
		}
	}
	for _, op := range []Op{MountFS{}, SetIDs{}, OpenTree{}, SetHostname{}, SetRlimit{}, Sysctl{}} {
		list = append(list, breach{fmt.Sprintf("%T is carried out", op),
			"is none for a process that others can see",
			func(steps []Step, seen int) ([]Step, bool) {
				if seen == len(steps)-1 {
					return nil, false
				}
				return slices.Insert(steps, seen+1, Step{Where: steps[seen].Where, Op: op}), true
			}})
	}
	for _, op := range []Op{MountFS{}, Console{}, ChangeDir{}, SetExecLabel{}, Sysctl{}} {
		list = append(list, breach{fmt.Sprintf("%T after the files were closed", op),
			"may open a descriptor",
			func(steps []Step, _ int) ([]Step, bool) {
				at := slices.IndexFunc(steps, func(s Step) bool {
					return isOne(s.Op,
						[]Op{CloseFiles{}})
				})
				return slices.Insert(steps, at+1, Step{Where: Child, Op: op}), true
			}})
	}
	return list
}

// later moves the first step of an operation's type behind the step from which
// on others can see the process.
func later(op Op) breach {
	name := strings.TrimPrefix(reflect.TypeOf(op).String(), "plan.")
	return breach{name + " comes too late", "when processes of the container can see this one",
		func(steps []Step, seen int) ([]Step, bool) {
			i := slices.IndexFunc(steps, func(s Step) bool { return isOne(s.Op, []Op{op}) })
			if i < 0 || i >= seen || seen == len(steps)-1 {
				return nil, false
			}
			step := steps[i]
			step.Where = steps[seen].Where
			steps = slices.Delete(steps, i, i+1)
			return slices.Insert(steps, seen, step), true // seen has moved down by one
		}}
}
