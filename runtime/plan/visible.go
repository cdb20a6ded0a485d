package plan

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"golang.org/x/sys/unix"
)

// A process of ours is never stronger than the container whose processes can
// see it: they may trace it, and reach its memory, its descriptors and its
// root. The code below proves that for a plan.

// weakens are the operations that make a process as weak as the program. Those
// that a plan has come before others can see the process.
var weakens = [...]Op{
	JoinNamespace{}, Unshare{}, LeaveSession{}, SessionKeyring{}, PivotRoot{}, LeaveMount{},
	ChangeRoot{}, ReadonlyRoot{}, MaskPath{}, ReadonlyPath{},
	DropBounding{}, SetIDs{}, SetCapabilities{}, NoNewPrivileges{}, CloseFiles{}, SetExecLabel{},
}

// harmless are the operations that a process may do while others can see it.
// They give it nothing that the program does not have.
var harmless = [...]Op{
	Fork{}, LimitProcesses{}, NewSession{}, TakeTerminal{}, Gate{}, LoadSeccomp{}, Exec{},
	NoProgram{},
	OpenProcfs{}, Exit{},
}

// keepClosed are the operations that leave no descriptor open. Only they follow
// CloseFiles.
var keepClosed = append([]Op{
	DropBounding{}, SetIDs{}, SetCapabilities{}, NoNewPrivileges{}, ChangeDirAsUser{},
	FindProgram{}, ExitOnSignals{},
}, harmless[:]...)

// visible proves that the program's process is no stronger than the program
// from the moment on when others can see it: see seenFrom.
func visible(p *Plan) (problems []error) {
	seen := seenFrom(p)
	closed := first(p, CloseFiles{})
	if closed < 0 {
		problems = append(problems, errors.New("plan: nothing closes the descriptors of the host"))
	}
	for _, op := range []Op{DropBounding{}, SetCapabilities{}} {
		if first(p, op) < 0 {
			problems = append(problems, fmt.Errorf("plan: no %T: the process keeps what the "+
				"runtime has", op))
		}
	}
	if seenFork(p) >= 0 && first(p, LeaveSession{}) < 0 {
		problems = append(problems, errors.New("plan: the process that others can see is in the "+
			"caller's session, and has its terminal"))
	}
	filter := first(p, LoadSeccomp{})
	if joinOfPID(p) >= 0 && seenFork(p) < 0 {
		problems = append(problems, errors.New("plan: nothing forks into the PID namespace that "+
			"is joined"))
	}
	if filter > seen {
		problems = append(problems, fmt.Errorf("plan: step %d (%s) comes after step %d (%s), "+
			"when processes of the container can see this one",
			filter, p.Steps[filter].Op, seen, p.Steps[seen].Op))
	}
	for _, op := range weakens {
		if late := last(p, op); late > seen {
			problems = append(problems, fmt.Errorf("plan: step %d (%s) comes after step %d "+
				"(%s), when processes of the container can see this one",
				late, p.Steps[late].Op, seen, p.Steps[seen].Op))
		}
	}
	for i, s := range p.Steps {
		if s.Where != Child && s.Where != Start {
			continue
		}
		if i > seen && !isOne(s.Op, harmless[:]) {
			problems = append(problems, fmt.Errorf("plan: step %d (%s) is none for a process "+
				"that others can see, from step %d (%s) on",
				i, s.Op, seen, p.Steps[seen].Op))
		}
		if closed >= 0 && i > closed && !isOne(s.Op, keepClosed) {
			problems = append(problems, fmt.Errorf("plan: step %d (%s) may open a descriptor "+
				"after step %d (%s)",
				i, s.Op, closed, p.Steps[closed].Op))
		}
		if load, ok := s.Op.(LoadSeccomp); ok && s.Where == Child && load.Keep && load.Listens() {
			problems = append(problems, fmt.Errorf("plan: step %d (%s) leaves the filter's "+
				"listener to a process that others can see", i, s.Op))
		}
	}
	return problems
}

// seenFrom returns the first step at which processes of the container can see
// this one. That is the fork into their PID namespace, or the wait for the
// start if it is reported, since there are hooks or `exec` meanwhile. If they
// can see none of its steps it is the last step.
func seenFrom(p *Plan) int {
	if fork := seenFork(p); fork >= 0 {
		return fork
	}
	if wait := first(p, Gate{Name: GateStart, Report: true}); wait >= 0 {
		return wait
	}
	return len(p.Steps) - 1
}

// seenFork is the fork into the PID namespace that was joined, or -1. A fork
// before that makes a process where nobody of the container is.
func seenFork(p *Plan) int {
	joined, fork := joinOfPID(p), -1
	for i, s := range p.Steps {
		if _, ok := s.Op.(Fork); ok && joined >= 0 {
			if fork = i; i > joined {
				break
			}
		}
	}
	return fork
}

// joinOfPID is the step that joins a PID namespace, or -1.
func joinOfPID(p *Plan) int {
	return slices.IndexFunc(p.Steps, func(s Step) bool {
		join, ok := s.Op.(JoinNamespace)
		return ok && join.Flags&unix.CLONE_NEWPID != 0
	})
}

// isOne says whether an operation has the type of one of the list.
func isOne(op Op, list []Op) bool {
	for _, one := range list {
		if reflect.TypeOf(one) == reflect.TypeOf(op) {
			return true
		}
	}
	return false
}
