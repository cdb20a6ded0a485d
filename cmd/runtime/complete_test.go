package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestComplete asks as the scripts for shells do.
func TestComplete(t *testing.T) {
	l := newLab(t, nil, "sleep", "1000")
	if o := l.run("create", "--bundle", l.dir, "c1"); o.code != 0 {
		t.Fatalf("%+v", o)
	}
	const noFiles, directories = ":4", ":16"
	tests := []struct {
		name, line, want string // %s of the line is the word to complete, if that is empty
		directive        string
	}{
		{"command", "expl", "explain\tPrint what running a bundle would do, step by step", noFiles},
		{"id", "start %s", "c1", noFiles},
		{"id behind a flag", "delete --force %s", "c1", noFiles},
		{"only one id", "delete c1 %s", "", noFiles},
		{"program of a container", "exec -t c1 %s", "", noFiles},
		{"arguments of ps", "ps c1 -", "", noFiles},
		{"signal", "kill c1 %s", "KILL", noFiles},
		{"bundle", "run %s", "", directories},
		{"bundle of a flag", "create --bundle %s", "", directories},
		{"value", "list --format %s", "json", noFiles},
		{"file", "--log %s", "", ":0"},
		{"nothing", "features %s", "", noFiles},
		{"topic", "help stat", "state\tPrint the state of a container as JSON", noFiles},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"__complete", "--root", l.root}
			for _, word := range strings.Fields(tt.line) {
				args = append(args, strings.TrimPrefix(word, "%s"))
			}
			o := invokeWith(t, "", args...)
			lines := strings.Split(strings.TrimSpace("\n"+o.out), "\n")
			values, directive := lines[:len(lines)-1], lines[len(lines)-1]
			got := "\n" + strings.Join(values, "\n") + "\n"
			if o.code != 0 || directive != tt.directive ||
				!strings.Contains(got, "\n"+tt.want+"\n") || tt.want == "" && len(values) > 0 {
				t.Errorf("got %q, want %q, %s", lines, tt.want, tt.directive)
			}
		})
	}
	testBash(t, l)
}

// testBash presses the tabulator key in bash.
func testBash(t *testing.T, l *lab) {
	const library = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(library); err != nil {
		t.Skip("needs bash-completion")
	}
	dir := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(dir, "runtime")); err != nil {
		t.Fatal(err)
	}
	script := "source " + library + `
source <(runtime completion bash)
compopt() { :; } # works only while a key is pressed
COMP_WORDS=(runtime --root "$1" start '') COMP_CWORD=4 COMP_TYPE=9
COMP_LINE="${COMP_WORDS[*]}" COMP_POINT=${#COMP_LINE}
__start_runtime
echo "${COMPREPLY[*]}"`
	cmd := exec.Command("bash", "--norc", "-c", script, "bash", l.root)
	cmd.Env = append(os.Environ(), programEnv+"=1", "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "c1\n" {
		t.Errorf("bash: got %q, %v", out, err)
	}
}
