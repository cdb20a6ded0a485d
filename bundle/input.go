package bundle

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ReadInput reads a file that the user has named, of at most max bytes: a
// regular file or a pipe (bash's <(…), /dev/stdin). It refuses devices, which
// may have no end. The open of a FIFO waits for its writer.
func ReadInput(name string, max int64) ([]byte, error) {
	info, err := os.Stat(name)
	var failed *os.PathError
	if errors.As(err, &failed) {
		failed.Op = "open"
	}
	if err != nil {
		return nil, err
	}
	if kind := info.Mode().Type(); kind != 0 && kind != os.ModeNamedPipe {
		return nil, fmt.Errorf("%s: is neither a regular file nor a pipe", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadBounded(f, name, max)
}

// ReadBounded reads all of r. More than max bytes are an error, which names
// name.
func ReadBounded(r io.Reader, name string, max int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, max+1))
	if err == nil && int64(len(data)) > max {
		err = fmt.Errorf("%s: is larger than %d bytes", name, max)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}
