package state

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestThread: a pid that is a thread's by now is not that of a process.
func TestThread(t *testing.T) {
	ids, leave := make(chan int), make(chan struct{})
	defer close(leave)
	thread := func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		ids <- unix.Gettid()
		<-leave
	}
	go thread()
	id := <-ids
	if id == os.Getpid() { // the first thread, which is kept, so that it is another one's turn
		go thread()
		id = <-ids
	}
	if _, err := Find(id); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("find: got %v, want os.ErrProcessDone", err)
	}
	if _, err := (Process{Pid: id, Start: 1}).Open(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("open: got %v, want os.ErrProcessDone", err)
	}
}

func TestProcess(t *testing.T) {
	for _, tt := range []struct {
		name string
		find func(pid int) (Process, error)
		next func(p *Process) // makes it a later process with the same pid
	}{
		{"found", Find, func(p *Process) { p.Inode++ }},
		// What Find gives where the kernel has no pidfs.
		{"by start time", func(pid int) (Process, error) {
			start, err := startTime(pid)
			return Process{Pid: pid, Start: start}, err
		}, func(p *Process) { p.Start++ }},
	} {
		t.Run(tt.name, func(t *testing.T) { testProcess(t, tt.find, tt.next) })
	}
}

func testProcess(t *testing.T, find func(pid int) (Process, error), next func(p *Process)) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := find(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := find(cmd.Process.Pid); err != nil || again != p {
		t.Errorf("found again: %+v, %v, want %+v", again, err, p)
	}
	if alive, err := p.Alive(); err != nil || !alive {
		t.Errorf("running: alive %v, %v", alive, err)
	}
	f, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	other := p
	next(&other)
	if _, err := other.Open(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a later process: got %v", err)
	}
	if alive, err := other.Alive(); err != nil || alive {
		t.Errorf("a later process: alive %v, %v", alive, err)
	}

	in.Close()
	for _, err = 0, error(unix.EINTR); err == unix.EINTR; {
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}, -1)
	}
	if err != nil {
		t.Fatal(err)
	}
	if alive, err := p.Alive(); err != nil || alive {
		t.Errorf("dead, not waited for: alive %v, %v", alive, err)
	}
	if zombie, err := p.Open(); err != nil {
		t.Errorf("dead, not waited for: %v", err)
	} else {
		zombie.Close()
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if alive, err := p.Alive(); err != nil || alive {
		t.Errorf("gone: alive %v, %v", alive, err)
	}
	if _, err := p.Open(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("gone: got %v", err)
	}
	if _, err := find(p.Pid); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("gone: find got %v", err)
	}
}

// TestInode: a kernel with pidfs names a process by its pidfds' inode, and each
// by another one.
func TestInode(t *testing.T) {
	own, err := Find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	parent, err := Find(os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	if own.Inode == 0 && parent.Inode == 0 {
		t.Skip("this kernel has no pidfs: needs Linux 6.9")
	}
	if own.Inode == 0 || own.Start != 0 || own.Inode == parent.Inode {
		t.Errorf("got %+v and %+v", own, parent)
	}
}

func TestNoProcess(t *testing.T) {
	var none Process
	if alive, err := none.Alive(); alive || err != nil {
		t.Errorf("alive %v, %v", alive, err)
	}
	if _, err := none.Open(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("got %v", err)
	}
}

func TestParseStartTime(t *testing.T) {
	const rest = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"
	tests := []struct {
		name, in string
		want     uint64
		ok       bool
	}{
		{"plain", "12 (sh) S" + rest, 4242, true},
		{"parentheses", "12 (a) R 1 (b) Z" + rest, 4242, true},
		{"empty", "", 0, false},
		{"short", "12 (sh) S 1 2", 0, false},
		{"not a number", "12 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStartTime([]byte(tt.in))
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("got %v, %v, want %v, ok %v", got, err, tt.want, tt.ok)
			}
		})
	}
}

func FuzzParseStartTime(f *testing.F) {
	f.Add([]byte("12 (a) R 1 (b) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, err := parseStartTime(data); err == nil && !bytes.Contains(data,
			[]byte(strconv.FormatUint(n, 10))) {
			t.Errorf("%q: %d is not in it", data, n)
		}
	})
}
