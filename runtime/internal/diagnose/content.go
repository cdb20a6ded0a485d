package diagnose

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// headSize is how much of a program is read: the kernel reads 256 bytes of a
// script, and an ELF file's program headers follow soon.
const headSize = 4096

// content is what the beginning of a file says about executing it.
type content struct {
	// reason and errno say why the kernel can't execute the file; "" and 0 if
	// nothing is wrong with it.
	reason string
	errno  syscall.Errno
	// interpreter is the program that has to be there, too: the one that the #!
	// line or the ELF header names. kind is "#!" or "ELF".
	kind, interpreter string
}

// parse looks at the beginning of a file.
func parse(head []byte) content {
	switch {
	case len(head) == 0:
		return content{reason: "the file is empty", errno: unix.ENOEXEC}
	case bytes.HasPrefix(head, []byte("#!")):
		return parseScript(head)
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return parseELF(head)
	}
	return content{reason: "the file is neither an ELF program nor a script with a #! line",
		errno: unix.ENOEXEC}
}

// parseScript looks at the #! line.
func parseScript(head []byte) content {
	line, _, _ := bytes.Cut(head[len("#!"):], []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return content{reason: "its first line ends in CR LF, so that the kernel looks for an " +
			"interpreter whose name ends in a carriage return (convert the file to Unix line " +
			"ends)", errno: unix.ENOENT}
	}
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return content{reason: "its #! line names no interpreter", errno: unix.ENOEXEC}
	}
	return content{kind: "#!", interpreter: words[0]}
}

// machines are the architectures that images are made for; the numbers are
// elf(5)'s e_machine.
var machines = [...]struct {
	number uint16
	name   string
}{
	{3, "386"}, {8, "mips"}, {20, "ppc"}, {21, "ppc64"}, {22, "s390x"}, {40, "arm"}, {62, "amd64"},
	{183, "arm64"}, {243, "riscv64"}, {258, "loong64"},
}

func machineName(number uint16) string {
	for _, m := range machines {
		if m.number == number {
			return m.name
		}
	}
	return fmt.Sprintf("machine %d", number)
}

// parseELF looks at the architecture and the interpreter of an ELF program,
// elf(5).
func parseELF(head []byte) content {
	const elf64, headerSize = 2, 64
	if len(head) < headerSize {
		return content{reason: "the ELF file is cut off", errno: unix.ENOEXEC}
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	name := machineName(order.Uint16(head[18:]))
	if name != runtime.GOARCH && !(name == "386" && runtime.GOARCH == "amd64") {
		return content{reason: fmt.Sprintf("it is built for %s, this machine is %s", name,
			runtime.GOARCH), errno: unix.ENOEXEC}
	}
	if head[4] != elf64 {
		return content{}
	}
	const ptInterp, entrySize = 3, 56
	size := uint64(len(head))
	offset, count := order.Uint64(head[32:]), uint64(order.Uint16(head[56:]))
	for i := range count {
		at := offset + i*entrySize
		if at > size || size-at < entrySize {
			break
		}
		start, length := order.Uint64(head[at+8:]), order.Uint64(head[at+32:])
		if order.Uint32(head[at:]) == ptInterp && start < size && length < size-start {
			return content{kind: "ELF",
				interpreter: string(bytes.TrimRight(head[start:start+length], "\x00"))}
		}
	}
	return content{}
}
