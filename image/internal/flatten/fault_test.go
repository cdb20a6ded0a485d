package flatten

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/internal/layer"
)

func TestLimits(t *testing.T) {
	big := strings.Repeat("x", 1000)
	sparse := sparseTar("s", 1<<40, [][2]int64{{0, 1}}, "x")
	tests := []struct {
		name   string
		layers []Layer
		limits Limits
		field  string // of the limit that is passed; "" for none
	}{
		{"entries of one layer", []Layer{layerOf(t, file("a", ""), file("b", ""), file("c", ""))},
			Limits{Entries: 2}, "Entries"},
		{"entries of all layers", []Layer{layerOf(t, file("a", ""), file("b", "")),
			layerOf(t, file("a", ""), file("b", ""))}, Limits{Entries: 3}, "Entries"},
		{"just enough entries", []Layer{layerOf(t, file("a", ""), file("b", ""))},
			Limits{Entries: 2}, ""},
		{"directories that are only implied", []Layer{layerOf(t, file("a/b/c/d/e", ""))},
			Limits{Entries: 4}, "Entries"},
		{"entries while replaying", []Layer{layerOf(t, symlink("l", "x/y/z")),
			layerOf(t, file("l/f", ""))}, Limits{Entries: 4}, "Entries"},
		{"size of a file", []Layer{layerOf(t, file("a", big))}, Limits{FileSize: 999}, "FileSize"},
		{"size of a hidden file", []Layer{layerOf(t, file("a", big)), layerOf(t, file("a", ""))},
			Limits{FileSize: 999}, "FileSize"},
		{"size of a hole", []Layer{blob(sparse, sparse, tarType)}, Limits{}, "FileSize"},
		{"holes count for the total", []Layer{blob(sparse, sparse, tarType)}, Limits{FileSize: -1,
			TotalSize: 1 << 39}, "TotalSize"},
		{"a large hole that is allowed", []Layer{blob(sparse, sparse, tarType)},
			Limits{FileSize: 1 << 40}, ""},
		{"total of what is hidden", []Layer{layerOf(t, file("a", big)), layerOf(t, file("a", big))},
			Limits{TotalSize: 5000}, "TotalSize"},
		{"long name", []Layer{layerOf(t, file(strings.Repeat("n/", 300)+"a", ""))},
			Limits{Extended: 500}, "Extended"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Apply(t.Context(), openDir(t), test.layers, Options{Limits: test.limits})
			var limit *layer.LimitError
			errors.As(err, &limit)
			switch {
			case test.field == "" && err == nil:
			case limit == nil || limit.Field != test.field:
				t.Errorf("got %v, want limit %q", err, test.field)
			}
		})
	}
}

// A layer that is not the promised one is an error, whatever can be made of it.
func TestBadLayers(t *testing.T) {
	good := layerOf(t, directory("d"), file("d/a", strings.Repeat("x", 1<<20)))
	other := digest.FromString("other")
	garbage := bytes.Repeat([]byte("garbage!"), 1<<17)
	tests := []struct {
		name string
		bad  func(l *Layer)
		want string
	}{
		{"digest", func(l *Layer) { l.Digest = other }, "digest mismatch"},
		{"diffID", func(l *Layer) { l.DiffID = other }, "diffID mismatch"},
		{"size", func(l *Layer) { l.Size++ }, "size mismatch"},
		{"negative size", func(l *Layer) { l.Size = -1 }, "size -1 is negative"},
		{"media type", func(l *Layer) { l.MediaType = "image/png" },
			`media type "image/png" is not one of an image layer`},
		// Nothing can be parsed, but the reason is that it is the wrong blob.
		{"garbage of another digest", func(l *Layer) {
			*l = blob(garbage, garbage, tarType)
			l.Digest = other
		}, "digest mismatch"},
		{"garbage of the right digest", func(l *Layer) { *l = blob(garbage, garbage, tarType) },
			"not a tar header"},
		{"the last file is cut", func(l *Layer) {
			data := tarball(t, file("a", strings.Repeat("x", 5000)))[:3000]
			*l = blob(data, data, tarType)
		}, `entry "a": unexpected EOF`},
	}
	for _, test := range tests {
		for at := range 3 {
			t.Run(fmt.Sprintf("%s in layer %d", test.name, at+1), func(t *testing.T) {
				layers := []Layer{good, good, good}
				test.bad(&layers[at])
				_, err := Apply(t.Context(), openDir(t), layers, Options{})
				var known *layer.Error
				if !errors.As(err, &known) || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("got %v, want %s", err, test.want)
				}
				if known.Digest != layers[at].Digest {
					t.Errorf("the error names layer %s", known.Digest)
				}
			})
		}
	}
}

