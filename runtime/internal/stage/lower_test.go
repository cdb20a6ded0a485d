package stage

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// childOps has an operation of every type that runs in the child.
var childOps = []plan.Op{
	plan.HardenProcess{KeepFDs: 3},
	plan.JoinCgroup{},
	plan.CopyContents{Tree: "mounts[0]"},
	plan.JoinNamespace{Type: "network", Flags: 1 << 30},
	plan.Unshare{Flags: 1 << 25},
	plan.Fork{},
	plan.NewSession{}, plan.LeaveSession{},
	plan.TakeTerminal{},
	plan.SessionKeyring{Name: "_ses.test"},
	plan.SetHostname{Name: "h"},
	plan.SetDomainname{Name: "d"},
	plan.LoopbackUp{},
	plan.Sysctl{Key: "net.core.somaxconn", Value: "1", File: "net/core/somaxconn"},
	plan.ExitOnSignals{Signals: []unix.Signal{unix.SIGTERM}},
	plan.CloseFiles{},
	plan.OpenProcfs{},
	plan.EmptyRoot{},
	plan.Exit{},
	plan.Gate{Name: plan.GateStart, Report: true},
	plan.SlaveMounts{},
	plan.AttachRoot{Path: "/r"},
	plan.MountFS{Type: "tmpfs", Source: "tmpfs", Target: "/a/b", Data: "size=1k",
		Attr: plan.Attr{RecSet: 1, Propagation: 1 << 19}},
	plan.AttachTree{Tree: "mounts[0]", Target: "/c"},
	plan.RemountReadonly{Target: "/a/b"},
	plan.EnsureDir{Path: "/w/x", Mode: 0o755},
	plan.MakeNode{Path: "/dev/null", Mode: 0o20666, Major: 1, Minor: 3, UID: 1},
	plan.MakeLink{Path: "/dev/fd", Content: "/proc/self/fd", Replace: true},
	plan.NullDevice{},
	plan.MaskPath{Path: "/proc/kcore"},
	plan.ReadonlyPath{Path: "/proc/sys"},
	plan.Console{Rows: 1, Columns: 2, UID: 3, Mount: true, PlainLines: true},
	plan.BindInside{Source: "/a", Target: "/b", Recursive: true},
	plan.PivotRoot{},
	plan.LeaveMount{At: "/proc"},
	plan.ChangeRoot{},
	plan.SetPropagation{Flag: 1 << 19},
	plan.ReadonlyRoot{},
	plan.OwnStdio{UID: 1},
	plan.SetRlimit{Name: "RLIMIT_NOFILE", Resource: 7, Soft: 1, Hard: 2},
	plan.LimitProcesses{Soft: 1, Hard: 2},
	plan.SetPersonality{Persona: 8},
	plan.SetScheduler{Policy: 3},
	plan.SetAffinity{List: "0,9", CPUs: []int{0, 9}},
	plan.ResetAffinity{},
	plan.SetIOPriority{Class: 2, Priority: 7},
	plan.DropBounding{},
	plan.SetIDs{UID: 1, GID: 2, Groups: []uint32{3}, Keep: true},
	plan.SetCapabilities{Permitted: 1, Ambient: 1},
	plan.NoNewPrivileges{},
	plan.LoadSeccomp{Filter: make([]byte, 8), Notify: true},
	plan.SetUmask{Mask: 0o22},
	plan.ChangeDir{Path: "/w", Lenient: true},
	plan.ChangeDirAsUser{Path: "/w"},
	plan.SetExecLabel{LSM: "apparmor", Label: "x"},
	plan.FindProgram{Name: "x", Candidates: []string{"/bin/x", "/x"}},
	plan.Exec{Candidates: []string{"/bin/x", "/x"}, Args: []string{"x"}, Env: []string{"A=1"}},
	plan.NoProgram{},
}

// hostOps has an operation of every other type.
var hostOps = []plan.Op{
	plan.CreateState{}, plan.CreateCgroup{}, plan.OpenTree{}, plan.MakeTmpfs{}, plan.MakeProcfs{},
	plan.CopyTree{}, plan.ReadMode{}, plan.OpenNamespace{}, plan.MakeNetwork{},
	plan.AwaitNetwork{}, plan.OpenChannels{}, plan.OpenCgroup{}, plan.MakeLinkTargets{},
	plan.OpenConsole{}, plan.OpenProcfsSocket{}, plan.Assemble{}, plan.StartOnCPUs{}, plan.Clone{},
	plan.RecordInit{}, plan.RestrictDevices{}, plan.AwaitGate{}, plan.RunHooks{}, plan.OpenGate{},
	plan.TakeListener{}, plan.ReleaseListener{}, plan.Adopt{}, plan.SetOOMScore{},
	plan.Outside{Op: plan.SetScheduler{}}, plan.RecordCreated{}, plan.WritePidFile{},
	plan.ReceiveConsole{}, plan.ReceiveProcfs{}, plan.AwaitProgram{}, plan.RecordStarted{},
}

