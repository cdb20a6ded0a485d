package stage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/ocikit/ocikit/runtime/plan"
)

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
