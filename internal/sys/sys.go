// Package sys is what several packages need of the kernel beyond package os:
// calls that a signal interrupts, processes by their pidfds, waits that a
// context ends, and messages with descriptors to Unix sockets. It decides
// nothing, and knows nothing of containers and images.
//
// No wait of this package holds a thread: what is waited for is registered with
// the poller of Go's runtime.
package sys

import "golang.org/x/sys/unix"

// Retry calls f until its error is not EINTR: a signal came in between.
func Retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