// TestOpsAreComplete finds the types of package plan that are operations, and
// compares them with the lists.
func TestOpsAreComplete(t *testing.T) {
	listed := map[string]bool{}
	for _, op := range append(append([]plan.Op{}, childOps...), hostOps...) {
		name := reflect.TypeOf(op).Name()
		if listed[name] {
			t.Errorf("plan.%s is listed twice", name)
		}
		listed[name] = true
	}
	sources, err := filepath.Glob("../../plan/*.go")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources of package plan: %v", err)
	}
	found := map[string]bool{}
	for _, source := range sources {
		f, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Name.Name == "op" {
				found[fn.Recv.List[0].Type.(*ast.Ident).Name] = true
			}
		}
	}
	for name := range found {
		if !listed[name] {
			t.Errorf("plan.%s is in no list: add it, and lower it if it runs in the child", name)
		}
	}
	for name := range listed {
		if !found[name] {
			t.Errorf("plan.%s is listed and no operation", name)
		}
	}
}

// TestLowerEveryOp lowers each operation alone and all of them together.
func TestLowerEveryOp(t *testing.T) {
	all := &plan.Plan{}
	for _, op := range childOps {
		step := plan.Step{Where: plan.Child, Field: "f", Op: op}
		all.Steps = append(all.Steps, step)
		t.Run(reflect.TypeOf(op).Name(), func(t *testing.T) {
			p := &plan.Plan{Steps: []plan.Step{step}}
			if _, ok := op.(plan.MaskPath); ok { // which is made of what that one opens
				p.Steps = []plan.Step{{Where: plan.Child, Op: plan.NullDevice{}}, step}
			}
			lowerWell(t, p)
		})
	}
	p := lowerWell(t, all)
	count := make([]int, len(childOps))
	for _, o := range p.origins {
		count[o.step]++
	}
	for i, n := range count {
		if n == 0 {
			t.Errorf("%T has no instruction", childOps[i])
		}
	}
	for _, op := range hostOps {
		p, err := Lower(&plan.Plan{Steps: []plan.Step{{Where: plan.Host, Op: op},
			{Where: plan.Parent, Op: op}}}, Opened{})
		if err != nil || p.Len() != 1 {
			t.Errorf("%T of the host has instructions: %v", op, err)
		}
	}
}

// lowerWell lowers a plan and proves that the program holds together: that
// every label is bound to an instruction, that every slot is in the scratch
// segment and that no instruction tolerates more than it can.
func lowerWell(t *testing.T, p *plan.Plan) *Program {
	t.Helper()
	program, err := Lower(p, Opened{Procs: 1})
	if err != nil {
		t.Fatal(err)
	}
	end := scratchBase + uint64(len(program.scratch))
	for i := range program.code {
		d := &program.code[i]
		call := program.origins[i].call
		targets := []uint32{d.next}
		errnos := map[uint32]bool{}
		for _, tol := range d.tol[:d.tolerated()] {
			targets = append(targets, tol.target())
			if errnos[tol.errno()] {
				t.Errorf("%d %s: %v is tolerated twice", i, call, tol.errno())
			}
			errnos[tol.errno()] = true
		}
		for _, next := range targets {
			// A label may be bound to the end: what follows is another
			// operation's.
			if int64(next) > int64(len(program.code)) {
				t.Errorf("%d %s: jumps to %d", i, call, int32(next))
			}
		}
		if s := uint64(d.store); s != 0 && (s < scratchBase+firstSlot || s+8 > end) {
			t.Errorf("%d %s: stores at %#x", i, call, s)
		}
		for n, arg := range d.args {
			a := uint64(arg)
			if d.slots&(1<<n) != 0 && (a < scratchBase+firstSlot || a+8 > end) {
				t.Errorf("%d %s: argument %d is at %#x", i, call, n, a)
			}
		}
		if call == "" {
			t.Errorf("%d has no name", i)
		}
	}
	return program
}

// TestLastInstruction: a program never runs off its end: its last instruction
// does not return.
func TestLastInstruction(t *testing.T) {
	for _, op := range []plan.Op{plan.NoProgram{}, plan.Exec{Candidates: []string{"/a", "/b"},
		Args: []string{"a"}}} {
		p := lowerWell(t, &plan.Plan{Steps: []plan.Step{{Where: plan.Start, Op: op}}})
		d := p.code[len(p.code)-1]
		if d.tolerated() != 0 || d.next != uint32(len(p.code)) {
			t.Errorf("%T ends with %+v, which goes on", op, d)
		}
		for i := range p.code {
			d := &p.code[i]
			for _, tol := range d.tol[:d.tolerated()] {
				if tol.target() != uint32(i+1) && tol.target() >= uint32(len(p.code)) {
					t.Errorf("%T: instruction %d leaves the program", op, i)
				}
			}
		}
	}
}
