package cgroup

import (
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// programName is the name of the filters in bpftool.
const programName = "ocikit_devices"

// maxPrograms is the most programs of one type that a cgroup can have
// (BPF_CGROUP_MAX_PROGS, kernel/bpf/cgroup.c).
const maxPrograms = 64

// bpf is bpf(2). For the kernel attributes beyond size are zero.
func bpf(command uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	for {
		r, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(attr), size)
		switch {
		case errno == 0:
			return int(r), nil
		case errno == unix.EINTR, errno == unix.EAGAIN && command == unix.BPF_PROG_LOAD:
			// The verifier was interrupted by a signal.
		default:
			return -1, os.NewSyscallError("bpf", errno)
		}
	}
}

// loadProgram gives a device filter to the kernel. The caller closes the
// descriptor; it is close-on-exec.
func loadProgram(program []instruction) (int, error) {
	license := [...]byte{'A', 'p', 'a', 'c', 'h', 'e', '-', '2', '.', '0', 0}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&program[0])
	pin.Pin(&license)
	// The first part of union bpf_attr for BPF_PROG_LOAD, up to prog_name.
	attr := struct {
		kind, count   uint32
		instructions  uint64
		license       uint64
		logLevel      uint32
		logSize       uint32
		logBuffer     uint64
		kernelVersion uint32
		flags         uint32
		name          [16]byte
	}{
		kind: unix.BPF_PROG_TYPE_CGROUP_DEVICE, count: uint32(len(program)),
		instructions: uint64(uintptr(unsafe.Pointer(&program[0]))),
		license:      uint64(uintptr(unsafe.Pointer(&license))),
	}
	copy(attr.name[:], programName)
	return bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
}

// programAttr is union bpf_attr for BPF_PROG_ATTACH and BPF_PROG_DETACH.
type programAttr struct {
	target, program, kind, flags uint32
}

// attachProgram adds a filter to those of a cgroup.
func attachProgram(dir, program int) error {
	attr := programAttr{uint32(dir), uint32(program), unix.BPF_CGROUP_DEVICE,
		unix.BPF_F_ALLOW_MULTI}
	_, err := bpf(unix.BPF_PROG_ATTACH, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return err
}

// detachProgram removes a filter from a cgroup.
func detachProgram(dir, program int) error {
	attr := programAttr{target: uint32(dir), program: uint32(program), kind: unix.BPF_CGROUP_DEVICE}
	_, err := bpf(unix.BPF_PROG_DETACH, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return err
}

// attachedPrograms returns the filters of a cgroup; the caller closes them. It
// leaves out those that a security module hides, which can only deny more.
func attachedPrograms(dir int) (fds []int, err error) {
	var ids [maxPrograms]uint32
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&ids)
	// The whole of union bpf_attr for BPF_PROG_QUERY: from Linux 6.17 to before
	// 7.2 the kernel writes revision whatever the size.
	attr := struct {
		target, kind, queryFlags, attachFlags uint32
		ids                                   uint64
		count, _                              uint32
		programFlags, linkIDs, linkFlags      uint64
		revision                              uint64
	}{target: uint32(dir), kind: unix.BPF_CGROUP_DEVICE, ids: uint64(uintptr(unsafe.Pointer(&ids))),
		count: maxPrograms}
	if _, err := bpf(unix.BPF_PROG_QUERY, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
		return nil, err
	}
	for _, id := range ids[:min(int(attr.count), len(ids))] {
		fd, err := programByID(id)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) ||
			errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			closeFDs(fds)
			return nil, err
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// programByID opens a program.
func programByID(id uint32) (int, error) {
	// union bpf_attr for BPF_PROG_GET_FD_BY_ID: id, next_id, open_flags.
	attr := struct{ id, next, flags uint32 }{id: id}
	return bpf(unix.BPF_PROG_GET_FD_BY_ID, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
}
