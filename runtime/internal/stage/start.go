package stage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/signals"
	"github.com/ocikit/ocikit/runtime/plan"
)

// Image is a program that is ready to be started: an executable in memory, and
// what it will share with this process.
type Image struct {
	program *Program
	file    *os.File
	memory  memory
}

// Image makes what Start needs. The caller closes it.
func (p *Program) Image() (*Image, error) {
	file, err := newExecutable(p.image(os.Getpagesize()))
	if err != nil {
		return nil, err
	}
	i := &Image{program: p, file: file}
	if i.memory, err = p.newMemory(); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

// Close lets go of the image. A process that was started goes on.
func (i *Image) Close() error {
	i.memory.closeFiles()
	return errors.Join(i.file.Close(), i.memory.unmap())
}

// StartOptions say how the program's process is made.
type StartOptions struct {
	Clone plan.Clone
	// Files are the descriptors by the names in Program.Files, except those of
	// the memory that the program shares. They stay the caller's.
	Files map[string]*os.File
	// Stdio are the program's standard input, output and error; a nil one is
	// /dev/null's business: the caller opens it.
	Stdio [3]*os.File
	// Preserved are handed to the user's program as descriptor 3 and up.
	Preserved []*os.File
	// Cgroup is the directory of a cgroup v2 to be born in, if
	// Clone.IntoCgroup.
	Cgroup *os.File
}

// Child is the running program.
type Child struct {
	PID     int
	PIDFile *os.File // a pidfd
	program *Program
	memory  memory
	adopted int // how many forks Adopt has followed
}

// Start makes an image of the program and runs it as a new process: see
// Image.Start.
func (p *Program) Start(o StartOptions) (*Child, error) {
	i, err := p.Image()
	if err != nil {
		return nil, err
	}
	child, err := i.Start(o)
	if closeErr := i.Close(); err == nil && closeErr != nil {
		return nil, errors.Join(closeErr, child.Kill(nil), child.Close())
	}
	return child, err
}

// Start runs the program as a new process. The caller closes the Child and waits
// for the process. After an error it may be called again, otherwise it may not.
func (i *Image) Start(o StartOptions) (*Child, error) {
	files := make([]uintptr, 0, 3+len(o.Preserved)+len(i.program.Files)+1)
	for _, f := range o.Stdio {
		files = append(files, f.Fd())
	}
	for _, f := range o.Preserved {
		files = append(files, f.Fd())
	}
	for _, name := range i.program.Files {
		f := o.Files[name]
		if own, ok := i.memory[name]; ok {
			f = own.file
		}
		if f == nil {
			return nil, fmt.Errorf("stage: the program needs a descriptor for %q", name)
		}
		files = append(files, f.Fd())
	}
	// The path of the image is resolved in the child, after its descriptors
	// were put in place: the image has to be one of them. The program's first
	// step has it closed at exec, with all others.
	path := "/proc/self/fd/" + strconv.Itoa(len(files))
	files = append(files, i.file.Fd())
	pidfd := -1
	attr := &syscall.ProcAttr{Files: files, Sys: &syscall.SysProcAttr{
		Cloneflags: uintptr(o.Clone.Flags), PidFD: &pidfd}}
	if o.Clone.IntoCgroup {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(o.Cgroup.Fd())
	}
	var pid int
	err := signals.Spawn(func() (err error) {
		pid, err = syscall.ForkExec(path, []string{"stage"}, attr)
		return err
	})
	runtime.KeepAlive(o)
	if err != nil {
		return nil, fmt.Errorf("start a process of the container: %w", err)
	}
	child := &Child{PID: pid, PIDFile: os.NewFile(uintptr(pidfd), "pidfd"), program: i.program,
		memory: i.memory}
	i.memory.closeFiles()
	i.memory = nil // it is the child's
	return child, nil
}

// memory is what a program and its parent share, by the names of the
// descriptors that the program maps it from.
type memory map[string]*mapping

// mapping is a file in memory, and its content.
type mapping struct {
	file *os.File
	data []byte
}

// newMemory makes what the program shares with its parent. What is made is
// returned with the error, too.
//
// The process's id that a Fork tells is in a file of its own. Whoever traces the
// new process can get at all of a file that this one has mapped, by mremap(2)
// or /proc/PID/map_files, and it has not mapped that one: see begin.
func (p *Program) newMemory() (m memory, err error) {
	m = make(memory)
	if m[ProgressFile], err = share("stage-progress", p.shared); err != nil {
		return m, err
	}
	for n := range p.forks {
		name := forkedFile(n)
		if m[name], err = share("stage-"+name, forkedSize); err != nil {
			return m, err
		}
		m[name].data[0] = 0 // the kernel does not say if there is no memory for the id
	}
	return m, nil
}

// closeFiles leaves the content mapped.
func (m memory) closeFiles() {
	for _, part := range m {
		if part != nil {
			part.file.Close()
		}
	}
}

func (m memory) unmap() (err error) {
	for _, part := range m {
		if part != nil {
			err = errors.Join(err, unix.Munmap(part.data))
		}
	}
	return err
}

// share makes memory that this process and a program share. Whoever traces the
// program may write what they like there, but can't change its size: reading
// what has been cut off would end the parent by SIGBUS.
func share(name string, size int) (*mapping, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, errors.Join(fmt.Errorf("ftruncate of a memfd: %w", err), file.Close())
	}
	const seals = unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(fmt.Errorf("seal a memfd: %w", err), file.Close())
	}
	data, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mmap of a memfd: %w", err), file.Close())
	}
	return &mapping{file, data}, nil
}

