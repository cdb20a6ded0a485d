package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// needRoot skips where no namespace can be made.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a network namespace is made")
	}
}

// networks names the network namespace that each of the process's threads is
// in.
func networks(t *testing.T) map[string]string {
	t.Helper()
	names := make(map[string]string)
	tasks, _ := filepath.Glob("/proc/self/task/*/ns/net")
	for _, task := range tasks {
		name, err := os.Readlink(task)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
			continue // a thread that has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		names[task] = name
	}
	return names
}

func TestMake(t *testing.T) {
	needRoot(t)
	before := networks(t)
	m, err := Make()
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.Wait()
	if err != nil {
		t.Fatal(err)
	}
	m.Close() // does not close what the caller has
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil || fs.Type != unix.NSFS_MAGIC {
		t.Errorf("got a file of type %#x, %v; want a namespace", fs.Type, err)
	}
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil ||
		flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("got flags %#x, %v; want close-on-exec", flags, err)
	}
	made, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil || !strings.HasPrefix(made, "net:[") {
		t.Errorf("made %q, %v; want a network namespace", made, err)
	}
	after := networks(t)
	for thread, was := range before {
		if was == made {
			t.Errorf("%s was in %s, which is said to be new", thread, made)
		}
		if is, ok := after[thread]; ok && is != was {
			t.Errorf("%s is in %s, was in %s", thread, is, was)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestClose: a namespace that nobody has waited for leaves no descriptor.
func TestClose(t *testing.T) {
	needRoot(t)
	m, err := Make()
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	m.Close()
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil && strings.HasPrefix(name, "net:[") {
			t.Errorf("%s is still %s", link, name)
		}
	}
}

// TestFails: a call that fails is named, and those after it are not made.
func TestFails(t *testing.T) {
	none := address("/none\x00")
	for name, c := range map[string]struct {
		first, second call
		want          string
		errno         error
	}{
		"unshare": {call{number: unix.SYS_UNSHARE, args: [4]uintptr{1}},
			call{number: unix.SYS_GETPID}, "unshare: invalid argument", unix.EINVAL},
		"open": {call{number: unix.SYS_GETPID}, call{number: unix.SYS_OPENAT, args: [4]uintptr{0,
			none}}, "open /proc/thread-self/ns/net: no such file or directory", unix.ENOENT},
	} {
		m := &Pending{}
		m.thread.calls = [calls]call{c.first, c.second}
		m.thread.calls[open].result = notMade
		if err := m.thread.start(); err != nil {
			t.Fatal(err)
		}
		f, err := m.Wait()
		if f != nil || err == nil || err.Error() != c.want || !errors.Is(err, c.errno) {
			t.Errorf("%s: got %v, %v; want %s", name, f, err, c.want)
		}
		if open := m.thread.calls[open].result; open >= 0 {
			t.Errorf("%s: the second call's result is %d: there is something to close", name, open)
		}
		m.Close()
	}
}

// TestNoThread: what clone says is what start says, and there is nothing to
// wait for.
func TestNoThread(t *testing.T) {
	var th thread
	if tid := clone(unix.CLONE_THREAD, &th.alive, &th.calls[0], len(th.calls)); tid != -int(
		unix.EINVAL) {
		t.Errorf("a thread with memory of its own: got %d, want -EINVAL", tid)
	}
	th.wait()
}

// TestMask: the caller's signals are blocked after clone as they were before.
func TestMask(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mask := func(how int, set *unix.Sigset_t) (old unix.Sigset_t) {
		if err := unix.PthreadSigmask(how, set, &old); err != nil {
			t.Fatal(err)
		}
		return old
	}
	var usr2 unix.Sigset_t
	usr2.Val[0] = 1 << (unix.SIGUSR2 - 1)
	defer mask(unix.SIG_UNBLOCK, &usr2)
	mask(unix.SIG_BLOCK, &usr2)
	before := mask(unix.SIG_BLOCK, nil)
	for _, flags := range []uintptr{flags, unix.CLONE_THREAD} { // made, and not made
		th := thread{alive: 1, calls: [calls]call{{number: unix.SYS_GETPID},
			{number: unix.SYS_GETPID}}}
		made := clone(flags, &th.alive, &th.calls[0], len(th.calls)) > 0
		if after := mask(unix.SIG_BLOCK, nil); after != before {
			t.Errorf("thread made: %v: signals blocked: %x, were %x", made, after.Val[0],
				before.Val[0])
		}
		if made {
			th.wait()
		}
	}
}

// TestBusy makes threads from many of Go's own at a time, while the garbage
// collector stops those with signals, and looks at what each thread has found:
// its own calls, its own id, all signals blocked.
func TestBusy(t *testing.T) {
	stop := make(chan struct{})
	var collector, group sync.WaitGroup
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	pid := unix.Getpid()
	// signals 63 and 64 are an emulator's own
	const blockable = 1<<62 - 1 - 1<<(unix.SIGKILL-1) - 1<<(unix.SIGSTOP-1)
	for range 8 {
		group.Go(func() {
			for range 200 {
				p := newProbe()
				if err := p.start(); err != nil {
					t.Error(err)
					return
				}
				p.wait()
				if tid := p.calls[1].result; tid <= 0 || tid == pid {
					t.Errorf("got the id %d", tid)
				}
				if missing := blockable &^ p.blocked; p.calls[0].result != 0 || missing != 0 {
					t.Errorf("got %d, not blocked: %#x", p.calls[0].result, missing)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
	group.Wait()
	close(stop)
	collector.Wait()
}
