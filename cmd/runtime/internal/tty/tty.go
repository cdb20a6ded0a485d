// Package tty connects the terminal of a container to the one that the runtime
// was started from. It copies input and output, and keeps the sizes equal.
//
// It works on the master of a pseudoterminal (pts(4)). It does not create one.
package tty

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// quiet is how long the terminal has to be silent after the process has ended,
// until its output counts as complete. Other processes may hold the terminal
// open forever.
const quiet = 100 * time.Millisecond

// endOfInput is the character that means the end of input to a terminal by
// default (VEOF).
const endOfInput = 0x04

// Console is a container's terminal that is connected to the caller's.
type Console struct {
	master   *os.File
	terminal *os.File // the caller's, or nil if it has none
	saved    *unix.Termios
	ended    atomic.Bool
	gone     atomic.Bool // nobody reads the output any more: the master is closed
	copied   chan error  // of the output
}

// Size returns the size of a terminal in characters. ok is false if f is not a
// terminal or does not know its size.
func Size(f *os.File) (width, height uint, ok bool) {
	s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || s.Col == 0 || s.Row == 0 {
		return 0, 0, false
	}
	return uint(s.Col), uint(s.Row), true
}

// Attach connects master to in and out until Detach is called. terminal is put
// into raw mode, and master gets its size; it may be nil. If out can no longer
// be written, the container's terminal hangs up, as if its line was cut.
//
// Attach takes ownership of master, because a terminal hangs up when the last
// descriptor of its master is closed. The other files stay with the caller.
func Attach(master, terminal, in, out *os.File) (*Console, error) {
	defer master.Close()
	own, err := duplicate(master)
	if err != nil {
		return nil, err
	}
	out, err = pipeSafe(out)
	if err != nil {
		return nil, errors.Join(err, own.Close())
	}
	c := &Console{master: own, copied: make(chan error, 1)}
	if err := c.prepare(terminal); err != nil {
		return nil, errors.Join(err, own.Close(), out.Close())
	}
	go c.copyInput(in)
	go func() { c.copied <- errors.Join(c.copyOutput(out), out.Close()) }()
	return c, nil
}

// pipeSafe returns a copy of f with a descriptor above 2. If a write to a
// closed pipe goes to standard output or error, it ends a Go program
// (os/signal). On other descriptors it is an error (EPIPE).
func pipeSafe(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// duplicate returns a copy of master with deadlines, which need O_NONBLOCK.
func duplicate(master *os.File) (*os.File, error) {
	conn, err := master.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	cerr := conn.Control(func(m uintptr) {
		if fd, err = unix.FcntlInt(m, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			err = os.NewSyscallError("fcntl", err)
			return
		}
		err = unix.SetNonblock(fd, true)
	})
	if err := errors.Join(cerr, err); err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), "console"), nil
}

// prepare puts the caller's terminal into raw mode, if there is one.
func (c *Console) prepare(terminal *os.File) error {
	if terminal == nil {
		return nil
	}
	saved, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		return fmt.Errorf("terminal %s: %w", terminal.Name(), err)
	}
	c.terminal, c.saved = terminal, saved
	if err := c.Resize(); err != nil {
		return err
	}
	return setTermios(terminal, raw(*saved))
}

// restore restores the mode of the caller's terminal.
func (c *Console) restore() error {
	if c.terminal == nil {
		return nil
	}
	return setTermios(c.terminal, c.saved)
}

// control calls f with the descriptor of master.
func (c *Console) control(f func(fd int) error) error {
	conn, err := c.master.SyscallConn()
	if err != nil {
		return err
	}
	cerr := conn.Control(func(fd uintptr) { err = f(int(fd)) })
	return errors.Join(cerr, err)
}

// raw changes the mode of a terminal to raw, as cfmakeraw(3) does.
func raw(t unix.Termios) *unix.Termios {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR |
		unix.ICRNL | unix.IXON
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag &^= unix.CSIZE | unix.PARENB
	t.Cflag |= unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return &t
}

func setTermios(f *os.File, t *unix.Termios) error {
	err := sys.Retry(func() error { return unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t) })
	if err != nil {
		return fmt.Errorf("terminal %s: %w", f.Name(), err)
	}
	return nil
}

// Resize sets the size of the container's terminal to that of the caller's
// terminal, if there is one. Call it on SIGWINCH.
func (c *Console) Resize() error {
	if c.terminal == nil || c.gone.Load() {
		return nil
	}
	size, err := unix.IoctlGetWinsize(int(c.terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return fmt.Errorf("terminal %s: size: %w", c.terminal.Name(), err)
	}
	err = c.control(func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size) })
	if err != nil {
		return fmt.Errorf("terminal of the container: size: %w", err)
	}
	return nil
}

// copyInput copies input to the container. It may run until this process ends:
// a read from a terminal that belongs to others cannot be interrupted.
func (c *Console) copyInput(in *os.File) {
	_, err := io.Copy(c.master, in)
	if err == nil && !isTerminal(in) {
		// A file or a pipe has ended: tell the container's terminal.
		_, _ = c.master.Write([]byte{endOfInput})
	}
}

// copyOutput copies output until the last process has closed the terminal
// (EIO), or until Detach finds it quiet.
func (c *Console) copyOutput(out *os.File) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := c.master.Read(buf)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return c.hangUp(err)
			}
			if c.ended.Load() {
				_ = c.master.SetReadDeadline(time.Now().Add(quiet))
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, unix.EIO), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err,
			io.EOF), errors.Is(err, os.ErrClosed):
			return nil
		default:
			return err
		}
	}
}

// hangUp closes the container's terminal because nobody reads its output. Its
// processes get SIGHUP and EIO, instead of waiting forever. It also restores
// the caller's terminal. A pipe whose reader has gone is not an error, as for
// programs that SIGPIPE ends.
func (c *Console) hangUp(cause error) error {
	c.gone.Store(true)
	if errors.Is(cause, unix.EPIPE) {
		cause = nil
	}
	return errors.Join(cause, c.restore(), c.master.Close())
}

// Detach copies the remaining output and restores the caller's terminal. Call
// it when the container's process has ended. While nobody reads the output it
// calls giveUp from time to time.
func (c *Console) Detach(giveUp func() bool) error {
	c.ended.Store(true)
	err := c.master.SetReadDeadline(time.Now().Add(quiet))
	copied := c.drain(giveUp)
	if c.gone.Load() {
		return copied
	}
	return errors.Join(err, copied, c.restore(), c.master.Close())
}

// drain waits until the output is copied.
func (c *Console) drain(giveUp func() bool) error {
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	for {
		select {
		case err := <-c.copied:
			return err
		case <-tick.C:
			if giveUp() {
				return errors.New("terminal: output of the process is lost: nobody takes it")
			}
		}
	}
}
