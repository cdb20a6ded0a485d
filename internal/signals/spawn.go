package signals

import (
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// changing is locked while signal actions change.
var changing sync.Mutex

// Spawn calls start, which starts a program. The program begins with no signal
// ignored and none blocked, even if this process ignores or blocks some
// (nohup(1), a shell's `command &`). exec(2) keeps both and only resets
// handlers. So each ignored signal has a handler meanwhile that does nothing,
// and this thread blocks no signal.
func Spawn(start func() error) (err error) {
	runtime.LockOSThread() // clone(2) copies the mask of this thread
	defer runtime.UnlockOSThread()
	changing.Lock()
	defer changing.Unlock()
	ignoring, err := unignore()
	defer func() {
		for s, old := range ignoring {
			if again := ignoreAgain(s, old); again != nil && err == nil {
				err = fmt.Errorf("ignore signal %d again: %w", int(s), again)
			}
		}
	}()
	if err != nil {
		return err
	}
	var none, blocked unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &none, &blocked); err != nil {
		return os.NewSyscallError("rt_sigprocmask", err)
	}
	if blocked != none {
		defer func() {
			if again := unix.PthreadSigmask(unix.SIG_SETMASK, &blocked, nil); again != nil &&
				err == nil {
				err = os.NewSyscallError("rt_sigprocmask", again)
			}
		}()
	}
	return start()
}

// unignore gives every ignored signal a handler, and returns their actions from
// before.
func unignore() (map[unix.Signal]sigaction, error) {
	var ignoring map[unix.Signal]sigaction
	for s := unix.Signal(1); s <= last; s++ {
		old, err := action(s, nil)
		if err == nil && old.handler == ignored {
			wanted := handling(nothing)
			_, err = action(s, &wanted)
			if ignoring == nil {
				ignoring = make(map[unix.Signal]sigaction)
			}
			ignoring[s] = old
		}
		if err != nil {
			return ignoring, fmt.Errorf("look at signal %d: %w", int(s), err)
		}
	}
	return ignoring, nil
}

// ignoreAgain undoes unignore for a signal, unless somebody else, such as
// os/signal, has begun to handle it meanwhile.
func ignoreAgain(s unix.Signal, old sigaction) error {
	now, err := action(s, &old)
	if err == nil && now.handler != handling(nothing).handler {
		_, err = action(s, &now)
	}
	return err
}
