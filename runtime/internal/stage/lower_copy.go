package stage

import (
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// Messages on the socket of plan.CopyContents, CopyFile, tell themselves apart
// by their length.
const (
	// CopyMessage comes with two descriptors: the file to write, and the file
	// to read from its present place to its end. It is answered with a byte
	// once that is done.
	CopyMessage = "f"
	// CopiedMessage says that all is copied. A socket that is closed without it
	// fails the program with EPIPE.
	CopiedMessage = "ok"
)

// copyChunk is how much one sendfile is asked for: the most that the kernel
// does.
const copyChunk = 0x7fff_f000

// copyContents serves the socket until it is told that all is copied.
func (l *lowering) copyContents(op plan.CopyContents) {
	const controlSize = 24 // CMSG_SPACE(2*sizeof(int))
	control := l.buffer(controlSize + 8)
	// Two descriptors, 32 bits each: of a word, the kernel takes the lower half
	// for a descriptor.
	to, from := control.at(16), control.at(20)
	text := l.buffer(8)
	iov := l.bytes(words(uint64(text), 8))
	header := l.preset(words(0, 0, iov.value, 1, uint64(control), controlSize, 0)) // struct msghdr
	length, copied := l.slot(0), l.slot(0)
	sock := l.file(CopyFile(op.Tree))

	next, chunk, end := l.label(), l.label(), l.label()
	l.bind(next)
	l.retry(l.emit("recvmsg", unix.SYS_RECVMSG, sock, address(header),
		imm(unix.MSG_CMSG_CLOEXEC))).into(length)
	l.check("look for a file", length, ^uint64(0), uint64(len(CopyMessage)),
		unix.EAGAIN).on(unix.EAGAIN, end)
	l.bind(chunk)
	l.retry(l.emit("sendfile", unix.SYS_SENDFILE, in(to), in(from), imm(0), imm(copyChunk))).into(
		copied)
	l.check("look for the end of the file", copied, ^uint64(0), 0, unix.EAGAIN).on(unix.EAGAIN,
		chunk)
	l.close(to)
	l.close(from)
	l.retry(l.emit("sendto", unix.SYS_SENDTO, sock, address(text), imm(1),
		imm(unix.MSG_NOSIGNAL))).to(next)
	l.bind(end)
	l.check("wait for the end of the copy", length, ^uint64(0), uint64(len(CopiedMessage)),
		unix.EPIPE)
}
