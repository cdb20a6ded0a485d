package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hangLimit is how long a command may take to end once it was told to. delete
// --force may never take longer.
const hangLimit = 2 * time.Second

// hanging is a command that waits for something that never comes.
type hanging struct {
	name string
	// args are the command's, after the arrangement.
	args []string
	// arrange makes the container "c" and what the command will wait for.
	arrange func(t *testing.T, h *hangBox)
	// marker is a file that is there once the command waits; "": see asleep.
	marker string
	// ends says that the command must end by itself, with an error that has
	// these words, or without one if they are "".
	ends bool
	want string
	// makes says that the command makes the container. If a signal ends it, it
	// has to leave nothing.
	makes bool
	// full fills the pipe that the command writes to: 1 or 2.
	full int
	// alone says that the command waits for its caller, not for anything of the
	// container. delete --force need not end it.
	alone bool
}

// hangBox is a box with a bundle.
type hangBox struct {
	*box
	bundle string
	dir    string // for sockets, whose paths are short
}

// file is a path in the box that arguments name by $.
func (h *hangBox) file(name string) string { return filepath.Join(h.box.dir, name) }

// hangingHook says that it runs, and then never ends.
func hangingHook(marker string) map[string]any {
	return map[string]any{"path": "/bin/sh", "args": []string{"sh", "-c", ": >" + marker +
		"; while :; do sleep 1; done"}}
}

// withHook arranges a bundle with a hook that hangs.
func withHook(list string, then ...func(t *testing.T, h *hangBox)) func(t *testing.T, h *hangBox) {
	return func(t *testing.T, h *hangBox) {
		marker := h.file("marker")
		if list == "startContainer" { // is a program of the container
			marker = "/tmp/marker"
			if err := os.Symlink(filepath.Join(h.bundle, "rootfs/tmp/marker"),
				h.file("marker")); err != nil {
				t.Fatal(err)
			}
		}
		h.edit(t, func(c config) { c.set("hooks."+list+".+", hangingHook(marker)) })
		for _, f := range then {
			f(t, h)
		}
	}
}

func (h *hangBox) edit(t *testing.T, edit func(config)) {
	t.Helper()
	c, err := loadConfig(h.bundle)
	if err != nil {
		t.Fatal(err)
	}
	edit(c)
	if err := c.save(h.bundle); err != nil {
		t.Fatal(err)
	}
}

// created makes the container that waits for start.
func created(t *testing.T, h *hangBox) {
	t.Helper()
	cmd := h.rt("create", "-b", h.bundle, "c")
	cmd.Stdout, cmd.Stderr = nil, nil
	if err := cmd.Run(); err != nil {
		t.Fatalf("create: %v", err)
	}
}

// running makes the container run.
func running(t *testing.T, h *hangBox) {
	t.Helper()
	created(t, h)
	h.must(t, "start", "c")
}

