package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

var (
	nrName   = regexp.MustCompile(`^__NR_([a-z_][a-z0-9_]*)$`)
	armName  = regexp.MustCompile(`^__ARM_NR_([a-z][a-z0-9_]*)$`)
	notCalls = regexp.MustCompile(
		`^(syscalls|arch_specific_syscall|.*_Linux.*|unused[0-9]+|reserved[0-9]+)$`)
	xsysLine = regexp.MustCompile(`(?m)^\tSYS_([A-Z0-9_]+)\s*= (\d+)`)
	xsysTag  = regexp.MustCompile(`git clone --branch v([0-9.]+) [^\n]*torvalds/linux`)
)

// numbers picks the system calls out of a header's macros.
func numbers(macros map[string]string) (table, error) {
	t := table{}
	for macro := range macros {
		m := nrName.FindStringSubmatch(macro)
		if m == nil {
			m = armName.FindStringSubmatch(macro)
		}
		if m == nil || notCalls.MatchString(m[1]) {
			continue
		}
		nr, err := eval(macros, macro)
		if err != nil {
			return nil, err
		}
		t[m[1]] = nr
	}
	if len(t) < 200 {
		return nil, fmt.Errorf("only %d system calls found", len(t))
	}
	return t, nil
}

// eval returns the value of a macro: a number, another macro or a sum.
func eval(macros map[string]string, expr string) (uint32, error) {
	expr = strings.Trim(expr, "()")
	sum := uint32(0)
	for term := range strings.SplitSeq(expr, "+") {
		term = strings.Trim(term, "()")
		if value, ok := macros[term]; ok {
			n, err := eval(macros, value)
			if err != nil {
				return 0, err
			}
			sum += n
			continue
		}
		n, err := strconv.ParseUint(term, 0, 32)
		if err != nil {
			return 0, fmt.Errorf("value %q: %w", expr, err)
		}
		sum += uint32(n)
	}
	return sum, nil
}

// xsys is the golang.org/x/sys module that this repository builds with.
type xsys struct {
	dir     string
	version string
	release string // Linux release its lists were generated from
}

func openXSys() (*xsys, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}",
		"golang.org/x/sys").Output()
	if err != nil {
		return nil, fmt.Errorf("golang.org/x/sys: %w", err)
	}
	dir, version, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	docker, err := os.ReadFile(filepath.Join(dir, "unix", "linux", "Dockerfile"))
	if err != nil {
		return nil, err
	}
	m := xsysTag.FindSubmatch(docker)
	if m == nil {
		return nil, fmt.Errorf("%s: kernel release not found in unix/linux/Dockerfile", dir)
	}
	return &xsys{dir, version, string(m[1])}, nil
}

// list returns the system calls of one GOARCH.
func (x *xsys) list(goarch string) (table, error) {
	text, err := os.ReadFile(filepath.Join(x.dir, "unix", "zsysnum_linux_"+goarch+".go"))
	if err != nil {
		return nil, err
	}
	t := table{}
	for _, m := range xsysLine.FindAllSubmatch(text, -1) {
		nr, err := strconv.ParseUint(string(m[2]), 10, 32)
		if err != nil {
			return nil, err
		}
		name := strings.ToLower(string(m[1]))
		if !notCalls.MatchString(name) {
			t[name] = uint32(nr)
		}
	}
	return t, nil
}

// common returns the system calls from firstCommon on that have the same
// number on every architecture of x/sys.
func (x *xsys) common() (table, error) {
	first, err := x.list("amd64")
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		if s.xsys == "" {
			continue
		}
		t, err := x.list(s.xsys)
		if err != nil {
			return nil, err
		}
		for name, nr := range first {
			if t[name] != s.base+nr || nr < firstCommon {
				delete(first, name)
			}
		}
	}
	return first, nil
}
