package container

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ocikit/ocikit/runtime/await"
)

// forever is the deadline of waits that only an interrupt or their object ends.
var forever time.Time

// pause waits for a while.
func pause(limit time.Duration, i await.Interrupt) error {
	err := await.For(-1, time.Now().Add(limit), i)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// reports is where the stage reports: each read waits, until the interrupt.
type reports struct{ *launch }

// frozenAfter is how long a process of ours may be silent before its cgroup is
// looked at.
const frozenAfter = time.Second

// Read implements io.Reader. A process of ours that reports nothing may be in a
// cgroup that was frozen.
func (r reports) Read(p []byte) (int, error) {
	for {
		err := await.For(int(r.status.Fd()), time.Now().Add(frozenAfter), r.interrupt)
		if err == nil {
			return r.status.Read(p)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = r.stuck()
		}
		if err != nil {
			return 0, err
		}
	}
}

// stuck returns an error if the child can't go on since its cgroup is frozen,
// and nobody wants it to wait for that.
func (l *launch) stuck() error {
	if l.child == nil || l.patient {
		return nil
	}
	pid := l.child.PID
	if forked := l.child.Forked(); forked != 0 {
		pid = forked
	}
	if err := l.cgroup.Stuck(pid); err != nil {
		return fmt.Errorf("process %d can't go on: %w", pid, err)
	}
	return nil
}

// kill ends the child, which a freezer of cgroup v1 may hold.
func (l *launch) kill() error { return l.child.Kill(l.cgroup.Evict) }
