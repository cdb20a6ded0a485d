package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestHelp has the help of every command as a golden file: what users read.
func TestHelp(t *testing.T) {
	a := &app{}
	root := a.rootCommand()
	var b strings.Builder
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		o := invoke(t, append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
		if o.code != 0 || o.stderr != "" {
			t.Errorf("%s --help: %+v", cmd.CommandPath(), o)
		}
		text, _, _ := strings.Cut(o.out, "\nGlobal Flags:")
		b.WriteString("# " + cmd.CommandPath() + " --help\n" + text + "\n")
	}
	golden(t, "help.golden", b.String())
}

// TestHelpForms has the other ways to ask, and that the list is whole in each.
func TestHelpForms(t *testing.T) {
	of := func(args ...string) string {
		t.Helper()
		o := invoke(t, args...)
		if o.code != 0 || o.stderr != "" {
			t.Errorf("%q: %+v", args, o)
		}
		return o.out
	}
	program, start := of("--help"), of("start", "--help")
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help", "--", "start"}, {"--debug=0"},
		{"-h", "foo"}} {
		if of(args...) != program {
			t.Errorf("%q differs from --help", args)
		}
	}
	for _, args := range [][]string{{"help", "start"}, {"start", "-h"}, {"--help", "start"},
		{"--debug", "-h", "start", "x"}} {
		if of(args...) != start {
			t.Errorf("%q differs from start --help", args)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"unknown command", []string{"foo"}, 3, "unknown command \"foo\": No help topic for 'foo'"},
		{"help of an unknown command", []string{"foo", "-h"}, 3,
			"unknown command \"foo\": No help topic for 'foo'"},
		{"long help of an unknown command", []string{"foo", "--help"}, 3,
			"unknown command \"foo\": No help topic for 'foo'"},
		{"help for an unknown command", []string{"help", "foo"}, 3,
			"unknown command \"foo\": No help topic for 'foo'"},
		{"unknown command with a flag", []string{"foo", "--nope"}, 3,
			"unknown command \"foo\": No help topic for 'foo'"},
		{"misspelt command", []string{"kil", "x"}, 3, "unknown command \"kil\" (did you mean " +
			"kill?): No help topic for 'kil'"},
		{"swapped letters", []string{"strat", "x"}, 3, "unknown command \"strat\" (did you mean " +
			"start?): No help topic for 'strat'"},
		{"beginning", []string{"sta"}, 3, "unknown command \"sta\" (did you mean start or " +
			"state?): No help topic for 'sta'"},
		{"two dashes", []string{"--", "run"}, 3, "unknown command \"run\" (did you mean run?): " +
			"No help topic for 'run'"},
		{"unknown letter", []string{"exec", "-tx"}, 1, "unknown shorthand flag: 'x' in -x"},
		{"value missing", []string{"run", "--bundle"}, 1, "flag needs an argument: --bundle"},
		{"bad value", []string{"run", "--preserve-fds=x", "y"}, 1,
			"invalid argument \"x\" for \"--preserve-fds\" flag: strconv.ParseInt: parsing " +
				"\"x\": invalid syntax"},
		{"unknown flag", []string{"state", "--nope", "x"}, 1, "unknown flag: --nope"},
		{"no id", []string{"state"}, 1, "\"state\" requires exactly 1 argument(s), not 0: " +
			"runtime state ID"},
		{"two ids", []string{"start", "a", "b"}, 1, "\"start\" requires exactly 1 argument(s), " +
			"not 2: runtime start ID"},
		{"kill without id", []string{"kill"}, 1, "\"kill\" requires 1 to 2 argument(s), not 0: " +
			"runtime kill [--all] ID [SIGNAL]"},
		{"exec without id", []string{"exec"}, 1, "\"exec\" requires at least 1 argument(s), not " +
			"0: runtime exec [FLAG…] ID PROGRAM [ARG…] | exec -p FILE ID"},
		{"spec with argument", []string{"spec", "x"}, 1, "\"spec\" requires exactly 0 " +
			"argument(s), not 1: runtime spec"},
		{"systemd", []string{"--systemd-cgroup", "list"}, 1,
			"--systemd-cgroup: this release makes cgroups itself (cgroupfs) and cannot use " +
				"systemd; leave the flag out, and give linux.cgroupsPath as a path, not as " +
				"slice:prefix:name"},
		{"rootless", []string{"--rootless=maybe", "list"}, 1,
			"--rootless: \"maybe\" is not true, false or auto"},
		{"log format", []string{"--log-format", "xml", "list"}, 1,
			"--log-format: \"xml\" is not text or json"},
		{"log directory", []string{"--log", "/nothere/log", "list"}, 1,
			"--log: open /nothere/log: no such file or directory"},
		{"list format", []string{"list", "-f", "yaml"}, 1,
			"--format: \"yaml\" is not table or json"},
		{"ps format", []string{"ps", "-f", "yaml", "x"}, 1, "--format: \"yaml\" is not table or " +
			"json"},
		{"signal", []string{"kill", "x", "FOO"}, 1, "unknown signal \"FOO\""},
		{"interval", []string{"events", "--interval", "0s", "x"}, 1,
			"duration interval must be greater than 0"},
		{"id", []string{"state", "../x"}, 1, "container id \"../x\": character '/' at 2 is not " +
			"one of letters, digits and _ . + -"},
		{"rdt", []string{"update", "--l3-cache-schema", "x", "y"}, 1,
			"--l3-cache-schema, --mem-bw-schema: Intel RDT is not in this release"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := invoke(t, tt.args...)
			if o.code != tt.code || o.out != "" || o.stderr != "runtime: "+tt.want+"\n" {
				t.Errorf("got code %d, output %q, errors\n%s\nwant code %d,\nruntime: %s", o.code,
					o.out, o.stderr, tt.code, tt.want)
			}
		})
	}
}

