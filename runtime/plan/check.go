package plan

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// rule says that every step of one kind comes before every step of another. A
// kind is a type of operation, with those fields that are not zero. Of several
// forks it is the one by which others can see the process: see seenFork.
type rule struct {
	before, after Op
	why           string
}

// rules are the orders that a safe and working start depends on. A plan that
// breaks one is a defect of this package.
var rules = [...]rule{
	{CreateState{}, CreateCgroup{}, "what has no record can't be cleared after a crash"},
	{CreateCgroup{}, Clone{}, "the first process is born in its cgroup, or enters it first of all"},
	{CreateCgroup{}, OpenTree{}, "a cgroup v1 mount is a copy of the container's cgroup"},
	{OpenTree{}, Clone{}, "sources are opened while only trusted code runs"},
	{MakeTmpfs{}, Clone{}, "the first process is born with the descriptor that it mounts"},
	{ReadMode{}, MakeLinkTargets{}, "a target that is made has the mode of no directory of the " +
		"image"},
	{OpenTree{}, MakeLinkTargets{}, "a target has to be a file if what is mounted there is one"},
	{MakeLinkTargets{}, Clone{}, "the first process can't make them"},
	{MakeNetwork{}, AwaitNetwork{}, "nothing else ends that wait"},
	{AwaitNetwork{}, Clone{}, "the first process is born with the descriptor that it joins"},
	{CreateState{}, OpenChannels{}, "the fifos are those of the state directory"},
	{OpenChannels{}, Clone{}, "the first process is born with their ends"},
	{OpenProcfsSocket{}, Clone{}, "the process is born with its end"},
	{OpenConsole{}, Clone{}, "the first process is born with its end"},
	{CreateCgroup{}, OpenCgroup{}, "it has to be there"},
	{OpenCgroup{}, Assemble{}, "the program writes to as many files as there are hierarchies"},
	{OpenTree{}, Assemble{}, "the program makes a target that is a file where a mount is one"},
	{ReadMode{}, Assemble{}, "the program has the modes"},
	{Assemble{}, Clone{}, "it is what the first process executes"},
	{OpenNamespace{}, Clone{}, "namespaces are opened while only trusted code runs"},
	{CreateCgroup{}, RestrictDevices{}, "the rules are the cgroup's"},
	{RestrictDevices{}, RunHooks{}, "hooks of the container's namespaces see its devices as the " +
		"container does"},
	{RestrictDevices{}, OpenGate{}, "the program must not run without them"},
	{RecordInit{}, RunHooks{}, "a hook is given the process's id"},
	{RecordInit{}, CopyTree{}, "a copy may take long, and what has no record can't be cleared " +
		"after a crash"},
	{CopyTree{}, RunHooks{}, "the first process does not get to the gate of the hooks before it " +
		"has its copies"},
	{JoinCgroup{}, CopyContents{}, "what is copied counts for the container's limits"},
	{CopyContents{}, MountFS{}, "a mount makes its target in the rootfs, and that must not be " +
		"copied"},
	{CopyContents{}, AttachTree{}, "a mount makes its target in the rootfs, and that must not " +
		"be copied"},
	{CopyContents{}, BindInside{}, "a mount makes its target in the rootfs, and that must not " +
		"be copied"},
	{HardenProcess{}, JoinNamespace{}, "a process of the joined namespace must not trace or " +
		"read this " +
		"one (CVE-2016-9962)"},
	{SlaveMounts{}, EmptyRoot{}, "the host keeps its mounts"},
	{EmptyRoot{}, Fork{}, "nobody must get to the host's root through the process"},
	{JoinNamespace{}, Fork{}, "a process in the joined pid namespace must be a part of the " +
		"container in all else (CVE-2019-5736)"},
	{Fork{}, NewSession{}, "the leader of a session is the process that goes on"},
	{NewSession{}, TakeTerminal{}, "only the leader of a session can take a terminal"},
	{Console{}, TakeTerminal{}, "the terminal has to be there"},
	{NewSession{}, Exec{}, "the program has a session of its own"},
	{MakeProcfs{}, Clone{}, "sources are made while only trusted code runs"},
	{OpenNamespace{}, MakeProcfs{}, "it shows the namespace that was opened"},
	{AwaitGate{Name: GateHooks}, RunHooks{}, "a hook is told of a container that is there"},
	{RunHooks{Name: "prestart"}, OpenGate{Name: GateHooks}, "pivot_root comes after them"},
	{RunHooks{Name: "createRuntime"}, OpenGate{Name: GateHooks}, "pivot_root comes after them"},
	{RunHooks{Name: "createContainer"}, OpenGate{Name: GateHooks}, "pivot_root comes after them"},
	{OpenGate{Name: GateHooks}, Adopt{}, "the process that waits for the hooks is the one that " +
		"forks"},
	{Adopt{}, AwaitGate{Name: GateStart}, "the process that goes on is the one that waits for " +
		"its start"},
	{AwaitGate{Name: GateStart}, RecordCreated{}, "a container is created once it can be started"},
	{RecordCreated{}, WritePidFile{}, "who waits for the file starts the container then"},
	{WritePidFile{}, OpenGate{Name: GateStart}, "the program may end at once"},
	{SetOOMScore{}, OpenGate{Name: GateStart}, "the program is not to run without it"},
	{Outside{}, OpenGate{Name: GateStart}, "the program is not to run without it"},
	{AwaitGate{Name: GateStart}, OpenGate{Name: GateStart}, "a gate that is open is not reported"},
	{RunHooks{Name: "startContainer"}, OpenGate{Name: GateStart}, "the program runs after them"},
	{OpenGate{Name: GateStart}, AwaitProgram{}, "the process waits there"},
	{TakeListener{}, ReleaseListener{}, "it is released to its agent once it is there"},
	{ReleaseListener{}, AwaitProgram{}, "the program must not have a filter that the runtime " +
		"answers for"},
	{OpenGate{Name: GateListener}, AwaitProgram{}, "the process waits there"},
	{AwaitProgram{}, RecordStarted{}, "a program that can't be executed never runs"},
	{RecordStarted{}, RunHooks{Name: "poststart"}, "they run beside the program"},
	{Adopt{}, Outside{}, "the attributes are those of the process that goes on"},
	{Adopt{}, SetOOMScore{}, "the attributes are those of the process that goes on"},
	{StartOnCPUs{}, Clone{}, "the first process is born with what the thread has that starts it"},
	{JoinCgroup{}, SetAffinity{}, "these CPUs are the cgroup's, and the caller may have others"},
	{JoinCgroup{}, ResetAffinity{}, "all CPUs are those of the cgroup, which may have others " +
		"than the caller's"},
	{ResetAffinity{}, SetScheduler{}, "a process with a deadline must be allowed on all CPUs " +
		"(sched_setattr(2))"},
	{JoinCgroup{}, Unshare{}, "a cgroup namespace's root is the cgroup that the process is in " +
		"when it is made"},
	{Unshare{}, MountFS{}, "a cgroup mount shows the cgroup namespace of the one who mounts it"},
	{JoinNamespace{}, SlaveMounts{}, "a joined network or ipc namespace decides what sysfs and " +
		"mqueue show"},
	{SlaveMounts{}, AttachRoot{}, "mounts must not reach the host"},
	{AttachRoot{}, MountFS{}, "targets are resolved in the rootfs"},
	{AttachRoot{}, AttachTree{}, "targets are resolved in the rootfs"},
	{AttachRoot{}, BindInside{}, "sources and targets are resolved in the rootfs"},
	{MountFS{}, MakeNode{}, "devices belong into the container's /dev, not below it"},
	{AttachTree{}, MakeNode{}, "devices belong into the container's /dev, not below it"},
	{BindInside{}, MakeNode{}, "devices belong into the container's /dev, not below it"},
	{MountFS{}, RemountReadonly{}, "targets have to be made in file systems that are read-only " +
		"later"},
	{AttachTree{}, RemountReadonly{}, "targets have to be made in file systems that are " +
		"read-only later"},
	{BindInside{}, RemountReadonly{}, "targets have to be made in file systems that are " +
		"read-only later"},
	{MakeNode{}, RemountReadonly{}, "devices have to be made in a /dev that is read-only later"},
	{MakeLink{}, RemountReadonly{}, "links have to be made in a /dev that is read-only later"},
	{Console{}, RemountReadonly{}, "/dev/console has to be made in a /dev that is read-only later"},
	{EnsureDir{}, RemountReadonly{}, "the working directory may lie in a file system that is " +
		"read-only later"},
	{MakeNode{}, NullDevice{}, "masks are made of /dev/null"},
	{NullDevice{}, MaskPath{}, "masks are made of /dev/null"},
	{MountFS{}, MaskPath{}, "a later mount would uncover a masked path"},
	{AttachTree{}, MaskPath{}, "a later mount would uncover a masked path"},
	{BindInside{}, MaskPath{}, "a later mount would uncover a masked path"},
	{MountFS{}, ReadonlyPath{}, "a later mount would cover a read-only path"},
	{AttachTree{}, ReadonlyPath{}, "a later mount would cover a read-only path"},
	{BindInside{}, ReadonlyPath{}, "a later mount would cover a read-only path"},
	{MountFS{}, Console{}, "the console belongs to the container's devpts"},
	{MountFS{}, PivotRoot{}, "paths are resolved in the rootfs while the host's procfs can't be " +
		"reached from it"},
	{AttachTree{}, PivotRoot{}, "paths are resolved in the rootfs while the host's procfs can't " +
		"be reached from it"},
	{BindInside{}, PivotRoot{}, "paths are resolved in the rootfs while the host's procfs can't " +
		"be reached from it"},
	{MaskPath{}, PivotRoot{}, "nothing may run in the new root before its masks are there"},
	{ReadonlyPath{}, PivotRoot{}, "nothing may run in the new root before its masks are there"},
	{SlaveMounts{}, LeaveMount{}, "the host keeps its mounts"},
	{PivotRoot{}, LeaveMount{}, "the rootfs may lie in a mount that is let go of"},
	{LeaveMount{}, ChangeRoot{}, "the host's paths are out of reach afterwards"},
	{ChangeRoot{}, ChangeDir{}, "the working directory lies inside the container"},
	{EnsureDir{}, ReadonlyRoot{}, "the working directory can't be made in a read-only root"},
	{PivotRoot{}, ReadonlyRoot{}, "the root mount is needed writable until all targets are made"},
	{PivotRoot{}, ChangeDir{}, "the working directory lies inside the container"},
	{PivotRoot{}, SetIDs{}, "mounting needs privileges"},
	{ChangeDir{}, SetRlimit{}, "a low RLIMIT_NOFILE leaves no number for another descriptor"},
	{SetExecLabel{}, SetRlimit{}, "a low RLIMIT_NOFILE leaves no number for another descriptor"},
	{Console{}, SetRlimit{}, "a low RLIMIT_NOFILE leaves no number for another descriptor"},
	{PivotRoot{}, CloseFiles{}, "the root is one of the files"},
	{ChangeDir{}, CloseFiles{}, "a working directory is looked for in the root"},
	{SetExecLabel{}, CloseFiles{}, "the private procfs is one of the files"},
	{ExitOnSignals{}, LoadSeccomp{}, "a filter may forbid rt_sigaction"},
	{CloseFiles{}, LoadSeccomp{}, "a filter may forbid close_range"},
	{SetRlimit{}, LoadSeccomp{}, "a filter may forbid prlimit"},
	{SetRlimit{}, SetIDs{}, "raising a limit needs privileges"},
	{Fork{}, LimitProcesses{}, "the fork would count, too"},
	{SetExecLabel{}, SetIDs{}, "mounting a private procfs needs privileges"},
	{SetExecLabel{}, NoNewPrivileges{}, "no_new_privs forbids most changes of label"},
	{DropBounding{}, SetIDs{}, "dropping from the bounding set needs CAP_SETPCAP"},
	{SetIDs{}, ChangeDirAsUser{}, "the user may do what root may not"},
	{SetIDs{}, SetCapabilities{}, "changing the user changes the capabilities"},
	{ChangeDir{}, LoadSeccomp{}, "a filter may forbid chdir"},
	{SetUmask{}, LoadSeccomp{}, "a filter may forbid umask"},
	{FindProgram{}, Exec{}, "create reports a missing program"},
	{Gate{}, Exec{}, "the program starts when it is told to"},
	{LoadSeccomp{}, Exec{}, "the program runs under the filter"},
}

