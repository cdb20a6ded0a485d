package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// volume is a mount as images' volumes get under a read-only root.
func volume(destination string, options ...string) specs.Mount {
	return specs.Mount{Destination: destination, Type: "tmpfs", Source: "tmpfs",
		Options: append(options, "nosuid", "nodev", "tmpcopyup")}
}

func withMounts(mounts ...specs.Mount) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Root.Readonly = true
		s.Mounts = append(s.Mounts, mounts...)
	}
}

func TestCopyUp(t *testing.T) {
	f := newFixture(t)
	script := `cat /data/hello /data/deep/er/file /data/link; stat -c '%n %a %u:%g %F' /data /data/* && echo more >>/data/hello && echo new >/data/new &&
		cat /data/hello /data/new && ls /missing && touch /missing/x && ! touch /x 2>/dev/null && grep -c ' /data [^ ]*nosuid.* - tmpfs volume ' /proc/self/mountinfo`
	mount := volume("/data")
	mount.Source = "volume"
	o := f.bundle("volume", []string{"sh", "-c", script}, withMounts(mount, volume("/missing")))
	f.write(o, "data/hello", "hello\n", 0o640)
	f.write(o, "data/deep/er/file", strings.Repeat("deep", 30_000)+"\n", 0o600)
	f.write(o, "data/suid", "x", 0o755|os.ModeSetuid)
	if err := errors.Join(os.Symlink("deep/er/../../hello", f.in(o, "data/link")),
		os.Chown(f.in(o, "data"), 0, 6), os.Chmod(f.in(o, "data"), 0o750),
		os.Chown(f.in(o, "data/hello"), 0, 1001), unix.Mkfifo(f.in(o, "data/pipe"),
			0o600)); err != nil {
		t.Fatal(err)
	}
	want := "hello\n" + strings.Repeat("deep", 30_000) + `
hello
/data 750 0:6 directory
/data/deep 755 0:0 directory
/data/hello 640 0:1001 regular file
/data/link 777 0:0 symbolic link
/data/pipe 600 0:0 fifo
/data/suid 4755 0:0 regular file
hello
more
new
1`
	if got := f.succeed(o); got != want {
		t.Errorf("got\n%s\nwant\n%s", tail(got), tail(want))
	}
	if data, err := os.ReadFile(f.in(o, "data/hello")); err != nil || string(data) != "hello\n" {
		t.Errorf("the rootfs has changed: %q, %v", data, err)
	}
	if _, err := os.Stat(f.in(o, "data/new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rootfs has a new file: %v", err)
	}
}

func tail(text string) string { return text[max(0, len(text)-500):] }

// TestCopyUpCreate: what is copied is what the rootfs has when the container is
// created.
func TestCopyUpCreate(t *testing.T) {
	f := newFixture(t)
	w, read := capture(t)
	o := f.bundle("parked", []string{"cat", "/data/a"}, withMounts(volume("/data")))
	o.IO.Stdio[1] = w
	f.write(o, "data/a", "before", 0o644)
	c := f.create(o)
	f.write(o, "data/a", "after", 0o644)
	if err := c.Start(background); err != nil {
		t.Error(err)
	}
	if _, err := wait(c.record().Init.Pid); err != nil {
		t.Error(err)
	}
	f.end(c)
	if got := read(); got != "before" {
		t.Errorf("got %q", got)
	}
}

