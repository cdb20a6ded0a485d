package main

import "runtime"

// parallel allows n goroutines to be in Go code or in a system call at a time. bin/runtime begins with one, so that a command that does one
// thing after the other needs no second thread (docs/decisions/0017). Where a goroutine waits in the kernel and more of them have work than
// are allowed, the work waits, too: until Go's runtime looks for such cases, a millisecond or more.
func parallel(n int) {
	if n > runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(n)
	}
}

// What a command counts for parallel, beside itself.
const (
	forHooks    = 2 // one goroutine waits for the hook's end; two that pass on what it reads and writes are rarely busy at a time
	forTerminal = 2 // one for each direction
)
