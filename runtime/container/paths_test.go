package container

import (
	"errors"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestMaskedPaths reads and writes what is masked or read-only.
func TestMaskedPaths(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("masked", []string{"sh", "-c", `
		cat /proc/keys /secret/file /link; echo "status $?"
		ls /sys/firmware /directory
		cat /kept
		echo x 2>/dev/null > /proc/sys/kernel/domainname || echo "read-only"
		echo x 2>/dev/null > /data/file || echo "read-only"
		echo x 2>/dev/null > /data/inner/f || echo "read-only"
		stat -c %t:%T /secret/file`,
	}, func(s *specs.Spec) {
		s.Root.Readonly = false
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/data/inner", Type: "tmpfs"})
		s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/secret/file", "/directory", "/link",
			"/not/there")
		s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/data", "/not/there")
	})
	f.write(o, "/secret/file", "secret", 0o644)
	f.write(o, "/directory/file", "secret", 0o644)
	f.write(o, "/target", "secret", 0o644)
	f.write(o, "/kept", "kept\n", 0o644)
	f.write(o, "/data/file", "", 0o666)
	f.symlink(o, "/target", "/link")
	want := "status 0\n/directory:\n\n/sys/firmware:\nkept\nread-only\nread-only\nread-only\n1:3"
	if got := f.succeed(o); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := os.Lstat(f.in(o, "/not")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing path was made: %v", err)
	}
}

// TestPathAttacks has something else in the rootfs where a directory or device
// is expected.
func TestPathAttacks(t *testing.T) {
	f := newFixture(t)
	victim := f.directory("victim")
	noDev := func(s *specs.Spec) {
		s.Mounts = append(s.Mounts[:1], s.Mounts[5:]...) // nothing on or below /dev
		s.Root.Readonly = false
	}
	for _, c := range []struct {
		name string
		make func(f *fixture, o Options)
		edit func(s *specs.Spec)
		is   error
		want string // "": it runs
	}{
		{"proc-link", func(f *fixture, o Options) {
			f.symlink(o, "/evil", "/proc")
			f.write(o,
				"/evil/x", "", 0o644)
		}, nil, unix.ENOTDIR,
			"must be mounted on ordinary directory"}, // runc's words
		{"sys-link", func(f *fixture, o Options) { f.symlink(o, "../"+victim, "/sys") }, nil,
			unix.ENOTDIR, `mounts[5]: mount sysfs at "/sys"`},
		{"null-link", func(f *fixture, o Options) {
			f.symlink(o, "/proc/sys/kernel/core_pattern",
				"/dev/null")
		}, noDev, unix.EEXIST,
			`make character device "/dev/null" 1:3`},
		{"null-file", func(f *fixture, o Options) { f.write(o, "/dev/null", "", 0o666) }, noDev,
			unix.EEXIST, `make character device "/dev/null" 1:3`},
		{"null-other", func(f *fixture, o Options) { f.node(o, "/dev/null", unix.S_IFCHR, 1, 5) },
			noDev, unix.EEXIST, `make character device "/dev/null" 1:3`},
		{"null-bound-link", func(f *fixture, o Options) {
			f.symlink(o, "/etc/passwd", "/hostdev/null")
		}, func(s *specs.Spec) {
			noDev(s)
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dev", Type: "bind",
				Source: "rootfs/hostdev", Options: []string{"bind"}})
		}, unix.ENODEV, "linux.maskedPaths: open /dev/null, which must be 1:3"},
		{"null-none", func(f *fixture, o Options) { f.write(o, "/hostdev/x", "", 0o644) },
			func(s *specs.Spec) {
				noDev(s)
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dev", Type: "bind",
					Source: "rootfs/hostdev", Options: []string{"bind"}})
			}, unix.ENOENT, "masked paths need a /dev/null in the container"},
		{"dev-link", func(f *fixture, o Options) {
			f.symlink(o, "../../../../../../../.."+victim,
				"/dev")
		}, noDev, nil, ""},
		{"same-nodes", func(f *fixture, o Options) {
			f.node(o, "/dev/null", unix.S_IFCHR, 1, 3)
			f.node(o, "/dev/tty", unix.S_IFCHR, 5, 0)
			f.symlink(o, "/etc/passwd", "/dev/ptmx")
			f.write(o, "/dev/stdin", "kept", 0o644)
		}, noDev, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle(c.name, []string{"true"}, c.edit)
			c.make(f, o)
			before := f.world()
			err := f.tryRun(o)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %v with %q", err, c.is, c.want)
			}
			f.gone(o)
			f.same(before)
		})
	}
	if entries, err := os.ReadDir(victim); err != nil || len(entries) != 0 {
		t.Errorf("the victim holds %v, %v", entries, err)
	}
}

// node makes a device node in a container's rootfs.
func (f *fixture) node(o Options, path string, kind uint32, major, minor uint32) {
	f.t.Helper()
	name := f.in(o, path)
	if err := errors.Join(unix.Mknod(name, kind|0o666, int(unix.Mkdev(major, minor))),
		os.Chmod(name, 0o666)); err != nil {
		f.t.Fatal(err)
	}
}

func TestDevices(t *testing.T) {
	f := newFixture(t)
	mode, uid, gid := os.FileMode(0o640), uint32(3), uint32(4)
	got := f.sh("devices", `
		for d in null zero full random urandom tty fuse sub/loop pipe; do stat -c '%n %F %t:%T %a %u:%g' /dev/$d; done
		for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done
		echo text > /dev/null && head -c 2 /dev/zero | wc -c
		cat /dev/sub/loop 2>&1 | grep -o 'not permitted'
		ls -d /dev/kmsg /dev/console 2>/dev/null; true`, func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{
			{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: &mode, UID: &uid,
				GID: &gid},
			{Path: "/dev/sub/loop", Type: "b", Major: 7, Minor: 0},
			{Path: "/dev/pipe", Type: "p", FileMode: &mode, Major: 1, Minor: 1},
			{Path: "/dev/tty", Type: "c", Major: 5, Minor: 0, FileMode: &mode},
		}
	})
	want := strings.Join([]string{
		"/dev/null character special file 1:3 666 0:0", "/dev/zero character special file 1:5 " +
			"666 0:0", "/dev/full character special file 1:7 666 0:0",
		"/dev/random character special file 1:8 666 0:0", "/dev/urandom character special file " +
			"1:9 666 0:0", "/dev/tty character special file 5:0 640 0:0",
		"/dev/fuse character special file a:e5 640 3:4", "/dev/sub/loop block special file 7:0 " +
			"666 0:0", "/dev/pipe fifo 0:0 640 0:0",
		"fd /proc/self/fd", "stdin /proc/self/fd/0", "stdout /proc/self/fd/1",
		"stderr /proc/self/fd/2", "ptmx pts/ptmx", "2", "not permitted",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSysctl(t *testing.T) {
	f := newFixture(t)
	got := f.sh("sysctl", "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni "+
		"/proc/sys/net/ipv4/conf/lo/forwarding", func(s *specs.Spec) {
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.shmmni": "1234",
			"net/ipv4/conf/lo/forwarding": "0"}
	})
	if got != "1\n1234\n0" {
		t.Errorf("got %q", got)
	}
	for key, want := range map[string]error{"net.ipv4.nothing": unix.ENOENT,
		"net.ipv4.tcp_timestamps": unix.EINVAL} {
		o := f.bundle("bad-"+key, []string{"true"},
			func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{key: "many"} })
		err := f.tryRun(o)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), "linux.sysctl") {
			t.Errorf("%s: %v, want %v", key, err, want)
		}
		f.gone(o)
	}
}
