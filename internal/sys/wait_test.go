package sys

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// asked returns a context that somebody ends at once, or after a while.
func asked(after time.Duration) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	end := func() { cancel(&Interrupted{By: "the bell"}) }
	if after == 0 {
		end()
	} else {
		time.AfterFunc(after, end)
	}
	return ctx
}

func TestWait(t *testing.T) {
	ready, w := pipe(t)
	if _, err := w.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	empty, _ := pipe(t)
	ended, w := pipe(t)
	w.Close()
	regular, err := os.Open("wait_test.go")
	if err != nil {
		t.Fatal(err)
	}
	defer regular.Close()
	past, future := time.Now(), time.Now().Add(time.Minute)
	soon := time.Now().Add(20 * time.Millisecond)
	for _, tt := range []struct {
		name     string
		file     *os.File
		deadline time.Time
		ctx      context.Context
		want     string
	}{
		{"ready", ready, future, context.Background(), ""},
		{"ready after the deadline", ready, past, context.Background(), ""},
		{"ready and interrupted", ready, future, asked(0), ""},
		{"ended", ended, future, context.Background(), ""},
		{"regular file", regular, future, context.Background(), ""},
		{"late", empty, past, context.Background(), os.ErrDeadlineExceeded.Error()},
		{"later", empty, soon, context.Background(), os.ErrDeadlineExceeded.Error()},
		{"interrupted before", empty, future, asked(0), "interrupted by the bell"},
		{"interrupted", empty, future, asked(10 * time.Millisecond), "interrupted by the bell"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := WaitUntil(tt.ctx, tt.deadline, tt.file)
			if err == nil && tt.want != "" || err != nil && err.Error() != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			var by *Interrupted
			if strings.HasPrefix(tt.want, "interrupted") && !errors.As(err, &by) {
				t.Errorf("it is a %T", err)
			}
		})
	}
}

// TestWaitComes lets what several wait for come, and only then.
func TestWaitComes(t *testing.T) {
	r, w := pipe(t)
	r.Fd() // a file that blocks can be waited for, too
	done := make(chan error)
	for range 3 {
		go func() { done <- Wait(context.Background(), r) }()
	}
	select {
	case err := <-done:
		t.Fatalf("too early: %v", err)
	case <-time.After(10 * time.Millisecond):
	}
	if _, err := w.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestWaitRoom fills a pipe, and makes room.
func TestWaitRoom(t *testing.T) {
	r, w := pipe(t)
	if err := WaitRoom(context.Background(), w); err != nil {
		t.Fatal(err)
	}
	if err := w.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("fill: %v", err)
	}
	if err := WaitRoom(asked(10*time.Millisecond), w); err == nil {
		t.Error("there is room")
	}
	done := make(chan error)
	go func() { done <- WaitRoom(context.Background(), w) }()
	if _, err := r.Read(make([]byte, 1<<16)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestWaitThreads: waits hold no threads, which stay once they are there.
func TestWaitThreads(t *testing.T) {
	const waits = 50
	r, _ := pipe(t)
	done := make(chan error)
	for range waits {
		go func() {
			done <- WaitUntil(context.Background(), time.Now().Add(100*time.Millisecond), r)
		}()
	}
	for range waits {
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	}
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(threads) > waits/2 {
		t.Errorf("%d threads for %d waits (%v)", len(threads), waits, err)
	}
}

func TestSleep(t *testing.T) {
	if err := Sleep(context.Background(), time.Millisecond); err != nil {
		t.Error(err)
	}
	var by *Interrupted
	if err := Sleep(asked(time.Millisecond), time.Minute); !errors.As(err, &by) {
		t.Errorf("got %v", err)
	}
}

// TestPidfd signals a process, waits for its end, and finds it gone.
func TestPidfd(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pidfd, err := OpenPidfd(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer pidfd.Close()
	if Ready(pidfd) {
		t.Error("it has ended")
	}
	if err := SendSignal(pidfd, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := AwaitKilled(context.Background(), pidfd); err != nil {
		t.Error(err)
	}
	cmd.Wait()
	if err := SendSignal(pidfd, unix.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal: %v", err)
	}
	for _, pid := range []int{cmd.Process.Pid, 0, -1} {
		if f, err := OpenPidfd(pid); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("open %d: %v, %v", pid, f, err)
		}
	}
}

func TestRetry(t *testing.T) {
	left := []error{unix.EINTR, unix.EINTR, unix.EPERM, nil}
	err := Retry(func() error {
		next := left[0]
		left = left[1:]
		return next
	})
	if err != unix.EPERM || len(left) != 1 {
		t.Errorf("got %v, %d calls left", err, len(left))
	}
}
