package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/profile"
	"github.com/ocikit/ocikit/runtime/plan"
)

// attack is an attacker with its victim. It is repeated for some seconds, or
// for ATTACK_SECONDS, and longer if the attacker has caught nothing by then.
// Each hit fails the test.
type attack struct {
	name string
	// prepare makes what is attacked, and returns one round of it.
	prepare func(t *testing.T, a *arena) (round func(n int))
}

// attacks are ours and those of published holes. Attackers are the programs of
// ./attack; what they aim at is only there for them, so that a runtime with a
// hole may be tried, too:
//
//	RUNTIME=runc ATTACK_SECONDS=20 go test ./integration -run Attack -v
var attacks = slices.Concat(execAttacks, hookAttacks, podAttacks, podmanAttacks, descriptorAttacks,
	volumeAttacks)

// moreTime is how much longer an attack goes on that has caught nothing: on a
// busy machine the attacker may come too late for a while.
const moreTime = 30 * time.Second

// TestAttack runs all attacks and prints rounds and hits.
func TestAttack(t *testing.T) {
	program := attacker(t)
	for _, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			a := newArena(t, program)
			round := attack.prepare(t, a)
			begin, usual := time.Now(), attackTime(t, 3*time.Second)
			goesOn := func() bool {
				since := time.Since(begin)
				return since < usual || since < usual+moreTime && !a.dangerous()
			}
			rounds := 0
			for ; rounds == 0 || !t.Failed() && goesOn(); rounds++ {
				round(rounds)
			}
			for _, stop := range a.stops {
				stop()
			}
			a.verdict(t, rounds)
		})
	}
}

// attacker builds ./attack, or takes the one of ATTACKER, for machines without
// Go.
func attacker(t *testing.T) string {
	t.Helper()
	if program := os.Getenv("ATTACKER"); program != "" {
		return program
	}
	program := filepath.Join(t.TempDir(), "attack")
	build := exec.Command("go", "build", "-o", program, "./attack")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// attackTime is how long an attack is repeated: usual, or ATTACK_SECONDS.
func attackTime(t *testing.T, usual time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("ATTACK_SECONDS")
	if text == "" {
		return usual
	}
	seconds, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("ATTACK_SECONDS: %v", err)
	}
	return time.Duration(seconds) * time.Second
}

// arena is a box with a host to be found: a file, a mount, and descriptors of
// the runtime's caller.
type arena struct {
	*box
	shared string   // the directory that attackers have as /attack
	host   string   // what is below is not for containers
	limits []string // flags of the attackers
	hits   []string // those that are not in the log
	worked int      // commands of the runtime that succeeded nevertheless
	guards []string // containers that must still run at the end
	stops  []func() // what ends the attack
	// what the attacker got hold of, and is not in the log
	caught atomic.Int64
}

func newArena(t *testing.T, program string) *arena {
	t.Helper()
	b := testBox(t)
	a := &arena{box: b, shared: filepath.Join(b.dir, "attack"), host: filepath.Join(b.dir, "host")}
	mount := filepath.Join(a.host, "mount-of-the-host")
	for _, dir := range []string{a.shared, mount} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(a.shared, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(program, filepath.Join(a.shared, "program")); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(a.host, "canary"), "found\n", 0o644)
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	a.limits = []string{"-log", "/attack/log", "-canary", filepath.Join(a.host, "canary"), "-mount",
		filepath.Base(mount), "-binary", os.Getenv(rtVar)}
	if !hasPidns(t) {
		a.limits = append(a.limits, "-helper")
	}
	return a
}

// hasPidns says whether the kernel has the option pidns of procfs, Linux 6.17.
func hasPidns(t *testing.T) bool {
	t.Helper()
	fs, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fs)
	return unix.FsconfigSetString(fs, "pidns", "/proc/self/ns/pid") == nil
}

// program is the command line of an attacker.
func (a *arena) program(name string, flags ...string) []string {
	return slices.Concat([]string{"/attack/program", name}, a.limits, flags)
}

// begin starts a container with an attacker in it, and waits until it watches.
func (a *arena) begin(t *testing.T, id string, edit func(config), argv []string) {
	t.Helper()
	dir := a.bundle(t, id, func(c config) {
		c.set("mounts.+", bind(a.shared, "/attack"))
		edit(c)
	}, argv...)
	a.start(t, dir, id)
	a.guards = append(a.guards, id)
	if err := eventually("the attacker watches", func() bool {
		return strings.Contains(a.log(), "ready") || a.pid(t, id) == 0
	}); err != nil {
		t.Fatal(err)
	}
}

// log is what attackers have said.
func (a *arena) log() string {
	text, _ := os.ReadFile(filepath.Join(a.shared, "log")) // there is none before the first word
	return string(text)
}

