package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// noReason heads the tests that an update found to fail: until somebody has
// given them a reason, they count as failures.
const noReason = "No reason yet."

// sometimes begins the reason of tests that may pass, too.
const sometimes = "Sometimes: "

// knownList holds the tests that are known to fail, grouped by reason.
type knownList struct {
	comment []string // the lines before the first group
	groups  []*knownGroup
}

type knownGroup struct {
	reason string
	tests  []knownTest
}

// knownTest fails in one mode, or in all if mode is empty.
type knownTest struct{ mode, name string }

func (t knownTest) in(mode string) bool {
	return t.mode == "" || t.mode == mode
}

// readKnown reads a list: lines that are indented are tests, each "FILE: TEST"
// (FILE for one that has no name), with "[MODE] " before it if it fails in that
// mode only; the line above them is the reason. A reason that begins with
// "Sometimes: " is of tests that may pass, too. Lines that start with # are
// comments, and stand at the top.
func readKnown(name string) (*knownList, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	l := &knownList{}
	for i, line := range strings.Split(string(data), "\n") {
		test, indented := strings.CutPrefix(line, "\t")
		switch {
		case strings.HasPrefix(line, "#") && len(l.groups) == 0:
			l.comment = append(l.comment, line)
		case line == "":
		case !indented:
			l.groups = append(l.groups, &knownGroup{reason: line})
		case len(l.groups) == 0:
			return nil, fmt.Errorf("%s:%d: a test without a reason above it", name, i+1)
		default:
			g := l.groups[len(l.groups)-1]
			g.tests = append(g.tests, parseKnown(test))
		}
	}
	return l, nil
}

func parseKnown(text string) knownTest {
	if mode, name, ok := strings.Cut(text, "] "); ok && strings.HasPrefix(mode, "[") {
		return knownTest{mode[1:], name}
	}
	return knownTest{"", text}
}

func (t knownTest) String() string {
	if t.mode == "" {
		return t.name
	}
	return "[" + t.mode + "] " + t.name
}

// reason says why a test fails in mode; "" if it should pass.
func (l *knownList) reason(name, mode string) string {
	for _, g := range l.groups {
		for _, t := range g.tests {
			if t.name == name && t.in(mode) && g.reason != noReason {
				return g.reason
			}
		}
	}
	return ""
}

// names lists the tests that fail in mode.
func (l *knownList) names(mode string) []string {
	var names []string
	for _, g := range l.groups {
		for _, t := range g.tests {
			if t.in(mode) {
				names = append(names, t.name)
			}
		}
	}
	return names
}

// modes are those in which a suite is run.
var modes = []string{"hybrid", "v2"}

// correct changes the list to what t, a run in mode, has shown. It keeps the
// reasons.
func (l *knownList) correct(t *tap, mode string) {
	failed := map[string]bool{}
	for _, test := range t.tests {
		if test.failed && test.skipped == "" {
			failed[test.name] = true
		}
	}
	for _, g := range l.groups {
		if strings.HasPrefix(g.reason, sometimes) {
			continue
		}
		var kept []knownTest
		for _, k := range g.tests {
			kept = append(kept, k.after(t, mode, failed)...)
		}
		g.tests = kept
	}
	for _, test := range t.tests {
		if failed[test.name] && !slices.Contains(l.names(mode), test.name) {
			l.add(test.name, mode)
		}
	}
	l.groups = slices.DeleteFunc(l.groups, func(g *knownGroup) bool { return len(g.tests) == 0 })
}

// after returns what is left of k after a run in mode in which the tests of
// failed have failed.
func (k knownTest) after(t *tap, mode string, failed map[string]bool) []knownTest {
	file, _, _ := strings.Cut(k.name, ": ")
	switch {
	case !t.files[file] || !k.in(mode) || failed[k.name]:
		return []knownTest{k}
	case k.mode == mode:
		return nil
	}
	var left []knownTest
	for _, m := range modes {
		if m != mode {
			left = append(left, knownTest{m, k.name})
		}
	}
	return left
}

// add adds a test that fails in mode. If the list has it for the other mode,
// the reason is the same.
func (l *knownList) add(name, mode string) {
	for _, g := range l.groups {
		for i, t := range g.tests {
			if t.name == name {
				g.tests[i].mode = ""
				return
			}
		}
	}
	i := slices.IndexFunc(l.groups, func(g *knownGroup) bool { return g.reason == noReason })
	if i < 0 {
		i = len(l.groups)
		l.groups = append(l.groups, &knownGroup{reason: noReason})
	}
	l.groups[i].tests = append(l.groups[i].tests, knownTest{mode, name})
}

func (l *knownList) write(name string) error {
	var b strings.Builder
	for _, line := range l.comment {
		fmt.Fprintln(&b, line)
	}
	for _, g := range l.groups {
		fmt.Fprintf(&b, "\n%s\n", g.reason)
		for _, t := range g.tests {
			fmt.Fprintf(&b, "\t%s\n", t)
		}
	}
	return os.WriteFile(name, []byte(b.String()), 0o644)
}