// A layer that is read again may have changed.
func TestChangedBetweenPasses(t *testing.T) {
	first := layerOf(t, file("a", "1"), hardlink("b", "a"))
	second := layerOf(t, file("a", "2"), hardlink("b", "a"))
	var opened atomic.Int32
	l := first
	l.Open = func(ctx context.Context) (io.ReadCloser, error) {
		if opened.Add(1) == 1 {
			return first.Open(ctx)
		}
		return second.Open(ctx)
	}
	_, err := Apply(t.Context(), openDir(t), []Layer{l, layerOf(t, wh(".wh.a"))}, Options{})
	var mismatch *layer.MismatchError
	if !errors.As(err, &mismatch) {
		t.Errorf("got %v, want a mismatch", err)
	}
}

// A worker's error stops everything and is the one that is returned.
func TestWriteError(t *testing.T) {
	dir := openDir(t)
	// No file may be longer than this (setrlimit(2)); Go ignores the signal
	// that comes with the error.
	small := unix.Rlimit{Cur: 1 << 20, Max: unix.RLIM_INFINITY}
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, &small, &old); err != nil {
		t.Fatal(err)
	}
	defer unix.Prlimit(0, unix.RLIMIT_FSIZE, &old, nil)
	l := layerOf(t, file("d/a", strings.Repeat("x", 2<<20)), file("b", ""))
	_, err := Apply(t.Context(), dir, []Layer{l, l}, Options{})
	if want := "layer " + l.Digest.String() + `: entry "d/a": pwrite: file too large`; err == nil ||
		err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// stuck is a blob that stops in the middle until it is closed.
type stuck struct {
	io.Reader
	reached func()
	closed  chan struct{}
	once    sync.Once
}

func (s *stuck) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		s.reached()
		<-s.closed
		err = errors.New("closed")
	}
	return n, err
}

func (s *stuck) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func TestCancel(t *testing.T) {
	l := layerOf(t, file("a", strings.Repeat("x", 1000)))
	whole := l.Open
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user has had enough")
	l.Open = func(ctx context.Context) (io.ReadCloser, error) {
		r, err := whole(ctx)
		if err != nil {
			return nil, err
		}
		return &stuck{Reader: io.LimitReader(r, 100), reached: func() { cancel(why) },
			closed: make(chan struct{})}, nil
	}
	if _, err := Apply(ctx, openDir(t), []Layer{l, layerOf(t, file("b", ""))},
		Options{}); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	if _, err := Apply(ctx, openDir(t), nil, Options{}); !errors.Is(err, why) {
		t.Errorf("with a context that is over: got %v, want %v", err, why)
	}
}

// Cancelling at any point ends well: with the cause or, if it came too late,
// with the whole tree. No goroutine stays behind.
func TestCancelAnywhere(t *testing.T) {
	layers := sampleStack(t)
	before := runtime.NumGoroutine()
	for n := range int32(40) {
		ctx, cancel := context.WithCancel(t.Context())
		var events atomic.Int32
		_, err := Apply(ctx, openDir(t), layers, Options{Progress: func(Event) {
			if events.Add(1) == n {
				cancel()
			}
		}})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at event %d: %v", n, err)
		}
		cancel()
	}
	for deadline := time.Now().Add(
		10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}

// sampleStack is a small image that needs every kind of pass.
func sampleStack(t testing.TB) []Layer {
	data := strings.Repeat("0123456789", 30_000)
	return []Layer{
		layerOf(t, directory("usr"), directory("usr/lib"), symlink("lib", "usr/lib"),
			file("usr/lib/a",
				data), hardlink("usr/lib/b", "usr/lib/a"), file("usr/lib/c", "c")),
		layerOf(t, directory("usr"), directory("usr/lib"), file("usr/lib/.wh.a", ""),
			file("usr/lib/d",
				data)),
		layerOf(t, file("lib/c", "new"), file("etc/x", data)),
	}
}

