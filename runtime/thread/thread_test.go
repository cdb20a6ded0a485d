package thread

import (
	"errors"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1) // makes it likely that goroutines get the first thread
	m.Run()
}

func TestThrowawayNeverUsesTheFirstThread(t *testing.T) {
	for range 200 {
		var tid int
		if err := Throwaway(func() error { tid = unix.Gettid(); return nil }); err != nil {
			t.Fatal(err)
		}
		if tid == unix.Getpid() {
			t.Fatal("ran on the first thread")
		}
	}
}

func TestThrowawayChangesNothingForOthers(t *testing.T) {
	if err := Throwaway(func() error { return unix.Unshare(unix.CLONE_FS) }); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			err := Throwaway(func() error {
				if err := unix.Unshare(unix.CLONE_FS); err != nil {
					return err
				}
				return unix.Chdir("/")
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if dir, err := unix.Getwd(); err != nil || dir == "/" {
		t.Errorf("working directory %q, %v", dir, err)
	}
}

func TestThrowawayReturnsTheError(t *testing.T) {
	want := errors.New("x")
	if got := Throwaway(func() error { return want }); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
