package layout

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// dir is a directory. os.Root keeps lookups inside it.
type dir struct{ root *os.Root }

func openDir(path string) (*dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &dir{root}, nil
}

func (d *dir) Close() error { return d.root.Close() }

func (d *dir) open(name string) (File, error) {
	// a FIFO must not make us wait
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("is not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &diskFile{f, info.Size()}, nil
}

type diskFile struct {
	*os.File
	size int64
}

func (f *diskFile) Size() int64 { return f.size }