// TestNoContainer has what callers rely on when there is no such container.
func TestNoContainer(t *testing.T) {
	root := filepath.Join(t.TempDir(), "state")
	tests := []struct {
		name string
		args []string
		code int
	}{
		{"state", []string{"state", "x"}, 1},
		{"start", []string{"start", "x"}, 1},
		{"kill", []string{"kill", "x"}, 1},
		{"kill all", []string{"kill", "--all", "x", "9"}, 1},
		{"pause", []string{"pause", "x"}, 1},
		{"resume", []string{"resume", "x"}, 1},
		{"ps", []string{"ps", "--format", "json", "x"}, 1},
		{"events", []string{"events", "--stats", "x"}, 1},
		{"update", []string{"update", "--memory", "1M", "x"}, 1},
		{"delete", []string{"delete", "x"}, 1},
		{"exec", []string{"exec", "x", "true"}, 255},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := invoke(t, append([]string{"--root", root}, tt.args...)...)
			if want := "runtime: container does not exist: x (in " + root +
				")\n"; o.code != tt.code || o.out != "" || o.stderr != want {
				t.Errorf("got %+v, want code %d and %q", o, tt.code, want)
			}
		})
	}
	if o := invoke(t, "--root", root, "delete", "--force", "x"); o != (outcome{}) {
		t.Errorf("delete --force: %+v", o)
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("the state directory was made: %v", err)
	}
}

func TestEmptyList(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"table", []string{"list"}, "ID          PID         STATUS      BUNDLE      CREATED    " +
			" OWNER\n"},
		{"json", []string{"list", "-f", "json"}, "null\n"},
		{"quiet", []string{"list", "-q"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			if o := invoke(t, append([]string{"--root", root}, tt.args...)...); o.code != 0 ||
				o.out != tt.want || o.stderr != "" {
				t.Errorf("got %+v, want %q", o, tt.want)
			}
			missing := filepath.Join(root, "missing")
			o := invoke(t, append([]string{"--root", missing}, tt.args...)...)
			if want := "--root: stat " + missing + ": no such file or directory"; o.code != 1 ||
				o.out != "" || !strings.Contains(o.stderr, want) {
				t.Errorf("without a root: got %+v, want %q", o, want)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	for _, flag := range []string{"--version", "-v"} {
		o := invoke(t, flag)
		lines := strings.Split(o.out, "\n")
		if o.code != 0 || len(lines) != 4 || lines[0] != "runtime version unknown" ||
			lines[1] != "spec: 1.3.0" ||
			!strings.HasPrefix(lines[2], "go: go1.") {
			t.Errorf("%s: %+v", flag, o)
		}
	}
}

// TestLog has the lines that callers read: the last with level=error is the
// reason.
func TestLog(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "log")
	want := "container does not exist: x (in " + dir + ")"

	o := invoke(t, "--root", dir, "--log", file, "--log-format", "json", "state", "x")
	if o.code != 1 || o.stderr != "runtime: "+want+"\n" {
		t.Errorf("got %+v", o)
	}
	var entry struct{ Level, Msg, Time string }
	if err := json.Unmarshal([]byte(readFile(t, file)), &entry); err != nil {
		t.Fatal(err)
	}
	if entry.Level != "error" || entry.Msg != want {
		t.Errorf("got %+v", entry)
	}
	if _, err := time.Parse(time.RFC3339, entry.Time); err != nil {
		t.Error(err)
	}

	o = invoke(t, "--root", dir, "--log", file, "state", "x")
	lines := strings.Split(readFile(t, file), "\n")
	if o.code != 1 || len(lines) != 3 || !strings.Contains(lines[1], ` level=error msg="`+want+
		`"`) {
		t.Errorf("text: got %q", lines)
	}

	o = invoke(t, "--root", dir, "--log-format", "json", "state", "x")
	if err := json.Unmarshal([]byte(o.stderr), &entry); err != nil || entry.Msg != want {
		t.Errorf("to standard error: got %+v, %v", o, err)
	}
}

// TestLogProblems has several problems of one config.json: a line each for
// people, one message with fields for programs.
func TestLogProblems(t *testing.T) {
	dir := t.TempDir()
	config := `{"ociVersion": "1.0.2", "root": {"path": "rootfs"},
"process": {"cwd": "relative", "args": ["true"], "user": {"uid": 0, "gid": 0}},
"mounts": [{"destination": "/x", "source": "/tmp", "type": "bind", "options": ["nosuidd"]}]}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "log")
	o := invoke(t, "--root", dir+"/state", "--log", file, "--log-format", "json", "run", "--bundle",
		dir, "x")
	if lines := strings.Split(strings.TrimSpace(o.stderr), "\n"); o.code != 1 || len(lines) != 2 {
		t.Errorf("got %+v", o)
	}
	golden(t, "problems.golden", o.stderr)
	var entry struct{ Level, Msg, Path, Hint string }
	if err := json.Unmarshal([]byte(readFile(t, file)), &entry); err != nil {
		t.Fatal(err)
	}
	if entry.Path != "process.cwd" || strings.Count(entry.Msg, "config.json:") != 2 {
		t.Errorf("got %+v", entry)
	}
}
