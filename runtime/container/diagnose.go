package container

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/bundle/inroot"
	"github.com/ocikit/ocikit/runtime/plan"
)

// view is the container's file system as it can be looked at from outside: the
// rootfs, and the bind mounts on it.
type view struct {
	rootfs string
	bundle string
	mounts []specs.Mount
	pid    int // of a process whose root is looked at instead; 0: none
}

func newView(b *bundle.Bundle) view {
	return view{rootfs: b.Rootfs(), bundle: b.Dir, mounts: b.Spec.Mounts}
}

// place is where on the host a path of the container is looked for.
type place struct {
	dir, path string // a folder, and the path in it
	options   []string
	// what hides it: a mount of a file system that is made with the container,
	// or ""
	cover string
}

func (v view) locate(p string) place {
	at := place{dir: v.rootfs, path: p}
	for _, m := range v.mounts { // later mounts cover earlier ones
		target := path.Clean("/" + m.Destination)
		below, ok := strings.CutPrefix(p+"/", strings.TrimSuffix(target, "/")+"/")
		if !ok {
			continue
		}
		at.options, at.cover = m.Options, ""
		if m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options,
			"rbind") {
			at.dir, at.path = absolute(v.bundle, m.Source), "/"+strings.TrimSuffix(below, "/")
		} else if p != target {
			at.cover = fmt.Sprintf("the %s on %s", m.Type, target)
		}
	}
	if at.path == "/" && at.dir != v.rootfs { // a mount of a single file
		at.dir, at.path = path.Split(at.dir)
	}
	return at
}

// open opens a path of the container without reading or blocking.
func (v view) open(p string) (*os.File, fs.FileInfo, error) {
	at := v.locate(p)
	if at.cover != "" {
		return nil, nil, unix.ENOENT
	}
	root, err := v.root(at.dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	return root.Find(at.path)
}

func (v view) root(dir string) (*inroot.Root, error) {
	if v.pid != 0 {
		return inroot.OpenProcess(v.pid)
	}
	return inroot.Open(dir)
}

// link returns what the symbolic link at a path leads to, or "" if there is
// none.
func (v view) link(p string) string {
	at := v.locate(p)
	root, err := v.root(at.dir)
	if err != nil {
		return ""
	}
	defer root.Close()
	to, err := root.Readlink(at.path)
	if err != nil {
		return ""
	}
	return to
}

// ExecError says why a program could not be executed. Its text begins with what
// callers match: see Error.
type ExecError struct {
	Name string // as the configuration has it
	// of a program that is there and may be executed, if what it holds is why
	// it can't be
	Path   string
	Errno  syscall.Errno
	Reason string // what was found by looking, or ""
}

// Error is `exec: "foo": executable file not found in $PATH` for a name without
// a slash that was not found, `exec /bin/foo: exec format error` and the like
// for what a program holds, and `exec: "/bin/foo": no such file or directory`
// and the like otherwise, with the reason behind it.
func (e *ExecError) Error() string {
	var s string
	switch {
	case e.Path != "":
		s = fmt.Sprintf("exec %s: %v", e.Path, e.Errno)
	case e.Errno == unix.ENOENT && !strings.Contains(e.Name, "/"):
		s = fmt.Sprintf("exec: %q: executable file not found in $PATH", e.Name)
	default:
		s = fmt.Sprintf("exec: %q: %v", e.Name, e.Errno)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// Unwrap returns the errno.
func (e *ExecError) Unwrap() error { return e.Errno }

// execError looks why none of a process's candidates could be executed. The
// first one that exists is the one that was meant.
func execError(v view, p *specs.Process, errno syscall.Errno) error {
	e := &ExecError{Name: p.Args[0], Errno: errno}
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
		case found == unfit:
			e.Path, e.Reason = full, reason
		case found == barred, explicit:
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

// finding is what is at the path of a program that could not be executed.
type finding uint8

const (
	absent finding = iota // nothing
	barred                // something that the process may not execute
	unfit                 // a file that it may execute, and that the kernel can't
)

// inspect looks at one candidate. why is the errno that its execution gives.
func (v view) inspect(p string, process *specs.Process) (found finding, reason string,
	why syscall.Errno) {
	handle, info, err := v.open(p)
	switch {
	case errors.Is(err, unix.ELOOP):
		return barred, "too many symbolic links", unix.ELOOP
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return absent, v.missing(p), 0
	case err != nil:
		return absent, "", 0
	}
	defer handle.Close()
	switch {
	case info.IsDir():
		return barred, "it is a directory", unix.EACCES
	case !info.Mode().IsRegular():
		return barred, "it is not a regular file", unix.EACCES
	case info.Mode()&0o111 == 0:
		return barred, fmt.Sprintf("it is not executable: mode %#o (chmod +x)", info.Mode().Perm()),
			unix.EACCES
	case noexec(handle, v.locate(p).options):
		return barred, "it is on a mount with the option noexec", unix.EACCES
	}
	if folder := v.unsearchable(p, process); folder != "" {
		return barred, fmt.Sprintf("uid %d may not search the folder %s", process.User.UID, folder),
			unix.EACCES
	}
	if !has(process, "CAP_DAC_OVERRIDE") && !mayExecute(info, process.User) {
		return barred, fmt.Sprintf("uid %d may not execute it: mode %#o%s", process.User.UID,
			info.Mode().Perm(), owner(info)), unix.EACCES
	}
	file, err := inroot.Reopen(handle, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return unfit, "", 0
	}
	defer file.Close()
	reason, why = v.content(file)
	return unfit, reason, why
}

// noexec says that nothing can be executed on a file's mount: because of the
// options that the mount will have, or those that it has.
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
	if cover := v.locate(p).cover; cover != "" {
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
			what = "the folder " + at
		}
		if to := v.link(at); to != "" {
			return what + " is a symbolic link to " + to + ", which does not exist"
		}
		return what + " does not exist"
	}
	return "the file does not exist"
}

// unsearchable returns the first folder on the way that the user may not
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

// mayExecute says whether a file's permissions let the user execute it, or
// search it if it is a folder.
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

// headSize is how much of a program is read: the kernel reads 256 bytes of a
// script, and an ELF file's program headers follow soon.
const headSize = 4096

// content explains why the kernel would not execute a file that is there and
// may be executed.
func (v view) content(file io.Reader) (reason string, why syscall.Errno) {
	head := make([]byte, headSize)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", 0
	}
	head = head[:n]
	switch {
	case len(head) == 0:
		return "the file is empty", unix.ENOEXEC
	case bytes.HasPrefix(head, []byte("#!")):
		return v.script(head)
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return v.elf(head)
	}
	return "the file is neither an ELF program nor a script with a #! line", unix.ENOEXEC
}

// script looks at the #! line.
func (v view) script(head []byte) (reason string, why syscall.Errno) {
	line, _, _ := bytes.Cut(head[2:], []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return "its first line ends in CR LF, so that the kernel looks for an interpreter whose " +
			"name ends in a carriage return" +
			" (convert the file to Unix line ends)", unix.ENOENT
	}
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return "its #! line names no interpreter", unix.ENOEXEC
	}
	return v.interpreter("#!", words[0])
}

