package container

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
func (l *launch) makeProcfs(op plan.MakeProcfs) (call string, err error) {
	context, err := l.openProcfs(l.files[stage.NamespaceFile(string(specs.PIDNamespace))])
	if err != nil {
		return splitCall(err)
	}
	defer context.Close()
	procfs, err := copyup.Mount(context, op.Source, op.Data)
	if err != nil {
		return splitCall(err)
	}
	l.give(stage.TreeFile(op.Tree), procfs)
	if err := checkProcfs(int(procfs.Fd())); err != nil {
		return "check the procfs", err
	}
	return setAttr(int(procfs.Fd()), op.Attr)
}

// openProcfs opens a procfs, fsopen(2), that shows the processes of a PID
// namespace. Before Linux 6.17 that takes a process there.
func (l *launch) openProcfs(namespace *os.File) (*os.File, error) {
	if l.helpedProcfs {
		return openHelpedProcfs(l.ctx, namespace)
	}
	fd, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	context := os.NewFile(uintptr(fd), "fscontext")
	err = unix.FsconfigSetFd(fd, "pidns", int(namespace.Fd()))
	if err == nil {
		return context, nil
	}
	closeErr := context.Close()
	if errors.Is(err, unix.EINVAL) { // no such option
		return openHelpedProcfs(l.ctx, namespace)
	}
	return nil, errors.Join(os.NewSyscallError("fsconfig(pidns)", err), closeErr)
}

// openHelpedProcfs has a process in the namespace open the procfs: see
// plan.CompileProcfs. What it sends may come from others that trace it.
func openHelpedProcfs(ctx context.Context, namespace *os.File) (*os.File, error) {
	p, err := plan.CompileProcfs()
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	own, err := unix.FcntlInt(namespace.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := launch{
		plan: p, io: IO{Stdio: [3]*os.File{null, null, null}}, ctx: ctx,
		files: map[string]*os.File{
			stage.NamespaceFile(string(specs.PIDNamespace)): os.NewFile(uintptr(own),
				"pid namespace"),
		},
	}
	defer l.close()
	context, err := l.helper()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a procfs of the pid namespace: %w", err),
			l.undo.run())
	}
	if err := l.undo.run(); err != nil {
		return nil, errors.Join(err, context.Close())
	}
	return context, nil
}

// helper starts the process and receives what it opens, which is proved to be a
// procfs.
func (l *launch) helper() (context *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	l.console = os.NewFile(uintptr(pair[0]), "procfs")
	l.give(stage.ProcfsFile, os.NewFile(uintptr(pair[1]), "procfs"))
	if l.status, err = l.pipe(stage.StatusFile, false); err != nil {
		return nil, err
	}
	clone, _ := plan.Find[plan.Clone](l.plan)
	if err := l.start(clone); err != nil {
		return nil, err
	}
	if err := l.adopt(); err != nil {
		return nil, err
	}
	// Whoever traces the process may keep it from sending.
	if err := sys.WaitUntil(l.ctx, time.Now().Add(helperPatience), l.console); err != nil {
		return nil, err
	}
	context, err = l.receiveConsole()
	if err != nil {
		return nil, err
	}
	if context == nil {
		return nil, l.await("")
	}
	if err := provesProcfs(context); err != nil {
		return nil, errors.Join(err, context.Close())
	}
	return context, nil
}

// helperPatience bounds the wait for what the helper sends.
const helperPatience = 10 * time.Second

// provesProcfs fails unless a file is the context of a procfs: only that knows
// the values of its option. Some file systems take any option, and look at it
// when they are made, or never: ramfs, 9p.
func provesProcfs(context *os.File) error {
	err := unix.FsconfigSetString(int(context.Fd()), "hidepid", "off")
	if err != nil {
		return os.NewSyscallError("fsconfig(hidepid)", err)
	}
	err = unix.FsconfigSetString(int(context.Fd()), "hidepid", "no value")
	if !errors.Is(err, unix.EINVAL) {
		return errors.Join(errors.New("what came is no procfs: it takes any value of hidepid"), err)
	}
	return nil
}
