package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/copyup"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

// makeProcfs makes a procfs of the PID namespace to be joined.
func (e *executor) makeProcfs(op plan.MakeProcfs) error {
	fs, err := e.openProcfs(e.birth.files[stage.NamespaceFile(string(specs.PIDNamespace))])
	if err != nil {
		return failedCall("copy", err)
	}
	defer fs.Close()
	procfs, err := copyup.Mount(fs, op.Source, op.Data)
	if err != nil {
		return failedCall("copy", err)
	}
	e.give(stage.TreeFile(op.Tree), procfs)
	if err := checkProcfs(int(procfs.Fd())); err != nil {
		return failed("check the procfs", err)
	}
	return setAttr(int(procfs.Fd()), op.Attr)
}

// openProcfs opens a procfs, fsopen(2), that shows the processes of a PID
// namespace. Before Linux 6.17 that takes a process there.
func (e *executor) openProcfs(namespace *os.File) (*os.File, error) {
	if e.Test.OldProcfs {
		return openProcfsInside(e.ctx, namespace)
	}
	fd, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	fs := os.NewFile(uintptr(fd), "fscontext")
	err = unix.FsconfigSetFd(fd, "pidns", int(namespace.Fd()))
	if err == nil {
		return fs, nil
	}
	closeErr := fs.Close()
	if errors.Is(err, unix.EINVAL) { // no such option
		return openProcfsInside(e.ctx, namespace)
	}
	return nil, errors.Join(os.NewSyscallError("fsconfig(pidns)", err), closeErr)
}

// openProcfsInside has a process in the namespace open the procfs: see
// plan.CompileProcfs. What it sends may come from others that trace it.
func openProcfsInside(ctx context.Context, namespace *os.File) (*os.File, error) {
	p, err := plan.CompileProcfs()
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	own, err := duplicate(namespace, "pid namespace")
	if err != nil {
		return nil, err
	}
	e := newExecutor(ctx, p, Options{IO: IO{Stdio: [3]*os.File{null, null, null}}})
	defer e.close()
	e.give(stage.NamespaceFile(string(specs.PIDNamespace)), own)
	process, err := e.run()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a procfs of the pid namespace: %w", err),
			e.undo.run())
	}
	// the helper has nothing more to do: undo ends it
	if err := errors.Join(e.undo.run(), process.Pidfd.Close()); err != nil {
		return nil, errors.Join(err, process.Console.Close())
	}
	return process.Console, nil
}

// receiveProcfs receives what the child opens, which is proved to be a procfs.
// Whoever traces the child may keep it from sending.
func (e *executor) receiveProcfs() error {
	if err := sys.WaitUntil(e.ctx, time.Now().Add(procfsPatience), e.channels.socket); err != nil {
		return err
	}
	fs, err := e.receive()
	if err != nil {
		return err
	}
	if fs == nil {
		report, err := stage.ReadReport(reports{e})
		if err != nil {
			return err
		}
		return e.unexpected("", report)
	}
	if err := provesProcfs(fs); err != nil {
		return errors.Join(err, fs.Close())
	}
	e.received = fs
	return nil
}

// procfsPatience bounds the wait for the procfs.
const procfsPatience = 10 * time.Second

// provesProcfs fails unless a file is the context of a procfs: only that knows
// the values of its option. Some file systems take any option, and look at it
// when they are made, or never: ramfs, 9p.
func provesProcfs(fs *os.File) error {
	err := unix.FsconfigSetString(int(fs.Fd()), "hidepid", "off")
	if err != nil {
		return os.NewSyscallError("fsconfig(hidepid)", err)
	}
	err = unix.FsconfigSetString(int(fs.Fd()), "hidepid", "no value")
	if !errors.Is(err, unix.EINVAL) {
		return errors.Join(errors.New("what came is no procfs: it takes any value of hidepid"), err)
	}
	return nil
}
