package container

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// mountLine is a line of /proc/PID/mountinfo, proc_pid_mountinfo(5).
type mountLine struct {
	options     string // "ro,nosuid"
	propagation string // "shared master", without the numbers
	fs, super   string
}

// mountLines reads what a container printed of its mountinfo, by mount point;
// of several at one point the last one counts.
func mountLines(text string) map[string]mountLine {
	lines := make(map[string]mountLine)
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(line, " - ")
		fields, rest := strings.Fields(left), strings.Fields(right)
		if !ok || len(fields) < 6 || len(rest) < 3 {
			continue
		}
		m := mountLine{options: fields[5], fs: rest[0], super: rest[2]}
		for _, optional := range fields[6:] {
			kind, _, _ := strings.Cut(optional, ":")
			m.propagation = strings.TrimSpace(m.propagation + " " + kind)
		}
		lines[fields[4]] = m
	}
	return lines
}

// shared mounts a tmpfs as a shared mount on a directory beside the bundles,
// and a second one below it.
func (f *fixture) shared(name string) string {
	f.t.Helper()
	dir := f.directory(name)
	below := filepath.Join(dir, "below")
	for _, m := range []struct {
		target, fs string
		flags      uintptr
	}{{dir, "tmpfs", 0}, {dir, "", unix.MS_SHARED}, {below, "tmpfs", 0},
		{below, "", unix.MS_SHARED}} {
		if err := errors.Join(os.MkdirAll(m.target, 0o755), unix.Mount("test", m.target, m.fs,
			m.flags, "")); err != nil {
			f.t.Fatal(err)
		}
	}
	f.t.Cleanup(func() {
		if err := errors.Join(unix.Unmount(below, unix.MNT_DETACH), unix.Unmount(dir,
			unix.MNT_DETACH)); err != nil {
			f.t.Error(err)
		}
	})
	return dir
}

// TestMountOptions sees every option in the kernel's own words.
func TestMountOptions(t *testing.T) {
	f := newFixture(t)
	source := f.directory("source")
	cases := []struct{ name, kind, options, want string }{
		{"defaults", "tmpfs", "", "rw,relatime"},
		{"ro", "tmpfs", "ro", "ro,relatime"},
		{"all", "tmpfs", "nosuid,nodev,noexec", "rw,nosuid,nodev,noexec,relatime"},
		{"turned-back", "tmpfs", "nosuid,suid,noexec,exec,nodev,dev,ro,rw", "rw,relatime"},
		{"noatime", "tmpfs", "noatime", "rw,noatime"},
		{"nodiratime", "tmpfs", "nodiratime", "rw,nodiratime,relatime"},
		{"strictatime", "tmpfs", "strictatime", "rw"},
		{"nosymfollow", "tmpfs", "nosymfollow", "rw,relatime,nosymfollow"},
		{"recursive", "tmpfs", "rnosuid,rnodev,rnoexec", "rw,nosuid,nodev,noexec,relatime"},
		{"bind", "bind", "bind", "rw,relatime"},
		{"bind-ro", "bind", "bind,ro", "ro,relatime"},
		{"bind-rbind-ro", "none", "rbind,ro", "ro,relatime"},
		{"bind-all", "bind", "bind,nosuid,nodev,noexec,noatime", "rw,nosuid,nodev,noexec,noatime"},
		{"bind-strictatime", "bind", "bind,strictatime", "rw"},
		{"bind-rro", "bind", "rbind,rro", "ro,relatime"},
		{"bind-nosymfollow", "bind", "bind,nosymfollow", "rw,relatime,nosymfollow"},
	}
	out := f.sh("options", "cat /proc/self/mountinfo", func(s *specs.Spec) {
		for _, c := range cases {
			m := specs.Mount{Destination: "/mnt/" + c.name, Type: c.kind, Source: source}
			if c.options != "" {
				m.Options = strings.Split(c.options, ",")
			}
			s.Mounts = append(s.Mounts, m)
		}
	})
	lines := mountLines(out)
	for _, c := range cases {
		if got := lines["/mnt/"+c.name].options; got != c.want {
			t.Errorf("%s: options %q are %q, want %q", c.name, c.options, got, c.want)
		}
	}
}