// Forked returns the id of the process that the next Fork has made, or after the
// last one of the process that goes on. It is 0 if there is none. It is a child
// of this process that nobody else waits for.
func (c *Child) Forked() int {
	if c.program.forks == 0 {
		return 0
	}
	return c.forked(min(c.adopted, c.program.forks-1))
}

// forked returns the id of the process that the n-th Fork has made, or 0.
func (c *Child) forked(n int) int {
	return int(binary.NativeEndian.Uint32(c.memory[forkedFile(n)].data))
}

// Adopt goes on with the process that the program has forked, once the old one
// has ended: until then, it waits. It is called once for each Fork. If the program has not forked, status, which
// is not 0 then, says how it has ended.
func (c *Child) Adopt() (status unix.WaitStatus, err error) {
	for {
		_, err := unix.Wait4(c.PID, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for process %d: %w", c.PID, err)
		}
		break
	}
	if status != 0 {
		return status, nil
	}
	pid := c.Forked()
	pidfd, err := openChild(pid)
	if err != nil {
		return 0, err
	}
	err = c.PIDFile.Close()
	c.PID, c.PIDFile = pid, pidfd
	c.adopted++
	return 0, err
}

// Kill ends the program's process, and those that it may have forked, and waits
// for their ends. Those that were waited for are no error. For one that does
// not die within a moment evict is called: a freezer of cgroup v1 may hold it. A
// nil one is not.
func (c *Child) Kill(evict func(pid int) error) error {
	if err := end(c.PIDFile, c.PID, evict); err != nil {
		return err
	}
	// what each has forked is known after its end: until then it could still
	for n := c.adopted; n < c.program.forks; n++ {
		forked := c.forked(n)
		if forked == 0 {
			return nil
		}
		pidfd, err := openChild(forked)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(end(pidfd, forked, evict), pidfd.Close()); err != nil {
			return err
		}
	}
	return nil
}

// How long a killed process may take to die before it is taken for a frozen
// one, and to be gone altogether.
const (
	killMoment   = 50 * time.Millisecond
	killPatience = 2 * time.Second
)

