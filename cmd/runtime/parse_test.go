package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseSignal(t *testing.T) {
	tests := []struct {
		in   string
		want unix.Signal
		ok   bool
	}{
		{"9", unix.SIGKILL, true}, {"0", 0, true}, {"64", 64, true}, {"65", 0, false},
		{"-1", 0, false},
		{"KILL", unix.SIGKILL, true}, {"SIGKILL", unix.SIGKILL, true}, {"sigterm", unix.SIGTERM,
			true}, {"Hup", unix.SIGHUP, true},
		{"RTMIN", 34, true}, {"SIGRTMIN+3", 37, true}, {"RTMAX", 64, true}, {"RTMAX-1", 63, true},
		{"RTMIN+31", 0, false}, {"RTMIN-1", 0, false}, {"RTMAX+1", 0, false}, {"RTMIN+", 0, false},
		{"RTMIN+x", 0, false},
		{"", 0, false}, {"SIG", 0, false}, {"FOO", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			if got, err := parseSignal(tt.in); got != tt.want || (err == nil) != tt.ok {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}

func FuzzParseSignal(f *testing.F) {
	f.Add("SIGRTMAX-3")
	f.Add("12")
	f.Fuzz(func(t *testing.T, s string) {
		if sig, err := parseSignal(s); err == nil && (sig < 0 || sig > 64) {
			t.Errorf("%q: %d", s, sig)
		}
	})
}

func TestParseBytes(t *testing.T) {
	tests := []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"-1", -1, true}, {"1048576", 1 << 20, true}, {"512M", 512 << 20, true},
		{"512m", 512 << 20, true},
		{"1.5GiB", 3 << 29, true}, {"2kb", 2048, true}, {"10B", 10, true}, {"1 T", 1 << 40, true},
		{"1p", 1 << 50, true},
		{"", 0, false}, {"-2", 0, false}, {"x", 0, false}, {"1x", 0, false}, {"1Mx", 0, false},
		{"1bb", 0, false},
		{"M", 0, false}, {"1e30", 0, false}, {"NaN", 0, false}, {"9223372036854775807G", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			if got, err := parseBytes(tt.in); got != tt.want || (err == nil) != tt.ok {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}

func FuzzParseBytes(f *testing.F) {
	f.Add("1.5GiB")
	f.Add("-1")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseBytes(s); err == nil && n < -1 {
			t.Errorf("%q: %d", s, n)
		}
	})
}

func TestSetEnv(t *testing.T) {
	tests := []struct {
		name     string
		env, set []string
		want     []string
	}{
		{"nothing", []string{"A=1"}, nil, []string{"A=1"}},
		{"new", []string{"A=1"}, []string{"B=2"}, []string{"A=1", "B=2"}},
		{"replaced", []string{"A=1", "B=1", "A=3"}, []string{"A=2"}, []string{"B=1", "A=2"}},
		{"longer name", []string{"AB=1"}, []string{"A=2"}, []string{"AB=1", "A=2"}},
		{"twice", nil, []string{"A=1", "A=2"}, []string{"A=2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := strings.Join(tt.env, " ")
			if got := setEnv(tt.env, tt.set...); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if strings.Join(tt.env, " ") != before {
				t.Error("the list that was given has changed")
			}
		})
	}
}

func TestListenFDs(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	tests := []struct {
		name, pid, number string
		want              int
		ok                bool
	}{
		{"none", "", "", 0, true}, {"no number", own, "", 0, true}, {"zero", own, "0", 0, true},
		{"ours", own, "3", 3, true},
		{"negative", own, "-1", 0, false}, {"text", own, "x", 0, false},
		{"no pid", "", "3", 0, true}, {"another's", "1", "3", 0, true}, {"another's text", "1", "x",
			0, true}, {"text for a pid", own + "x", "3", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := listenFDs(tt.pid, tt.number); got != tt.want || (err == nil) != tt.ok {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}

func TestPreservedFiles(t *testing.T) {
	a := &app{passed: 1}
	if files, err := a.preservedFiles(0, 0); files != nil || err != nil {
		t.Errorf("none: %v, %v", files, err)
	}
	for _, tt := range []struct {
		listen, more int
		want         string
	}{
		{0, -1, "--preserve-fds: -1 is negative"},
		{0, 2, "--preserve-fds: descriptor 4 (of 3 to 4) was not passed"},
		{1, 1, "--preserve-fds: descriptor 4 (of 4 to 4) was not passed"},
		{2, 0, "environment: LISTEN_FDS=2, but descriptor 4 is not open"},
		{2, 1, "environment: LISTEN_FDS=2, but descriptor 4 is not open"},
	} {
		if _, err := a.preservedFiles(tt.listen, tt.more); err == nil ||
			!strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%d, %d: got %v, want %s", tt.listen, tt.more, err, tt.want)
		}
	}
}

// TestTarget has the forms of run's argument.
func TestTarget(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain", "here"} {
		if err := os.MkdirAll(filepath.Join(dir, name, "inner"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"plain/inner", "here", "here/inner"} {
		if err := os.WriteFile(filepath.Join(dir, name, "config.json"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, cwd, dir, arg string
		wantDir, wantID     string
	}{
		{"--bundle", "plain", "b", "id", "b", "id"},
		{"--bundle and slash", "plain", "b", "a/b", "b", "a/b"},
		{"slash", "plain", "", "./inner", "./inner", "inner"},
		{"slash at the end", "plain", "", "inner/", "inner/", "inner"},
		{"name of a bundle", "plain", "", "inner", "inner", "inner"},
		{"name of a bundle within a bundle", "here", "", "inner", ".", "inner"},
		{"id", "here", "", "id", ".", "id"},
		{"neither", "plain", "", "id", ".", "id"},
		{"this directory", "here", "", "./", "./", "here"},
		{"this directory's short name", "here", "", ".", ".", "here"},
		{"the directory above", "here/inner", "", "..", "..", "here"},
		{"no bundle", "plain", "", ".", ".", "plain"},
		{"odd name", "plain", "", "/a/my bündle", "/a/my bündle", "my-b-ndle"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(filepath.Join(dir, tt.cwd))
			if gotDir, gotID := target(tt.dir, tt.arg); gotDir != tt.wantDir || gotID != tt.wantID {
				t.Errorf("got %s, %s, want %s, %s", gotDir, gotID, tt.wantDir, tt.wantID)
			}
		})
	}
}

func TestCheckConsole(t *testing.T) {
	tests := []struct {
		name             string
		terminal, detach bool
		socket, want     string
	}{
		{"no terminal", false, false, "", ""},
		{"no terminal, detached", false, true, "", ""},
		{"terminal", true, false, "", ""},
		{"terminal, detached", true, true, "", "cannot allocate tty"},
		{"terminal, detached, socket", true, true, "s", ""},
		{"socket only", false, false, "s", "cannot use console socket"},
		{"socket in the foreground", true, false, "s", "cannot use console socket"},
		{"socket without terminal", false, true, "s", "cannot use console socket"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := checkConsole(tt.terminal, tt.detach, tt.socket)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil ||
				!strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
