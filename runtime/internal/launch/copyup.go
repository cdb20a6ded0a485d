package launch

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/inroot"
	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/copyup"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

// copyTarget is a tmpfs that is being filled: names and metadata by this
// process, content by the child.
type copyTarget struct {
	tmpfs  *os.File
	socket *os.File // the child serves the other end
	ctx    context.Context
}

func (t *copyTarget) close() {
	t.tmpfs.Close()
	t.socket.Close()
}

// makeTmpfs makes a tmpfs to copy into. The stage is given it, to mount, and
// the socket by which it gets what it has to write.
func (e *executor) makeTmpfs(op plan.MakeTmpfs) error {
	tmpfs, err := copyup.NewTmpfs(op.Source, op.Data)
	if err != nil {
		return failedCall("copy", err)
	}
	e.give(stage.TreeFile(op.Tree), tmpfs)
	if err := setAttr(int(tmpfs.Fd()), op.Attr); err != nil {
		return err
	}
	own, err := duplicate(tmpfs, "tmpfs")
	if err != nil {
		return failedCall("copy", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return errors.Join(failed("socketpair", err), own.Close())
	}
	e.channels.copies[op.Tree] = &copyTarget{tmpfs: own, ctx: e.ctx,
		socket: os.NewFile(uintptr(pair[0]), "copy")}
	e.give(stage.CopyFile(op.Tree), os.NewFile(uintptr(pair[1]), "copy"))
	return nil
}

// copyTree fills a tmpfs, together with the child.
func (e *executor) copyTree(op plan.CopyTree) error {
	target := e.channels.copies[op.Tree]
	err := target.fill(op)
	if err == nil {
		err = target.send(stage.CopiedMessage, nil)
	}
	if errors.Is(err, unix.EPIPE) { // the child is gone: it knows why
		report, err := stage.ReadReport(reports{e})
		if err != nil {
			return err
		}
		return e.unexpected("", report)
	}
	if err != nil {
		return failedCall("copy", err)
	}
	return nil
}

// fill copies the directory, if there is one.
func (t *copyTarget) fill(op plan.CopyTree) error {
	root, err := inroot.Open(op.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	dir, err := root.OpenFile(op.Path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: op.Path, Err: err}
	}
	defer dir.Close()
	return copyup.Copy(t.tmpfs, dir, op.Data, t.content)
}

// content has the child write a file.
func (t *copyTarget) content(dst, src *os.File) error {
	if err := t.send(stage.CopyMessage, unix.UnixRights(int(dst.Fd()), int(src.Fd()))); err != nil {
		return err
	}
	if err := sys.Wait(t.ctx, t.socket); err != nil {
		return err
	}
	var answer [1]byte
	var n int
	err := sys.Retry(func() (err error) {
		n, err = unix.Read(int(t.socket.Fd()), answer[:])
		return err
	})
	if err == nil && n == 0 || errors.Is(err, unix.ECONNRESET) {
		return unix.EPIPE
	}
	return err
}

// send sends a message to the child, with descriptors.
func (t *copyTarget) send(text string, rights []byte) error {
	return sys.Retry(func() error {
		return unix.Sendmsg(int(t.socket.Fd()), []byte(text), rights, nil, unix.MSG_NOSIGNAL)
	})
}
