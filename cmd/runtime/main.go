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

// program runs the program with the process's own arguments and files. A write
// to a standard error that nobody reads any more would end it half-way
// (os/signal): it writes to a copy, where that is an error like others. So does
// the container, whose output it is. What prints for people and pipes, such as
// list, ends as such programs do.
func program() int {
	stderr := os.Stderr
	if fd, err := unix.FcntlInt(stderr.Fd(), unix.F_DUPFD_CLOEXEC, 3); err == nil {
		stderr = os.NewFile(uintptr(fd), stderr.Name())
	}
	return run(os.Args[1:], os.Stdin, os.Stdout, stderr)
}
