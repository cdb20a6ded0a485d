package stage

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// The tests called TestInterpreter… really run small programs: natively, and on
// a machine without such a processor through
//
//	GOARCH=arm64 go test -c -o stage.test ./runtime/internal/stage
//	STAGE_EMULATOR=/usr/bin/qemu-aarch64-static /usr/bin/qemu-aarch64-static stage.test

func TestInterpreterImmediates(t *testing.T) {
	p := assemble(func(l *lowering) {
		l.print("hello\n")
		l.exit(7)
	})
	run(t, p, "", nil).check(t, result{stdout: "hello\n", exit: 7, progress: 2})
}

// copyFile is a program with a system call of six arguments that are all
// different: copy_file_range(2).
func copyFile(word func(l *lowering, value uint64) word) *Program {
	return assemble(func(l *lowering) {
		from, to := l.file("from").value, l.file("to").value
		offIn, offOut := l.preset(words(3)), l.preset(words(5))
		l.emit("copy_file_range", unix.SYS_COPY_FILE_RANGE,
			word(l, from), word(l, uint64(offIn)), word(l, to), word(l, uint64(offOut)), word(l, 4),
			word(l, 0))
		// Flags other than 0 are EINVAL: the sixth argument arrives, too.
		l.emit("copy_file_range", unix.SYS_COPY_FILE_RANGE,
			word(l, from), word(l, uint64(offIn)), word(l, to), word(l, uint64(offOut)), word(l, 4),
			word(l, 1))
	})
}