func TestMountData(t *testing.T) {
	f := newFixture(t)
	out := f.sh("data", "stat -c '%a %u' /sized; cat /proc/self/mountinfo", func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{
			Destination: "/sized", Type: "tmpfs", Source: "mine", Options: []string{"sync",
				"size=64k", "mode=1750", "uid=9", "nr_inodes=100"},
		})
	})
	if !strings.HasPrefix(out, "1750 9\n") {
		t.Errorf("got %s", out)
	}
	super := mountLines(out)["/sized"].super
	for _, want := range []string{"rw", "sync", "size=64k", "mode=1750", "uid=9", "nr_inodes=100"} {
		if !strings.Contains(","+super+",", ","+want+",") {
			t.Errorf("%q lacks %q", super, want)
		}
	}
}

// TestTmpfsMode: a tmpfs without a mode of its own has that of the directory
// that it covers, special bits and all, as mountinfo shows it; one that covers
// nothing has the kernel's.
func TestTmpfsMode(t *testing.T) {
	f := newFixture(t)
	source := f.directory("source")
	if err := errors.Join(os.Mkdir(filepath.Join(source, "in"), 0o755),
		os.Chmod(filepath.Join(source, "in"), 0o500)); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		target string
		mode   uint32 // in the rootfs; 0: not there
		option string
		want   string
	}{
		{"/plain", 0o710, "", "710"},
		{"/special", 0o7777, "", "7777"},
		{"/kernel", 0o1777, "", "1777"},
		{"/none", 0o710, "mode=0750", "750"},
		{"/new/directory", 0, "", "1777"},
		{"/plain/below", 0, "", "1777"},
		{"/vol/in", 0, "", "500"},
		{"/link", 0, "", "710"},
	}
	o := f.bundle("modes", []string{"sh", "-c", "stat -c '%n %a' /plain /special /kernel /none " +
		"/new/directory /plain/below /vol/in /link/.; cat /proc/self/mountinfo"},
		func(s *specs.Spec) {
			s.Root.Readonly = false
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/vol", Type: "bind",
				Source: source, Options: []string{"bind"}})
			for _, c := range cases {
				m := specs.Mount{Destination: c.target, Type: "tmpfs", Source: "tmpfs",
					Options: []string{"size=64k"}}
				if c.option != "" {
					m.Options = append(m.Options, c.option)
				}
				s.Mounts = append(s.Mounts, m)
			}
		})
	for _, c := range cases {
		if c.mode == 0 {
			continue
		}
		if dir := f.in(o, c.target); errors.Join(os.Mkdir(dir, 0o755), unix.Chmod(dir,
			c.mode)) != nil {
			t.Fatalf("no %s", c.target)
		}
	}
	hidden := f.in(o, "hidden")
	if err := errors.Join(os.Mkdir(hidden, 0o755), os.Chmod(hidden, 0o710)); err != nil {
		t.Fatal(err)
	}
	f.symlink(o, "/hidden", "/link")
	out := f.succeed(o)
	lines := mountLines(out)
	for _, c := range cases {
		at := c.target
		if at == "/link" {
			at = "/link/."
		}
		if !strings.Contains(out, at+" "+c.want+"\n") {
			t.Errorf("%s has not the mode %s:\n%s", at, c.want, out)
		}
	}
	for at, want := range map[string]string{"/plain": "mode=710", "/none": "mode=750",
		"/hidden": "mode=710"} {
		if super := lines[at].super; !strings.Contains(super+",", ","+want+",") {
			t.Errorf("%s: %q lacks %s", at, super, want)
		}
	}
}

