package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ocikit/ocikit/internal/signals"
	"github.com/ocikit/ocikit/internal/testmain"
)

var update = flag.Bool("update", false, "rewrite golden files")

// programEnv makes the test binary be the program itself.
const programEnv = "RUNTIME_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		os.Exit(program())
	}
	if _, err := signals.Collect(); err != nil { // which opens a pipe for good
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(testmain.Run(m))
}

// outcome is what an invocation of the program left.
type outcome struct {
	code        int
	out, stderr string
}

// invoke runs the program in this process, with an empty standard input and a
// state directory of its own unless args begin with --root.
func invoke(t *testing.T, args ...string) outcome {
	t.Helper()
	if args[0] != "--root" {
		args = append([]string{"--root", filepath.Join(t.TempDir(), "state")}, args...)
	}
	return invokeWith(t, "", args...)
}

// invokeWith is invoke with a standard input, and without a state directory.
func invokeWith(t *testing.T, input string, args ...string) outcome {
	t.Helper()
	dir := t.TempDir()
	open := func(name string) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	in, out, errs := open("in"), open("out"), open("err")
	defer in.Close()
	defer out.Close()
	defer errs.Close()
	if _, err := in.WriteString(input); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	o := outcome{code: run(args, in, out, errs)}
	o.out, o.stderr = readFile(t, out.Name()), readFile(t, errs.Name())
	return o
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, path); got != want {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
	}
}