func TestInterpreterSixArguments(t *testing.T) {
	for _, tt := range []struct {
		name string
		word func(l *lowering, value uint64) word
	}{
		{"immediates", func(_ *lowering, value uint64) word { return imm(value) }},
		{"slots", func(l *lowering, value uint64) word { return in(l.slot(value)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
			if err := os.WriteFile(from, []byte("0123456789"), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := os.Open(from)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			w, err := os.Create(to)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			got := run(t, copyFile(tt.word), "", map[string]*os.File{"from": r, "to": w})
			got.check(t, result{report: failure(2, unix.EINVAL), exit: exitFailed, progress: 2})
			if data, err := os.ReadFile(to); err != nil ||
				string(data) != "\x00\x00\x00\x00\x003456" {
				t.Errorf("copied %q, %v", data, err)
			}
		})
	}
}

// TestInterpreterSlots mixes immediates and slots in all ways: a slot's bit
// belongs to its argument alone.
func TestInterpreterSlots(t *testing.T) {
	for mask := range 1 << 3 {
		t.Run(fmt.Sprintf("%03b", mask), func(t *testing.T) {
			p := assemble(func(l *lowering) {
				text := l.str("slots")
				args := []uint64{1, text.value, 5}
				var list []word
				for i, a := range args {
					if mask&(1<<i) != 0 {
						list = append(list, in(l.slot(a)))
					} else {
						list = append(list, imm(a))
					}
				}
				l.emit("write", unix.SYS_WRITE, list...)
				l.exit(0)
			})
			run(t, p, "", nil).check(t, result{stdout: "slots", progress: 2})
		})
	}
}

// TestInterpreterStore stores the result of a success and leaves the slot alone
// after an error.
func TestInterpreterStore(t *testing.T) {
	p := assemble(func(l *lowering) {
		n := l.slot(99)
		l.print("four").into(n)
		l.check("stored", n, ^uint64(0), 4, unix.ENOTRECOVERABLE)
		l.emit("close", unix.SYS_CLOSE, imm(12345)).into(n).ignore(unix.EBADF)
		l.check("left alone", n, ^uint64(0), 4, unix.ENOTRECOVERABLE)
		// no store: the first word of the scratch segment is the status
		// descriptor
		l.emit("umask", unix.SYS_UMASK, imm(0o77))
		l.check("status descriptor", slot(scratchBase+statusFD), ^uint64(0), 3,
			unix.ENOTRECOVERABLE)
		l.exit(0)
	})
	run(t, p, "", nil).check(t, result{stdout: "four", progress: 7})
}

// TestInterpreterWideResult: a result of 32 bits that looks negative is no
// error, and is stored as it is.
func TestInterpreterWideResult(t *testing.T) {
	const high = 0xffff_f000 // the last page below 4 GiB, whose address is -4096 in 32 bits
	p := assemble(func(l *lowering) {
		at := l.slot(0)
		l.emit("mmap", unix.SYS_MMAP, imm(high), imm(1), imm(unix.PROT_READ),
			imm(unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED),
			imm(^uint64(0)), imm(0)).into(at)
		l.check("address", at, ^uint64(0), high, unix.ENOTRECOVERABLE)
		l.exit(0)
	})
	run(t, p, "", nil).check(t, result{progress: 3})
}

// TestInterpreterLoop is cat: it jumps backwards and forwards and uses results
// as arguments.
func TestInterpreterLoop(t *testing.T) {
	p := assemble(func(l *lowering) {
		again, end := l.label(), l.label()
		n, buffer := l.slot(0), l.buffer(3)
		l.bind(again)
		l.emit("read", unix.SYS_READ, imm(0), address(buffer), imm(3)).into(n)
		l.check("end of file", n, ^uint64(0), 0, unix.EAGAIN).to(end).on(unix.EAGAIN, follow)
		l.emit("write", unix.SYS_WRITE, imm(1), address(buffer), in(n)).to(again)
		l.print("never")
		l.bind(end)
		l.exit(0)
	})
	text := strings.Repeat("0123456789", 700)
	run(t, p, text, nil).check(t, result{stdout: text, progress: 5})
}

// TestInterpreterTolerances gives an instruction the most errors it can
// tolerate and lets it fail with each of them.
func TestInterpreterTolerances(t *testing.T) {
	errnos := [maxTolerances]syscall.Errno{unix.EPERM, unix.ENOENT, unix.Errno(4095), unix.EINVAL}
	program := func(fail syscall.Errno) *Program {
		return assemble(func(l *lowering) {
			d := l.check("test", l.slot(0), 1, 1, fail)
			var targets [maxTolerances]label
			for i, errno := range errnos {
				targets[i] = l.label()
				d.on(errno, targets[i])
			}
			l.exit(99)
			for i, target := range targets {
				l.bind(target)
				l.exit(i)
			}
		})
	}
	for i, errno := range errnos {
		t.Run(fmt.Sprint(int(errno)), func(t *testing.T) {
			run(t, program(errno), "", nil).check(t, result{exit: i, progress: 3 + i})
		})
	}
	for _, errno := range []syscall.Errno{unix.EBADF, unix.EEXIST, unix.Errno(4094)} {
		t.Run("not "+fmt.Sprint(int(errno)), func(t *testing.T) {
			run(t, program(errno), "", nil).check(t, result{exit: exitFailed, report: failure(1,
				errno), progress: 1})
		})
	}
}

// TestInterpreterTolerated does the same with a real system call that fails.
func TestInterpreterTolerated(t *testing.T) {
	p := assemble(func(l *lowering) {
		l.emit("close", unix.SYS_CLOSE, imm(12345)).ignore(unix.ENOENT, unix.EBADF)
		l.emit("close", unix.SYS_CLOSE, imm(12345)).ignore(unix.ENOENT)
		l.exit(0)
	})
	run(t, p, "", nil).check(t, result{report: failure(2, unix.EBADF), exit: exitFailed,
		progress: 2})
}

func TestInterpreterCheck(t *testing.T) {
	for _, tt := range []struct {
		name              string
		value, mask, want uint64
		pass              bool
	}{
		{"equal", 5, ^uint64(0), 5, true},
		{"different", 5, ^uint64(0), 4, false},
		{"masked", 0xff05, 0xff, 5, true},
		{"zero", 0, ^uint64(0), 0, true},
		{"high half counts", 1 << 40, ^uint64(0), 0, false},
		{"high half equal", 1<<40 | 3, ^uint64(0), 1<<40 | 3, true},
		{"high half masked", 1<<40 | 3, 0xffff_ffff, 3, true},
		{"all bits", ^uint64(0), ^uint64(0), ^uint64(0), true},
		{"wanted bits outside of the mask", 5, 1, 5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := assemble(func(l *lowering) {
				l.check("test", l.slot(tt.value), tt.mask, tt.want, unix.ENOTUNIQ)
				l.exit(0)
			})
			want := result{progress: 2}
			if !tt.pass {
				want = result{report: failure(1, unix.ENOTUNIQ), exit: exitFailed, progress: 1}
			}
			run(t, p, "", nil).check(t, want)
		})
	}
}

// TestInterpreterCheckResult: a check that passes stores 0, as a system call
// that succeeds.
func TestInterpreterCheckResult(t *testing.T) {
	p := assemble(func(l *lowering) {
		n := l.slot(7)
		l.check("test", n, ^uint64(0), 7, unix.EINVAL).into(n)
		l.check("stored", n, ^uint64(0), 0, unix.ENOTUNIQ)
		l.exit(0)
	})
	run(t, p, "", nil).check(t, result{progress: 3})
}

// TestInterpreterFault breaks each instruction of a program.
func TestInterpreterFault(t *testing.T) {
	p := assemble(func(l *lowering) {
		l.print("a").ignore(unix.EDOM)
		l.print("b")
		l.exit(0)
	})
	for index, stdout := range []string{"", "", "a", "ab"} {
		t.Run(fmt.Sprint(index), func(t *testing.T) {
			// Nothing is tolerated of a fault, and the first instruction fails
			// before there is a word for the progress.
			got := run(t, p.WithFault(index, unix.EDOM), "", nil)
			got.check(t, result{stdout: stdout, report: failure(index, unix.EDOM), exit: exitFailed,
				progress: index})
		})
	}
	// the program itself has stayed as it was
	run(t, p, "", nil).check(t, result{stdout: "ab", progress: 3})
}

// TestInterpreterNoStatus: with nobody left to tell, the program ends all the
// same.
func TestInterpreterNoStatus(t *testing.T) {
	p := assemble(func(l *lowering) {
		l.emit("close", unix.SYS_CLOSE, l.status)
		l.emit("close", unix.SYS_CLOSE, imm(12345))
	})
	run(t, p, "", nil).check(t, result{exit: exitFailed, progress: 2})
}

// TestInterpreterInterrupted lets a stop signal interrupt a system call that is
// then not restarted by the kernel, signal(7).
func TestInterpreterInterrupted(t *testing.T) {
	const wait = 3
	program := func(retry bool) *Program {
		return assemble(func(l *lowering) {
			event := make([]byte, 16)
			binary.NativeEndian.PutUint32(event, unix.EPOLLIN)
			fd := l.slot(0)
			l.emit("epoll_create1", unix.SYS_EPOLL_CREATE1, imm(0)).into(fd)
			l.emit("epoll_ctl", unix.SYS_EPOLL_CTL, in(fd), imm(unix.EPOLL_CTL_ADD), imm(0),
				l.bytes(event))
			d := l.emit("epoll_pwait", unix.SYS_EPOLL_PWAIT, in(fd), address(l.buffer(16)), imm(1),
				imm(^uint64(0)), imm(0), imm(0))
			if retry {
				l.retry(d)
			}
			l.print("event")
			l.exit(0)
		})
	}
	interrupt := func(proc *process) {
		proc.awaitCall(wait)
		if err := unix.Kill(proc.pid, unix.SIGSTOP); err != nil {
			proc.t.Fatal(err)
		}
		if err := unix.Waitid(unix.P_PID, proc.pid, nil, unix.WSTOPPED, nil); err != nil {
			proc.t.Fatal(err)
		}
		if err := unix.Kill(proc.pid, unix.SIGCONT); err != nil {
			proc.t.Fatal(err)
		}
	}
	t.Run("fails", func(t *testing.T) {
		proc := launch(t, program(false), nil)
		interrupt(proc)
		proc.finish().check(t, result{report: failure(wait, unix.EINTR), exit: exitFailed,
			progress: wait})
	})
	t.Run("retried", func(t *testing.T) {
		proc := launch(t, program(true), nil)
		for range 3 {
			interrupt(proc)
		}
		proc.awaitCall(wait)
		proc.finish().check(t, result{stdout: "event", progress: wait + 2})
	})
}

// TestInterpreterSignals sends a program signals that it has a handler for,
// that it does not know, and that it ignores.
func TestInterpreterSignals(t *testing.T) {
	const ignore = 1 // SIG_IGN
	for _, tt := range []struct {
		name    string
		ignored bool
		sent    unix.Signal
		want    result
	}{
		{"handled", false, unix.SIGTERM, result{exit: signaled + int(unix.SIGTERM), progress: 6}},
		{"not the one", false, unix.SIGURG, result{stdout: "lives", progress: 8}},
		{"ignored", true, unix.SIGTERM, result{stdout: "lives", progress: 8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := assemble(func(l *lowering) {
				handler, pid := 0, l.slot(0)
				if tt.ignored {
					handler = ignore
				}
				l.emit("rt_sigaction", unix.SYS_RT_SIGACTION, imm(unix.SIGTERM),
					l.bytes(words(uint64(handler), 0, 0, 0)), imm(0), imm(8))
				l.exitOnSignals(plan.ExitOnSignals{Signals: []unix.Signal{unix.SIGTERM}})
				l.emit("getpid", unix.SYS_GETPID).into(pid)
				l.emit("kill", unix.SYS_KILL, in(pid), imm(tt.sent))
				l.print("lives")
				l.exit(0)
			})
			run(t, p, "", nil).check(t, tt.want)
		})
	}
}

// TestInterpreterSecondClone makes a second process, as a user namespace takes:
// both go on, each its own way, and the first one waits.
func TestInterpreterSecondClone(t *testing.T) {
	p := assemble(func(l *lowering) {
		pid, status := l.slot(77), l.slot(0)
		parent := l.label()
		l.emit("clone", unix.SYS_CLONE, imm(int(unix.SIGCHLD)), imm(0), imm(0), imm(0),
			imm(0)).into(pid)
		l.check("which one", pid, ^uint64(0), 0, unix.EAGAIN).on(unix.EAGAIN, parent)
		l.print("child ")
		l.exit(3)
		l.bind(parent)
		l.emit("wait4", unix.SYS_WAIT4, in(pid), address(status), imm(0), imm(0))
		l.check("exit status", status, ^uint64(0), 3<<8, unix.ECHILD)
		l.print("parent")
		l.exit(4)
	})
	run(t, p, "", nil).check(t, result{stdout: "child parent", exit: 4, progress: 8})
}

// TestInterpreterCloneMemory: the second process has slots of its own, and
// reports on the same descriptor.
func TestInterpreterCloneMemory(t *testing.T) {
	p := assemble(func(l *lowering) {
		pid, own := l.slot(0), l.slot(1)
		parent := l.label()
		l.emit("clone", unix.SYS_CLONE, imm(int(unix.SIGCHLD)), imm(0), imm(0), imm(0),
			imm(0)).into(pid)
		l.check("which one", pid, ^uint64(0), 0, unix.EAGAIN).on(unix.EAGAIN, parent)
		l.print("").into(own) // 0 in the child's memory
		l.check("fault of the child", own, 1, 1, unix.EXDEV)
		l.bind(parent)
		l.emit("wait4", unix.SYS_WAIT4, in(pid), imm(0), imm(0), imm(0))
		l.check("the parent's own", own, ^uint64(0), 1, unix.ENOTUNIQ)
		l.exit(0)
	})
	run(t, p, "", nil).check(t, result{report: failure(4, unix.EXDEV), progress: 7})
}

// TestInterpreterProgress watches a program wait, and kills it there.
func TestInterpreterProgress(t *testing.T) {
	p := assemble(func(l *lowering) {
		l.print("x")
		l.emit("read", unix.SYS_READ, imm(0), address(l.buffer(8)), imm(1))
		l.print("y")
		l.emit("read", unix.SYS_READ, imm(0), address(l.buffer(8)), imm(1))
		l.exit(0)
	})
	t.Run("to the end", func(t *testing.T) {
		proc := launch(t, p, nil)
		for _, at := range []int{2, 4} {
			proc.awaitCall(at)
			if _, err := proc.stdin.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
		}
		proc.finish().check(t, result{stdout: "xy", progress: 5})
	})
	t.Run("killed", func(t *testing.T) {
		proc := launch(t, p, nil)
		proc.awaitCall(2)
		if err := unix.Kill(proc.pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		proc.finish().check(t, result{stdout: "x", exit: -1 - int(unix.SIGKILL), progress: 2})
	})
}

// TestInterpreterBigData: the data segment may be megabytes, and every page of
// it is there.
func TestInterpreterBigData(t *testing.T) {
	text := strings.Repeat("a line of the data segment.\n", 200_000)
	p := assemble(func(l *lowering) {
		n := l.slot(0)
		l.print(text).into(n)
		l.check("all of it", n, ^uint64(0), uint64(len(text)), unix.EIO)
		l.exit(0)
	})
	run(t, p, "", nil).check(t, result{stdout: text, progress: 3})
}

// TestInterpreterBigEnvironment hands a program an environment of a megabyte.
func TestInterpreterBigEnvironment(t *testing.T) {
	var env []string
	for i := range 16 {
		env = append(env, fmt.Sprintf("V%d=%s", i, strings.Repeat("x", 1<<16)))
	}
	p := assemble(func(l *lowering) {
		l.emit("exec", unix.SYS_EXECVE, l.str("/bin/sh"), l.vector([]string{"sh", "-c",
			"echo ${#V0} ${#V15} $#", "sh", ""}), l.vector(env))
	})
	run(t, p, "", nil).check(t, result{stdout: "65536 65536 1\n", progress: 1})
}

// TestInterpreterManyInstructions: the table may be megabytes, too.
func TestInterpreterManyInstructions(t *testing.T) {
	const n = 30_000
	p := assemble(func(l *lowering) {
		for range n {
			l.check("pass", l.status0(), ^uint64(0), 3, unix.EINVAL)
		}
		l.exit(0)
	})
	run(t, p, "", nil).check(t, result{progress: n + 1})
}

// status0 is the word that holds the status descriptor's number.
func (l *lowering) status0() slot { return slot(scratchBase + statusFD) }

// TestInterpreterArguments: the image itself is started with nothing but its
// name; a program has to bring its own.
func TestInterpreterArguments(t *testing.T) {
	p := assemble(func(l *lowering) {
		l.emit("exec", unix.SYS_EXECVE, l.str("/bin/sh"), l.vector([]string{"sh", "-c",
			`echo "$A-$PATH-$1"; cat`, "sh", "one"}),
			l.vector([]string{"A=1", "PATH=/usr/bin:/bin"}))
	})
	run(t, p, "input", nil).check(t, result{stdout: "1-/usr/bin:/bin-one\ninput", progress: 1})
}