// TestBindInside: a source in the rootfs is what the mounts before it have made
// of it, and has no links.
func TestBindInside(t *testing.T) {
	f := newFixture(t)
	volume := f.directory("volume")
	if err := errors.Join(os.Mkdir(filepath.Join(volume, "below"), 0o755), os.Symlink("/proc/sys",
		filepath.Join(volume, "link")),
		os.WriteFile(filepath.Join(volume, "below/file"), []byte("volume\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	bind := func(source, target string) specs.Mount {
		return specs.Mount{Destination: target, Source: source, Type: "bind",
			Options: []string{"rbind", "ro"}}
	}
	make := func(id, source string) Options {
		rootfs := filepath.Join(f.dir, id, "rootfs")
		return f.bundle(id, []string{"sh", "-c", "cat /single /all/below/file; touch /all/x"},
			func(s *specs.Spec) {
				s.Root.Readonly = false
				s.Mounts = append(s.Mounts, bind(volume, "/vol"), bind(source, rootfs+"/single"),
					bind(rootfs+"/vol", "/all"))
			})
	}
	for name, source := range map[string]string{"relative": "rootfs/vol/below/file",
		"absolute": f.dir + "/absolute/rootfs/vol/below/file"} {
		t.Run(name, func(t *testing.T) {
			f := f.with(t)
			if got, _ := f.run(make(name, source)); got != "volume\nvolume\ntouch: /all/x: "+
				"Read-only file system\n" {
				t.Errorf("got %s", got)
			}
		})
	}
	for _, tt := range []struct {
		name, source string
		is           error
		cure         string
	}{
		{"missing", "rootfs/vol/nowhere", unix.ENOENT, "is not there after the mounts before " +
			"this one"},
		{"link", "rootfs/vol/link/kernel", unix.ELOOP, "can't lead through symbolic links"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := f.with(t)
			o := make(tt.name, tt.source)
			before := f.world()
			if _, _, err := Run(background, o); !errors.Is(err, tt.is) ||
				!strings.Contains(err.Error(),
					tt.cure) {
				t.Errorf("got %v, want %v", err, tt.is)
			}
			f.gone(o)
			f.same(before)
		})
	}
}

func TestMountPropagation(t *testing.T) {
	f := newFixture(t)
	source := f.shared("shared")
	cases := []struct{ options, want, below string }{
		{"rbind", "master", "master"}, // never a peer of the host's unless it is asked for
		{"rbind,private", "", "master"},
		{"rbind,rprivate", "", ""},
		{"rbind,slave", "master", "master"},
		{"rbind,rslave", "master", "master"},
		{"rbind,rshared", "shared", "shared"},
		{"rbind,runbindable", "unbindable", "unbindable"},
		{"bind,shared", "shared", "none"},
		{"rbind,rslave,rshared", "shared", "shared"},
	}
	out := f.sh("propagation", "cat /proc/self/mountinfo", func(s *specs.Spec) {
		for _, c := range cases {
			s.Mounts = append(s.Mounts, specs.Mount{
				Destination: "/mnt/" + strings.ReplaceAll(c.options, ",", "-"), Type: "bind",
				Source: source, Options: strings.Split(c.options, ","),
			})
		}
	})
	lines := mountLines(out)
	for _, c := range cases {
		at := "/mnt/" + strings.ReplaceAll(c.options, ",", "-")
		below, ok := lines[at+"/below"]
		if !ok {
			below.propagation = "none"
		}
		if got := lines[at].propagation; got != c.want || below.propagation != c.below {
			t.Errorf("%s: %q, below %q; want %q, below %q", c.options, got, below.propagation,
				c.want, c.below)
		}
	}
}

// TestRootPropagation compares linux.rootfsPropagation with the root mount,
// whose host side is a shared mount, and one in it.
func TestRootPropagation(t *testing.T) {
	f := newFixture(t)
	host := f.shared("host")
	for _, c := range []struct{ value, root, inner string }{
		{"", "master", "master"}, {"private", "", ""}, {"rprivate", "", ""}, {"slave", "master",
			"master"}, {"rslave", "master", "master"},
		{"shared", "shared", "shared"}, {"rshared", "shared", "shared"}, {"unbindable",
			"unbindable", ""},
	} {
		t.Run("value-"+c.value, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle("root-"+c.value, []string{"cat", "/proc/self/mountinfo"},
				func(s *specs.Spec) {
					s.Linux.RootfsPropagation = c.value
					s.Root.Path = host
					s.Mounts = append(s.Mounts, specs.Mount{Destination: "/below", Type: "bind",
						Source: filepath.Join(host, "below"), Options: []string{"bind"}})
				})
			bin := filepath.Join(host, "bin")
			if err := os.MkdirAll(bin, 0o755); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile("/bin/busybox")
			if err := errors.Join(err, os.WriteFile(bin+"/cat", data, 0o755)); err != nil {
				t.Fatal(err)
			}
			lines := mountLines(f.succeed(o))
			if lines["/"].propagation != c.root || lines["/below"].propagation != c.inner {
				t.Errorf("root %q, inner %q; want %q, %q", lines["/"].propagation,
					lines["/below"].propagation, c.root, c.inner)
			}
			if left, err := os.ReadFile("/proc/self/mountinfo"); err != nil ||
				strings.Contains(string(left), host+"/proc") {
				t.Errorf("mounts reached the host: %v", err)
			}
		})
	}
}

