package container

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
	"github.com/ocikit/ocikit/runtime/seccomp"
	"github.com/ocikit/ocikit/runtime/state"
)

// StepError is a step of the plan that failed.
type StepError struct {
	Field string // JSON path in config.json, or ""
	Step  string // what the step does, as explain prints it
	Call  string // the system call or other operation that failed
	Err   error  // why: a syscall.Errno for a step of the child
	// Problem is the same as a problem of the configuration, with its line:
	// what Error prints.
	Problem bundle.Problem
}

// Error names the configuration's field, the step, the call and the cause, and
// the cure where one is known.
func (e *StepError) Error() string { return e.Problem.Error() }

// Unwrap returns the cause, so that errors.Is finds an errno.
func (e *StepError) Unwrap() error { return e.Err }

// ExecveError is the failure of the last step: a program that was found, and
// that the process may execute, is none that the kernel can.
type ExecveError struct{ Err error }

// Error is that of Err.
func (e *ExecveError) Error() string { return e.Err.Error() }

// Unwrap returns the cause: an *ExecError.
func (e *ExecveError) Unwrap() error { return e.Err }

// instruction describes one instruction of a program.
func instruction(program *stage.Program, index int) (state.Instruction, bool) {
	step, call, ok := program.Describe(index)
	if !ok {
		return state.Instruction{}, false
	}
	return state.Instruction{Index: index, Field: step.Field, Kind: kind(step.Op),
		Step: step.Op.String(), Call: call}, true
}

// startInstructions describes the instructions from the last gate on: `start`
// has no program to ask.
func startInstructions(program *stage.Program) []state.Instruction {
	var list []state.Instruction
	for index := range program.Len() {
		step, _, _ := program.Describe(index)
		gate, _ := step.Op.(plan.Gate)
		if !program.Started(index) && gate.Name != plan.GateStart {
			continue
		}
		if in, ok := instruction(program, index); ok {
			list = append(list, in)
		}
	}
	return list
}

// stepError makes a StepError with the line of the field. b may be nil.
func stepError(b *bundle.Bundle, in state.Instruction, err error) *StepError {
	cause := fmt.Sprintf("%s: %s: %v", in.Step, in.Call, err)
	return &StepError{Field: in.Field, Step: in.Step, Call: in.Call, Err: err, Problem: problem(b,
		in.Field, cause, cure(in.Kind, err))}
}

