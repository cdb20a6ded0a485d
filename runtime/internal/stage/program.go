package stage

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/ocikit/ocikit/runtime/plan"
)

// Program is a plan's child and start steps, lowered to instructions. Its
// descriptors are numbered: the process that runs it must be started with
// stdio, the preserved descriptors, and then Files, in that order.
type Program struct {
	// Files are the names of the descriptors that the program expects after
	// stdio and the preserved ones.
	Files []string

	plan     *plan.Plan
	code     []instr
	origins  []origin
	data     []byte
	scratch  []byte
	released int // index of the first instruction that runs after the last gate
	shared   int // size of the memory shared with the parent
	forks    int // how often the plan forks
}

// Names of descriptors that every program has, or that a plan's operations
// imply. The others are called as the plan calls trees and namespaces; see the
// functions TreeFile and NamespaceFile.
const (
	// StatusFile is the write end of the pipe or fifo that takes records.
	StatusFile = "status"
	// ProgressFile is the page that says which instruction runs.
	ProgressFile = "progress"
	// ConsoleFile is a connected Unix socket that takes the console's master.
	ConsoleFile = "console"
	// ProcfsFile is a connected Unix socket that takes what plan.OpenProcfs
	// opens.
	ProcfsFile = "procfs"
)

// forkedFile is the name of where the n-th plan.Fork, from 0 on, leaves the new
// process's id.
func forkedFile(n int) string { return fmt.Sprintf("forked:%d", n) }

// GateFile is the name of the descriptor that a gate reads.
func GateFile(gate string) string { return "gate:" + gate }

// TreeFile is the name of the descriptor of a mount tree.
func TreeFile(tree string) string { return "tree:" + tree }

// CopyFile is the name of the descriptor, a connected Unix socket that keeps
// messages apart, that plan.CopyContents serves.
func CopyFile(tree string) string { return "copy:" + tree }

// NamespaceFile is the name of the descriptor of a namespace to join.
func NamespaceFile(name string) string { return "namespace:" + name }

// ProcsFile is the name of the descriptor of the n-th cgroup v1 hierarchy's
// cgroup.procs.
func ProcsFile(n int) string { return fmt.Sprintf("procs:%d", n) }

// Len returns the number of instructions.
func (p *Program) Len() int { return len(p.code) }

// Describe returns the plan's step that an instruction belongs to and the
// system call that it makes.
func (p *Program) Describe(index int) (step plan.Step, call string, ok bool) {
	if index < 0 || index >= len(p.code) {
		return plan.Step{}, "", false
	}
	o := p.origins[index]
	return p.plan.Steps[o.step], o.call, true
}

// Started says whether an instruction is one of those after the last gate:
// whether the user's program had been told to start.
func (p *Program) Started(index int) bool { return index >= p.released }

// WithFault returns a copy of the program in which one instruction fails with
// errno, for tests of what follows a failure.
func (p *Program) WithFault(index int, errno syscall.Errno) *Program {
	faulty := *p
	faulty.code = slices.Clone(p.code)
	faulty.code[index] = instr{nr: opCheck, args: [6]uint32{0, 1, 1, uint32(errno)},
		store: p.code[index].store, next: p.code[index].next}
	return &faulty
}
