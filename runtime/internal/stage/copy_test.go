package stage

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// copier is a running program that writes the content of files.
type copier struct {
	t      *testing.T
	socket *os.File
	proc   *process
	dir    string
	calls  map[string]int // instruction of each call
	end    int            // the program's last instruction
}

func newCopier(t *testing.T) *copier {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	t.Cleanup(func() { ours.Close() })
	p := assemble(func(l *lowering) {
		l.copyContents(plan.CopyContents{Tree: "t"})
		l.exit(0)
	})
	c := &copier{t: t, socket: ours, dir: t.TempDir(), calls: map[string]int{}, end: p.Len() - 1}
	for i := range p.code {
		c.calls[p.origins[i].call] = i
	}
	c.proc = launch(t, p, map[string]*os.File{CopyFile("t"): theirs})
	closeAll(t, theirs)
	return c
}

// send sends two open files, or none with other texts.
func (c *copier) send(text string, files ...*os.File) {
	c.t.Helper()
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(int(files[0].Fd()), int(files[1].Fd()))
	}
	if err := unix.Sendmsg(int(c.socket.Fd()), []byte(text), rights, nil,
		unix.MSG_NOSIGNAL); err != nil {
		c.t.Fatal(err)
	}
}

// answer waits for an answer and returns its length.
func (c *copier) answer() int {
	c.t.Helper()
	for {
		n, err := unix.Read(int(c.socket.Fd()), make([]byte, 100))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			c.t.Fatal(err)
		}
		return n
	}
}

// files makes a file with content and opens another to copy it to.
func (c *copier) files(content string) (dst, src *os.File) {
	c.t.Helper()
	from := filepath.Join(c.dir, "from")
	err := os.WriteFile(from, []byte(content), 0o600)
	if err == nil {
		src, err = os.Open(from)
	}
	if err == nil {
		dst, err = os.Create(filepath.Join(c.dir, "to"))
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return dst, src
}

func TestInterpreterCopy(t *testing.T) {
	c := newCopier(t)
	var open []int // files of the program, after each copy
	for _, content := range []string{"", "hello", strings.Repeat("0123456789abcdef", 200_000),
		"again"} {
		dst, src := c.files(content)
		c.send(CopyMessage, dst, src)
		if n := c.answer(); n != 1 {
			t.Fatalf("an answer of %d bytes", n)
		}
		closeAll(t, dst, src)
		if got, err := os.ReadFile(filepath.Join(c.dir, "to")); err != nil ||
			string(got) != content {
			t.Errorf("got %d bytes, error %v, want %d", len(got), err, len(content))
		}
		entries, err := os.ReadDir("/proc/" + strconv.Itoa(c.proc.pid) + "/fd")
		if open = append(open, len(entries)); err != nil || open[0] != len(entries) {
			t.Errorf("open files: %v, %v", open, err)
		}
	}
	c.send(CopiedMessage)
	c.proc.finish().check(t, result{progress: c.end})
}

func TestInterpreterCopyFailures(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(c *copier)
		call  string
		errno unix.Errno
	}{
		{"the parent is gone", func(*copier) {}, "wait for the end of the copy", unix.EPIPE},
		{"another message", func(c *copier) { c.send("what?") }, "wait for the end of the copy",
			unix.EPIPE},
		{"no descriptors", func(c *copier) { c.send(CopyMessage) }, "sendfile", unix.EBADF},
		{"not open for writing", func(c *copier) {
			dst, src := c.files("x")
			c.send(CopyMessage, src, dst)
			closeAll(c.t, dst, src)
		}, "sendfile", unix.EBADF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCopier(t)
			tt.do(c)
			if err := unix.Shutdown(int(c.socket.Fd()), unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			at := c.calls[tt.call]
			c.proc.finish().check(t, result{report: failure(at, tt.errno), exit: exitFailed,
				progress: at})
		})
	}
}
