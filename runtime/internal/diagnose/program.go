package diagnose

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/inroot"
	"github.com/ocikit/ocikit/runtime/plan"
)

// exec finds out why the kernel executed none of the process's candidates. The
// first one that exists is the one that was meant.
func (s Subject) exec(errno syscall.Errno) *plan.ExecError {
	p, v := s.Process, s.view()
	e := &plan.ExecError{Name: p.Args[0], Errno: errno}
	explicit := strings.Contains(e.Name, "/")
	for _, candidate := range plan.Candidates(p) {
		full := candidate
		if !path.IsAbs(full) {
			full = path.Join("/", p.Cwd, candidate)
		}
		found, reason, why := v.inspect(full, p)
		switch {
		case reason == "":
			continue
		case found == unsuitable:
			e.Path, e.Reason = full, reason
		case found == forbidden, explicit:
			e.Reason = full + ": " + reason
		}
		if found != absent {
			if why != 0 {
				e.Errno = why
			}
			return e
		}
	}
	if e.Errno == unix.ENOTDIR && !explicit {
		e.Errno = unix.ENOENT // a part of PATH is no directory, so the program is not there
	}
	return e
}

// lastExec is exec for the failure of execve(2) itself, the last step.
func (s Subject) lastExec(errno syscall.Errno) *plan.ExecError {
	e := s.exec(errno)
	e.Last = true
	return e
}

// finding is what is at the path of a program that could not be executed.
type finding uint8

const (
	absent     finding = iota // nothing
	forbidden                 // something that the process may not execute
	unsuitable                // a file that it may execute, and that the kernel can't
)

// inspect looks at one candidate. why is the errno of its execution, or 0.
func (v view) inspect(p string, process *specs.Process) (found finding, reason string,
	why syscall.Errno) {
	handle, info, err := v.open(p)
	switch {
	case errors.Is(err, unix.ELOOP):
		return forbidden, "too many symbolic links", unix.ELOOP
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return absent, v.missing(p), 0
	case err != nil:
		return absent, "", 0
	}
	defer handle.Close()
	switch {
	case info.IsDir():
		return forbidden, "it is a directory", unix.EACCES
	case !info.Mode().IsRegular():
		return forbidden, "it is not a regular file", unix.EACCES
	case info.Mode()&0o111 == 0:
		return forbidden, fmt.Sprintf("it is not executable: mode %#o (chmod +x)",
				info.Mode().Perm()),
			unix.EACCES
	case noexec(handle, v.options(p)):
		return forbidden, "it is on a mount with the option noexec", unix.EACCES
	}
	if dir := v.unsearchable(p, process); dir != "" {
		return forbidden, fmt.Sprintf("uid %d may not search the directory %s", process.User.UID,
			dir), unix.EACCES
	}
	if !has(process, "CAP_DAC_OVERRIDE") && !mayExecute(info, process.User) {
		return forbidden, fmt.Sprintf("uid %d may not execute it: mode %#o%s", process.User.UID,
			info.Mode().Perm(), owner(info)), unix.EACCES
	}
	file, err := inroot.Reopen(handle, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return unsuitable, "", 0
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, headSize))
	if err != nil {
		return unsuitable, "", 0
	}
	reason, why = v.judge(parse(head))
	return unsuitable, reason, why
}

// judge says why the kernel can't execute a file, given its content and what is
// at the path of its interpreter.
func (v view) judge(c content) (reason string, why syscall.Errno) {
	if c.interpreter == "" {
		return c.reason, c.errno
	}
	handle, info, err := v.open(path.Join("/", c.interpreter))
	if err != nil {
		return fmt.Sprintf("its %s interpreter %s does not exist in the container", c.kind,
			c.interpreter), unix.ENOENT
	}
	defer handle.Close()
	if info.Mode()&0o111 == 0 {
		return fmt.Sprintf("its %s interpreter %s is not executable", c.kind, c.interpreter),
			unix.EACCES
	}
	return "", 0
}

// noexec says that nothing on a file's mount can be executed: because of the
// options in the configuration, or because of those that the mount has.
func noexec(handle *os.File, options []string) bool {
	for _, option := range slices.Backward(options) {
		switch strings.TrimPrefix(option, "r") {
		case "noexec":
			return true
		case "exec":
			return false
		}
	}
	var fs unix.Statfs_t
	return unix.Fstatfs(int(handle.Fd()), &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}

// missing names the first part of a path that is not there.
func (v view) missing(p string) string {
	if cover := v.cover(p); cover != "" {
		return "the file does not exist: " + cover + " covers what the rootfs has there"
	}
	at := "/"
	for _, part := range strings.Split(strings.Trim(p, "/"), "/") {
		at = path.Join(at, part)
		handle, info, err := v.open(at)
		if err == nil {
			handle.Close()
			if at != p && !info.IsDir() {
				return at + " is not a directory"
			}
			continue
		}
		what := "the file"
		if at != p {
			what = "the directory " + at
		}
		if to := v.link(at); to != "" {
			return what + " is a symbolic link to " + to + ", which does not exist"
		}
		return what + " does not exist"
	}
	return "the file does not exist"
}

// unsearchable returns the first directory on the way that the user may not
// search, or "".
func (v view) unsearchable(p string, process *specs.Process) string {
	if has(process, "CAP_DAC_OVERRIDE") || has(process, "CAP_DAC_READ_SEARCH") {
		return ""
	}
	at := "/"
	for _, part := range strings.Split(strings.Trim(path.Dir(p), "/"), "/") {
		at = path.Join(at, part)
		handle, info, err := v.open(at)
		if err != nil {
			return ""
		}
		handle.Close()
		if !mayExecute(info, process.User) {
			return at
		}
	}
	return ""
}

// has says that a process will have a capability in effect.
func has(process *specs.Process, capability string) bool {
	return process.Capabilities != nil && slices.Contains(process.Capabilities.Effective,
		capability)
}

// mayExecute says whether a file's permissions let the user execute it or, if
// it is a directory, search it.
func mayExecute(info fs.FileInfo, u specs.User) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	bit := uint32(0o001)
	switch {
	case st.Uid == u.UID:
		bit = 0o100
	case st.Gid == u.GID || slices.Contains(u.AdditionalGids, st.Gid):
		bit = 0o010
	}
	return st.Mode&bit != 0
}

// owner names a file's owner: ", owner 0:0".
func owner(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf(", owner %d:%d", st.Uid, st.Gid)
}