// stopInit stops the first process with SIGSTOP.
func stopInit(t *testing.T, h *hangBox) {
	t.Helper()
	if err := unix.Kill(h.pid(t, "c"), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// fullSocket makes a Unix socket whose queue of connections is full.
func fullSocket(t *testing.T, h *hangBox) {
	t.Helper()
	path := filepath.Join(h.dir, "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for {
		client, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|
			unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(client) })
		err = unix.Connect(client, &unix.SockaddrUnix{Name: path})
		if err == unix.EAGAIN {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// fifo makes a FIFO that nobody opens.
func fifo(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// fifoAt arranges a FIFO in place of a file of the box.
func fifoAt(name string, before ...func(t *testing.T, h *hangBox)) func(t *testing.T, h *hangBox) {
	return func(t *testing.T, h *hangBox) {
		for _, f := range before {
			f(t, h)
		}
		fifo(t, h.file(name))
	}
}

// freezesItself is the program of a container that may write to its cgroup: one
// of its processes freezes the first one again and again, in a cgroup below.
const freezesItself = `
if [ -d /sys/fs/cgroup/freezer ]; then
	dir=/sys/fs/cgroup/freezer/sub file=freezer.state frozen=FROZEN
else
	dir=/sys/fs/cgroup/sub file=cgroup.freeze frozen=1
fi
mkdir $dir
{
	: >/tmp/marker
	while :; do echo $frozen >$dir/$file; done
} &
echo $$ >$dir/cgroup.procs
while :; do sleep 1; done`

// freezing arranges a container that freezes itself, and waits until it has.
func freezing(program string) func(t *testing.T, h *hangBox) {
	return func(t *testing.T, h *hangBox) {
		t.Helper()
		h.edit(t, func(c config) {
			c.set("process.args", []string{"sh", "-c", program})
			c.set("root.readonly", false)
			c.dropMount("/sys/fs/cgroup")
			c.set("mounts.+", map[string]any{"destination": "/sys/fs/cgroup", "type": "cgroup",
				"source": "cgroup", "options": []string{"rw"}})
		})
		running(t, h)
		err := eventually("frozen", func() bool {
			for _, root := range h.cgroupRoots() {
				for _, at := range []string{"/bundle", "/bundle/sub"} {
					state, _ := os.ReadFile(root + at + "/freezer.state")
					events, _ := os.ReadFile(root + at + "/cgroup.events")
					if string(state) == "FROZEN\n" || strings.Contains(string(events), "frozen 1") {
						return true
					}
				}
			}
			return false
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// freezesAll is a program that freezes its whole cgroup.
const freezesAll = `
if [ -d /sys/fs/cgroup/freezer ]; then
	echo FROZEN >/sys/fs/cgroup/freezer/freezer.state
else
	echo 1 >/sys/fs/cgroup/cgroup.freeze
fi
while :; do sleep 1; done`

var hangs = []hanging{
	// A hook that hangs.
	{name: "create/createRuntime hook", args: []string{"create", "-b", "$bundle", "c"},
		arrange: withHook("createRuntime"), marker: "marker", makes: true},
	{name: "create/prestart hook", args: []string{"create", "-b", "$bundle", "c"},
		arrange: withHook("prestart"), marker: "marker", makes: true},
	{name: "create/createContainer hook", args: []string{"create", "-b", "$bundle", "c"},
		arrange: withHook("createContainer"), marker: "marker", makes: true},
	{name: "run/createRuntime hook", args: []string{"run", "-b", "$bundle", "c"},
		arrange: withHook("createRuntime"), marker: "marker", makes: true},
	{name: "run/startContainer hook", args: []string{"run", "-b", "$bundle", "c"},
		arrange: withHook("startContainer"), marker: "marker", makes: true},
	{name: "run -d/startContainer hook", args: []string{"run", "-d", "-b", "$bundle", "c"},
		arrange: withHook("startContainer"), marker: "marker", makes: true},
	{name: "run/poststart hook", args: []string{"run", "-b", "$bundle", "c"},
		arrange: withHook("poststart"), marker: "marker", makes: true},
	{name: "run -d/poststart hook", args: []string{"run", "-d", "-b", "$bundle", "c"},
		arrange: withHook("poststart"), marker: "marker", makes: true},
	{name: "start/startContainer hook", args: []string{"start", "c"},
		arrange: withHook("startContainer", created), marker: "marker"},
	{name: "start/poststart hook", args: []string{"start", "c"}, arrange: withHook("poststart",
		created), marker: "marker"},
	{name: "delete/poststop hook", args: []string{"delete", "--force", "c"},
		arrange: withHook("poststop", created), marker: "marker", makes: true, alone: true},

	// A first process that is stopped, and a command that holds the lock for
	// ever.
	{name: "start/stopped init", args: []string{"start", "c"}, arrange: inOrder(created, stopInit)},
	{name: "start/locked", args: []string{"start", "c"}, arrange: inOrder(created, locked)},
	{name: "delete/locked", args: []string{"delete", "c"}, arrange: inOrder(created, locked)},
	{name: "state/locked", args: []string{"state", "c"}, arrange: inOrder(created, locked),
		ends: true},
	{name: "kill/locked", args: []string{"kill", "c", "KILL"}, arrange: inOrder(created, locked),
		ends: true},
	{name: "kill/stopped init", args: []string{"kill", "c", "KILL"}, arrange: inOrder(created,
		stopInit), ends: true},
	{name: "exec/stopped init", args: []string{"exec", "c", "true"}, arrange: inOrder(running,
		stopInit), ends: true},

	// A container that freezes itself.
	{name: "exec/frozen below", args: []string{"exec", "c", "true"},
		arrange: freezing(freezesItself), ends: true},
	{name: "exec --cgroup/frozen below", args: []string{"exec", "--cgroup", "$sub", "c", "true"},
		arrange: freezing(freezesItself), ends: true, want: "is frozen: thaw it"},
	{name: "kill/frozen below", args: []string{"kill", "c", "KILL"},
		arrange: freezing(freezesItself), ends: true},
	{name: "state/frozen below", args: []string{"state", "c"}, arrange: freezing(freezesItself),
		ends: true},
	{name: "exec/frozen", args: []string{"exec", "c", "true"}, arrange: freezing(freezesAll),
		ends: true, want: "paused container"},
	{name: "kill/frozen", args: []string{"kill", "c", "KILL"}, arrange: freezing(freezesAll),
		ends: true},
	{name: "state/frozen", args: []string{"state", "c"}, arrange: freezing(freezesAll), ends: true},

	// A pipe that nobody reads.
	{name: "state/full pipe", args: []string{"state", "c"}, arrange: created, full: 1, alone: true},
	{name: "list/full pipe", args: []string{"list"}, arrange: created, full: 1, alone: true},
	{name: "features/full pipe", args: []string{"features"}, arrange: created, full: 1,
		alone: true},
	{name: "ps/full pipe", args: []string{"ps", "c"}, arrange: created, full: 1, alone: true},
	{name: "create/full pipe", args: []string{"create", "-b", "$bundle", "c"}, arrange: warns,
		full: 2, alone: true},
	{name: "run/full pipe", args: []string{"run", "-b", "$bundle", "c"}, arrange: warns, full: 2,
		makes: true, alone: true},
	{name: "error/full pipe", args: []string{"state", "nothing"}, arrange: created, full: 2,
		alone: true},

	// A socket that nobody takes connections from.
	{name: "create/full console socket", args: []string{"create", "-b", "$bundle",
		"--console-socket", "$socket", "c"}, arrange: inOrder(withConsole, fullSocket),
		makes: true},
	{name: "run -d/full console socket", args: []string{"run", "-d", "-b", "$bundle",
		"--console-socket", "$socket", "c"}, arrange: inOrder(withConsole, fullSocket),
		makes: true},
	{name: "exec -d/full console socket", args: []string{"exec", "-d", "-t", "--console-socket",
		"$socket", "c", "true"}, arrange: inOrder(running, fullSocket), alone: true},
	{name: "create/full pidfd socket", args: []string{"create", "-b", "$bundle", "--pidfd-socket",
		"$socket", "c"}, arrange: fullSocket, makes: true, alone: true},
	{name: "run/full pidfd socket", args: []string{"run", "-b", "$bundle", "--pidfd-socket",
		"$socket", "c"}, arrange: fullSocket, makes: true, alone: true},

	// A FIFO in place of a file.
	{name: "create/pid file", args: []string{"create", "-b", "$bundle", "--pid-file", "$file", "c"},
		arrange: fifoAt("file"), ends: true},
	{name: "create/hidden pid file", args: []string{"create", "-b", "$bundle", "--pid-file",
		"$file", "c"}, arrange: fifoAt(".file"), ends: true},
	{name: "state/log", args: []string{"--log", "$file", "state", "c"}, arrange: fifoAt("file",
		created), ends: true, want: "--log"},
	{name: "run/config.json", args: []string{"run", "-b", "$bundle", "c"},
		arrange: fifoAt("bundle/config.json"), ends: true, want: "config.json"},
	{name: "create/config.json", args: []string{"create", "-b", "$bundle", "c"},
		arrange: fifoAt("bundle/config.json"), ends: true, want: "config.json"},
	{name: "explain/config.json", args: []string{"explain", "$bundle"},
		arrange: fifoAt("bundle/config.json"), ends: true, want: "config.json"},
	{name: "exec/process.json", args: []string{"exec", "-p", "$file", "c"}, arrange: fifoAt("file",
		running), alone: true},
	{name: "update/resources", args: []string{"update", "--resources", "$file", "c"},
		arrange: fifoAt("file", created), alone: true},
	{name: "create/console socket", args: []string{"create", "-b", "$bundle", "--console-socket",
		"$file", "c"}, arrange: fifoAt("file", withConsole), ends: true, want: "not a socket"},
	{name: "exec/passwd", args: []string{"exec", "c", "true"},
		arrange: fifoAt("bundle/rootfs/etc/passwd", running), ends: true},
	{name: "run/passwd", args: []string{"run", "-d", "-b", "$bundle", "c"},
		arrange: fifoAt("bundle/rootfs/etc/passwd"), ends: true},
	{name: "run/trace", args: []string{"run", "-d", "-b", "$bundle", "--trace", "$file", "c"},
		arrange: fifoAt("file"), ends: true},
	{name: "run/program", args: []string{"run", "-d", "-b", "$bundle", "c"},
		arrange: fifoAt("bundle/rootfs/bin/busybox"), ends: true, want: "permission denied"},
}

func inOrder(list ...func(t *testing.T, h *hangBox)) func(t *testing.T, h *hangBox) {
	return func(t *testing.T, h *hangBox) {
		for _, f := range list {
			f(t, h)
		}
	}
}

// withConsole gives the process a terminal.
func withConsole(t *testing.T, h *hangBox) {
	h.edit(t, func(c config) { c.set("process.terminal", true) })
}

// warns makes the runtime say something on standard error.
func warns(t *testing.T, h *hangBox) {
	h.edit(t, func(c config) { c.set("process.capabilities.bounding.+", "CAP_NOBODY_KNOWS") })
}

// locked leaves the container locked by a command that was stopped while it
// held the lock. It starts a container whose first process is stopped.
func locked(t *testing.T, h *hangBox) {
	t.Helper()
	stopInit(t, h)
	cmd := h.rt("start", "c")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if err := eventually("locked", func() bool { return h.holds(cmd.Process.Pid) }); err != nil {
		t.Fatal(err)
	}
}

// subCgroup is what exec --cgroup takes for the cgroup that freezesItself
// makes.
func subCgroup() string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return "sub"
	}
	return "freezer:sub"
}

// holds says whether a process has a lock, proc_locks(5).
func (h *hangBox) holds(pid int) bool {
	text, _ := os.ReadFile("/proc/locks")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && f[1] == "FLOCK" && f[4] == strconv.Itoa(pid) {
			return true
		}
	}
	return false
}

// TestHang makes commands wait for something that never comes, and ends them by
// a signal and by delete --force of their container.
func TestHang(t *testing.T) {
	for i := range hangs {
		row := &hangs[i]
		t.Run(row.name, func(t *testing.T) {
			t.Run("signal", func(t *testing.T) { row.try(t, false) })
			if !row.alone {
				t.Run("delete", func(t *testing.T) { row.try(t, true) })
			}
		})
	}
}

// try arranges the wait, begins the command, and ends it.
func (row *hanging) try(t *testing.T, byDelete bool) {
	b := testBox(t)
	h := &hangBox{box: b, dir: t.TempDir()}
	short, err := os.MkdirTemp("", "h")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	h.dir = short
	h.bundle = b.bundle(t, "bundle", func(c config) { c.set("root.readonly", false) }, "sh", "-c",
		"trap 'exit 3' TERM; while :; do sleep 0.05; done")
	t.Cleanup(func() { h.deleteForced(t) })
	row.arrange(t, h)
	cmd := row.command(t, h)
	ended := begin(t, cmd)
	if row.waits(t, h, cmd, ended) {
		if byDelete {
			h.deleteForced(t)
		} else if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-ended:
	case <-time.After(hangLimit):
		t.Errorf("%s is still there %s later", row.name, hangLimit)
		cmd.Process.Kill()
		<-ended
	}
	row.check(t, h, cmd)
	if row.makes && !byDelete && !t.Failed() {
		for _, left := range b.leftovers() {
			t.Errorf("left behind by the command: %s", left)
		}
	}
}

// check compares the outcome of a command that had to end by itself.
func (row *hanging) check(t *testing.T, h *hangBox, cmd *exec.Cmd) {
	t.Helper()
	text, err := os.ReadFile(h.file("stderr"))
	if err != nil || !row.ends {
		return
	}
	if !strings.Contains(string(text), row.want) || row.want != "" &&
		cmd.ProcessState.ExitCode() == 0 {
		t.Errorf("code %d, %q, want %q", cmd.ProcessState.ExitCode(), text, row.want)
	}
}

// command makes the command of a row.
func (row *hanging) command(t *testing.T, h *hangBox) *exec.Cmd {
	t.Helper()
	args := make([]string, len(row.args))
	for i, a := range row.args {
		args[i] = strings.NewReplacer("$bundle", h.bundle, "$socket", filepath.Join(h.dir, "s"),
			"$file", h.file("file"), "$sub", subCgroup()).Replace(a)
	}
	cmd := h.rt(args...)
	out, err := os.Create(h.file("stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if row.full > 0 {
		w := fullPipe(t)
		if row.full == 1 {
			cmd.Stdout = w
		} else {
			cmd.Stderr = w
		}
	}
	if out, ok := cmd.Stdout.(*os.File); ok && row.full != 1 {
		// closed above, when the command has it
		dup, err := unix.FcntlInt(out.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(dup), "stderr")
		t.Cleanup(func() { f.Close() })
		cmd.Stdout = f
		if row.full != 2 {
			cmd.Stderr = f
		}
	}
	return cmd
}

// fullPipe returns the writing end of a pipe that is full.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	t.Cleanup(func() { r.Close(); w.Close() })
	for {
		_, err := unix.Write(fds[1], make([]byte, 1))
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.SetNonblock(fds[1], false); err != nil {
		t.Fatal(err)
	}
	return w
}

// begin starts a command; ended is closed when it has ended.
func begin(t *testing.T, cmd *exec.Cmd) (ended <-chan struct{}) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-done })
	return done
}

// waits waits until the command hangs, and reports whether it does. A command
// that has to end by itself gets the time for that.
func (row *hanging) waits(t *testing.T, h *hangBox, cmd *exec.Cmd, ended <-chan struct{}) bool {
	t.Helper()
	if row.ends {
		select {
		case <-ended:
			return false
		case <-time.After(hangLimit):
			t.Errorf("%s does not end by itself", row.name)
			return true
		}
	}
	err := eventually(row.name+" hangs", func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		if row.marker != "" {
			_, err := os.Stat(h.file(row.marker))
			return err == nil
		}
		return asleep(cmd.Process.Pid)
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		text, _ := os.ReadFile(h.file("stderr"))
		t.Fatalf("%s does not wait: %s: %s", row.name, cmd.ProcessState, text)
	default:
	}
	return true
}

// asleep says whether a process does nothing: no thread of it has run for fifty
// looks at it.
func asleep(pid int) bool {
	before := ""
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 50 {
		now := ""
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, task := range tasks {
			text, _ := os.ReadFile(task)
			_, rest, _ := strings.Cut(string(text), ") ")
			fields := strings.Fields(rest)
			if len(fields) < 13 || fields[0] != "S" {
				return false
			}
			now += strings.Join(fields[:13], " ") + "\n" // up to the time that it has run
		}
		if now == "" || before != "" && now != before {
			return false
		}
		before = now
		<-tick.C
	}
	return true
}

// deleteForced deletes the container, which has to take less than the limit.
func (h *hangBox) deleteForced(t *testing.T) {
	t.Helper()
	cmd := h.rt("delete", "--force", "c")
	out, err := os.CreateTemp(h.box.dir, "delete-")
	if err != nil {
		t.Error(err)
		return
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := h.awaitDelete(t, cmd, ended); err != nil {
		text, _ := os.ReadFile(out.Name())
		t.Errorf("delete --force: %v: %s", err, text)
	}
}

// awaitDelete waits for the end of a delete. The init process of a PID
// namespace ends only after every process in it was reaped (pid_namespaces(7)).
// A hook whose parent was killed is reaped by the machine's init process, and
// some of these do that only once a second: the limit begins anew when it has.
func (h *hangBox) awaitDelete(t *testing.T, cmd *exec.Cmd, ended <-chan error) error {
	t.Helper()
	limit := time.NewTimer(hangLimit)
	defer limit.Stop()
	for more := true; ; more = false {
		select {
		case err := <-ended:
			return err
		case <-limit.C:
		}
		orphan := unreaped()
		if orphan == "" || !more {
			t.Errorf("delete --force takes more than %s", hangLimit)
			cmd.Process.Kill()
			return <-ended
		}
		t.Logf("process 1 has not reaped process %s for %s", orphan, hangLimit)
		limit.Reset(hangLimit)
	}
}

// unreaped is the id of a process of a container that has ended, and that the
// machine's init process should reap; "": there is none.
func unreaped() string {
	all, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range all {
		text, _ := os.ReadFile(file)
		fields := make(map[string][]string)
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			fields[name] = strings.Fields(value)
		}
		if len(fields["State"]) > 0 && fields["State"][0] == "Z" &&
			slices.Equal(fields["PPid"], []string{"1"}) && len(fields["NSpid"]) > 1 {
			return filepath.Base(filepath.Dir(file))
		}
	}
	return ""
}

// TestDeleteLeavesRun deletes a container by force while a run in the
// foreground waits for it. The run is not killed, and tells how the program
// ended.
func TestDeleteLeavesRun(t *testing.T) {
	b := testBox(t)
	bundle := b.bundle(t, "bundle", func(c config) { c.set("root.readonly", false) }, "sh", "-c",
		": >/tmp/marker; while :; do sleep 1; done")
	cmd := b.rt("run", "-b", bundle, "c")
	ended := begin(t, cmd)
	err := eventually("running", func() bool {
		_, err := os.Stat(filepath.Join(bundle, "rootfs/tmp/marker"))
		return err == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	(&hangBox{box: b}).deleteForced(t)
	<-ended
	if code := cmd.ProcessState.ExitCode(); code != 128+9 {
		t.Errorf("run: %s, want exit status 137", cmd.ProcessState)
	}
}
