package state

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
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
	p, err := Find(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Open(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("got %v, want os.ErrProcessDone", err)
	}
}

func TestProcess(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := Find(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if alive, err := p.Alive(); err != nil || !alive {
		t.Errorf("running: alive %v, %v", alive, err)
	}
	f, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	other := Process{Pid: p.Pid, Start: p.Start + 1}
	if _, err := other.Open(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("another start time: got %v", err)
	}
	if alive, err := other.Alive(); err != nil || alive {
		t.Errorf("another start time: alive %v, %v", alive, err)
	}

	in.Close()
	for _, err = 0, error(unix.EINTR); err == unix.EINTR; {
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}, -1)
	}
	if err != nil {
		t.Fatal(err)
	}
	if state, err := p.State(); err != nil || state != 'Z' {
		t.Errorf("dead, not waited for: state %c, %v", state, err)
	}
	if alive, err := p.Alive(); err != nil || alive {
		t.Errorf("dead, not waited for: alive %v, %v", alive, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if state, err := p.State(); err != nil || state != 0 {
		t.Errorf("gone: state %c, %v", state, err)
	}
	if _, err := p.Open(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("gone: got %v", err)
	}
	if _, err := Find(p.Pid); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("gone: Find got %v", err)
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

func TestParseStat(t *testing.T) {
	const rest = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"
	tests := []struct {
		name, in string
		want     stat
		ok       bool
	}{
		{"plain", "12 (sh) S" + rest, stat{'S', 4242}, true},
		{"parentheses", "12 (a) R 1 (b) Z" + rest, stat{'Z', 4242}, true},
		{"empty", "", stat{}, false},
		{"short", "12 (sh) S 1 2", stat{}, false},
		{"not a number", "12 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x", stat{}, false},
		{"long state", "12 (sh) SS" + rest, stat{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat([]byte(tt.in))
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("got %v, %v, want %v, ok %v", got, err, tt.want, tt.ok)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a) R 1 (b) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseStat(data); err == nil && s.state == 0 {
			t.Errorf("%q: no state", data)
		}
	})
}
