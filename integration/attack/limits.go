package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// limits are what a process of the container may be and show at most.
type limits struct {
	capabilities    uint64
	filter          bool
	noNewPrivileges bool
	uids            []string
	canary          string
	mount           string
	binary          string
	leaks           []string
	// helper lets a process be that opens a procfs, where the kernel leaves no
	// other way: see helps.
	helper bool
}

// proc is the path of a file in a process's directory.
func proc(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// exceeded looks at a process in every way that /proc offers, and says what is
// beyond the limits. What can't be read is no hit.
func (l *limits) exceeded(pid int) (hits []string) {
	status, dead := readStatus(pid)
	if dead {
		return nil
	}
	helper := l.helper && helps(status)
	if !helper {
		hits = append(hits, l.credentials(status)...)
	}
	hits = append(hits, l.paths(pid)...)
	hits = append(hits, l.descriptors(pid, helper)...)
	return hits
}

// helps says whether a process is the helper that opens a procfs: it has the
// one capability for that, and a filter that leaves it nothing else to do with
// it.
func helps(status map[string]string) bool {
	const admin, none = "0000000000200000", "0000000000000000"
	return status["CapPrm"] == admin && status["CapEff"] == admin && status["CapBnd"] == admin &&
		status["CapInh"] == none && status["CapAmb"] == none && status["Seccomp"] == "2" &&
		status["NoNewPrivs"] == "1"
}

// readStatus reads /proc/PID/status. A process that has ended, also if nobody
// has waited for it yet, is dead, and so is a thread of this one.
func readStatus(pid int) (fields map[string]string, dead bool) {
	text, err := os.ReadFile(proc(pid, "status"))
	if err != nil {
		return nil, true
	}
	fields = make(map[string]string)
	for line := range strings.SplitSeq(string(text), "\n") {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	state := fields["State"]
	own := fields["Tgid"] == strconv.Itoa(os.Getpid())
	return fields, own || state == "" || state[0] == 'Z' || state[0] == 'X'
}

func (l *limits) credentials(status map[string]string) (hits []string) {
	for _, set := range []string{"CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb"} {
		has, err := strconv.ParseUint(status[set], 16, 64)
		if err != nil || has&^l.capabilities != 0 {
			hits = append(hits, fmt.Sprintf("too much in %s: %s", set, status[set]))
		}
	}
	if l.filter && status["Seccomp"] != "2" {
		hits = append(hits, fmt.Sprintf("no filter: Seccomp %s", status["Seccomp"]))
	}
	if l.noNewPrivileges && status["NoNewPrivs"] != "1" {
		hits = append(hits, "no no_new_privs: 0")
	}
	for id := range strings.FieldsSeq(status["Uid"]) {
		if !slices.Contains(l.uids, id) {
			hits = append(hits, fmt.Sprintf("wrong user: %s", status["Uid"]))
			break
		}
	}
	return hits
}

// paths looks for the host behind the links of a process, and in its mounts.
func (l *limits) paths(pid int) (hits []string) {
	hits = append(hits, l.reach("root", proc(pid, "root"))...)
	hits = append(hits, l.reach("cwd", proc(pid, "cwd"))...)
	if l.mount != "" {
		for _, name := range []string{"mountinfo", "mounts"} {
			text, err := os.ReadFile(proc(pid, name))
			if err == nil && strings.Contains(string(text), l.mount) {
				hits = append(hits, name+" shows the host: "+l.mount)
			}
		}
	}
	if l.binary != "" {
		exe, err := os.Readlink(proc(pid, "exe"))
		maps, _ := os.ReadFile(proc(pid, "maps"))
		if err == nil && exe == l.binary || strings.Contains(string(maps), l.binary) {
			hits = append(hits, "binary of the host: "+l.binary)
		}
	}
	return hits
}

// reach tries to open the canary from a directory.
func (l *limits) reach(kind, dir string) []string {
	if l.canary == "" {
		return nil
	}
	// Not filepath.Join, which would drop the dots.
	if f, err := os.Open(dir + strings.Repeat("/..", 30) + l.canary); err == nil {
		f.Close()
		return []string{kind + " leads to the host: " + dir}
	}
	return nil
}

// descriptors looks at the open files of a process, other than stdio. What the
// runtime's own channels are made of, pipes, sockets and memory, may be there.
func (l *limits) descriptors(pid int, helper bool) (hits []string) {
	dir := proc(pid, "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		link, err := os.Readlink(name)
		if err != nil {
			continue // closed meanwhile
		}
		st, err := os.Stat(name)
		if err != nil {
			continue
		}
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if helper && link == "anon_inode:[fscontext]" {
			continue // of no use without CAP_SYS_ADMIN
		}
		if slices.Contains(l.leaks, link) || n > 2 && !channel(link, st.Mode()) {
			hits = append(hits, fmt.Sprintf("descriptor: %q", link))
		}
		if st.IsDir() {
			hits = append(hits, l.reach("descriptor", name)...)
		}
	}
	return hits
}

// channel says that a descriptor may be one on which a stage talks to the host.
func channel(link string, mode fs.FileMode) bool {
	return mode&(fs.ModeNamedPipe|fs.ModeSocket) != 0 || strings.HasPrefix(link, "/memfd:stage")
}
