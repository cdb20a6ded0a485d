package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // for build output
	Test       string
	Output     string
}

// result holds the counts of one run.
type result struct {
	Passed, Failed, Skipped int
}

func (r result) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", r.Passed, r.Failed, r.Skipped)
}

// save writes the counts to dir, one file for each run.
func (r result) save(dir, name string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	name = strings.NewReplacer("/", "_", " ", "_").Replace(name)
	return os.WriteFile(filepath.Join(dir, name+".json"), data, 0o644)
}

// total adds up all counts of dir and prints them.
func total(dir string, out io.Writer) (bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return false, err
	}
	var sum result
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return false, err
		}
		var r result
		if err := json.Unmarshal(data, &r); err != nil {
			return false, fmt.Errorf("%s: %w", f, err)
		}
		sum.Passed += r.Passed
		sum.Failed += r.Failed
		sum.Skipped += r.Skipped
	}
	fmt.Fprintln(out, sum)
	return sum.Failed == 0 && sum.Passed > 0, nil
}

// skipRule allows the tests whose "PACKAGE.TEST" matches to be skipped.
type skipRule struct {
	test   *regexp.Regexp
	reason string
}

// readSkips reads lines of the form "REGEXP: reason". Empty lines and those
// that start with # are comments. An empty name means that nothing may skip.
func readSkips(name string) ([]skipRule, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: the list of allowed skips is missing", name)
	} else if err != nil {
		return nil, err
	}
	var rules []skipRule
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		pattern, reason, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("%s:%d: want \"REGEXP: reason\"", name, i+1)
		}
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		rules = append(rules, skipRule{re, reason})
	}
	return rules, nil
}

// key names a test; an empty test stands for its package.
type key struct{ pkg, test string }

// counter follows the events of one go test run.
type counter struct {
	allowed []skipRule
	out     io.Writer
	output  map[key][]string // what a test printed, until it ends
	parent  map[key]bool     // tests that have subtests
	ended   map[key]string   // last action of tests
	failed  map[string]int   // failed tests of a package
	broken  int              // packages that failed without a failed test
}

func newCounter(allowed []skipRule, out io.Writer) *counter {
	return &counter{
		allowed: allowed, out: out,
		output: map[key][]string{}, parent: map[key]bool{},
		ended: map[key]string{}, failed: map[string]int{},
	}
}

// read consumes the events; a line that is no JSON (a build error of an old
// go command, a panic in TestMain) is passed on.
func (c *counter) read(r io.Reader) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		var e event
		if json.Unmarshal(s.Bytes(), &e) != nil {
			fmt.Fprintln(c.out, s.Text())
			continue
		}
		c.add(e)
	}
	return s.Err()
}

func (c *counter) add(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(c.out, e.Output)
	case "run":
		if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
			c.parent[key{e.Package, e.Test[:i]}] = true
		}
	case "output":
		c.output[k] = append(c.output[k], e.Output)
	case "pass", "fail", "skip":
		c.end(k, e.Action)
	}
}

// end notes how a test or a package ended and shows what is worth seeing.
func (c *counter) end(k key, action string) {
	if k.test == "" {
		if action == "fail" && c.failed[k.pkg] == 0 {
			c.broken++
			fmt.Fprintf(c.out, "FAIL %s\n%s", k.pkg, strings.Join(c.output[k], ""))
		}
		delete(c.output, k)
		return
	}
	c.ended[k] = action
	if action == "fail" {
		c.failed[k.pkg]++
		if !c.failedBelow(k) || len(c.output[k]) > 2 { // more than "=== RUN" and "--- FAIL"
			fmt.Fprintf(c.out, "FAIL %s.%s\n%s", k.pkg, k.test, strings.Join(c.output[k], ""))
		}
	}
	for _, line := range c.output[k] {
		if _, figures, ok := strings.Cut(line, "figures: "); ok && action == "pass" {
			fmt.Fprintf(c.out, "%s: %s", k.test, figures)
		}
	}
	if action != "skip" {
		delete(c.output, k)
	}
}

// finish counts the tests. Tests that began and never ended were cut off by a
// panic or a time limit; their package counts as the failure.
func (c *counter) finish() result {
	keys := make([]key, 0, len(c.ended))
	for k := range c.ended {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if keys[i].pkg != keys[j].pkg {
			return keys[i].pkg < keys[j].pkg
		}
		return keys[i].test < keys[j].test
	})
	r := result{Failed: c.broken}
	for _, k := range keys {
		switch action := c.ended[k]; {
		case action == "fail" && c.parent[k] && c.failedBelow(k):
		case action == "fail":
			r.Failed++
		case action == "skip":
			r.add(c.skip(k))
		case !c.parent[k]:
			r.Passed++
		}
	}
	return r
}

func (r *result) add(s result) {
	r.Passed += s.Passed
	r.Failed += s.Failed
	r.Skipped += s.Skipped
}

// failedBelow reports whether a subtest of k failed, so that k itself must
// not count a second time.
func (c *counter) failedBelow(k key) bool {
	for sub, action := range c.ended {
		if action == "fail" && sub.pkg == k.pkg && strings.HasPrefix(sub.test, k.test+"/") {
			return true
		}
	}
	return false
}

// skip prints a skipped test with its reason and judges it.
func (c *counter) skip(k key) result {
	name := k.pkg + "." + k.test
	reason := skipReason(c.output[k])
	for _, rule := range c.allowed {
		if rule.test.MatchString(name) {
			fmt.Fprintf(c.out, "SKIP %s: %s (allowed: %s)\n", name, reason, rule.reason)
			return result{Skipped: 1}
		}
	}
	fmt.Fprintf(c.out, "FAIL %s: skipped, and not in the list of allowed skips: %s\n", name, reason)
	return result{Failed: 1}
}

// skipReason takes what t.Skip was given out of a test's output.
func skipReason(output []string) string {
	var lines []string
	for _, l := range output {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "=== ") || strings.HasPrefix(l, "--- ") {
			continue
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		return "no reason given"
	}
	return strings.Join(lines, " ")
}
