// Command runtime runs containers from bundles (OCI runtime specification).
// Its commands, flags, output, texts and exit codes are those of runc, so
// that programs that call runc can call it instead; "run BUNDLE" and
// "explain" are its own.
//
// One file holds one command. Everything that a command does beyond flags,
// output and exit codes is in the packages below runtime/.
package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// stamp is the version, if hack/build has the linker set it.
var stamp string

func main() { os.Exit(program()) }

// program runs the program with the arguments and files of the process. A write
// to a closed pipe would end the process with SIGPIPE if the descriptor is that
// of standard error (os/signal). On a copy of it, which this program and the
// container use, such a write is an error like any other. Standard output stays
// as it is: a command such as list should end when nobody reads what it prints.
func program() int {
	stderr := os.Stderr
	if fd, err := unix.FcntlInt(stderr.Fd(), unix.F_DUPFD_CLOEXEC, 3); err == nil {
		stderr = os.NewFile(uintptr(fd), stderr.Name())
	}
	return run(os.Args[1:], os.Stdin, os.Stdout, stderr)
}