// TestMountReadonly tells ro, which is about one mount, from rro.
func TestMountReadonly(t *testing.T) {
	f := newFixture(t)
	source := f.shared("source")
	script := `
		for d in ro ro/below rro rro/below tmp; do touch /mnt/$d/f 2>/dev/null && echo $d is writable; done
		touch /f 2>/dev/null && echo root is writable
		touch /dev/f && echo dev is writable`
	got := f.sh("readonly", script, func(s *specs.Spec) {
		bind := func(target string, options ...string) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: target, Type: "bind",
				Source: source, Options: options})
		}
		bind("/mnt/ro", "rbind", "ro")
		bind("/mnt/rro", "rbind", "rro")
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt/tmp", Type: "tmpfs",
			Options: []string{"ro"}})
	})
	if want := "ro/below is writable\ndev is writable"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = f.sh("writable", "touch /f && echo root is writable",
		func(s *specs.Spec) { s.Root.Readonly = false })
	if got != "root is writable" {
		t.Errorf("got %q", got)
	}
}

// TestMountTargets makes missing targets, stays in the rootfs whatever its
// links say, and mounts files on files.
func TestMountTargets(t *testing.T) {
	f := newFixture(t)
	file := f.file("file", "content\n")
	tmpfs := func(target string) specs.Mount {
		return specs.Mount{Destination: target,
			Type: "tmpfs"}
	}
	bound := func(target string) specs.Mount {
		return specs.Mount{Destination: target, Type: "bind", Source: file,
			Options: []string{"bind"}}
	}
	var o Options
	for _, c := range []struct {
		name   string
		mounts []specs.Mount
		make   func()
		script string
		want   string
	}{
		{"nested", []specs.Mount{tmpfs("/a/b/c/d"), tmpfs("/a/b/c/d/e/f")}, nil,
			"grep -o ' /a/[^ ]*' /proc/self/mountinfo", " /a/b/c/d\n /a/b/c/d/e/f"},
		{"files", []specs.Mount{bound("/x/y/z"), bound("/bin/new")}, nil, "cat /x/y/z /bin/new",
			"content\ncontent"},
		{"file-on-link", []specs.Mount{bound("/etc/resolv.conf")},
			func() {
				f.symlink(o, "../run/resolv", "/etc/resolv.conf")
				f.write(o, "/run/resolv",
					"old", 0o644)
			},
			"cat /run/resolv", "content"},
		{"link", []specs.Mount{tmpfs("/link/inner")}, func() {
			f.symlink(o, "/../../../etc",
				"/link")
		}, "grep -o ' /etc/inner' /proc/self/mountinfo", " /etc/inner"},
		{"link-to-missing", []specs.Mount{tmpfs("/var/run/x")}, func() {
			f.symlink(o, "/run",
				"/var/run")
			f.write(o, "/run/keep", "", 0o644)
		},
			"grep -o ' /run/x' /proc/self/mountinfo", " /run/x"},
		{"file-on-missing", []specs.Mount{bound("/etc/resolv.conf")},
			func() { f.symlink(o, "../run/systemd/resolve/stub", "/etc/resolv.conf") },
			"cat /run/systemd/resolve/stub; readlink /etc/resolv.conf",
			"content\n../run/systemd/resolve/stub"},
		{"file-behind-missing", []specs.Mount{bound("/var/run/secrets/token")},
			func() { f.symlink(o, "/run", "/var/run") },
			"cat /run/secrets/token", "content"},
		{"covered-link", []specs.Mount{tmpfs("/var"), tmpfs("/var/run/x")},
			func() { f.symlink(o, "/run", "/var/run") },
			"ls -d /var/run/x; test -e /run || true", "/var/run/x"},
		{"dots", []specs.Mount{tmpfs("/../../../up")}, nil, "grep -o ' /up' /proc/self/mountinfo",
			" /up"},
		{"covered", []specs.Mount{tmpfs("/over"), tmpfs("/over/below"), tmpfs("/over")}, nil,
			"grep -c ' /over' /proc/self/mountinfo; ls /over", "3"},
		{"root-file-mode", []specs.Mount{bound("/new/file")}, nil, "stat -c '%a %u' /new", "755 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			o = f.bundle(c.name, []string{"sh", "-c", c.script},
				func(s *specs.Spec) { s.Mounts = append(s.Mounts, c.mounts...) })
			if c.make != nil {
				c.make()
			}
			if got := f.succeed(o); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for _, path := range []string{"/etc/inner", "/up"} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s on the host: %v", path, err)
		}
	}
}

