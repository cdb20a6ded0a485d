// Package tty connects a container's terminal with the one that the runtime
// was started from: what is typed goes in, what is printed comes out, and the
// size of the one follows the size of the other.
//
// It works on the master of a pseudo terminal (pts(4)); making one inside a
// container is not its business.
package tty

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// quiet is how long the output of a process that has ended may pause until
// it is taken to be all: others may hold the terminal open for ever.
const quiet = 100 * time.Millisecond

// endOfInput is what a terminal takes for the end of input by default (VEOF).
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

// Size returns how many characters a terminal shows, or ok false if f is none
// or does not know. It is what a container's terminal should have from the
// start.
func Size(f *os.File) (width, height uint, ok bool) {
	s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || s.Col == 0 || s.Row == 0 {
		return 0, 0, false
	}
	return uint(s.Col), uint(s.Row), true
}

// Attach connects master with in and out, until Detach. terminal, if there is
// one, becomes raw, and master gets its size. When out can't be written any
// more the container's terminal hangs up, as one does whose line is cut.
//
// Attach takes ownership of master, because the last one has to be closed for
// that. The other files stay the caller's.
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

// pipeSafe returns f with another number. A write to a pipe that nobody reads
// ends a Go program if it goes to standard output or error (os/signal), and is
// an error (EPIPE) elsewhere.
func pipeSafe(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// duplicate returns master as a file with deadlines, which needs O_NONBLOCK.
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

// prepare makes the caller's terminal raw, if it has one.
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

// restore makes the caller's terminal as it was.
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

// raw is a terminal that passes everything on as it is typed, cfmakeraw(3).
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
	for {
		err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("terminal %s: %w", f.Name(), err)
		}
		return nil
	}
}

// Resize gives the container's terminal the size of the caller's. It is to be
// called on SIGWINCH. Without a terminal of the caller's it does nothing.
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

// copyInput copies what is typed. It ends with the process at the latest:
// nothing can interrupt a read from a terminal that is not ours.
func (c *Console) copyInput(in *os.File) {
	_, err := io.Copy(c.master, in)
	if err == nil && !isTerminal(in) {
		// A file or a pipe has ended; the container's terminal has to be told.
		_, _ = c.master.Write([]byte{endOfInput})
	}
}

// copyOutput copies what is printed, until the last process has closed the
// terminal (EIO) or Detach has found it quiet.
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

// hangUp closes the container's terminal, whose output nobody takes: its
// processes get SIGHUP, and EIO, instead of waiting for ever. The caller's
// terminal is of use again. A pipe whose reader has gone is no error, as it is
// none of a program that SIGPIPE ends.
func (c *Console) hangUp(cause error) error {
	c.gone.Store(true)
	if errors.Is(cause, unix.EPIPE) {
		cause = nil
	}
	return errors.Join(cause, c.restore(), c.master.Close())
}

// Detach is to be called when the container's process has ended: it copies
// what is left of its output and makes the caller's terminal as it was. As long
// as nobody takes the output it asks giveUp from time to time.
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
