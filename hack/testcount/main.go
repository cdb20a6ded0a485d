// Command testcount runs test commands, shows what failed and what was
// skipped, and keeps the counts, so that one line can close a run of many
// commands: "N passed, N failed, N skipped".
//
//	testcount -dir D json NAME COMMAND...   COMMAND writes go test's JSON lines
//	testcount -dir D tap NAME COMMAND...    COMMAND writes TAP, with "# file NAME" before each file's
//	testcount -dir D check NAME COMMAND...  COMMAND is one check: its exit status decides
//	testcount -dir D total                  print the counts of D; status 1 if any failed
//
// What a passed test prints after "figures: " is shown, too.
//
// A test counts once, and only if it has no subtests. A skip counts as a
// failure unless the file given with -skips names the test and the reason; of
// TAP that file names reasons that tests give.
//
// Tests that print TAP are others', and some are known to fail: the file given
// with -known lists them for the -mode of the run, each with its reason. Such a
// test counts as passed if it fails, and as failed if not. With -update the
// list is corrected, and its reasons stay.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// options are the flags.
type options struct {
	dir, skips, known, mode string
	update                  bool
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "directory that keeps the counts of each run")
	flag.StringVar(&o.skips, "skips", "", "file that lists the tests that may be skipped, with "+
		"reasons")
	flag.StringVar(&o.known, "known", "", "file that lists the tests that are known to fail, "+
		"with reasons")
	flag.StringVar(&o.mode, "mode", "", "which of the tests of that list fail: hybrid or v2")
	flag.BoolVar(&o.update, "update", false, "correct that list")
	flag.Parse()
	ok, err := run(o, flag.Args(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testcount:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run does one command line and reports whether everything passed. An error
// means that testcount itself could not work.
func run(o options, args []string, out io.Writer) (bool, error) {
	if o.dir == "" || len(args) == 0 {
		return false, errors.New("usage: testcount -dir D (json|tap|check) NAME COMMAND... | total")
	}
	if args[0] == "total" {
		return total(o.dir, out)
	}
	if len(args) < 3 {
		return false, fmt.Errorf("%s needs a name and a command", args[0])
	}
	name, argv := args[1], args[2:]
	var r result
	var err error
	switch args[0] {
	case "json":
		r, err = runJSON(name, argv, o.skips, out)
	case "tap":
		r, err = runTAP(argv, o, out)
	case "check":
		r, err = runCheck(name, argv, out)
	default:
		return false, fmt.Errorf("unknown mode %q: json, tap, check or total", args[0])
	}
	if err != nil {
		return false, err
	}
	fmt.Fprintf(out, "%-28s %s\n", name+":", r)
	return r.Failed == 0, r.save(o.dir, name)
}

// runCheck runs argv as one check, quiet when it passes.
func runCheck(name string, argv []string, out io.Writer) (result, error) {
	text, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err == nil {
		return result{Passed: 1}, nil
	}
	fmt.Fprintf(out, "FAIL %s: %s\n%s", name, err, text)
	return result{Failed: 1}, nil
}

// runJSON runs argv and counts the tests whose events it writes to stdout.
func runJSON(name string, argv []string, skipFile string, out io.Writer) (result, error) {
	allowed, err := readSkips(skipFile)
	if err != nil {
		return result{}, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	c := newCounter(allowed, out)
	readErr := c.read(stdout)
	err = cmd.Wait()
	if readErr != nil {
		return result{}, readErr
	}
	r := c.finish()
	if err != nil && r.Failed == 0 {
		fmt.Fprintf(out, "FAIL %s: %s, and no test says why\n", name, err)
		r.Failed++
	}
	return r, nil
}
