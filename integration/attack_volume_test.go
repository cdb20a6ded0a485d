package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// volumeAttacks are published holes: another container has a volume or the
// root file system in common with the victim, and exchanges what is there while
// the runtime makes mounts in it.
var volumeAttacks = []attack{
	{"target-race", attackTarget},
	{"proc-race", attackProcWrites},
	{"proc-link-race", attackProcLink},
	{"readonly-race", attackReadonlyPath},
	{"mask-race", attackMask},
	{"console-race", attackConsole},
}

// CVE-2021-30465, CVE-2024-45310: a mount target is checked and then swapped
// by a container that shares the volume.
func attackTarget(t *testing.T, a *arena) func(int) {
	host, unchanged := a.victim(t)
	volume := a.volume(t, "dir/")
	link(t, "/../../../../../../../../.."+host, filepath.Join(volume, "link"))
	source := filepath.Join(a.dir, "source")
	mustWrite(t, filepath.Join(source, "planted"), "evil\n", 0o644)
	dir := a.bundle(t, "b", func(c config) {
		c.set("mounts.+", bind(volume, "/vol", "rbind"))
		c.set("mounts.+", bind(source, "/vol/dir/new/sub"))
		c.unset("linux.resources")
	}, "true")
	a.swap(t, filepath.Join(volume, "dir"), filepath.Join(volume, "link"))
	return func(int) {
		a.runtime(t, "run", "--bundle", dir, "c1") // each outcome but one on the host is fine
		unchanged()
	}
}

// CVE-2025-52881, CVE-2025-62596: writes to procfs are led to another file.
func attackProcWrites(t *testing.T, a *arena) func(int) {
	target := guardCorePattern(t)
	volume := a.volume(t, "a/")
	link(t, target, filepath.Join(volume, "b"))
	dir := a.bundle(t, "b", func(c config) {
		c.set("process.oomScoreAdj", 100)
		c.set("mounts.+", bind(volume, "/vol", "rbind"))
		c.set("mounts.+", map[string]any{"destination": "/vol/a/proc", "type": "proc",
			"source": "proc"})
		c.set("hostname", "|evil")
	}, "true")
	a.swap(t, filepath.Join(volume, "a"), filepath.Join(volume, "b"))
	return func(int) { a.runtime(t, "run", "--bundle", dir, "c1") }
}

// CVE-2019-19921, CVE-2023-27561, CVE-2025-54867, raced: /proc of the rootfs is
// a directory, and then a link to a volume.
func attackProcLink(t *testing.T, a *arena) func(int) {
	host, unchanged := a.victim(t)
	dir := a.bundle(t, "b", func(c config) { c.set("mounts.+", bind(host, "/evil")) }, "readlink",
		"/proc/self/exe")
	rootfs := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(filepath.Join(rootfs, "evil"), 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, "/evil", filepath.Join(rootfs, "proc-link"))
	a.swap(t, filepath.Join(rootfs, "proc"), filepath.Join(rootfs, "proc-link"))
	return func(int) {
		o := a.runtime(t, "run", "--bundle", dir, "c1")
		if o.code == 0 && !strings.HasPrefix(o.stdout, "/bin/") {
			t.Errorf("the container ran without its procfs: %q", o.stdout)
		}
		unchanged()
	}
}

// GHSA-3q8j-pf29-vwv8: a masked or read-only path is named by a string in
// each of several system calls, and is another one each time.
func attackReadonlyPath(t *testing.T, a *arena) func(int) {
	volume := a.volume(t, "guard/", "decoy/")
	dir := a.bundle(t, "b", func(c config) {
		c.set("mounts.+", bind(volume, "/vol", "rbind"))
		c.set("linux.readonlyPaths.+", "/vol/guard")
	}, "sh", "-c",
		`for d in guard decoy; do echo y 2>/dev/null >/vol/$d/file && echo $d; done; grep -c ' /vol/.* ro' /proc/self/mountinfo`)
	a.swap(t, filepath.Join(volume, "guard"), filepath.Join(volume, "decoy"))
	return func(int) {
		o := a.runtime(t, "run", "--bundle", dir, "c1")
		// One of the two carries the read-only mount, whichever had the name.
		if o.code == 0 && strings.HasSuffix(o.stdout, "\n0\n") || o.stdout == "0\n" {
			t.Errorf("the container ran without its read-only mount: %q", o.stdout)
		}
	}
}

