package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// exitCodeOf is the exit code of a command that has ended, or -1.
func exitCodeOf(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func withTerminal(s *specs.Spec) { s.Process.Terminal = true }

// TestOutputGone has a reader that goes away, as in "run … | head -1": the
// container's terminal hangs up, and everything is tidied up.
func TestOutputGone(t *testing.T) {
	const program = "while echo y; do :; done; exit 5"
	for _, command := range []string{"run", "exec"} {
		t.Run(command, func(t *testing.T) {
			l := newLab(t, withTerminal, "sh", "-c", program)
			args := []string{"run", "--bundle", l.dir, "c1"}
			if command == "exec" {
				l = newLab(t, nil, "sleep", "1000")
				l.must("run", "-d", "--bundle", l.dir, "c1")
				args = []string{"exec", "-t", "c1", "sh", "-c", program}
			}
			_, slave := openPty(t)
			before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			out, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			cmd := l.command(args...)
			cmd.Stdin, cmd.Stdout = slave, w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatalf("%q, %v", line, err)
			}
			out.Close()
			// A program that is not the first one of its PID namespace ends by
			// SIGHUP.
			if code := exitCodeOf(t, cmd); code != 5 && !(command == "exec" && code == 128+
				int(unix.SIGHUP)) {
				t.Errorf("exit code %d", code)
			}
			if after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS); err != nil ||
				*after != *before {
				t.Errorf("the terminal is %+v, was %+v; %v", after, before, err)
			}
			if list := l.must("list", "-q"); command == "run" && list != "" {
				t.Errorf("left: %q", list)
			}
		})
	}
}

// TestErrorsGone has nobody who reads the warnings.
func TestErrorsGone(t *testing.T) {
	l := newLab(t, func(s *specs.Spec) {
		s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, "CAP_UNHEARD_OF")
	}, "sleep", "1000")
	if o := l.run("run", "-d", "--bundle", l.dir, "c1"); o.code != 0 || !strings.Contains(o.stderr,
		"warning: ") {
		t.Fatalf("no warning to be lost: %+v", o)
	}
	l.must("delete", "--force", "c1")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	for _, args := range [][]string{{"create", "--bundle", l.dir, "c1"}, {"start", "c1"},
		{"delete", "--force", "c1"}, {"run", "-d", "--bundle", l.dir, "c1"}} {
		cmd := l.command(args...)
		cmd.Stderr = w
		if err := cmd.Run(); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	if out := l.must("state", "c1"); !strings.Contains(out, `"status": "running"`) {
		t.Errorf("state %s", out)
	}
	cmd := l.command("state", "nothere")
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if code := exitCodeOf(t, cmd); code != 1 {
		t.Errorf("an error that nobody reads: exit code %d, want 1", code)
	}
}

// TestTerminalElsewhere redirects all but one of the places where the caller's
// terminal can be, and all of them.
func TestTerminalElsewhere(t *testing.T) {
	const program = "stty size; read x; echo got $x; exit 3"
	tests := []struct {
		name string
		give func(cmd *exec.Cmd, slave *os.File)
		none bool
	}{
		{"standard error", func(cmd *exec.Cmd, slave *os.File) { cmd.Stderr = slave }, false},
		{"standard output", func(cmd *exec.Cmd, slave *os.File) { cmd.Stdout = slave }, false},
		{"controlling", func(cmd *exec.Cmd, slave *os.File) {
			cmd.ExtraFiles, cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = []*os.File{slave}, true,
				3
		}, false},
		{"none", func(*exec.Cmd, *os.File) {}, true},
	}
	for _, tt := range tests {
		for _, command := range []string{"run", "exec"} {
			t.Run(tt.name+" "+command, func(t *testing.T) {
				var l *lab
				var args []string
				refused := 1
				if command == "run" {
					l = newLab(t, withTerminal, "sh", "-c", program)
					args = []string{"run", "--bundle", l.dir, "c1"}
				} else {
					l = newLab(t, nil, "sleep", "1000")
					l.must("run", "-d", "--bundle", l.dir, "c1")
					args, refused = []string{"exec", "-t", "c1", "sh", "-c", program}, 255
				}
				master, slave := openPty(t)
				if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ,
					&unix.Winsize{Row: 43, Col: 132}); err != nil {
					t.Fatal(err)
				}
				cmd := l.command(args...)
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				cmd.Stdin = strings.NewReader("typed\n")
				var errs strings.Builder
				cmd.Stderr = &errs
				var out io.Reader = master
				tt.give(cmd, slave)
				if cmd.Stdout == nil {
					var err error
					if out, err = cmd.StdoutPipe(); err != nil {
						t.Fatal(err)
					}
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				slave.Close()
				text, err := io.ReadAll(out)
				if err != nil && !errors.Is(err, unix.EIO) {
					// of a terminal that nobody has any more
					t.Error(err)
				}
				code := exitCodeOf(t, cmd)
				if tt.none {
					if code != refused || !strings.Contains(errs.String(),
						"open /dev/tty: no such device or address") || len(text) != 0 {
						t.Errorf("exit code %d, %q, %s", code, text, errs.String())
					}
					if _, err := os.Stat(l.root); command == "run" && !errors.Is(err,
						os.ErrNotExist) {
						t.Errorf("something was made: %v", err)
					}
					return
				}
				if code != 3 || !strings.Contains(string(text), "43 132") ||
					!strings.Contains(string(text), "got typed") {
					t.Errorf("exit code %d, %q, %s", code, text, errs.String())
				}
			})
		}
	}
}
