package integration

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The tests below are named after published holes of container runtimes. Each
// builds the attack and shows that the host is untouched. Races are among the
// volumeAttacks.

// attackBox is testBox for attacks. They are made on our own runtime only: a
// peer with a known hole would let them change the host.
func attackBox(t *testing.T) *box {
	t.Helper()
	if foreign() {
		t.Skip("attacks are not tried on foreign runtimes: they may succeed")
	}
	return testBox(t)
}

// guardCorePattern asserts at the end of the test that the host's
// core_pattern, the usual target of procfs attacks, is as it was.
func guardCorePattern(t *testing.T) (name string) {
	t.Helper()
	name = "/proc/sys/kernel/core_pattern"
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		after, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		}
		if string(after) != string(before) {
			t.Errorf("%s was changed to %q", name, after)
			if err := os.WriteFile(name, before, 0o644); err != nil {
				t.Error(err)
			}
		}
	})
	return name
}

// mustWrite makes a file and its directories.
func mustWrite(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// replaceByLink puts a symlink where a file or directory of the rootfs was.
func replaceByLink(t *testing.T, name, target string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// victim makes a host directory with one file and a check that nothing in it or
// about it has changed.
func (b *box) victim(t *testing.T) (dir string, unchanged func()) {
	t.Helper()
	dir = filepath.Join(b.dir, "victim")
	mustWrite(t, filepath.Join(dir, "file"), "precious\n", 0o600)
	describe := func() string {
		var text strings.Builder
		err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			var st unix.Stat_t
			if err := unix.Lstat(name, &st); err != nil {
				return err
			}
			fmt.Fprintf(&text, "%s %o %d:%d %d %d\n", name, st.Mode, st.Uid, st.Gid, st.Size,
				st.Rdev)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, "file"))
		if err != nil {
			t.Fatal(err)
		}
		return text.String() + string(data)
	}
	before := describe()
	return dir, func() {
		t.Helper()
		if after := describe(); after != before {
			t.Errorf("the host's directory was changed:\n%s\nwas\n%s", after, before)
		}
	}
}

// CVE-2019-5736: the container gets hold of the runtime's own binary through
// /proc/self/exe and overwrites it.
func TestCVE_2019_5736_HostBinary(t *testing.T) {
	b := attackBox(t)
	binary := os.Getenv(rtVar)
	before := fileSum(t, binary)
	// Each way in which a container can ask for "the program that runs now".
	entries := map[string]func(rootfs string){
		"symlink": func(r string) {
			replaceByLink(t, filepath.Join(r, "bin/entry"),
				"/proc/self/exe")
		},
		"interpreter": func(r string) {
			mustWrite(t, filepath.Join(r, "bin/entry"),
				"#!/proc/self/exe\n", 0o755)
		},
	}
	for name, plant := range entries {
		dir := b.bundle(t, name, nil, "/bin/entry")
		plant(filepath.Join(dir, "rootfs"))
		o := b.try(t, "run", "--bundle", dir, "c-"+name)
		if strings.Contains(o.stdout+o.stderr, "NAME:") || strings.Contains(o.stdout, "Usage:") {
			t.Errorf("%s: the host's binary ran in the container: %s%s", name, o.stdout, o.stderr)
		}
		host := b.bundle(t, name+"-exec", nil, "sleep", "100")
		plant(filepath.Join(host, "rootfs"))
		b.start(t, host, "e-"+name)
		b.try(t, "exec", "e-"+name, "/bin/entry")
	}
	// While exec starts a program, no process of the container shows the
	// binary.
	watch := b.bundle(t, "watch", nil, "sh", "-c",
		`while [ ! -e /tmp/stop ]; do for p in /proc/[0-9]*; do readlink $p/exe; done; done | sort -u`)
	c, err := loadConfig(watch)
	if err != nil {
		t.Fatal(err)
	}
	c.set("root.readonly", false)
	if err := c.save(watch); err != nil {
		t.Fatal(err)
	}
	b.start(t, watch, "watch")
	for range 50 {
		b.must(t, "exec", "watch", "true")
	}
	b.must(t, "exec", "watch", "touch", "/tmp/stop")
	b.wait(t, "watch")
	logs, err := filepath.Glob(filepath.Join(b.dir, "log-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), binary) {
			t.Errorf("a process in the container had the host's binary as its exe:\n%s", text)
		}
	}
	if fileSum(t, binary) != before {
		t.Error("the host's binary was changed")
	}
}