// TestCopyUpOver copies what other mounts put below the destination.
func TestCopyUpOver(t *testing.T) {
	f := newFixture(t)
	source := f.directory("source/sub")
	if err := os.WriteFile(filepath.Join(source, "from-bind"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	bind := specs.Mount{Destination: "/data", Type: "bind", Source: filepath.Dir(source),
		Options: []string{"bind"}}
	plain := specs.Mount{Destination: "/data", Type: "tmpfs", Source: "tmpfs"}
	for _, tt := range []struct {
		name   string
		mounts []specs.Mount
		want   string
	}{
		{"rootfs", []specs.Mount{volume("/data/sub")}, "from-rootfs"},
		{"through a link", []specs.Mount{volume("/link")}, "from-rootfs"},
		{"out by a link", []specs.Mount{volume("/out")}, ""},
		{"bind", []specs.Mount{bind, volume("/data/sub")}, "from-bind"},
		{"new file system", []specs.Mount{plain, volume("/data/sub")}, ""},
		{"another copy", []specs.Mount{volume("/data"), volume("/data/sub")}, "from-rootfs"},
		{"later mount", []specs.Mount{volume("/data/sub"), bind}, "from-bind"},
		{"read-only", []specs.Mount{volume("/data/sub", "ro"), {Destination: "/data/sub/x",
			Type: "tmpfs", Source: "tmpfs"}}, "from-rootfs\nx"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := "/data/sub"
			if strings.Contains(tt.name, "link") {
				dir = tt.mounts[0].Destination
			}
			o := f.bundle(strings.ReplaceAll(tt.name, " ", "-"), []string{"ls", dir},
				withMounts(tt.mounts...))
			f.write(o, "data/sub/from-rootfs", "x", 0o644)
			if err := errors.Join(os.Symlink("data/sub", f.in(o, "link")),
				os.Symlink("../../../../../../"+source, f.in(o, "out")),
				os.MkdirAll(f.in(o, source), 0o755)); err != nil {
				t.Fatal(err)
			}
			if got := f.succeed(o); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestCopyUpFailures: an error names the mount and says what to do, and nothing
// is left.
func TestCopyUpFailures(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct {
		name  string
		mount specs.Mount
		limit int64 // bytes of memory
		want  []string
	}{
		{"size", volume("/data", "size=64k"), 0, []string{"mounts[7]: ",
			"sendfile: no space left on device (the copy must fit: raise the mount's option size"}},
		{"inodes", volume("/data", "nr_inodes=1"), 0, []string{"mounts[7]: ",
			"/large: no space left on device (the copy must fit: raise"}},
		{"option", volume("/data", "colour=red"), 0, []string{"mounts[7]: ",
			"fsconfig(colour): invalid argument: tmpfs: Unknown parameter 'colour'"}},
		{"file", volume("/data/large"), 0, []string{"mounts[7]: ",
			"not a directory (tmpcopyup copies directories"}},
		{"memory", volume("/data"), 6 << 20, []string{"mounts[7]: ",
			"the process ended there: killed by signal SIGKILL (the container is out of memory, " +
				"for which the kernel has killed 1 of its processes: raise " +
				"linux.resources.memory.limit)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := f.world()
			o := f.bundle(tt.name, []string{"true"}, func(s *specs.Spec) {
				withMounts(tt.mount)(s)
				if tt.limit != 0 {
					s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &tt.limit}
				}
			})
			f.write(o, "data/large", strings.Repeat("x", 16<<20), 0o644)
			for try, run := range []func(Options) error{f.tryRun, f.tryStart} {
				err := run(o)
				for _, part := range tt.want {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("try %d: got %v\nwant %q in it", try, err, part)
					}
				}
				f.gone(o)
			}
			f.same(before)
		})
	}
}

// TestCopyUpMemory: what is copied is charged to the container, since nothing
// else limits what an image can hold.
func TestCopyUpMemory(t *testing.T) {
	f := newFixture(t)
	const size = 8 << 20
	o := f.bundle("charged", []string{"sleep", "1000"}, withMounts(volume("/data")))
	f.write(o, "data/large", strings.Repeat("x", size), 0o644)
	c := f.create(o)
	defer f.end(c)
	stats, err := groupOf(c).Stats()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(stats.MemoryStats.Usage.Usage >= size); got != "true" {
		t.Errorf("the cgroup uses %d bytes of memory, less than the %d that were copied",
			stats.MemoryStats.Usage.Usage, size)
	}
}
