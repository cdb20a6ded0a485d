// Package stack makes the main goroutine's stack as large as a command needs it, once and while it is nearly empty: growing it step by
// step, each time with everything on it copied, costs a start more.
//
// It does so when it is initialised. It imports nothing, and its path comes before those of Go's internal packages: so it is one of the
// first to be initialised, before any that needs a larger stack (language specification, Program initialization).
package stack

// size is what the commands need, and a little more.
const size = 20 << 10

func init() { reserve(false) }

// reserve is called with false, so that the frame is reserved and not written to.
//
//go:noinline
func reserve(use bool) {
	if use {
		var frame [size]byte
		keep(&frame)
	}
}

//go:noinline
func keep(*[size]byte) {}
