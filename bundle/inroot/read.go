package inroot

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ReadFile returns what the regular file at path holds, at most max bytes. It
// looks the file up as [Root.Find] does. Anything else, and a larger file, is
// an error; ReadFile does not open it, so a FIFO cannot block and a device
// notices nothing.
func (r *Root) ReadFile(path string, max int64) ([]byte, error) {
	h, info, err := r.find("read", path)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	data, err := readRegular(h, info, max)
	if err != nil {
		return nil, &Error{Op: "read", Path: path, Err: err}
	}
	return data, nil
}

func readRegular(h *os.File, info os.FileInfo, max int64) ([]byte, error) {
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("a %s, and not a regular file", kindName(info.Mode()))
	}
	if info.Size() > max {
		return nil, tooLarge(max)
	}
	f, err := Reopen(h, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(data)) > max { // it has grown
		err = tooLarge(max)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

func tooLarge(max int64) error {
	return fmt.Errorf("larger than the limit of %d bytes", max)
}

// kindName names a kind of file that is not a regular file.
func kindName(mode os.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode&os.ModeNamedPipe != 0:
		return "FIFO"
	case mode&os.ModeSocket != 0:
		return "socket"
	case mode&os.ModeDevice != 0:
		return "device"
	}
	return "file of a special kind"
}

// Reopen opens the file behind h, which is open with O_PATH, with the flags of
// open(2) and O_CLOEXEC. It goes through /proc of the host, which must be
// mounted, and verifies that it has got the same file. The caller keeps h.
func Reopen(h *os.File, flags int) (*os.File, error) {
	link := "/proc/self/fd/" + strconv.Itoa(int(h.Fd()))
	f, err := os.OpenFile(link, flags, 0)
	if err != nil {
		return nil, reopenError(err)
	}
	want, err := h.Stat()
	if err == nil {
		var got os.FileInfo
		if got, err = f.Stat(); err == nil && !os.SameFile(want, got) {
			err = errors.New("/proc/self/fd leads to another file; is /proc a proc file system?")
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// reopenError drops the path in /proc, which tells the user nothing.
func reopenError(err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