// kind names the type of an operation.
func kind(op plan.Op) string {
	if outside, ok := op.(plan.Outside); ok {
		op = outside.Op
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", op), "plan.")
}

// problem gives a field its place in the configuration, if that is known.
func problem(b *bundle.Bundle, field, cause, cure string) bundle.Problem {
	if b == nil {
		return bundle.Problem{File: "container", Path: field, Cause: cause, Cure: cure}
	}
	return b.Problem(field, cause, cure)
}

// describe gives the error of a plan or filter that can't be made its place in
// the configuration.
func describe(b *bundle.Bundle, err error) error {
	if err == nil {
		return nil
	}
	var problems bundle.Problems
	for _, err := range unjoin(err) {
		var planErr *plan.Error
		var seccompErr *seccomp.Problem
		switch {
		case errors.As(err, &planErr):
			problems = append(problems, problem(b, planErr.Field, planErr.Cause, planErr.Cure))
		case errors.As(err, &seccompErr):
			problems = append(problems, problem(b, seccompErr.Path, seccompErr.Cause,
				seccompErr.Cure))
		default:
			return err
		}
	}
	return problems
}

// unjoin returns the errors that were joined to one.
func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// failureError turns what the stage reported into an error. An exec that failed
// is explained by looking at the program.
func failureError(b *bundle.Bundle, in state.Instruction, known bool, f *stage.Failure,
	look func(errno syscall.Errno) error) error {
	switch {
	case !known:
		return fmt.Errorf("the container's first process failed at the unknown instruction %d: %w",
			f.Instruction, f.Errno)
	case in.Kind == "FindProgram":
		return look(f.Errno)
	case in.Kind == "Exec":
		return &ExecveError{look(f.Errno)}
	}
	return stepError(b, in, f.Errno)
}

// killedError says how far a first process had come that died without a report.
func killedError(b *bundle.Bundle, program *stage.Program, at int, status unix.WaitStatus,
	cure string) error {
	in, ok := instruction(program, at)
	if !ok {
		text := "the container's first process ended before it was set up: " + ending(status)
		if cure != "" {
			text += " (" + cure + ")"
		}
		return errors.New(text)
	}
	cause := fmt.Sprintf("%s: %s: the process ended there: %s", in.Step, in.Call, ending(status))
	return &StepError{Field: in.Field, Step: in.Step, Call: in.Call, Err: os.ErrProcessDone,
		Problem: problem(b, in.Field, cause, cure)}
}

// ending says in words how a process ended.
func ending(status unix.WaitStatus) string {
	switch {
	case status.Signaled():
		return "killed by signal " + unix.SignalName(status.Signal())
	case status.Exited():
		return fmt.Sprintf("exit status %d", status.ExitStatus())
	}
	return fmt.Sprintf("wait status %#x", uint32(status))
}

// cures are what to do about an errno of an operation, where that is known.
var cures = [...]struct {
	kind  string // type of the operation
	errno syscall.Errno
	cure  string
}{
	{"MountFS", unix.EINVAL, "is each option one that this file system knows?"},
	{"MountFS", unix.ENODEV, "the kernel has no such file system: is its module loaded?"},
	{"MountFS", unix.EPERM, "the runtime lacks CAP_SYS_ADMIN, or the namespace that the file " +
		"system belongs to is not the container's"},
	{"MountFS", unix.ELOOP, "the target is a symbolic link in the rootfs: remove it there"},
	{"MountFS", unix.ENOTDIR, "it must be mounted on ordinary directory: the target in the " +
		"rootfs is a file or, for proc and sysfs, a symbolic link"},
	{"MakeTmpfs", unix.EINVAL, "is each option one that a tmpfs knows?"},
	{"CopyTree", unix.ENOSPC, "the copy must fit: raise the mount's options size and nr_inodes, " +
		"or remove tmpcopyup"},
	{"CopyTree", unix.ENOTDIR,
		"tmpcopyup copies directories: something else is at the destination"},
	{"CopyContents", unix.ENOSPC, "the copy must fit: raise the mount's option size, or remove " +
		"tmpcopyup"},
	{"AttachTree", unix.ELOOP, "the target leads through a magic link or too many symbolic links"},
	{"AttachTree", unix.EINVAL, "the source is a file and the target a directory in the rootfs"},
	{"AttachTree", unix.ENOTDIR, "the source is a directory and the target is not"},
	{"AttachTree", unix.EINVAL, "the source is a file and the target a directory in the rootfs"},
	{"BindInside", unix.ENOENT, "the source lies in the rootfs, and is not there after the " +
		"mounts before this one"},
	{"BindInside", unix.ELOOP, "a source in the rootfs, with mounts before it, can't lead " +
		"through symbolic links: name what they lead to"},
	{"BindInside", unix.EXDEV, "a symbolic link of the rootfs leads the target into /proc"},
	{"AttachTree", unix.EXDEV, "a symbolic link of the rootfs leads the target into /proc"},
	{"MountFS", unix.EXDEV, "a symbolic link of the rootfs leads the target into /proc"},
	{"OpenTree", unix.EXDEV, "only a procfs can be mounted on /proc"},
	{"MountFS", unix.EXDEV, "the target leads into /proc through a symbolic link of the rootfs: " +
		"remove it there"},
	{"AttachTree", unix.EXDEV, "the target leads into /proc through a symbolic link of the " +
		"rootfs: remove it there"},
	{"PivotRoot", unix.EINVAL, "on a host that runs from its initial ramfs use --no-pivot"},
	{"SessionKeyring", unix.EDQUOT, "raise kernel.keys.maxkeys, or use --no-new-keyring"},
	{"SetRlimit", unix.EPERM, "raising a hard limit takes CAP_SYS_RESOURCE: lower it, or raise " +
		"the runtime's own"},
	{"SetScheduler", unix.EPERM, "real-time policies take CAP_SYS_NICE, and SCHED_DEADLINE all " +
		"CPUs: such a process scheduler can't be used together with AllowedCPUs, " +
		"linux.resources.cpu.cpus"},
	{"StartOnCPUs", unix.EINVAL, "the runtime itself may use none of them: name CPUs of the " +
		"cgroup that it is called in"},
	{"SetAffinity", unix.EINVAL, "none of them is in the container's cgroup: see " +
		"linux.resources.cpu.cpus"},
	{"SetCapabilities", unix.EPERM, "a capability that the runtime itself does not have can't " +
		"be given"},
	{"ChangeDir", unix.ELOOP,
		"the working directory may not lead through /proc/PID/fd and the like"},
	{"ChangeDir", unix.ENOTDIR, "process.cwd is not a directory in the container"},
	{"MakeNode", unix.EEXIST, "something else is at that path in the rootfs: remove it there, " +
		"or mount a tmpfs on /dev"},
	{"MakeNode", unix.EPERM, "making devices takes CAP_MKNOD"},
	{"NullDevice", unix.ENODEV, "the rootfs's /dev/null is not the device 1:3: mount a tmpfs on " +
		"/dev"},
	{"NullDevice", unix.ENOENT, "masked paths need a /dev/null in the container"},
	{"Console", unix.ENOENT,
		`a terminal needs a devpts: add {"destination": "/dev/pts", "type": "devpts"} to mounts`},
	{"Console", unix.ENODEV, "/dev/pts must be a devpts"},
	{"Sysctl", unix.ENOENT, "the kernel has no such parameter, or no namespace of the " +
		"container's has it"},
	{"Sysctl", unix.EINVAL, "the kernel refuses the value"},
	{"Unshare", unix.ENOSPC, "the limit in /proc/sys/user is reached"},
	{"AttachRoot", unix.ENOENT, "root.path does not exist any more"},
	{"NoProgram", unix.ENOEXEC, "the configuration has no process: a container without one can't " +
		"be started"},
}

func cure(kind string, err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	for _, c := range cures {
		if c.errno == errno && c.kind == kind {
			return c.cure
		}
	}
	return ""
}