// end kills a child process and waits for its end.
func end(pidfd *os.File, pid int, evict func(pid int) error) error {
	err := unix.PidfdSendSignal(int(pidfd.Fd()), unix.SIGKILL, nil, 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	dead, err := hasEnded(pidfd, killMoment)
	if err == nil && !dead && evict != nil {
		err = evict(pid)
	}
	if err != nil {
		return err
	}
	return reapKilled(pidfd, pid, time.Now().Add(killPatience))
}

// reapKilled waits for the end of a child process that was killed, and not for
// ever: a tracer in the container may keep it from its parent.
func reapKilled(pidfd *os.File, pid int, deadline time.Time) error {
	for {
		if _, err := hasEnded(pidfd, time.Until(deadline)); err != nil {
			return err
		}
		n, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case n == pid, errors.Is(err, unix.ECHILD):
			return nil
		case err != nil:
			return fmt.Errorf("wait for process %d: %w", pid, err)
		case time.Now().After(deadline):
			return fmt.Errorf("process %d was killed and is not gone: %w (is it traced, or "+
				"waiting for a device?)", pid, os.ErrDeadlineExceeded)
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

// hasEnded waits for the end of a process for a limited time and reports
// whether it came.
func hasEnded(pidfd *os.File, limit time.Duration) (bool, error) {
	deadline := time.Now().Add(limit)
	for {
		fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, max(0, int(time.Until(deadline)/time.Millisecond)))
		if !errors.Is(err, unix.EINTR) {
			return n > 0, os.NewSyscallError("poll", err)
		}
	}
}

// openChild opens a child process of this one that was not waited for, and
// nothing else.
func openChild(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open of the forked process %d: %w", pid, err)
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PIDFD, fd, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT,
		nil); err != nil {
		return nil, errors.Join(fmt.Errorf("the forked process is said to be %d, which is none "+
			"of ours: waitid: %w", pid, err), pidfd.Close())
	}
	return pidfd, nil
}

// Progress returns the number of the instruction that the program runs, or ran
// last.
func (c *Child) Progress() int { return int(binary.NativeEndian.Uint32(c.progress())) }

// Marks returns when each step of the plan began, by CLOCK_MONOTONIC; 0 for a
// step that the program did not come to, or that is none of its. It is nil for
// a program that was not lowered by LowerTraced.
func (c *Child) Marks() []time.Duration {
	if c.program.shared == progressSize {
		return nil
	}
	marks := make([]time.Duration, len(c.program.plan.Steps))
	for i := range marks {
		at := c.progress()[marksAt+markSize*i:]
		marks[i] = time.Duration(binary.NativeEndian.Uint64(at))*time.Second +
			time.Duration(binary.NativeEndian.Uint64(at[8:]))
	}
	return marks
}

func (c *Child) progress() []byte { return c.memory[ProgressFile].data }

// Close lets go of the pidfd and of the shared memory, not of the process.
func (c *Child) Close() error { return errors.Join(c.PIDFile.Close(), c.memory.unmap()) }

// Failure is an instruction that failed.
type Failure struct {
	Instruction int
	Errno       syscall.Errno
}

// Report is what the program says on its status descriptor: that it waits at a
// gate, that an instruction failed, or, with neither, that it has closed the
// descriptor: by exec of the user's program, or by its death.
type Report struct {
	Gate     string
	Listener int // the number of the seccomp listener in the process, at plan.GateListener
	Failure  *Failure
}

// ReadReport waits for the next report.
func ReadReport(status io.Reader) (Report, error) {
	var record [recordSize]byte
	if _, err := io.ReadFull(status, record[:]); errors.Is(err, io.EOF) {
		return Report{}, nil
	} else if err != nil {
		return Report{}, fmt.Errorf("read the container's status: %w", err)
	}
	index, value := binary.NativeEndian.Uint32(record[:]), binary.NativeEndian.Uint32(record[4:])
	if index != gateMark {
		return Report{Failure: &Failure{Instruction: int(index), Errno: syscall.Errno(value)}}, nil
	}
	if value < 1 || int(value) > len(gates) {
		return Report{}, fmt.Errorf("read the container's status: unknown gate %d", value)
	}
	report := Report{Gate: gates[value-1]}
	if report.Gate == plan.GateListener {
		if _, err := io.ReadFull(status, record[:]); err != nil {
			return Report{}, fmt.Errorf("read the container's status: %w", err)
		}
		report.Listener = int(binary.NativeEndian.Uint64(record[:]))
	}
	return report, nil
}