// CVE-2025-31133, CVE-2025-62161, raced: /dev/null, with which paths are
// masked, is swapped for a link into /proc/sys, which is read-only. What the
// container then writes to is the name of its own domain.
func attackMask(t *testing.T, a *arena) func(int) {
	guardCorePattern(t)
	dir := a.bundle(t, "b", func(c config) {
		c.set("linux.maskedPaths", []string{"/etc/group"})
		c.set("root.readonly", false)
		for _, d := range []string{"/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"} {
			c.dropMount(d)
		}
	}, "sh", "-c", "echo evil >/etc/group; cat /etc/group /proc/sys/kernel/domainname")
	dev := filepath.Join(dir, "rootfs/dev")
	if err := unix.Mknod(filepath.Join(dev, "null"), unix.S_IFCHR|0o666,
		int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	link(t, "/proc/sys/kernel/domainname", filepath.Join(dev, "link"))
	a.swap(t, filepath.Join(dev, "null"), filepath.Join(dev, "link"))
	return func(int) {
		o := a.runtime(t, "run", "--bundle", dir, "c1")
		if o.code == 0 && (strings.Contains(o.stdout, "evil") || strings.Count(o.stdout,
			"\n") > 1) {
			t.Errorf("the masked file was another one: %q", o.stdout)
		}
	}
}

// CVE-2025-52565, CVE-2026-88264, raced: what a terminal is bound to, and where
// it comes from, is swapped for links to the host in a volume at /dev.
func attackConsole(t *testing.T, a *arena) func(int) {
	host, unchanged := a.victim(t)
	volume := a.volume(t, "console", "pts/0", "ptmx")
	for _, name := range []string{"console", "pts", "ptmx"} {
		target := "/../../../../../../../../.." + host
		if name != "pts" {
			target += "/file"
		}
		link(t, target, filepath.Join(volume, name+"-link"))
		a.swap(t, filepath.Join(volume, name), filepath.Join(volume, name+"-link"))
	}
	dir := a.bundle(t, "b", func(c config) {
		c.set("process.terminal", true)
		for _, d := range []string{"/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"} {
			c.dropMount(d)
		}
		c.set("mounts.+", bind(volume, "/dev"))
	}, "sh", "-c", "echo evil >/dev/console")
	return func(n int) {
		socket, _, _ := listenConsole(t, a.box)
		id := fmt.Sprint("c", n)
		a.runtime(t, "run", "-d", "--bundle", dir, "--console-socket", socket, id)
		a.runtime(t, "delete", "--force", id)
		unchanged()
	}
}

// volume makes a directory of the box with these files, and directories, which
// end in a slash.
func (a *arena) volume(t *testing.T, names ...string) string {
	t.Helper()
	volume := filepath.Join(a.dir, "volume")
	for _, name := range names {
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			name = dir + "/file"
		}
		mustWrite(t, filepath.Join(volume, name), "x\n", 0o644)
	}
	return volume
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// swap exchanges two paths as fast as it can until the attack ends.
func (a *arena) swap(t *testing.T, one, other string) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	a.stops = append(a.stops, func() {
		close(done)
		<-ended
	})
	go func() {
		defer close(ended)
		for ; ; a.caught.Add(1) {
			select {
			case <-done:
				return
			default:
				if err := unix.Renameat2(unix.AT_FDCWD, one, unix.AT_FDCWD, other,
					unix.RENAME_EXCHANGE); err != nil {
					t.Errorf("swap: %v", err)
					return
				}
			}
		}
	}()
}
