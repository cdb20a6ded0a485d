package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// tapTest is how one test of TAP output came out.
type tapTest struct {
	name    string // "FILE: TEST", or FILE if the test has no name
	failed  bool
	skipped string // the reason that the test gave
	output  []string
}

var (
	tapPlan = regexp.MustCompile(`^1\.\.(\d+)`)
	tapLine = regexp.MustCompile(`^(not )?ok\b *(?:\d+)? *-? ?(.*)$`)
	tapSkip = regexp.MustCompile(`(?i)^(.*?) *# skip *(.*)$`)
)

// tap is the output of several programs in the Test Anything Protocol. Before
// each one's stands a line "# file NAME".
type tap struct {
	files   map[string]bool
	tests   []tapTest
	lost    []string // what is wrong with files of which tests are missing
	file    string
	planned int
	seen    int
}

func readTAP(r io.Reader) (*tap, error) {
	t := &tap{files: map[string]bool{}}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		t.line(s.Text())
	}
	t.endFile()
	return t, s.Err()
}

func (t *tap) line(line string) {
	if name, ok := strings.CutPrefix(line, "# file "); ok {
		t.endFile()
		t.file, t.planned, t.seen = name, -1, 0
		t.files[name] = true
		return
	}
	if m := tapPlan.FindStringSubmatch(line); m != nil {
		t.planned, _ = strconv.Atoi(m[1]) // digits only
		return
	}
	if m := tapLine.FindStringSubmatch(line); m != nil {
		t.seen++
		test := tapTest{name: m[2], failed: m[1] != ""}
		if skip := tapSkip.FindStringSubmatch(m[2]); skip != nil {
			test.name, test.skipped = skip[1], skip[2]
		}
		test.name = strings.TrimSuffix(t.file+": "+test.name, ": ")
		t.tests = append(t.tests, test)
		return
	}
	if n := len(t.tests); n > 0 && t.seen > 0 {
		t.tests[n-1].output = append(t.tests[n-1].output, line)
	}
}

// endFile notes when tests of a file are missing: it was ended, or never ran.
func (t *tap) endFile() {
	if t.file != "" && t.planned != t.seen {
		t.lost = append(t.lost, fmt.Sprintf("%s: %d of %d tests ended", t.file, t.seen,
			max(t.planned, 0)))
	}
}

// judge counts the tests. One that fails as the list says counts as passed:
// what is checked is that the list is right.
func (t *tap) judge(list *knownList, mode string, skips []skipRule, out io.Writer) result {
	r := result{Failed: len(t.lost)}
	for _, l := range t.lost {
		fmt.Fprintf(out, "FAIL %s\n", l)
	}
	known, skipped := map[string]int{}, map[string]int{} // by reason
	for _, test := range t.tests {
		reason := list.reason(test.name, mode)
		wrong := test.wrong(reason, skips)
		switch {
		case wrong != "":
			fmt.Fprintf(out, "FAIL %s: %s\n", test.name, wrong)
			r.Failed++
		case test.skipped != "":
			skipped[test.skipped]++
			r.Skipped++
		default:
			if test.failed {
				known[reason]++
			}
			r.Passed++
		}
	}
	for _, name := range t.unknown(list.names(mode)) {
		fmt.Fprintf(out, "FAIL %s: is in the list of tests that fail, and there is none of that "+
			"name\n", name)
		r.Failed++
	}
	fmt.Fprintf(out, "%4d pass\n", r.Passed-sum(known))
	printCounts(out, "fail as listed", known)
	printCounts(out, "skipped", skipped)
	return r
}

// wrong says what is wrong with how a test came out; reason is why the list
// says that it fails.
func (test tapTest) wrong(reason string, skips []skipRule) string {
	switch {
	case test.skipped != "" && reason != "":
		return "skipped, and is in the list of tests that fail (" + reason + "): remove it there"
	case test.skipped != "" && !slices.ContainsFunc(skips, func(s skipRule) bool {
		return s.test.MatchString(test.skipped)
	}):
		return "skipped, and not in the list of allowed skips: " + test.skipped
	case test.skipped != "":
		return ""
	case test.failed && reason == "":
		return "failed\n" + strings.Join(test.output, "\n")
	case !test.failed && reason != "" && !strings.HasPrefix(reason, sometimes):
		return "passes, and is in the list of tests that fail (" + reason + "): remove it there"
	}
	return ""
}

// unknown is which of the listed tests do not exist in the files that were run.
func (t *tap) unknown(listed []string) []string {
	if len(t.lost) > 0 {
		return nil
	}
	return slices.DeleteFunc(listed, func(name string) bool {
		file, _, _ := strings.Cut(name, ": ")
		return !t.files[file] || slices.ContainsFunc(t.tests, func(test tapTest) bool {
			return test.name == name
		})
	})
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

func printCounts(out io.Writer, what string, counts map[string]int) {
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "%4d %s: %s\n", counts[reason], what, reason)
	}
}

// runTAP runs argv and compares the tests whose results it prints with the
// list of known failures. With -update it corrects the list first.
func runTAP(argv []string, o options, out io.Writer) (result, error) {
	list, err := readKnown(o.known)
	if err != nil {
		return result{}, err
	}
	skips, err := readSkips(o.skips)
	if err != nil {
		return result{}, err
	}
	t, err := startTAP(argv)
	if err != nil {
		return result{}, err
	}
	if o.update {
		list.correct(t, o.mode)
		if err := list.write(o.known); err != nil {
			return result{}, err
		}
	}
	return t.judge(list, o.mode, skips, out), nil
}

// startTAP runs argv and reads what it prints. A failure of the command is
// noted, because its reason is not a failed test.
func startTAP(argv []string) (*tap, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t, err := readTAP(stdout)
	if waitErr := cmd.Wait(); waitErr != nil {
		t.lost = append(t.lost, fmt.Sprintf("%s: %s", argv[0], waitErr))
	} else if len(t.tests) == 0 {
		t.lost = append(t.lost, argv[0]+": no test was run")
	}
	return t, err
}
