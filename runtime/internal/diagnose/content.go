package diagnose

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// headSize is how much of a program is read: the kernel reads 256 bytes of a
// script, and an ELF file's program headers follow soon.
const headSize = 4096

// content explains why the kernel would not execute a file that is there and
// may be executed.
func (v view) content(file io.Reader) (reason string, why syscall.Errno) {
	head := make([]byte, headSize)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", 0
	}
	head = head[:n]
	switch {
	case len(head) == 0:
		return "the file is empty", unix.ENOEXEC
	case bytes.HasPrefix(head, []byte("#!")):
		return v.script(head)
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return v.elf(head)
	}
	return "the file is neither an ELF program nor a script with a #! line", unix.ENOEXEC
}

// script looks at the #! line.
func (v view) script(head []byte) (reason string, why syscall.Errno) {
	line, _, _ := bytes.Cut(head[2:], []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return "its first line ends in CR LF, so that the kernel looks for an interpreter whose " +
			"name ends in a carriage return" +
			" (convert the file to Unix line ends)", unix.ENOENT
	}
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return "its #! line names no interpreter", unix.ENOEXEC
	}
	return v.interpreter("#!", words[0])
}

// interpreter looks at the interpreter of a script or program.
func (v view) interpreter(what, name string) (reason string, why syscall.Errno) {
	handle, info, err := v.open(path.Join("/", name))
	if err != nil {
		return fmt.Sprintf("its %s interpreter %s does not exist in the container", what, name),
			unix.ENOENT
	}
	defer handle.Close()
	if info.Mode()&0o111 == 0 {
		return fmt.Sprintf("its %s interpreter %s is not executable", what, name), unix.EACCES
	}
	return "", 0
}

// machines are the architectures that images are made for; the numbers are
// elf(5)'s e_machine.
var machines = [...]struct {
	number uint16
	name   string
}{
	{3, "386"}, {8, "mips"}, {20, "ppc"}, {21, "ppc64"}, {22, "s390x"}, {40, "arm"}, {62, "amd64"},
	{183, "arm64"}, {243, "riscv64"},
	{258, "loong64"},
}

func machineName(number uint16) string {
	for _, m := range machines {
		if m.number == number {
			return m.name
		}
	}
	return fmt.Sprintf("machine %d", number)
}

// elf looks at the architecture and the interpreter of an ELF program.
func (v view) elf(head []byte) (reason string, why syscall.Errno) {
	const elf64, headerSize = 2, 64
	if len(head) < headerSize {
		return "the ELF file is cut off", unix.ENOEXEC
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	name := machineName(order.Uint16(head[18:]))
	if name != runtime.GOARCH && !(name == "386" && runtime.GOARCH == "amd64") {
		return fmt.Sprintf("it is built for %s, this machine is %s", name, runtime.GOARCH),
			unix.ENOEXEC
	}
	if head[4] != elf64 {
		return "", 0
	}
	const ptInterp, entrySize = 3, 56
	offset, count := order.Uint64(head[32:]), uint64(order.Uint16(head[56:]))
	for i := range count {
		at := offset + i*entrySize
		if at+entrySize > uint64(len(head)) {
			break
		}
		start, size := order.Uint64(head[at+8:]), order.Uint64(head[at+32:])
		if order.Uint32(head[at:]) == ptInterp && size > 0 && start < uint64(len(head)) &&
			size < uint64(len(head))-start {
			return v.interpreter("ELF", string(bytes.TrimRight(head[start:start+size], "\x00")))
		}
	}
	return "", 0
}
