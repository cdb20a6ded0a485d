package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			b := newBox(env.WorkDir)
			env.Values[boxKey{}] = b
			env.Setenv(stateVar, b.state)
			env.Setenv(rtVar, os.Getenv(rtVar))
			env.Setenv("BIN", os.Getenv(binVar))
			env.Setenv("CGROUP", b.cgroup)
			env.Defer(func() {
				left := b.leftovers()
				b.clear()
				if len(left) > 0 {
					env.T().Fatal("left behind:\n" + strings.Join(left, "\n"))
				}
			})
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"bundle":   cmdBundle,
			"set":      cmdSet,
			"unset":    cmdUnset,
			"exits":    cmdExits,
			"detached": cmdDetached,
			"gone":     cmdGone,
			"waitfor":  cmdWaitFor,
			"cgvalue":  cmdCgroupValue,
			"json":     cmdJSON,
		},
	})
}

type boxKey struct{}

func boxOf(ts *testscript.TestScript) *box { return ts.Value(boxKey{}).(*box) }

// condition knows "foreign" (the runtime is not ours), "v2" (pure cgroup v2)
// and the names of cgroup controllers that containers can use here.
func condition(name string) (bool, error) {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	pure := err == nil
	switch name {
	case "foreign":
		return foreign(), nil
	case "v2":
		return pure, nil
	case "memory", "cpu", "pids", "cpuset", "freezer":
		return hasController(name, pure), nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

func hasController(name string, pure bool) bool {
	if !pure {
		_, err := os.Stat("/sys/fs/cgroup/" + name)
		return err == nil
	}
	list, _ := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	return slices.Contains(strings.Fields(string(list)), name)
}

func noNeg(ts *testscript.TestScript, neg bool, args []string, least int, usage string) {
	if neg || len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
}

// bundle NAME [ARG...] makes a bundle that runs ARG.
func cmdBundle(ts *testscript.TestScript, neg bool, args []string) {
	noNeg(ts, neg, args, 1, "bundle NAME [ARG...]")
	_, err := boxOf(ts).makeBundle(args[0], args[1:]...)
	ts.Check(err)
}

// set BUNDLE PATH JSON [PATH JSON]... edits config.json.
func cmdSet(ts *testscript.TestScript, neg bool, args []string) {
	noNeg(ts, neg, args, 3, "set BUNDLE PATH JSON...")
	dir := ts.MkAbs(args[0])
	c, err := loadConfig(dir)
	ts.Check(err)
	for i := 1; i+1 < len(args); i += 2 {
		var v any
		if err := json.Unmarshal([]byte(args[i+1]), &v); err != nil {
			ts.Fatalf("%s: %v", args[i+1], err)
		}
		c.set(args[i], v)
	}
	ts.Check(c.save(dir))
}

// unset BUNDLE PATH... removes members of config.json.
func cmdUnset(ts *testscript.TestScript, neg bool, args []string) {
	noNeg(ts, neg, args, 2, "unset BUNDLE PATH...")
	dir := ts.MkAbs(args[0])
	c, err := loadConfig(dir)
	ts.Check(err)
	for _, path := range args[1:] {
		c.unset(path)
	}
	ts.Check(c.save(dir))
}

// exits STATUS COMMAND [ARG...] runs a command that must end with STATUS.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	noNeg(ts, neg, args, 2, "exits STATUS COMMAND [ARG...]")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// detached ARG... runs the runtime with its output, and so its container's
// output, in the file "log". A detached container keeps its stdout open, for
// whose end exec would wait.
func cmdDetached(ts *testscript.TestScript, neg bool, args []string) {
	noNeg(ts, neg, args, 1, "detached ARG...")
	name := ts.MkAbs("log")
	log, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	ts.Check(err)
	defer log.Close()
	cmd := boxOf(ts).rt(args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(name)
		ts.Fatalf("%v\n%s", err, text)
	}
}

// gone ID waits until the container's init has ended.
func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	noNeg(ts, neg, args, 1, "gone ID")
	out, err := boxOf(ts).rt("state", args[0]).Output()
	ts.Check(err)
	pid, err := parsePID(string(out))
	ts.Check(err)
	if pid > 0 {
		ts.Check(waitGone(pid))
	}
}

// waitfor FILE TEXT waits until the file holds the text.
func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	noNeg(ts, neg, args, 2, "waitfor FILE TEXT")
	ts.Check(eventually(args[0]+" holds "+args[1], func() bool {
		data, _ := os.ReadFile(ts.MkAbs(args[0]))
		return strings.Contains(string(data), args[1])
	}))
}

// cgvalue NAME V1FILE V2FILE VALUE compares a cgroup file of the container
// whose bundle is NAME.
func cmdCgroupValue(ts *testscript.TestScript, neg bool, args []string) {
	noNeg(ts, neg, args, 4, "cgvalue NAME V1FILE V2FILE VALUE")
	path := filepath.Join(boxOf(ts).cgroup, args[0])
	name := filepath.Join("/sys/fs/cgroup", path, args[2])
	if pure, _ := condition("v2"); !pure {
		controller, _, _ := strings.Cut(args[1], ".")
		name = filepath.Join("/sys/fs/cgroup", controller, path, args[1])
	}
	data, err := os.ReadFile(name)
	ts.Check(err)
	if got := strings.TrimSpace(string(data)); got != args[3] {
		ts.Fatalf("%s is %q, want %q", name, got, args[3])
	}
}

// json PATH VALUE looks at the JSON of the last command's stdout.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	noNeg(ts, neg, args, 2, "json PATH VALUE")
	var node any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &node))
	for _, p := range strings.Split(args[0], ".") {
		switch n := node.(type) {
		case map[string]any:
			node = n[p]
		case []any:
			i, err := strconv.Atoi(p)
			ts.Check(err)
			if i >= len(n) {
				ts.Fatalf("%s: the list has %d members", args[0], len(n))
			}
			node = n[i]
		}
	}
	if got := fmt.Sprint(node); got != args[1] {
		ts.Fatalf("%s is %s, want %s", args[0], got, args[1])
	}
}
