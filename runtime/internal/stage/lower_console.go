package stage

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// console opens a pseudoterminal of the container's devpts, verified to be one.
// The slave comes from the master by TIOCGPTPEER, never by its path
// (CVE-2025-52565).
func (l *lowering) console(op plan.Console) {
	if !l.hasRoot {
		l.openRoot()
	}
	master, slave := l.slot(0), l.slot(0)
	how := l.how(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, inRoot)
	l.again(l.emit("open /dev/pts/ptmx", unix.SYS_OPENAT2, in(l.root), l.str("dev/pts/ptmx"), how,
		imm(howSize)).into(master))
	buffer := l.statfs()
	l.emit("fstatfs", unix.SYS_FSTATFS, in(master), address(buffer))
	l.check("check that /dev/pts is a devpts", buffer, 0xffff_ffff, unix.DEVPTS_SUPER_MAGIC,
		unix.ENODEV)
	l.emit("ioctl(TIOCSPTLCK)", unix.SYS_IOCTL, in(master), imm(unix.TIOCSPTLCK),
		l.bytes(make([]byte, 8)))
	l.emit("ioctl(TIOCGPTPEER)", unix.SYS_IOCTL, in(master), imm(unix.TIOCGPTPEER),
		imm(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)).into(slave)
	if op.PlainLines {
		l.emit("ioctl(TCSETS)", unix.SYS_IOCTL, in(slave), imm(unix.TCSETS),
			l.bytes(consoleTermios()))
	}
	if op.Rows != 0 || op.Columns != 0 {
		size := binary.NativeEndian.AppendUint16(nil, op.Rows)
		size = append(binary.NativeEndian.AppendUint16(size, op.Columns), 0, 0, 0, 0)
		l.emit("ioctl(TIOCSWINSZ)", unix.SYS_IOCTL, in(master), imm(unix.TIOCSWINSZ), l.bytes(size))
	}
	if op.UID != 0 {
		l.emit("fchown", unix.SYS_FCHOWN, in(slave), imm(op.UID), imm(uint32(0xffff_ffff)))
	}
	l.sendFile(ConsoleFile, master, "/dev/ptmx")
	if op.Mount {
		t := l.target("/dev/console", file, 0) // /dev is there, as /dev/pts is
		tree := l.cloneMount(slave, false)
		l.moveTo(in(tree), t)
		l.close(tree)
		l.close(t)
		l.forget()
	}
	for fd := range 3 {
		l.emit("dup3", unix.SYS_DUP3, in(slave), imm(fd), imm(0))
	}
	l.close(slave)
	l.close(master)
}

// consoleTermios is what the kernel gives a new pseudoterminal
// (drivers/tty/pty.c), without ONLCR.
func consoleTermios() []byte {
	flags := []uint32{
		unix.ICRNL | unix.IXON,
		unix.OPOST,
		unix.B38400 | unix.CS8 | unix.CREAD,
		unix.ISIG | unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHOCTL | unix.ECHOKE |
			unix.IEXTEN,
	}
	termios := make([]byte, 0, 40)
	for _, f := range flags {
		termios = binary.NativeEndian.AppendUint32(termios, f)
	}
	termios = append(termios, 0) // line discipline
	control := [19]byte{
		unix.VINTR: 'C' & 0x1f, unix.VQUIT: '\\' & 0x1f, unix.VERASE: 0x7f, unix.VKILL: 'U' & 0x1f,
		unix.VEOF: 'D' & 0x1f,
		unix.VMIN: 1, unix.VSTART: 'Q' & 0x1f, unix.VSTOP: 'S' & 0x1f, unix.VSUSP: 'Z' & 0x1f,
		unix.VREPRINT: 'R' & 0x1f,
		unix.VDISCARD: 'O' & 0x1f, unix.VWERASE: 'W' & 0x1f, unix.VLNEXT: 'V' & 0x1f,
	}
	return append(append(termios, control[:]...), 0, 0, 0, 0)
}

// sendFile sends a descriptor over a Unix socket with the text as its message,
// unix(7). The descriptor's number is stored straight into the control message.
func (l *lowering) sendFile(socket string, fd slot, text string) {
	const controlSize = 24 // CMSG_SPACE(sizeof(int))
	control := make([]byte, controlSize)
	binary.NativeEndian.PutUint64(control, 20) // CMSG_LEN(sizeof(int))
	binary.NativeEndian.PutUint32(control[8:], unix.SOL_SOCKET)
	binary.NativeEndian.PutUint32(control[12:], unix.SCM_RIGHTS)
	message := l.preset(control)
	l.emit("copy", unix.SYS_FCNTL, in(fd), imm(unix.F_DUPFD_CLOEXEC), imm(0)).into(message.at(16))
	iov := l.bytes(words(l.str(text).value, uint64(len(text))))
	header := l.bytes(words(0, 0, iov.value, 1, uint64(message), controlSize, 0)) // struct msghdr
	sock := l.file(socket)
	l.retry(l.emit("sendmsg", unix.SYS_SENDMSG, sock, header, imm(unix.MSG_NOSIGNAL)))
	l.emit("close", unix.SYS_CLOSE, in(message.at(16)))
}
