package launch

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// hostOps and parentOps have an operation of each type that the executor knows.
var (
	hostOps = []plan.Op{
		plan.CreateState{}, plan.CreateCgroup{}, plan.OpenTree{}, plan.MakeTmpfs{},
		plan.MakeProcfs{}, plan.ReadMode{}, plan.MakeLinkTargets{}, plan.OpenNamespace{},
		plan.MakeNetwork{}, plan.AwaitNetwork{}, plan.RestrictDevices{}, plan.OpenChannels{},
		plan.OpenConsole{}, plan.OpenProcfsSocket{}, plan.OpenCgroup{}, plan.OpenGate{},
		plan.StartOnCPUs{}, plan.Assemble{}, plan.Clone{},
	}
	parentOps = []plan.Op{
		plan.RecordInit{}, plan.RestrictDevices{}, plan.CopyTree{}, plan.AwaitGate{},
		plan.RunHooks{}, plan.OpenGate{}, plan.TakeListener{}, plan.ReleaseListener{},
		plan.Adopt{}, plan.SetOOMScore{}, plan.Outside{Op: plan.SetScheduler{}},
		plan.RecordCreated{}, plan.WritePidFile{}, plan.ReceiveConsole{}, plan.ReceiveProcfs{},
		plan.AwaitProgram{}, plan.RecordStarted{},
	}
)

// TestKnowsEveryOp: the executor carries out every operation of package plan
// that stage does not lower.
func TestKnowsEveryOp(t *testing.T) {
	known := map[string]bool{}
	for where, ops := range map[plan.Where][]plan.Op{plan.Host: hostOps, plan.Parent: parentOps} {
		for _, op := range ops {
			known[reflect.TypeOf(op).Name()] = true
			e := newExecutor(background, &plan.Plan{}, Options{})
			if e.action(plan.Step{Where: where, Op: op}) == nil {
				t.Errorf("%s: no way to carry out %T", where, op)
			}
		}
	}
	lowered, err := os.ReadFile("../stage/lower.go")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("../../plan/*.go")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources of package plan: %v", err)
	}
	for _, source := range sources {
		f, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "op" {
				continue
			}
			name := fn.Recv.List[0].Type.(*ast.Ident).Name
			if !known[name] && !strings.Contains(string(lowered), "plan."+name) {
				t.Errorf("nobody carries out plan.%s", name)
			}
		}
	}
}

// TestUnknownStep: a step that the executor does not know is an error, and what
// was made before is undone.
func TestUnknownStep(t *testing.T) {
	for _, where := range []plan.Where{plan.Host, plan.Parent} {
		undone := 0
		e := newExecutor(background, &plan.Plan{Steps: []plan.Step{
			{Where: plan.Child, Op: plan.Fork{}}, // is another's
			{Where: where, Op: plan.Fork{}},
		}}, Options{})
		e.undo.add(func() error { undone++; return nil })
		_, err := e.run()
		want := "no way to carry out plan.Fork (fork into the joined pid namespace) of the " +
			where.String()
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if err := e.undo.run(); err != nil || undone != 1 {
			t.Errorf("%v, undone %d times", err, undone)
		}
		e.close()
	}
}

// TestMask has the first and the last bit of a digit.
func TestMask(t *testing.T) {
	for want, cpus := range map[string][]int{"0x1": {0}, "0x8": {3}, "0x10": {4}, "0xb": {3, 0, 1},
		"0x20000000000000001": {0, 65}} {
		if got := mask(cpus); got != want {
			t.Errorf("%d: got %s, want %s", cpus, got, want)
		}
	}
}

// TestThread: what it is given runs on one thread, which is not the first one
// of the process, and which nothing else runs on.
func TestThread(t *testing.T) {
	thread := newThread()
	defer thread.end()
	var ids [2]int
	failure := errors.New("failure")
	for i := range ids {
		err := thread.do(func() error {
			ids[i] = unix.Gettid()
			return failure
		})
		if err != failure {
			t.Errorf("got %v", err)
		}
	}
	if ids[0] != ids[1] || ids[0] == os.Getpid() {
		t.Errorf("threads %d of process %d", ids, os.Getpid())
	}
}
