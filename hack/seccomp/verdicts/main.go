// Command verdicts asks the running kernel for the verdicts of a seccomp
// filter, for the tests of runtime/seccomp. It is a test tool: nothing that
// ships uses it.
//
// It reads from standard input, in the byte order of the machine: the number
// of instructions and the number of calls, 4 bytes each; the instructions as
// struct sock_filter; and for each call its number and six arguments, 8 bytes
// each. It loads the filter on one thread, makes the calls there and writes
// the errno of each, 4 bytes, to standard output.
//
// The filter must answer every call with an errno: a call that it lets through
// is made, with whatever consequences. The thread under the filter cannot do
// anything else, not even for Go's own purposes, so run it with GOGC=off,
// GODEBUG=asyncpreemptoff=1 and GOMAXPROCS at least 2, and do not build it
// with the race detector.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// callSize is the size of one call on standard input.
const callSize = 7 * 8

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "verdicts:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	if len(b) < 8 {
		return errors.New("no filter on standard input")
	}
	n, calls := int(binary.NativeEndian.Uint32(b)), int(binary.NativeEndian.Uint32(b[4:]))
	b = b[8:]
	if n == 0 || n > 4096 || len(b) != 8*n+callSize*calls {
		return fmt.Errorf("%d bytes for %d instructions and %d calls", len(b), n, calls)
	}
	words := make([]uintptr, 7*calls)
	for i := range words {
		words[i] = uintptr(binary.NativeEndian.Uint64(b[8*n+8*i:]))
	}
	results := make([]uint32, calls)
	var done atomic.Int32
	go callUnder(b[:8*n], words, results, &done)
	for done.Load() == 0 {
		runtime.Gosched()
	}
	if done.Load() < 0 {
		return errors.New("seccomp(2) refused the filter")
	}
	answer := make([]byte, 0, 4*calls)
	for _, errno := range results {
		answer = binary.NativeEndian.AppendUint32(answer, errno)
	}
	_, err = out.Write(answer)
	return err
}

// callUnder loads a filter on its thread, makes the calls and stores their
// errnos. Then the thread spins: the process ends around it.
func callUnder(filter []byte, words []uintptr, results []uint32, done *atomic.Int32) {
	runtime.LockOSThread()
	if err := load(filter); err != nil {
		done.Store(-1)
		return
	}
	for i := range results {
		w := words[7*i : 7*i+7]
		_, _, errno := unix.RawSyscall6(w[0], w[1], w[2], w[3], w[4], w[5], w[6])
		results[i] = uint32(errno)
	}
	done.Store(1)
	for done.Load() != 0 {
	}
}
