package launch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/internal/state"
	"github.com/ocikit/ocikit/runtime/plan"
)

// openChannels opens what the child reports on, and its gates.
func (e *executor) openChannels(op plan.OpenChannels) (err error) {
	for _, name := range op.Gates {
		if op.InState && name == plan.GateStart {
			err = e.openFifos()
		} else {
			e.channels.gates[name], err = e.pipe(stage.GateFile(name), true)
		}
		if err != nil {
			return err
		}
	}
	if !op.InState {
		e.channels.status, err = e.pipe(stage.StatusFile, false)
	}
	return err
}

// openFifos opens both ends of the fifos at once: the child's never blocks on
// opening, and never sees its end.
func (e *executor) openFifos() (err error) {
	for _, fifo := range []struct {
		file, name string
		ours       int
		kept       func(*os.File)
	}{
		{state.StartFifo, stage.GateFile(plan.GateStart), unix.O_WRONLY,
			func(f *os.File) { e.channels.gates[plan.GateStart] = f }},
		{state.StatusFifo, stage.StatusFile, unix.O_RDONLY,
			func(f *os.File) { e.channels.status = f }},
	} {
		theirs, err := e.dir.OpenFile(fifo.file, unix.O_RDWR)
		if err != nil {
			return err
		}
		e.give(fifo.name, theirs)
		ours, err := e.dir.OpenFile(fifo.file, fifo.ours|unix.O_NONBLOCK)
		if err != nil {
			return err
		}
		fifo.kept(ours)
	}
	return nil
}

// pipe gives the stage one end of a new pipe and returns the other.
func (e *executor) pipe(name string, stageReads bool) (*os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	r, w := os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name)
	if stageReads {
		e.give(name, r)
		return w, nil
	}
	e.give(name, w)
	return r, nil
}

// openConsole connects to the console's receiver, or makes a socket to receive
// it.
func (e *executor) openConsole(op plan.OpenConsole) error {
	if op.Socket == "" {
		return e.openSocket(stage.ConsoleFile)
	}
	f, err := sys.DialUnix(e.ctx, op.Socket)
	if err != nil {
		return fmt.Errorf("console socket: %w", err)
	}
	e.give(stage.ConsoleFile, f)
	return nil
}

// openSocket gives the stage one end of a new socket pair, and keeps the other.
func (e *executor) openSocket(name string) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	e.channels.socket = os.NewFile(uintptr(pair[0]), name)
	e.give(name, os.NewFile(uintptr(pair[1]), name))
	return nil
}

// receiveConsole takes the console's master from the child, unless that ended
// before it sent it: the status says why.
func (e *executor) receiveConsole() (err error) {
	e.received, err = e.receive()
	return err
}

// receive takes a file that the child sends. It is nil if the child ended
// before that.
func (e *executor) receive() (*os.File, error) {
	socket := e.channels.socket
	if err := e.until(socket); errors.Is(err, os.ErrProcessDone) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	data, control := make([]byte, 64), make([]byte, unix.CmsgSpace(4))
	var n, controlled int
	err := sys.Retry(func() (err error) {
		n, controlled, _, _, err = unix.Recvmsg(int(socket.Fd()), data, control,
			unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("receive the %s: %w", socket.Name(), err)
	}
	if n == 0 {
		return nil, nil
	}
	fds, err := descriptors(control[:controlled])
	if err != nil || len(fds) != 1 {
		for _, fd := range fds {
			err = errors.Join(err, unix.Close(fd))
		}
		return nil, errors.Join(fmt.Errorf("receive the %s: it came with %d descriptors, want one",
			socket.Name(), len(fds)), err)
	}
	return os.NewFile(uintptr(fds[0]), string(data[:n])), nil
}

// descriptors returns those that came with a message, also with an error.
func descriptors(control []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(control)
	for _, m := range messages {
		rights, wrong := unix.ParseUnixRights(&m)
		fds, err = append(fds, rights...), errors.Join(err, wrong)
	}
	return fds, err
}