// interpreter looks at the interpreter of a script or program.
func (v view) interpreter(what, name string) (reason string, why syscall.Errno) {
	handle, info, err := v.open(path.Join("/", name))
	if err != nil {
		return fmt.Sprintf("its %s interpreter %s does not exist in the container", what, name),
			unix.ENOENT
	}
	defer handle.Close()
	if info.Mode()&0o111 == 0 {
		return fmt.Sprintf("its %s interpreter %s is not executable", what, name), unix.EACCES
	}
	return "", 0
}

// machines are the architectures that images are made for; the numbers are
// elf(5)'s e_machine.
var machines = [...]struct {
	number uint16
	name   string
}{
	{3, "386"}, {8, "mips"}, {20, "ppc"}, {21, "ppc64"}, {22, "s390x"}, {40, "arm"}, {62, "amd64"},
	{183, "arm64"}, {243, "riscv64"},
	{258, "loong64"},
}

func machineName(number uint16) string {
	for _, m := range machines {
		if m.number == number {
			return m.name
		}
	}
	return fmt.Sprintf("machine %d", number)
}

// elf looks at the architecture and the interpreter of an ELF program.
func (v view) elf(head []byte) (reason string, why syscall.Errno) {
	const elf64, headerSize = 2, 64
	if len(head) < headerSize {
		return "the ELF file is cut off", unix.ENOEXEC
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	name := machineName(order.Uint16(head[18:]))
	if name != runtime.GOARCH && !(name == "386" && runtime.GOARCH == "amd64") {
		return fmt.Sprintf("it is built for %s, this machine is %s", name, runtime.GOARCH),
			unix.ENOEXEC
	}
	if head[4] != elf64 {
		return "", 0
	}
	const ptInterp, entrySize = 3, 56
	offset, count := order.Uint64(head[32:]), uint64(order.Uint16(head[56:]))
	for i := range count {
		at := offset + i*entrySize
		if at+entrySize > uint64(len(head)) {
			break
		}
		start, size := order.Uint64(head[at+8:]), order.Uint64(head[at+32:])
		if order.Uint32(head[at:]) == ptInterp && size > 0 && start < uint64(len(head)) &&
			size < uint64(len(head))-start {
			return v.interpreter("ELF", string(bytes.TrimRight(head[start:start+size], "\x00")))
		}
	}
	return "", 0
}
