package main

import (
	"github.com/ocikit/ocikit/runtime/signals"
	"golang.org/x/sys/unix"
)

// interrupt ends what a command waits for when a signal asks the command to
// end. From its first use on these signals do not end this program by
// themselves: what it has begun is undone.
type interrupt struct {
	queue *signals.Queue
	early []unix.Signal // what came meanwhile and means something else
}

// endings are the signals that ask a program to end.
var endings = []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}

// FD begins to collect the signals that end this program, unless that has begun
// with others. It is a descriptor that can be read when there is one.
func (i *interrupt) FD() (int, error) {
	if i.queue == nil {
		var list []unix.Signal
		for _, s := range endings {
			ignored, err := signals.Ignored(s)
			if err != nil {
				return 0, err
			}
			if !ignored {
				list = append(list, s)
			}
		}
		var err error
		if i.queue, err = signals.Collect(list...); err != nil {
			return 0, err
		}
	}
	return i.queue.FD(), nil
}

// Reason returns the signal that asks this program to end; "" if there is none.
func (i *interrupt) Reason() (string, error) {
	for {
		sig, err := i.queue.Next()
		if sig == 0 || err != nil {
			return "", err
		}
		for _, s := range endings {
			if s == sig {
				return unix.SignalName(sig), nil
			}
		}
		i.early = append(i.early, sig)
	}
}

// next returns the next signal of all that came, or 0.
func (i *interrupt) next() (unix.Signal, error) {
	if len(i.early) == 0 {
		return i.queue.Next()
	}
	sig := i.early[0]
	i.early = i.early[1:]
	return sig, nil
}
