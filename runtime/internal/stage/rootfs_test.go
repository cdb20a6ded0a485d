package stage

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// container is a rootfs with busybox, and what a test adds to it.
type container struct {
	t     *testing.T
	root  string
	clone uint64
	files map[string]*os.File
}

func newContainer(t *testing.T) *container {
	t.Helper()
	needRoot(t)
	c := &container{t: t, root: t.TempDir(), clone: unix.CLONE_NEWNS,
		files: make(map[string]*os.File)}
	c.write("bin/busybox", string(busybox(t)))
	if err := os.Chmod(c.path("bin/busybox"), 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *container) path(name string) string { return filepath.Join(c.root, name) }

func (c *container) mkdir(names ...string) {
	c.t.Helper()
	for _, name := range names {
		if err := os.MkdirAll(c.path(name), 0o755); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *container) write(name, content string) {
	c.t.Helper()
	c.mkdir(filepath.Dir(name))
	if err := os.WriteFile(c.path(name), []byte(content), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *container) link(content, name string) {
	c.t.Helper()
	c.mkdir(filepath.Dir(name))
	if err := os.Symlink(content, c.path(name)); err != nil {
		c.t.Fatal(err)
	}
}

// parks gives the program the gate of one that waits to be started.
func (c *container) parks() {
	gate, _ := pipe(c.t)
	c.files[GateFile(plan.GateStart)] = gate
}

// tree opens a detached copy of a mount, as the host's step OpenTree does.
func (c *container) tree(name, path string) {
	c.t.Helper()
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		c.t.Fatal(err)
	}
	c.files[TreeFile(name)] = os.NewFile(uintptr(fd), path)
}

// Operations that most tests have.
var (
	procFS  = plan.MountFS{Type: "proc", Source: "proc", Target: "/proc", NoFollow: true}
	tmpDev  = plan.MountFS{Type: "tmpfs", Source: "tmpfs", Target: "/dev", Data: "mode=755"}
	devNull = plan.MakeNode{Path: "/dev/null", Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 3}
)

// run carries out the operations in a new mount namespace, between those that
// every plan begins with and a shell script as the user's program. A failure is
// described as "step: call: errno".
func (c *container) run(script string, opened Opened, ops ...plan.Op) (output, failed string,
	status int) {
	t := c.t
	t.Helper()
	p := &plan.Plan{}
	all := append([]plan.Op{plan.HardenProcess{KeepFDs: 3}, plan.SlaveMounts{},
		plan.AttachRoot{Path: c.root}}, ops...)
	if _, ok := plan.Find[plan.PivotRoot](&plan.Plan{Steps: stepsOf(ops)}); !ok {
		all = append(all, plan.PivotRoot{})
	}
	all = append(all, plan.Exec{
		Candidates: []string{"/bin/busybox"}, Args: []string{"sh", "-c", script},
		Env: []string{"PATH=/bin", "A=1"},
	})
	p.Steps = stepsOf(all)
	program, err := Lower(p, opened)
	if err != nil {
		t.Fatal(err)
	}
	c.tree(plan.Root, c.root)
	r, w := pipe(t)
	out, stdout := pipe(t)
	c.files[StatusFile] = w
	child, err := program.Start(StartOptions{
		Clone: plan.Clone{Flags: c.clone}, Stdio: [3]*os.File{os.Stdin, stdout, stdout},
		Files: c.files,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, child)
	for name, f := range c.files {
		closeAll(t, f)
		delete(c.files, name)
	}
	closeAll(t, stdout)
	report, err := ReadReport(r)
	if err != nil {
		t.Fatal(err)
	}
	if f := report.Failure; f != nil {
		step, call, _ := program.Describe(f.Instruction)
		failed = step.Op.String() + ": " + call + ": " + unix.ErrnoName(f.Errno)
	}
	data, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	proc := process{t: t, pid: child.PID}
	return string(data), failed, proc.wait()
}

func stepsOf(ops []plan.Op) (steps []plan.Step) {
	for _, op := range ops {
		steps = append(steps, plan.Step{Where: plan.Child, Op: op})
	}
	return steps
}

// expect runs a script and compares its output.
func (c *container) expect(want, script string, ops ...plan.Op) {
	c.t.Helper()
	out, failed, status := c.run(script, Opened{}, ops...)
	if failed != "" || out != want {
		c.t.Errorf("failed %q, status %d, output\n%s\nwant\n%s", failed, status, out, want)
	}
}

// fails expects a failure and no output.
func (c *container) fails(want string, ops ...plan.Op) {
	c.t.Helper()
	out, failed, status := c.run("echo started", Opened{}, ops...)
	if failed != want || status != exitFailed || out != "" {
		c.t.Errorf("failed %q, status %d, output %q\nwant   %q", failed, status, out, want)
	}
}

func TestRealTargets(t *testing.T) {
	t.Run("missing directories are made", func(t *testing.T) {
		c := newContainer(t)
		c.expect("tmpfs\n", "busybox stat -f -c %T /a/b/c", plan.MountFS{Type: "tmpfs", Source: "x",
			Target: "/a/b/c"})
	})
	t.Run("a file for a file", func(t *testing.T) {
		c := newContainer(t)
		c.write("source", "content")
		c.tree("mounts[0]", c.path("source"))
		out, failed, _ := c.run("busybox cat /etc/hosts",
			Opened{FileTrees: map[string]bool{"mounts[0]": true}},
			plan.AttachTree{Tree: "mounts[0]", Target: "/etc/hosts"})
		if out != "content" || failed != "" {
			t.Errorf("got %q, failed %q", out, failed)
		}
	})
	t.Run("a file over a directory", func(t *testing.T) {
		c := newContainer(t)
		c.write("source", "content")
		c.mkdir("etc/hosts")
		c.tree("mounts[0]", c.path("source"))
		_, failed, _ := c.run("", Opened{FileTrees: map[string]bool{"mounts[0]": true}},
			plan.AttachTree{Tree: "mounts[0]", Target: "/etc/hosts"})
		if failed != `mount the copy mounts[0] at "/etc/hosts": move_mount: EINVAL` {
			t.Errorf("failed %q", failed)
		}
	})
	t.Run("a directory over a file", func(t *testing.T) {
		c := newContainer(t)
		c.write("a", "")
		c.fails(`mount tmpfs at "/a": open: ENOTDIR`, plan.MountFS{Type: "tmpfs", Source: "x",
			Target: "/a"})
	})
	t.Run("links stay inside", func(t *testing.T) {
		c := newContainer(t)
		c.mkdir("real")
		c.link("/real", "absolute")
		c.link("../../../../real", "up")
		c.expect("here\n", "busybox test -d /real/x -a -d /real/y && echo here",
			plan.EnsureDir{Path: "/absolute/x", Mode: 0o755}, plan.EnsureDir{Path: "/up/y",
				Mode: 0o755})
	})
	t.Run("magic links are refused", func(t *testing.T) {
		c := newContainer(t)
		c.mkdir("proc")
		c.link("/proc/self/root", "evil")
		c.fails(`make directory "/evil/x", mode 0755: open: ELOOP`, procFS,
			plan.EnsureDir{Path: "/evil/x", Mode: 0o755})
	})
	t.Run("proc is no link", func(t *testing.T) {
		c := newContainer(t)
		c.mkdir("tmp")
		c.link("/tmp", "proc")
		c.fails(`mount proc at "/proc": open: ENOTDIR`, procFS)
	})
	t.Run("no other mount in proc", func(t *testing.T) {
		c := newContainer(t)
		c.mkdir("proc")
		c.link("/proc/sys", "evil")
		c.fails(`mount tmpfs at "/evil": check that the target is not in a procfs: EXDEV`,
			procFS, plan.MountFS{Type: "tmpfs", Source: "x", Target: "/evil"})
	})
	t.Run("mode of a directory", func(t *testing.T) {
		c := newContainer(t)
		c.expect("drwxr-x---\n", "busybox stat -c %A /w", plan.EnsureDir{Path: "/w", Mode: 0o750})
	})
}

func TestRealNodes(t *testing.T) {
	null := func(minor uint32, uid uint32) plan.MakeNode {
		return plan.MakeNode{Path: "/dev/x", Mode: unix.S_IFCHR | 0o640, Major: 1, Minor: minor,
			UID: uid}
	}
	t.Run("made", func(t *testing.T) {
		newContainer(t).expect("crw-r----- 1:3 7:0\n", "busybox stat -c '%A %t:%T %u:%g' /dev/x",
			tmpDev, null(3, 7))
	})
	t.Run("there already", func(t *testing.T) {
		// The node stays as it is, with its owner.
		newContainer(t).expect("0:0\n", "busybox stat -c '%u:%g' /dev/x", tmpDev, null(3, 0),
			null(3, 7))
	})
	t.Run("another device", func(t *testing.T) {
		newContainer(t).fails(`make character device "/dev/x" 1:5 mode 0640: mknodat: EEXIST`,
			tmpDev, null(3, 0), null(5, 0))
	})
	t.Run("a file", func(t *testing.T) {
		c := newContainer(t)
		c.write("dev/x", "")
		c.fails(`make character device "/dev/x" 1:3 mode 0640: mknodat: EEXIST`, null(3, 0))
	})
	t.Run("a link to the right device", func(t *testing.T) {
		c := newContainer(t)
		c.link("null", "dev/x")
		c.fails(`make character device "/dev/x" 1:3 mode 0640: mknodat: EEXIST`, null(3, 0))
	})
	t.Run("fifo", func(t *testing.T) {
		fifo := plan.MakeNode{Path: "/dev/p", Mode: unix.S_IFIFO | 0o600, GID: 5}
		newContainer(t).expect("prw------- 0:5\n", "busybox stat -c '%A %u:%g' /dev/p", tmpDev,
			fifo, fifo)
	})
	t.Run("links", func(t *testing.T) {
		c := newContainer(t)
		c.link("old", "dev/keep")
		c.link("old", "dev/replace")
		c.mkdir("dev/dir")
		c.expect("old\nnew\nnew\ndir\n",
			"for f in keep replace made; do busybox readlink /dev/$f; done; busybox test -d "+
				"/dev/dir && echo dir",
			plan.MakeLink{Path: "/dev/keep", Content: "new"}, plan.MakeLink{Path: "/dev/replace",
				Content: "new", Replace: true},
			plan.MakeLink{Path: "/dev/made", Content: "new"}, plan.MakeLink{Path: "/dev/dir",
				Content: "new", Replace: true})
	})
}

func TestRealMasks(t *testing.T) {
	mask := func(path string) plan.Op { return plan.MaskPath{Path: path} }
	t.Run("all kinds", func(t *testing.T) {
		c := newContainer(t)
		c.write("secret/file", "secret")
		c.write("dir/secret", "secret")
		c.write("other/secret", "secret")
		c.link("/secret/file", "link")
		c.expect("\nEROFS\ndir\nother\nmissing\n", strings.Join([]string{
			"busybox cat /secret/file; echo", "busybox touch /dir/x 2>&- || echo EROFS",
			"busybox test -z \"$(busybox ls /dir)\" && echo dir",
			"busybox test -z \"$(busybox ls /other)\" && echo other",
			"busybox test -e /missing || echo missing",
		}, "; "), tmpDev, devNull, plan.NullDevice{}, mask("/link"), mask("/missing"), mask("/dir"),
			mask("/other"))
	})
	t.Run("null must be the device", func(t *testing.T) { // CVE-2025-31133
		for name, node := range map[string]plan.MakeNode{
			"other": {Path: "/dev/null", Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 5},
			"block": {Path: "/dev/null", Mode: unix.S_IFBLK | 0o666, Major: 1, Minor: 3},
			"fifo":  {Path: "/dev/null", Mode: unix.S_IFIFO | 0o666},
		} {
			t.Run(name, func(t *testing.T) {
				newContainer(t).fails("open /dev/null, which must be 1:3: check that /dev/null "+
					"is the device 1:3: ENODEV", tmpDev, node, plan.NullDevice{})
			})
		}
	})
	t.Run("null must be no link", func(t *testing.T) {
		newContainer(t).fails("open /dev/null, which must be 1:3: check that /dev/null is the "+
			"device 1:3: ENODEV", tmpDev,
			plan.MakeNode{Path: "/dev/real", Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 3},
			plan.MakeLink{Path: "/dev/null", Content: "real"}, plan.NullDevice{})
	})
	t.Run("read-only", func(t *testing.T) {
		c := newContainer(t)
		c.write("dir/sub/file", "content")
		c.expect("content EROFS EROFS missing\n", strings.Join([]string{
			"a=$(busybox cat /dir/sub/file)", "busybox touch /dir/sub/x 2>&- || b=EROFS",
			"busybox touch /dir/tmp/x 2>&- || c=EROFS",
			"busybox test -e /missing || d=missing", "echo $a $b $c $d",
		}, "; "), plan.MountFS{Type: "tmpfs", Source: "x", Target: "/dir/tmp"},
			plan.ReadonlyPath{Path: "/dir"}, plan.ReadonlyPath{Path: "/missing"})
	})
	t.Run("made read-only late", func(t *testing.T) {
		newContainer(t).expect("EROFS a\n",
			"busybox touch /m/x 2>&- || echo EROFS $(busybox ls /m)",
			plan.MountFS{Type: "tmpfs", Source: "x", Target: "/m"}, plan.EnsureDir{Path: "/m/a",
				Mode: 0o700}, plan.RemountReadonly{Target: "/m"})
	})
}

func TestRealRoot(t *testing.T) {
	t.Run("read-only", func(t *testing.T) {
		newContainer(t).expect("EROFS\n", "busybox touch /x 2>&- || echo EROFS", plan.PivotRoot{},
			plan.ReadonlyRoot{})
	})
	t.Run("nothing of the host is left", func(t *testing.T) {
		newContainer(t).expect("1\n", "busybox grep -vc ' /proc ' /proc/self/mountinfo", procFS)
	})
	t.Run("moved", func(t *testing.T) {
		newContainer(t).expect("bin\nproc\n", "busybox ls /", procFS, plan.PivotRoot{Move: true},
			plan.ChangeRoot{})
	})
	t.Run("moved, with host mounts that are there, gone, and files", func(t *testing.T) {
		c := newContainer(t)
		dir, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c.expect("bin\nproc\n", "busybox ls /", procFS, plan.PivotRoot{Move: true},
			plan.LeaveMount{At: "/proc"}, plan.LeaveMount{At: dir},
			plan.LeaveMount{At: dir + "/gone"}, plan.LeaveMount{At: file}, plan.ChangeRoot{})
	})
	t.Run("propagation", func(t *testing.T) {
		newContainer(t).expect("yes\n", "busybox grep -q ' / / .* shared:' /proc/self/mountinfo "+
			"|| busybox grep ' / ' /proc/self/mountinfo | busybox grep -q shared: && echo yes",
			procFS, plan.PivotRoot{}, plan.SetPropagation{Flag: unix.MS_SHARED})
	})
	t.Run("attributes", func(t *testing.T) {
		newContainer(t).expect("ro,nosuid,noatime private\n",
			`set -- $(busybox grep ' /m ' /proc/self/mountinfo); echo $6 $(case $7 in -) echo private;; *) echo $7;; esac)`, procFS,
			plan.MountFS{Type: "tmpfs", Source: "x", Target: "/m", Flags: unix.MS_NOSUID,
				Attr: plan.Attr{
					RecSet: unix.MOUNT_ATTR_RDONLY, Set: unix.MOUNT_ATTR_NOATIME,
					Clear: unix.MOUNT_ATTR__ATIME, Propagation: unix.MS_PRIVATE,
				}})
	})
}

func TestRealProcess(t *testing.T) {
	status := func(c *container, want string, pattern string, ops ...plan.Op) {
		c.t.Helper()
		c.expect(want, "busybox grep -E '"+pattern+"' /proc/self/status | busybox tr '\\t' ' '",
			append([]plan.Op{procFS, plan.PivotRoot{}}, ops...)...)
	}
	t.Run("ids and capabilities", func(t *testing.T) {
		const kill, chown = 1 << unix.CAP_KILL, 1 << unix.CAP_CHOWN
		status(newContainer(t), `Uid: 7 7 7 7
Gid: 8 8 8 8
Groups: 9 10 
CapInh: 0000000000000001
CapPrm: 0000000000000001
CapEff: 0000000000000001
CapBnd: 0000000000000021
CapAmb: 0000000000000001
NoNewPrivs: 1
`, "^(Uid|Gid|Groups|Cap...|NoNewPrivs):", plan.DropBounding{Keep: kill | chown},
			plan.SetIDs{UID: 7, GID: 8, Groups: []uint32{9, 10}, Keep: true},
			plan.SetCapabilities{Permitted: kill | chown, Effective: kill, Inheritable: chown,
				Ambient: chown}, plan.NoNewPrivileges{})
	})
	t.Run("umask", func(t *testing.T) {
		newContainer(t).expect("0027\n", "umask", plan.SetUmask{Mask: 0o27})
	})
	t.Run("limits", func(t *testing.T) {
		newContainer(t).expect("100 7\n", "echo $(ulimit -n) $(ulimit -c)",
			plan.SetRlimit{Resource: unix.RLIMIT_NOFILE, Soft: 100, Hard: 200},
			plan.SetRlimit{Resource: unix.RLIMIT_CORE, Soft: 7 * 512, Hard: 7 * 512})
	})
	t.Run("working directory", func(t *testing.T) {
		newContainer(t).expect("/a/b\n", "busybox pwd", plan.EnsureDir{Path: "/a/b", Mode: 0o755},
			plan.PivotRoot{}, plan.ChangeDir{Path: "/a/b"})
	})
	t.Run("working directory that only root may enter", func(t *testing.T) {
		newContainer(t).expect("/a\n", "echo $PWD", plan.EnsureDir{Path: "/a", Mode: 0o700},
			plan.PivotRoot{},
			plan.ChangeDir{Path: "/a", Lenient: true}, plan.SetIDs{UID: 7},
			plan.ChangeDirAsUser{Path: "/a"})
	})
	t.Run("working directory that is entered late", func(t *testing.T) {
		c := newContainer(t)
		c.link("/a/b", "l")
		c.parks()
		c.expect("/a/b\n", "busybox pwd", plan.EnsureDir{Path: "/a/b", Mode: 0o755},
			plan.PivotRoot{},
			plan.CloseFiles{}, plan.SetIDs{UID: 7}, plan.ChangeDirAsUser{Path: "/l"})
	})
	t.Run("working directory outside that is entered late", func(t *testing.T) {
		c := newContainer(t)
		c.link("../../..", "a")
		c.parks()
		c.expect("/\n", "busybox pwd", plan.PivotRoot{}, plan.CloseFiles{}, plan.SetIDs{UID: 7},
			plan.ChangeDirAsUser{Path: "/a/../.."})
	})
	t.Run("working directory that does not exist", func(t *testing.T) {
		newContainer(t).fails(`enter directory "/a": open: ENOENT`, plan.PivotRoot{},
			plan.ChangeDir{Path: "/a"})
	})
	t.Run("working directory outside", func(t *testing.T) { // CVE-2024-21626
		c := newContainer(t)
		c.link("/proc/self/fd/3", "a")
		c.fails(`enter directory "/a": open: ELOOP`, procFS, plan.PivotRoot{},
			plan.ChangeDir{Path: "/a"})
	})
	t.Run("scheduling", func(t *testing.T) {
		newContainer(t).expect("3 5\n", "set -- $(busybox cat /proc/self/stat); shift 18; echo "+
			"${23} $1",
			procFS, plan.PivotRoot{}, plan.SetScheduler{Policy: 3, Nice: 5},
			plan.SetIOPriority{Class: 2, Priority: 7})
	})
	t.Run("personality", func(t *testing.T) {
		newContainer(t).expect("00000008\n", "busybox cat /proc/self/personality", procFS,
			plan.SetPersonality{Persona: 8})
	})
	t.Run("program is looked for", func(t *testing.T) {
		find := plan.FindProgram{Name: "x", Candidates: []string{"/etc/passwd/x", "/x",
			"/bin/busybox"}}
		newContainer(t).expect("found\n", "echo found", plan.PivotRoot{}, find)
		find.Candidates = find.Candidates[:2]
		newContainer(t).fails(`find program "x": access: ENOENT`, plan.PivotRoot{}, find)
	})
	t.Run("a directory is no program", func(t *testing.T) {
		find := plan.FindProgram{Name: "x", Candidates: []string{"/bin", "/bin/busybox"}}
		newContainer(t).expect("found\n", "echo found", plan.PivotRoot{}, find)
		find.Candidates = []string{"/nothere", "/bin"}
		newContainer(t).fails(`find program "x": access: EACCES`, plan.PivotRoot{}, find)
	})
	t.Run("no process", func(t *testing.T) {
		newContainer(t).fails("there is no process to start: start: ENOEXEC", plan.NoProgram{})
	})
	t.Run("stdio's pipes", func(t *testing.T) {
		newContainer(t).expect("7\n", "busybox stat -L -c %u /proc/self/fd/1", procFS,
			plan.PivotRoot{}, plan.OwnStdio{UID: 7})
	})
}

func TestRealNamespaces(t *testing.T) {
	t.Run("names", func(t *testing.T) {
		before, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		c := newContainer(t)
		c.clone |= unix.CLONE_NEWUTS
		c.expect("host\ndomain\n", "busybox hostname; busybox cat /proc/sys/kernel/domainname",
			procFS,
			plan.SetHostname{Name: "host"}, plan.SetDomainname{Name: "domain"})
		if after, err := os.Hostname(); after != before || err != nil {
			t.Errorf("this host is called %q now, %v", after, err)
		}
	})
	t.Run("loopback and sysctl", func(t *testing.T) {
		c := newContainer(t)
		c.clone |= unix.CLONE_NEWNET
		c.expect("1 up\n", "echo $(busybox cat /proc/sys/net/ipv4/ip_forward) $(busybox "+
			"ifconfig lo | busybox grep -q UP && echo up)", procFS,
			plan.LoopbackUp{}, plan.Sysctl{Key: "net.ipv4.ip_forward", Value: "1",
				File: "net/ipv4/ip_forward"})
	})
	t.Run("sysctl that is not there", func(t *testing.T) {
		newContainer(t).fails(`set a.b = "1": open /proc/sys/a/b: ENOENT`, plan.Sysctl{Key: "a.b",
			Value: "1", File: "a/b"})
	})
	t.Run("joined", func(t *testing.T) {
		first, end := waiting(t, unix.CLONE_NEWUTS|unix.CLONE_NEWNET)
		defer end()
		dir := "/proc/" + strconv.Itoa(first.PID) + "/ns/uts"
		want, err := os.Readlink(dir)
		if err != nil {
			t.Fatal(err)
		}
		uts, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		pidfd, err := unix.FcntlInt(first.PIDFile.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name  string
			flags uint64
			file  *os.File
		}{
			{"uts", unix.CLONE_NEWUTS, uts},
			{plan.ProcessNamespaces, unix.CLONE_NEWUTS | unix.CLONE_NEWNET,
				os.NewFile(uintptr(pidfd), "pidfd")},
		} {
			c := newContainer(t)
			c.files[NamespaceFile(tt.name)] = tt.file
			c.expect(want+"\n", "busybox readlink /proc/self/ns/uts", procFS,
				plan.JoinNamespace{Type: tt.name, Flags: tt.flags})
		}
	})
	t.Run("unshared", func(t *testing.T) {
		own, err := os.Readlink("/proc/self/ns/cgroup")
		if err != nil {
			t.Fatal(err)
		}
		newContainer(t).expect("other\n", "busybox test $(busybox readlink "+
			"/proc/self/ns/cgroup) != "+own+" && echo other", procFS,
			plan.Unshare{Flags: unix.CLONE_NEWCGROUP})
	})
	t.Run("session", func(t *testing.T) {
		newContainer(t).expect("leader\n", "set -- $(busybox cat /proc/$$/stat); busybox test "+
			"$1 = $6 && echo leader", procFS, plan.NewSession{},
			plan.SessionKeyring{Name: "_ses.test"})
	})
}