func TestProgress(t *testing.T) {
	layers := sampleStack(t)
	var mu sync.Mutex
	read := map[[2]int]int64{}
	done := map[[2]int]int{}
	result, err := Apply(t.Context(), openDir(t), layers, Options{Progress: func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		key := [2]int{e.Pass, e.Layer}
		if e.Size != layers[e.Layer].Size || e.Read < read[key] || e.Read > e.Size {
			t.Errorf("bad event %+v after %d", e, read[key])
		}
		read[key] = e.Read
		if e.Done {
			done[key]++
			if e.Read != e.Size {
				t.Errorf("done at %d of %d", e.Read, e.Size)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, n := range done {
		sum += n
	}
	if sum != result.Passes {
		t.Errorf("%d times done, %d passes", sum, result.Passes)
	}
	if result.Entries != 12 {
		t.Errorf("got %+v", result)
	}
}

// Results count the same whichever way the layers were flattened.
func TestResult(t *testing.T) {
	layers := [][]entry{
		{directory("d"), file("d/a", "12"), file("d/b", "345"), directory("e")},
		{directory("d"), file("d/.wh.a", ""), file("d/b", "6789"), hardlink("d/c", "d/b")},
	}
	for _, again := range []bool{false, true} {
		var stack []Layer
		for _, l := range layers {
			if again {
				l = append(l, file("twice", ""), file("twice", ""))
			}
			stack = append(stack, layerOf(t, l...))
		}
		result, err := Apply(t.Context(), openDir(t), stack, Options{})
		if err != nil {
			t.Fatal(err)
		}
		want := Result{Entries: 8, Bytes: 4, Passes: 2}
		if again {
			want = Result{Entries: 12, Bytes: 4, Passes: result.Passes}
		}
		if fmt.Sprint(result) != fmt.Sprint(want) {
			t.Errorf("got %+v, want %+v", result, want)
		}
	}
}

// The chunks that wait to be written are bounded: a stack of many small files
// flows through the smallest memory, one worker and one stream.
func TestSmallMemory(t *testing.T) {
	var entries []entry
	for i := range 3000 {
		entries = append(entries, file(fmt.Sprintf("d%d/f%d", i%7, i), strings.Repeat(fmt.Sprint(i),
			200)))
	}
	entries = append(entries, file("big", strings.Repeat("0123456789", 1<<20)))
	l := layerOf(t, entries...)
	for _, opts := range []Options{{Memory: 1, Ahead: 1, Workers: 1}, {Memory: 1, Ahead: 4,
		Workers: 5}} {
		dir := openDir(t)
		if _, err := Apply(t.Context(), dir, []Layer{l, l, l}, opts); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir.Name(), "d*", "f*"))
		if err != nil || len(files) != 3000 {
			t.Errorf("%+v: %d files, %v", opts, len(files), err)
		}
	}
}

// Hostile shapes take time in proportion to their size. Each of these would
// take hours if an entry cost as much as all those before it.
func TestLinearTime(t *testing.T) {
	const n = 100_000
	repeat := func(f func(i int) entry) []entry {
		out := make([]entry, n)
		for i := range out {
			out[i] = f(i)
		}
		return out
	}
	deep := strings.Repeat("d/", 200)
	tests := []struct {
		name    string
		entries []entry
	}{
		{"the same file", repeat(func(int) entry { return file("a", "") })},
		{"the same directory", repeat(func(int) entry { return directory("a/b") })},
		{"file and directory take turns", repeat(func(i int) entry {
			if i%2 == 0 {
				return file("a", "")
			}
			return file("a/b", "")
		})},
		{"nested directories", repeat(func(i int) entry { return directory(deep[:1+i%200]) })},
		{"whiteouts of the same name", repeat(func(int) entry { return wh("a/.wh.b") })},
		{"whiteouts of many names", repeat(func(i int) entry {
			return wh(fmt.Sprintf(".wh.%d", i))
		})},
		{"through the same symbolic link", append([]entry{directory("d"), symlink("l", "d")},
			repeat(func(i int) entry { return directory(fmt.Sprintf("l/%d", i%1000)) })...)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := tarball(t, test.entries...)
			l := blob(data, data, tarType)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			start := time.Now()
			if _, err := Apply(ctx, openDir(t), []Layer{l}, Options{}); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d entries in %v", len(test.entries), time.Since(start))
		})
	}
}

func TestManyFilesInOneDirectory(t *testing.T) {
	const n = 150_000
	entries := make([]entry, n)
	for i := range entries {
		entries[i] = file(fmt.Sprintf("d/%d", i), "")
	}
	l := layerOf(t, entries...)
	dir := openDir(t)
	start := time.Now()
	if _, err := Apply(t.Context(), dir, []Layer{l}, Options{}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files in %v", n, time.Since(start))
	names, err := os.ReadDir(filepath.Join(dir.Name(), "d"))
	if err != nil || len(names) != n {
		t.Errorf("%d files, %v", len(names), err)
	}
}
