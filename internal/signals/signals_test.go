package signals

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/testmain"
)

// roleEnv makes the test binary be a program that collects signals: see
// collector.
const roleEnv = "SIGNALS_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := map[string]func() error{"collector": collector,
			"spawner": spawner}[role](); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if _, err := Collect(); err != nil { // its pipe stays open
		panic(err)
	}
	os.Exit(testmain.Run(m))
}

// collector says that it is ready, and then the signals that it gets, up to
// SIGTERM. A program that it starts ignores none of them.
func collector() error {
	q, err := Collect(unix.SIGHUP, unix.SIGUSR1, unix.SIGINT, unix.SIGTERM)
	if err != nil {
		return err
	}
	if err := exec.Command("sh", "-c", "kill -HUP $$").Run(); err == nil {
		return errors.New("a program that was started ignores SIGHUP")
	}
	fmt.Println("ready")
	for {
		sig, err := wait(q)
		if err != nil {
			return err
		}
		fmt.Println(unix.SignalName(sig))
		if sig == unix.SIGTERM {
			return nil
		}
	}
}

// wait waits for the next signal.
func wait(q *Queue) (unix.Signal, error) {
	for {
		sig, err := q.Next()
		if sig != 0 || err != nil {
			return sig, err
		}
		fds := []unix.PollFd{{Fd: int32(q.FD()), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, 10_000); err != nil && err != unix.EINTR {
			return 0, err
		}
	}
}

// TestProcess sends a program signals that would end it.
func TestProcess(t *testing.T) {
	for _, tt := range []struct {
		name, shell string
		first       syscall.Signal
		want        []string
	}{
		{"collected", `exec "$0"`, unix.SIGUSR1, []string{"ready", "SIGUSR1", "SIGINT", "SIGTERM"}},
		{"hangup ignored before", `trap "" HUP; exec "$0"`, unix.SIGHUP, []string{"ready", "SIGINT",
			"SIGTERM"}},
		{"ignored before", `trap "" INT USR1; exec "$0"`, unix.SIGUSR1, []string{"ready", "SIGUSR1",
			"SIGINT", "SIGTERM"}},
		{"blocked before", `exec "$0"`, unix.SIGUSR1, []string{"ready", "SIGUSR1", "SIGINT",
			"SIGTERM"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "-c", tt.shell, self)
			cmd.Env = append(os.Environ(), roleEnv+"=collector")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			start := cmd.Start
			if tt.name == "blocked before" {
				start = func() error { return blocking(cmd.Start, unix.SIGUSR1, unix.SIGTERM) }
			}
			if err := start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill() })
			var got []string
			next := func() {
				var line string
				if _, err := fmt.Fscanln(out, &line); err != nil {
					t.Fatalf("after %q: %v", got, err)
				}
				got = append(got, line)
			}
			next()
			for _, sig := range []syscall.Signal{tt.first, unix.SIGINT, unix.SIGTERM} {
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				if slices.Contains(tt.want, unix.SignalName(sig)) {
					next()
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// blocking calls f, which forks, with signals blocked.
func blocking(f func() error, list ...unix.Signal) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var set, before unix.Sigset_t
	for _, s := range list {
		set.Val[0] |= 1 << (s - 1)
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, &before); err != nil {
		return err
	}
	return errors.Join(f(), unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil))
}

// TestSpawn has a program that ignores and blocks signals start another one,
// which does neither. The first one is as it was afterwards.
func TestSpawn(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `trap "" HUP INT TERM TSTP TTIN TTOU; exec "$0"`, self)
	cmd.Env = append(os.Environ(), roleEnv+"=spawner")
	var out []byte
	err = blocking(func() (err error) {
		out, err = cmd.CombinedOutput()
		return err
	}, unix.SIGUSR1, unix.SIGUSR2, last)
	// What Go itself keeps of the ignored ones is HUP, INT and those of
	// terminals. Whoever runs the tests may ignore others, too.
	const none = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
	before, after, ok := strings.Cut(string(out), none)
	var blocked, ignored uint64
	if _, scanErr := fmt.Sscanf(before, "SigBlk:\t%x\nSigIgn:\t%x\n", &blocked,
		&ignored); err != nil || scanErr != nil ||
		!ok || before != after || blocked != 0x8000000000000a00 || ignored&0x380003 != 0x380003 {
		t.Errorf("%v, %v\n%s", err, scanErr, out)
	}
}

// spawner prints the signals that it ignores and blocks, has a program that it
// starts print those of it, and prints its own once more.
func spawner() error {
	runtime.LockOSThread()
	own := func() error {
		status, err := os.ReadFile("/proc/thread-self/status")
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "SigBlk") || strings.HasPrefix(line, "SigIgn") {
				fmt.Print(line)
			}
		}
		return err
	}
	other := func() error {
		return Spawn(func() error {
			attr := &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}}
			p, err := os.StartProcess("/bin/grep", []string{"grep", "-E", "^Sig(Blk|Ign)",
				"/proc/self/status"}, attr)
			if err == nil {
				_, err = p.Wait()
			}
			return err
		})
	}
	return errors.Join(own(), other(), own())
}