// Check proves the rules of order and those of visible, that the program ends
// in one place, and that each step is listed where it runs. A plan that fails
// is a defect of this package. So the tests call Check for every plan that they
// make, and a start does not.
func Check(p *Plan) error {
	var problems []error
	for _, r := range rules {
		if last, first := last(p, r.before), first(p, r.after); first >= 0 && last > first {
			problems = append(problems, fmt.Errorf("plan: step %d (%s) must come before step %d "+
				"(%s): %s",
				last, p.Steps[last].Op, first, p.Steps[first].Op, r.why))
		}
	}
	ends, forks, adopted := 0, 0, 0
	for i, s := range p.Steps {
		if i > 0 && s.Where < p.Steps[i-1].Where {
			problems = append(problems, fmt.Errorf("plan: step %d (%s) of the %s comes after "+
				"one of the %s", i, s.Op, s.Where, p.Steps[i-1].Where))
		}
		switch s.Op.(type) {
		case Exec, NoProgram, Exit:
			ends++
		case Fork:
			forks++
		case Adopt:
			adopted++
		}
	}
	if ends != 1 {
		problems = append(problems, fmt.Errorf("plan: %d ends, want one exec", ends))
	}
	if forks != adopted {
		problems = append(problems, fmt.Errorf("plan: %d forks, of which the parent knows %d",
			forks, adopted))
	}
	return errors.Join(append(problems, visible(p)...)...)
}

// first returns the number of the first step of op's kind, or -1.
func first(p *Plan, op Op) int {
	if _, fork := op.(Fork); fork {
		return seenFork(p)
	}
	return slices.IndexFunc(p.Steps, func(s Step) bool { return ofKind(s.Op, op) })
}

// last returns the number of the last step of op's kind, or -1.
func last(p *Plan, op Op) int {
	if _, fork := op.(Fork); fork {
		return seenFork(p)
	}
	for i := len(p.Steps) - 1; i >= 0; i-- {
		if ofKind(p.Steps[i].Op, op) {
			return i
		}
	}
	return -1
}

// ofKind says whether an operation has the type of kind, and those of its
// fields that are not zero.
func ofKind(op, kind Op) bool {
	got, want := reflect.ValueOf(op), reflect.ValueOf(kind)
	if got.Type() != want.Type() {
		return false
	}
	for i := range want.NumField() {
		if !want.Field(i).IsZero() && !want.Field(i).Equal(got.Field(i)) {
			return false
		}
	}
	return true
}
