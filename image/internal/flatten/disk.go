package flatten

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// job is a file to write, or a part of one. The parts of a file follow each
// other without another job of the same worker in between.
type job struct {
	ino    *inode
	header *layer.Header // of the first part, nil for the others
	data   []byte
	off    int64
	chunk  *layer.Chunk // holds data; nil for none
	last   bool         // the file is complete
}

// batch is how many jobs are handed over at once.
const batch = 64

// disk writes the tree below the root directory. The files of one directory are
// all written by one worker, which keeps the directory open; the kernel would
// make several workers wait for each other there anyway.
type disk struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	layers []Layer
	root   int // O_PATH
	// shared makes the workers keep the umask of the process and repair modes;
	// for tests, since no test machine forbids the better way.
	shared bool

	shards  int // workers
	next    int // shard that was given to a directory last
	queues  []chan []job
	pending [][]job
	workers sync.WaitGroup
	failed  atomic.Bool
	errOnce sync.Once
	err     error

	// Directories are made by whoever needs them first.
	makerLock sync.Mutex
	maker     *node // the directory that makerFd is
	makerFd   int

	warning  sync.Mutex
	warnings map[string]*warning
}

// warning counts how often the same thing happened.
type warning struct {
	first string // path
	n     int
}

// fail notes the first error and stops everything.
func (d *disk) fail(err error) {
	d.errOnce.Do(func() {
		d.err = err
		d.failed.Store(true)
		d.cancel(err)
	})
}

// send hands a job to the worker that has the directory.
func (d *disk) send(dir *node, j job) {
	if d.queues == nil {
		d.start()
	}
	if dir.shard == 0 {
		d.next = d.next%d.shards + 1
		dir.shard = d.next
	}
	i := dir.shard - 1
	d.pending[i] = append(d.pending[i], j)
	if len(d.pending[i]) == batch {
		d.handOver(i)
	}
}

// flush hands over all jobs that wait for a full batch.
func (d *disk) flush() {
	for i := range d.pending {
		if len(d.pending[i]) > 0 {
			d.handOver(i)
		}
	}
}

func (d *disk) handOver(i int) {
	d.queues[i] <- d.pending[i]
	d.pending[i] = make([]job, 0, batch)
}

// start starts the workers.
func (d *disk) start() {
	d.queues = make([]chan []job, d.shards)
	d.pending = make([][]job, d.shards)
	for i := range d.queues {
		queue := make(chan []job, 16)
		d.queues[i] = queue
		d.workers.Add(1)
		go d.onThread(d.workers.Done, func(w *writer) { d.work(w, queue) })
	}
}

// work is one worker. After an error it only releases what the jobs hold.
func (d *disk) work(w *writer, queue chan []job) {
	for jobs := range queue {
		for i := range jobs {
			j := &jobs[i]
			if !d.failed.Load() && d.ctx.Err() == nil {
				if err := w.do(j); err != nil {
					d.fail(d.fileError(j.ino, err))
				}
			}
			if j.chunk != nil {
				j.chunk.Release()
			}
		}
	}
}

// fileError says which entry err is about.
func (d *disk) fileError(ino *inode, err error) error {
	return &layer.Error{Digest: d.layers[ino.layer-1].Digest, Entry: ino.home.path(), Err: err}
}

// wait waits until all jobs are done and returns the first error. The workers
// start again with the next job.
func (d *disk) wait() error {
	d.flush()
	for _, q := range d.queues {
		close(q)
	}
	d.workers.Wait()
	d.queues, d.pending = nil, nil
	return d.err
}

// onThread calls f with a writer on a thread of its own, whose umask is 0, so
// that files have their final mode from the start. All threads share the umask
// of the process, but this one stops sharing it (CLONE_FS, unshare(2)), so that
// nobody else notices. The thread ends with f. Where unshare is forbidden, as
// by the seccomp profile of common container engines, the writer sets modes
// with a call of their own.
func (d *disk) onThread(done func(), f func(*writer)) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// In /proc the main thread stands for the process: leave it alone.
		defer runtime.UnlockOSThread()
		another := make(chan struct{})
		go d.onThread(func() { close(another) }, f)
		<-another
		done()
		return
	}
	defer done()
	w := newWriter(d)
	defer w.close()
	if d.shared {
		runtime.UnlockOSThread()
	} else {
		w.exact = privateUmask()
	}
	f(w)
}

// finish completes the tree once all files are there: it makes the directories
// that have none, links the further names of files, and sets the directories'
// metadata, which the work inside of them would have changed.
func (d *disk) finish(root *node) error {
	var dirs []*node
	err := root.walk(func(n *node) error {
		switch {
		case n.isDir:
			dirs = append(dirs, n)
		case !n.ino.written:
			return d.fileError(n.ino, errors.New("the entry was not found again in a second pass"))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, n := range dirs {
		if err := d.mkdir(n); err != nil {
			return fmt.Errorf("directory %q: %w", n.path(), err)
		}
	}
	d.closeMaker()
	var at atomic.Int64
	var wg sync.WaitGroup
	for range d.shards {
		wg.Add(1)
		go d.onThread(wg.Done, func(w *writer) {
			for d.ctx.Err() == nil {
				i := int(at.Add(1)) - 1
				if i >= len(dirs) {
					return
				}
				if err := w.finish(dirs[i]); err != nil {
					d.fail(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if d.err != nil {
		return d.err
	}
	return context.Cause(d.ctx)
}

// warn notes that something happened at path.
func (d *disk) warn(what string, path func() string) {
	d.warning.Lock()
	defer d.warning.Unlock()
	if d.warnings == nil {
		d.warnings = map[string]*warning{}
	}
	w := d.warnings[what]
	if w == nil {
		w = &warning{first: path()}
		d.warnings[what] = w
	}
	w.n++
}

// texts returns the warnings in words.
func (d *disk) texts() []string {
	var texts []string
	for _, what := range slices.Sorted(maps.Keys(d.warnings)) {
		w := d.warnings[what]
		text := fmt.Sprintf("%q: %s", w.first, what)
		if w.n > 1 {
			text = fmt.Sprintf("%s (and %d more)", text, w.n-1)
		}
		texts = append(texts, text)
	}
	return texts
}
