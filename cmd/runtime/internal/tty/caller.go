package tty

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OfCaller returns the terminal of the caller: the one that standard error,
// output or input is, since these can be redirected one by one, or else the
// controlling terminal of this process (tty(4)). It is an error if there is
// none. The caller of OfCaller closes it.
func OfCaller(stdin, stdout, stderr *os.File) (*os.File, error) {
	for _, f := range []*os.File{stderr, stdout, stdin} {
		if isTerminal(f) {
			return pipeSafe(f)
		}
	}
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("standard input, output and error are no terminals, and there is "+
			"no other: %w", err)
	}
	return f, nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
