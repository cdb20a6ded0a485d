package hook

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// streams are our ends of a hook's pipes, and the output that came through.
type streams struct {
	in, out *os.File
	output  tail
	done    chan error // gets one result for each pipe
}

// open makes the pipes. stdin and output are the hook's ends.
func open() (s *streams, stdin, output *os.File, err error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("standard input: %w", err)
	}
	out, output, err := os.Pipe()
	if err != nil {
		closeAll(stdin, in)
		return nil, nil, nil, fmt.Errorf("output: %w", err)
	}
	// finish needs deadlines, which a pipe lacks if the limit for epoll is
	// reached. It is better to know before the hook runs.
	if err := errors.Join(in.SetDeadline(time.Time{}), out.SetDeadline(time.Time{})); err != nil {
		closeAll(stdin, in, out, output)
		return nil, nil, nil, fmt.Errorf("pipe: %w", err)
	}
	// A program expects files that block. Fd makes them block.
	stdin.Fd()
	output.Fd()
	return &streams{in: in, out: out, done: make(chan error, 2)}, stdin, output, nil
}

// pump begins to write the input and to read the output. The caller then calls
// finish.
func (s *streams) pump(input []byte) {
	go func() {
		_, err := s.in.Write(input)
		s.in.Close() // for the hook this is the end of the input
		s.done <- unless(err, "write the state")
	}()
	go func() {
		_, err := io.Copy(&s.output, s.out)
		s.out.Close()
		s.done <- unless(err, "read the output")
	}()
}

// finish waits until all has been read and written, at most until the deadline:
// a process that the hook has left behind may hold the pipes for ever.
func (s *streams) finish(deadline time.Time) error {
	// Only a closed file refuses a deadline, and that one is finished.
	_ = s.in.SetDeadline(deadline)
	_ = s.out.SetDeadline(deadline)
	return errors.Join(<-s.done, <-s.done)
}

// unless adds what to an error. It returns nil if the error only says that
// nobody reads any longer or that the deadline has passed.
func unless(err error, what string) error {
	if err == nil || errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// maxOutput bounds what is quoted of a hook's output.
const maxOutput = 4096

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

// Write keeps the last maxOutput bytes.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - maxOutput; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return len(p), nil
}

// String returns what was kept, on one line.
func (t *tail) String() string {
	return strings.Join(strings.Fields(string(t.kept)), " ")
}
