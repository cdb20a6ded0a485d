package stage

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

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

// Start runs the program as a new process. The caller closes the Child and
// waits for the process. After an error it may be called again, otherwise it
// may not.
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
// The process's id that a Fork tells is in a file of its own. Whoever traces
// the new process can get at all of a file that this one has mapped, by
// mremap(2) or /proc/PID/map_files, and it has not mapped that one: see begin.
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