// realtime are signals that the kernel queues: none is lost as long as somebody
// reads.
var realtime = []unix.Signal{40, 41, 42}

// TestNothingIsLost sends signals from several threads while the Go runtime is
// busy with what handlers could disturb: stacks that grow, threads that come
// and go, garbage collection.
func TestNothingIsLost(t *testing.T) {
	q, err := Collect(realtime...)
	if err != nil {
		t.Fatal(err)
	}
	const rounds, senders = 200, 4
	stop := make(chan struct{})
	var busy, sending sync.WaitGroup
	for range 4 {
		busy.Add(1)
		go func() {
			defer busy.Done()
			for {
				select {
				case <-stop:
					return
				default:
					deep(500)
					runtime.GC()
				}
			}
		}()
	}
	for range senders {
		sending.Add(1)
		go func() {
			defer sending.Done()
			runtime.LockOSThread() // and never unlocked: the thread ends here
			for range rounds {
				for _, sig := range realtime {
					if err := unix.Kill(os.Getpid(), sig); err != nil {
						t.Error(err)
					}
				}
			}
		}()
	}
	got := map[unix.Signal]int{}
	for range rounds * senders * len(realtime) {
		sig, err := wait(q)
		if err != nil {
			t.Fatal(err)
		}
		got[sig]++
	}
	sending.Wait()
	close(stop)
	busy.Wait()
	for _, sig := range realtime {
		if got[sig] != rounds*senders {
			t.Errorf("signal %d came %d times, want %d", sig, got[sig], rounds*senders)
		}
	}
	if sig, err := q.Next(); sig != 0 || err != nil {
		t.Errorf("one more: %d, %v", sig, err)
	}
}

// deep needs a large stack.
func deep(n int) int {
	var frame [64]int
	if n == 0 {
		return frame[0]
	}
	frame[n%64] = deep(n - 1)
	return frame[n%64] + 1
}

// TestChild: programs that are started do not inherit the handler.
func TestChild(t *testing.T) {
	if _, err := Collect(unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	err := exec.Command("sh", "-c", "kill -USR2 $$; sleep 10").Run()
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGUSR2 {
		t.Errorf("got %v, want an end by SIGUSR2", err)
	}
}

func TestCollectFails(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGSTOP, 65, 0} {
		if _, err := Collect(sig); err == nil || !strings.Contains(err.Error(),
			fmt.Sprint(int(sig))) {
			t.Errorf("signal %d: got %v", sig, err)
		}
	}
}

// TestSpawnBesideNotify: a signal that was ignored, and for which a handler is
// set while a program is being started, keeps that.
func TestSpawnBesideNotify(t *testing.T) {
	signal.Ignore(unix.SIGWINCH)
	got := make(chan os.Signal, 1)
	if err := Spawn(func() error {
		signal.Notify(got, unix.SIGWINCH)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	defer signal.Reset(unix.SIGWINCH)
	if ignored, err := Ignored(unix.SIGWINCH); err != nil || ignored {
		t.Fatalf("ignored: %v, %v", ignored, err)
	}
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	<-got
}
