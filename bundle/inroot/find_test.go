package inroot

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hostile makes mounts that a container with all capabilities can make: $1 is
// the directory for them. It ends with its standard input.
const hostile = `
set -e
cd "$1"
exec 3<>/dev/fuse
mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0,allow_other none fuse
mount -i -t fuse.some -o fd=4,rootmode=100000,user_id=0,group_id=0,allow_other none fusefile 4<>/dev/fuse
mount -t tmpfs none tmp
mkdir tmp/lower tmp/upper tmp/work tmp/sub
echo tmpfs > tmp/passwd
ln -s ../../etc/passwd tmp/sub/link
echo overlay > tmp/lower/passwd
mount -t overlay -o lowerdir=tmp/lower,upperdir=tmp/upper,workdir=tmp/work none overlay
mount --bind etc/passwd bound
mount --bind /proc/kmsg kmsg
echo ready
read line
`

// otherMounts runs a process with mounts of its own, and returns its root.
func otherMounts(t *testing.T, dir string) (r *Root, end func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	cmd := exec.Command("unshare", "--mount", "sh", "-c", hostile, "sh", dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() { stdin.Close(); cmd.Process.Kill(); cmd.Wait() }
	t.Cleanup(end)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("mounts: %q, %v", line, err)
	}
	if r, err = OpenProcess(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, end
}

// TestFindMounts looks for files below mounts of a process that wants the
// caller to wait: FUSE file systems whose server never answers, files of proc
// that are regular by their mode, and what can be built on those.
func TestFindMounts(t *testing.T) {
	dir := tree(t, strings.Join([]string{
		"etc/passwd", "fuse/", "fusefile", "tmp/", "overlay/", "bound", "kmsg",
		"link -> /proc/kmsg", "self -> /proc/self/root/etc/passwd",
		"through -> tmp/sub/link", "trace -> /sys/kernel/uevent_seqnum",
	}, "\n"))
	if err := os.Symlink(dir+"/bound", filepath.Join(dir, "absolute")); err != nil {
		t.Fatal(err)
	}
	r, end := otherMounts(t, dir)
	for _, tt := range []struct{ path, want, err string }{
		{"etc/passwd", "etc/passwd", ""},
		{"bound", "etc/passwd", ""},
		{"absolute", "etc/passwd", ""},
		{"tmp/passwd", "tmpfs\n", ""},
		{"through", "etc/passwd", ""},
		{"tmp/sub/../../bound", "etc/passwd", ""},
		{"tmp/nothing", "", "no such file or directory"},
		{"tmp/passwd/x", "", "not a directory"},
		{"overlay/passwd", "",
			"it is on a mount of type overlay that the container has made itself"},
		{"fuse/passwd", "", "it is on a mount of type fuse, which need not answer"},
		{"fuse", "", "it is on a mount of type fuse, which need not answer"},
		{"fusefile", "", "it is on a mount of type fuse.some, which need not answer"},
		{"kmsg", "", errKernelFS.Error()},
		{"link", "", errKernelFS.Error()},
		{"trace", "", errKernelFS.Error()},
		{"self", "", "too many symbolic links, or a link that must not be followed"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			type result struct {
				data []byte
				err  error
			}
			c := make(chan result, 1)
			go func() {
				data, err := r.ReadFile(dir+"/"+tt.path, 100)
				c <- result{data, err}
			}()
			select {
			case got := <-c:
				if string(got.data) != tt.want || (got.err == nil) != (tt.err == "") ||
					got.err != nil && !strings.HasSuffix(got.err.Error(), ": "+tt.err) {
					t.Errorf("got %q, %v; want %q, %s", got.data, got.err, tt.want, tt.err)
				}
			case <-time.After(10 * time.Second):
				end() // so that the server's end ends the wait
				t.Fatalf("it waits; after the end of the mounts: %v", (<-c).err)
			}
		})
	}
	if _, err := r.Readlink(dir + "/fuse/link"); err == nil {
		t.Error("a link of a FUSE file system was read")
	}
	if to, err := r.Readlink(dir + "/tmp/sub/link"); to != "../../etc/passwd" {
		t.Errorf("link: %q, %v", to, err)
	}
}

// TestReadFileLeased reads a file whose owner would have the caller wait until
// it gives up a lease (fcntl(2), 45 seconds).
func TestReadFileLeased(t *testing.T) {
	dir := tree(t, "etc/passwd\n")
	f, err := os.OpenFile(filepath.Join(dir, "etc/passwd"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir).ReadFile("etc/passwd", 100); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("got %v, want EAGAIN", err)
	}
}
