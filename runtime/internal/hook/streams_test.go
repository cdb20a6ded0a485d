package hook

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStreams writes an input and reads an output that no pipe holds at once,
// in both directions at the same time.
func TestStreams(t *testing.T) {
	s, stdin, output, err := open()
	if err != nil {
		t.Fatal(err)
	}
	input := strings.Repeat("x", 1<<20) + "the end"
	s.pump([]byte(input))
	n, err := output.ReadFrom(stdin)
	if err != nil || n != int64(len(input)) {
		t.Errorf("copied %d of %d bytes, %v", n, len(input), err)
	}
	closeAll(stdin, output)
	if err := s.finish(time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
	if got := s.output.String(); got != input[len(input)-maxOutput:] {
		t.Errorf("got %d bytes, …%s", len(got), got[max(0, len(got)-50):])
	}
	if err := errors.Join(s.in.Close(), s.out.Close()); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("finish has left files open: %v", err)
	}
}

func TestUnless(t *testing.T) {
	other := errors.New("other")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{name: "none"},
		{name: "nobody reads", err: &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}},
		{name: "deadline", err: &os.PathError{Op: "read", Path: "|0", Err: os.ErrDeadlineExceeded}},
		{name: "another", err: other, want: "read: other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := unless(tt.err, "read")
			if tt.want == "" && err == nil {
				return
			}
			if err == nil || err.Error() != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// TestNoFiles: where no file can be opened any more, the hook does not run, and
// the error says so.
func TestNoFiles(t *testing.T) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		more int // files that can still be opened
		want string
	}{
		{name: "none", more: 0, want: "standard input: pipe2: too many open files"},
		{name: "one pipe", more: 2, want: "output: pipe2: too many open files"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			limit := syscall.Rlimit{Cur: lowestFree(t, tt.more), Max: old.Max}
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
				t.Fatal(err)
			}
			_, _, err := launch(nil, nil)
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
				t.Fatal(err)
			}
			if err == nil || err.Error() != tt.want || !errors.Is(err, syscall.EMFILE) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// lowestFree returns the limit under which n more files can be opened.
func lowestFree(t *testing.T, n int) uint64 {
	t.Helper()
	var files []*os.File
	defer func() { closeAll(files...) }()
	for range n + 1 {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return uint64(files[n].Fd())
}

func TestTail(t *testing.T) {
	for _, tt := range []struct {
		name   string
		writes []string
		want   string
	}{
		{name: "nothing"},
		{name: "one line", writes: []string{"a", " b\n", "\n"}, want: "a b"},
		{name: "more than fits", writes: []string{strings.Repeat("x", 3000), strings.Repeat("y",
			3000)}, want: strings.Repeat("x", 1096) + strings.Repeat("y", 3000)},
		{name: "at once", writes: []string{"z", strings.Repeat("x", 10_000)},
			want: strings.Repeat("x", maxOutput)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b tail
			for _, s := range tt.writes {
				if n, err := b.Write([]byte(s)); n != len(s) || err != nil {
					t.Errorf("wrote %d of %d, %v", n, len(s), err)
				}
			}
			if got := b.String(); got != tt.want {
				t.Errorf("got %d bytes %.50q…, want %d", len(got), got, len(tt.want))
			}
		})
	}
}