func fileSum(t *testing.T, name string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642,
// CVE-2025-54867: /proc or /sys is a symlink in the rootfs, or is covered by a
// volume, so that writes to "proc" land elsewhere.
func TestCVE_2019_19921_FakeProc(t *testing.T) {
	for _, name := range []string{"proc", "sys"} {
		t.Run(name+" is a symlink", func(t *testing.T) {
			b := attackBox(t)
			dir, unchanged := b.victim(t)
			bundle := b.bundle(t, "b", func(c config) {
				c.set("mounts.+", bind(dir, "/evil"))
			}, "true")
			if err := os.Mkdir(filepath.Join(bundle, "rootfs/evil"), 0o755); err != nil {
				t.Fatal(err)
			}
			replaceByLink(t, filepath.Join(bundle, "rootfs", name), "/evil")
			if o := b.try(t, "run", "--bundle", bundle, "c1"); o.code == 0 {
				t.Errorf("a rootfs whose /%s is a symlink was accepted", name)
			}
			unchanged()
		})
	}
	t.Run("a volume at proc", func(t *testing.T) {
		b := attackBox(t)
		dir, unchanged := b.victim(t)
		bundle := b.bundle(t, "b", func(c config) { c.set("mounts.+", bind(dir, "/proc")) }, "true")
		if o := b.try(t, "run", "--bundle", bundle, "c1"); o.code == 0 {
			t.Error("a volume at /proc was accepted")
		}
		unchanged()
	})
}

// CVE-2019-18837: a symlinked mount target resolves on the host.
func TestCVE_2019_18837_MountTarget(t *testing.T) {
	b := attackBox(t)
	host, unchanged := b.victim(t)
	source := filepath.Join(b.dir, "source")
	mustWrite(t, filepath.Join(source, "planted"), "evil\n", 0o644)
	for i, target := range []string{"/../../../../../../../../.." + host, host, "../.." + host} {
		bundle := b.bundle(t, fmt.Sprint("b", i), func(c config) {
			c.set("mounts.+", bind(source, "/a/deep"))
		}, "true")
		replaceByLink(t, filepath.Join(bundle, "rootfs/a"), target)
		// allowed to fail, or to resolve within
		b.try(t, "run", "--bundle", bundle, fmt.Sprint("c", i))
		unchanged()
	}
}

// CVE-2021-43784: the length of an internal message overflows.
func TestCVE_2021_43784_LongConfig(t *testing.T) {
	b := attackBox(t)
	long := strings.Repeat("x", 70_000)
	bundle := b.bundle(t, "b", func(c config) {
		c.set("process.env.+", "LONG="+long)
		for i := range 700 {
			c.set("mounts.+", map[string]any{"destination": fmt.Sprintf("/m/%090d", i),
				"type": "tmpfs", "source": "tmpfs", "options": []string{"size=4k", "nodev"}})
		}
	}, "sh", "-c", `echo ${#LONG}; grep -c ' /m/' /proc/self/mountinfo; id -u`)
	o := b.try(t, "run", "--bundle", bundle, "c1")
	if o.code == 0 && o.stdout != "70000\n700\n0\n" {
		t.Errorf("the container sees %q, want all of the configuration", o.stdout)
	}
	if o.code != 0 && o.stderr == "" {
		t.Error("refused without a word")
	}
}

// CVE-2022-24769, CVE-2022-27650, CVE-2022-29162, CVE-2025-27612: inheritable
// capabilities that nobody asked for.
func TestCVE_2022_29162_Inheritable(t *testing.T) {
	b := attackBox(t)
	bundle := b.bundle(t, "b", nil, "grep", "CapInh", "/proc/self/status")
	c, err := loadConfig(bundle)
	if err != nil {
		t.Fatal(err)
	}
	caps := c["process"].(map[string]any)["capabilities"].(map[string]any)
	if list, ok := caps["inheritable"].([]any); ok && len(list) > 0 {
		t.Errorf("spec writes inheritable capabilities: %v", list)
	}
	const none = "CapInh:\t0000000000000000\n"
	if out := b.must(t, "run", "--bundle", bundle, "c1"); out != none {
		t.Errorf("run: %q, want %q", out, none)
	}
	b.start(t, b.bundle(t, "s", nil, "sleep", "100"), "c2")
	for _, args := range [][]string{
		{"exec", "c2", "grep", "CapInh", "/proc/self/status"},
		{"exec", "--cap", "CAP_CHOWN", "c2", "grep", "CapInh", "/proc/self/status"},
	} {
		if out := b.must(t, args...); out != none {
			t.Errorf("%q: %q, want %q", args, out, none)
		}
	}
}

// CVE-2024-21626: a leaked descriptor of a host directory, reached by the
// working directory.
func TestCVE_2024_21626_LeakedDirectory(t *testing.T) {
	b := attackBox(t)
	b.start(t, b.bundle(t, "s", nil, "sleep", "100"), "c2")
	etc, err := os.Open("/etc")
	if err != nil {
		t.Fatal(err)
	}
	defer etc.Close()
	leak := []*os.File{etc, etc, etc}
	// Names that the host has, in /etc or in /, and the container has not.
	refused := func(what string, o outcome) {
		t.Helper()
		for _, name := range []string{"passwd\n", "usr\n", "var\n"} {
			if strings.Contains("\n"+o.stdout, "\n"+name) {
				t.Fatalf("%s shows the host: %q", what, o.stdout)
			}
		}
	}
	for n := 3; n <= 50; n++ {
		for _, up := range []string{"", "/..", "/../.."} {
			cwd := fmt.Sprintf("/proc/self/fd/%d%s", n, up)
			bundle := b.bundle(t, "b", func(c config) { c.set("process.cwd", cwd) }, "ls", "-a",
				".")
			run := b.rt("run", "--bundle", bundle, "c1")
			run.ExtraFiles = leak
			o := finish(t, run)
			refused("run with cwd "+cwd, o)
			if up == "" && o.code == 0 {
				t.Errorf("run with cwd %s worked", cwd)
			}
			if n > 12 {
				continue
			}
			join := b.rt("exec", "--cwd", cwd, "c2", "ls", "-a", ".")
			join.ExtraFiles = leak
			o = finish(t, join)
			refused("exec with cwd "+cwd, o)
			if up == "" && o.code == 0 {
				t.Errorf("exec with cwd %s worked", cwd)
			}
		}
	}
}

// CVE-2025-31133, CVE-2025-62161: /dev/null, with which paths are masked, is
// replaced by a symlink.
func TestCVE_2025_31133_MaskSource(t *testing.T) {
	for _, drop := range []bool{false, true} {
		t.Run(fmt.Sprintf("without a dev mount %t", drop), func(t *testing.T) {
			b := attackBox(t)
			target := guardCorePattern(t)
			bundle := b.bundle(t, "b", func(c config) {
				c.set("linux.maskedPaths", []string{"/proc/kcore", "/etc/group"})
				c.set("root.readonly", false)
				if drop {
					c.dropMount("/dev")
					c.dropMount("/dev/pts")
					c.dropMount("/dev/shm")
					c.dropMount("/dev/mqueue")
				}
			}, "sh", "-c", "echo '|/evil' >/etc/group; echo '|/evil' >/proc/kcore; cat /etc/group")
			replaceByLink(t, filepath.Join(bundle, "rootfs/dev/null"), target)
			o := b.try(t, "run", "--bundle", bundle, "c1")
			if o.code == 0 && strings.TrimSpace(o.stdout) != "" {
				t.Errorf("the masked file shows %q", o.stdout)
			}
		})
	}
}

// CVE-2025-52565: the terminal is swapped before it is bound to /dev/console.
func TestCVE_2025_52565_Console(t *testing.T) {
	b := attackBox(t)
	host, unchanged := b.victim(t)
	bundle := b.bundle(t, "b", func(c config) { c.set("process.terminal", true) }, "true")
	// In the rootfs, pts and console are links.
	replaceByLink(t, filepath.Join(bundle, "rootfs/dev/pts"), host)
	replaceByLink(t, filepath.Join(bundle, "rootfs/dev/console"), filepath.Join(host, "file"))
	socket, _, text := listenConsole(t, b)
	o := b.try(t, "run", "-d", "--bundle", bundle, "--console-socket", socket, "c1")
	if o.code == 0 {
		<-text
	}
	b.try(t, "delete", "--force", "c1")
	unchanged()
}

// CVE-2026-30892: exec -u 1 was read as uid 0.
func TestCVE_2026_30892_ExecUser(t *testing.T) {
	b := attackBox(t)
	b.start(t, b.bundle(t, "b", nil, "sleep", "100"), "c1")
	for _, tt := range []struct {
		user, want string // an empty want: an error
	}{
		{"1", "1\n"},
		{"1:2", "1\n"},
		{"4294967296", ""},
		{"-1", ""},
		{":", ""},
		{"1:", ""},
		{"1:2:3", ""},
	} {
		o := b.try(t, "exec", "-u", tt.user, "c1", "id", "-u")
		switch {
		case tt.want != "" && (o.code != 0 || o.stdout != tt.want):
			t.Errorf("exec -u %s: %q, status %d, want %q; %s", tt.user, o.stdout, o.code, tt.want,
				o.stderr)
		case tt.want == "" && o.code == 0:
			t.Errorf("exec -u %s was accepted and gives %q", tt.user, o.stdout)
		}
	}
}

// CVE-2026-41579, CVE-2026-47766: /dev of the rootfs is a symlink and there is
// no /dev mount, so that its links are made on the host.
func TestCVE_2026_41579_DevSymlink(t *testing.T) {
	b := attackBox(t)
	host, unchanged := b.victim(t)
	for i, target := range []string{host, "/../../../../../../../../.." + host} {
		bundle := b.bundle(t, fmt.Sprint("b", i), func(c config) {
			for _, d := range []string{"/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"} {
				c.dropMount(d)
			}
		}, "true")
		replaceByLink(t, filepath.Join(bundle, "rootfs/dev"), target)
		b.try(t, "run", "--bundle", bundle, fmt.Sprint("c", i))
		unchanged()
	}
}

// CVE-2026-88264, CVE-2026-88265: /dev/console or /dev/null is a symlink and
// there is no /dev mount.
func TestCVE_2026_88264_DevNodes(t *testing.T) {
	b := attackBox(t)
	host, unchanged := b.victim(t)
	for _, node := range []string{"console", "null", "ptmx"} {
		for _, target := range []string{filepath.Join(host, "file"), filepath.Join(host, "made")} {
			bundle := b.bundle(t, node, func(c config) {
				c.set("process.terminal", node == "console")
				for _, d := range []string{"/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"} {
					c.dropMount(d)
				}
			}, "true")
			replaceByLink(t, filepath.Join(bundle, "rootfs/dev", node), target)
			args := []string{"run", "--bundle", bundle}
			if node == "console" {
				socket, _, _ := listenConsole(t, b)
				args = append(args, "-d", "--console-socket", socket)
			}
			b.try(t, append(args, "c-"+node)...)
			b.try(t, "delete", "--force", "c-"+node)
			unchanged()
		}
	}
}

// runc before 1.0 with --no-pivot: the host's procfs stays in the mount
// namespace, out of sight, and lets a user namespace mount one without masks.
func TestNoPivot_BareProc(t *testing.T) {
	b := attackBox(t)
	bundle := b.bundle(t, "b", func(c config) {
		c.set("linux.maskedPaths", []string{"/proc/meminfo"})
		for _, set := range []string{"bounding", "permitted"} {
			c.set("process.capabilities."+set+".+", "CAP_SETFCAP")
		}
	}, "busybox", "unshare", "-mrpf", "busybox", "mount", "-t", "proc", "none", "/proc")
	o := b.try(t, "run", "--no-pivot", "--bundle", bundle, "c1")
	if o.code == 0 || !strings.Contains(o.stderr, "mount: permission denied") {
		t.Errorf("a user namespace mounts a procfs without masks: %+v", o)
	}
}