// runtime runs a command of the runtime for a round. How it ends is up to the
// attacker, but a crash is a hit, and so is a wait without end.
func (a *arena) runtime(t *testing.T, args ...string) outcome {
	t.Helper()
	return a.runtimeWith(t, func(*exec.Cmd) {}, args...)
}

func (a *arena) runtimeWith(t *testing.T, edit func(*exec.Cmd), args ...string) outcome {
	t.Helper()
	return a.command(t, args[0]+" of the runtime", edit, a.rt(args...).Args...)
}

// command runs a command for a round.
func (a *arena) command(t *testing.T, what string, edit func(*exec.Cmd), argv ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = a.dir
	// Files, not pipes: a container that was made keeps them open.
	var output [2]*os.File
	for i, name := range []string{"stdout", "stderr"} {
		f, err := os.Create(filepath.Join(a.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		output[i] = f
	}
	cmd.Stdout, cmd.Stderr = output[0], output[1]
	edit(cmd)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", cmd, err)
	}
	o := outcome{content(t, output[0]), content(t, output[1]), cmd.ProcessState.ExitCode()}
	if o.code == 0 {
		a.worked++
	}
	a.judge(what, ctx.Err() != nil, cmd.ProcessState.Sys().(syscall.WaitStatus), o.stderr)
	return o
}

func content(t *testing.T, f *os.File) string {
	t.Helper()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// judge adds a hit for a command that an attacker has brought down.
func (a *arena) judge(what string, late bool, status syscall.WaitStatus, stderr string) {
	switch {
	case late:
		a.hits = append(a.hits, what+" waits without end: killed after 10 s")
	case status.Signaled():
		a.hits = append(a.hits, fmt.Sprintf("%s is ended by a signal: %s", what, status.Signal()))
	case strings.Contains(stderr, "goroutine "):
		line, _, _ := strings.Cut(stderr, "\n")
		a.hits = append(a.hits, fmt.Sprintf("%s crashes: %s", what, line))
	}
}

// dangerous says whether the attacker has got hold of anything yet.
func (a *arena) dangerous() bool {
	return a.caught.Load() > 0 || strings.Contains("\n"+a.log(), "\ncaught ")
}

// verdict prints rounds and hits, and fails for each kind of hit, and for an
// attacker that was no danger.
func (a *arena) verdict(t *testing.T, rounds int) {
	t.Helper()
	for _, id := range a.guards {
		if a.pid(t, id) == 0 {
			logs, _ := filepath.Glob(filepath.Join(a.dir, "log-*"))
			for _, name := range logs {
				text, _ := os.ReadFile(name)
				t.Logf("%s: %s", name, text)
			}
			t.Errorf("the attacker %s has ended", id)
		}
		a.try(t, "delete", "--force", id)
	}
	hits, caught := a.hits, a.caught.Load()
	for line := range strings.SplitSeq(a.log(), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "hit":
			hits = append(hits, rest)
		case "caught":
			caught++
		}
	}
	kinds, examples := make(map[string]int), make(map[string]string)
	for _, h := range hits {
		kind, example, _ := strings.Cut(h, ":")
		kinds[kind]++
		examples[kind] = example
	}
	t.Logf("figures: %d rounds, %d commands succeeded, %d caught, %d hits", rounds, a.worked,
		caught, len(hits))
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		t.Errorf("%d × %s, such as%s", kinds[kind], kind, examples[kind])
	}
	if caught == 0 {
		t.Error("the attacker has caught nothing: the attack is none")
	}
}

// The capabilities of a container of podman, but for CAP_SYS_CHROOT, which an
// attacker can use without harm if it gets it.
var usualCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
	"CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID",
}

func withPtrace(names []string) []string { return append(slices.Clone(names), "CAP_SYS_PTRACE") }

// setCapabilities gives a container these capabilities and no others.
func setCapabilities(c config, names []string) {
	c.set("process.capabilities", map[string]any{"bounding": names, "effective": names,
		"permitted": names})
}

// setFilter gives a container podman's seccomp profile without mkdir, and
// without other system calls.
func setFilter(t *testing.T, c config, names []string, without ...string) {
	t.Helper()
	text, err := os.ReadFile("/usr/share/containers/seccomp.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(text, names)
	if err != nil {
		t.Fatal(err)
	}
	without = append(without, "mkdir", "mkdirat")
	for i := range p.Syscalls {
		p.Syscalls[i].Names = slices.DeleteFunc(p.Syscalls[i].Names, func(name string) bool {
			return slices.Contains(without, name)
		})
	}
	c.set("linux.seccomp", p)
}

// mask is the argument of -caps for these capabilities.
func mask(t *testing.T, names []string) string {
	t.Helper()
	var set uint64
	for _, name := range names {
		number, ok := plan.Capability(name)
		if !ok {
			t.Fatalf("no capability %s", name)
		}
		set |= 1 << number
	}
	return fmt.Sprintf("%#x", set)
}