// TestMountErrors names the mount and the cure.
func TestMountErrors(t *testing.T) {
	f := newFixture(t)
	file := f.file("file", "")
	for _, c := range []struct {
		name  string
		mount specs.Mount
		make  func(f *fixture, o Options)
		is    error
		want  string
	}{
		{"source", specs.Mount{Destination: "/x", Type: "bind", Source: "/no/such",
			Options: []string{"bind"}}, nil, unix.ENOENT, "/no/such"},
		{"directory-on-file", specs.Mount{Destination: "/bin/busybox", Type: "tmpfs"}, nil,
			unix.ENOTDIR, "must be mounted on ordinary directory"},
		{"file-on-directory", specs.Mount{Destination: "/bin", Type: "bind", Source: file,
			Options: []string{"bind"}}, nil, unix.EINVAL, "the source is a file and the target " +
			"a directory in the rootfs"},
		{"type", specs.Mount{Destination: "/x", Type: "nosuchfs"}, nil, unix.ENODEV,
			"the kernel has no such file system: is its module loaded?"},
		{"data", specs.Mount{Destination: "/x", Type: "tmpfs", Options: []string{"size=many"}}, nil,
			unix.EINVAL, "is each option one that this file system knows?"},
		{"loop", specs.Mount{Destination: "/loop/x", Type: "tmpfs"}, func(f *fixture, o Options) {
			f.symlink(o, "loop", "/loop")
		}, unix.ELOOP, "symbolic link"},
		{"procfs", specs.Mount{Destination: "/link", Type: "tmpfs"}, func(f *fixture, o Options) {
			f.symlink(o, "/proc/sys", "/link")
		}, unix.EXDEV, "a symbolic link of the rootfs leads the target into /proc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle(c.name, []string{"true"},
				func(s *specs.Spec) { s.Mounts = append(s.Mounts, c.mount) })
			if c.make != nil {
				c.make(f, o)
			}
			before := f.world()
			err := f.tryRun(o)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(),
				"mounts[7]: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v with %q", err, c.is, c.want)
			}
			f.gone(o)
			f.same(before)
		})
	}
}

// TestNoPivot: the host's procfs and sysfs, which lie below the container's
// root when that was moved there, do not count for a user namespace in the
// container that wants to mount its own, without masks. Without masks in the
// first place it may.
func TestNoPivot(t *testing.T) {
	f := newFixture(t)
	const script = `busybox unshare -mrpfn sh -c '
		for fs in proc sysfs; do mount -o ro -t $fs none /mnt 2>/dev/null && echo mounted $fs && umount /mnt || echo refused $fs; done'`
	for _, tt := range []struct {
		name   string
		masked []string
		want   string
	}{
		{"masked", []string{"/proc/meminfo", "/sys/kernel"}, "refused proc\nrefused sysfs"},
		{"bare", nil, "mounted proc\nmounted sysfs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle(tt.name, []string{"sh", "-c", script}, func(s *specs.Spec) {
				s.Root.Readonly = false
				s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = tt.masked, nil
				s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool {
					return m.Destination == "/sys/fs/cgroup"
				})
				s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding,
					"CAP_SETFCAP")
				s.Process.Capabilities.Permitted = append(s.Process.Capabilities.Permitted,
					"CAP_SETFCAP")
			})
			o.NoPivot = true
			if err := os.Mkdir(f.in(o, "mnt"), 0o755); err != nil {
				t.Fatal(err)
			}
			before := f.world()
			if got := f.succeed(o); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
			f.same(before)
		})
	}
}
