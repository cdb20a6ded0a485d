package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

// errNoNamespace says that a file is there but is something else.
var errNoNamespace = errors.New("it is not a namespace")

// openNamespace opens a namespace to be joined. One that is this process's own
// must not be changed by the configuration.
func (e *executor) openNamespace(op plan.OpenNamespace) error {
	f, err := openNamespaceFile(op.Path)
	if err != nil {
		return failed("open", err)
	}
	e.give(stage.NamespaceFile(op.Type), f)
	return e.protectOwn(op, f)
}

// openNamespaceFile opens a file of nsfs, or says why it can't, without the
// path. It does not wait for whatever else the file may be.
func openNamespaceFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return nil, pathErr.Err
	}
	if err != nil {
		return nil, err
	}
	var st unix.Statfs_t
	err = unix.Fstatfs(int(f.Fd()), &st)
	if err == nil && st.Type != unix.NSFS_MAGIC {
		err = errNoNamespace
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// protectOwn refuses a plan that would change a namespace to be joined that is
// this process's own: the host's, as a rule. Whether a namespace is there at
// all was checked with the configuration; only now it is known which one the
// path leads to.
func (e *executor) protectOwn(op plan.OpenNamespace, f *os.File) error {
	file, ok := map[string]string{
		string(specs.NetworkNamespace): "net", string(specs.IPCNamespace): "ipc",
		string(specs.UTSNamespace): "uts",
	}[op.Type]
	if !ok {
		return nil // nothing changes the others
	}
	var own, theirs unix.Stat_t
	if err := unix.Stat("/proc/self/ns/"+file, &own); err != nil {
		return &os.PathError{Op: "stat", Path: "/proc/self/ns/" + file, Err: err}
	}
	if err := unix.Fstat(int(f.Fd()), &theirs); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if own.Dev != theirs.Dev || own.Ino != theirs.Ino {
		return nil
	}
	for _, step := range e.plan.Steps {
		if changes(step.Op) == specs.LinuxNamespaceType(op.Type) {
			return e.Subject.Problem(step.Field, fmt.Sprintf("would change the host: %q is its "+
				"own %s namespace", op.Path, op.Type),
				"remove it, or the path of the namespace")
		}
	}
	return nil
}

// changes is the namespace that an operation of the child changes, "" if none.
func changes(op plan.Op) specs.LinuxNamespaceType {
	switch op := op.(type) {
	case plan.SetHostname, plan.SetDomainname:
		return specs.UTSNamespace
	case plan.Sysctl:
		return bundle.SysctlNamespace(op.File)
	}
	return ""
}
