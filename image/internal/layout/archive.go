package layout

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// maxArchiveEntries bounds the memory that the table of an archive takes. An
// image has a few files per layer.
const maxArchiveEntries = 100_000

// maxArchiveLinks bounds how many links lead from a name to a file.
const maxArchiveLinks = 8

// archive is a tar file with a table of what is in it. Links, with which
// `docker save` avoids writing a layer twice, lead to other entries of the
// table and nowhere else.
type archive struct {
	file interface {
		io.ReaderAt
		io.Closer
	}
	size  int64
	parts map[string]part
}

// part is an entry: where a regular file is, or the name that a link leads to.
type part struct {
	offset, size int64
	link         string
}

func openArchive(name string) (_ *archive, err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
			err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	a := &archive{file: f, size: info.Size(), parts: map[string]part{}}
	if err := a.checkMagic(); err != nil {
		return nil, err
	}
	return a, a.scan()
}

// checkMagic gives a compressed archive a clear error: its parts cannot be
// reached without reading all before them.
func (a *archive) checkMagic() error {
	var magic [4]byte
	n, err := a.file.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		return err
	}
	for _, c := range []struct{ magic, cure string }{{"\x1f\x8b", "gunzip"}, {"\x28\xb5\x2f\xfd",
		"unzstd"}, {"BZh", "bunzip2"}, {"\xfd7z", "unxz"}} {
		if bytes.HasPrefix(magic[:n], []byte(c.magic)) {
			return fmt.Errorf("is compressed: decompress it first, with %s", c.cure)
		}
	}
	return nil
}

// scan fills the table. archive/tar reads no further than it must, so the place
// of the file is where the content of an entry begins.
func (a *archive) scan() error {
	at := io.NewSectionReader(a.file, 0, a.size)
	r := tar.NewReader(at)
	for n := 0; ; n++ {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("is not a tar file, or is damaged: %w", err)
		}
		if n == maxArchiveEntries {
			return fmt.Errorf("has more than %d entries", maxArchiveEntries)
		}
		p := part{size: h.Size}
		name := path.Clean("/" + h.Name)[1:]
		switch h.Typeflag {
		case tar.TypeReg:
			if p.offset, err = at.Seek(0, io.SeekCurrent); err != nil {
				return err
			}
		case tar.TypeSymlink:
			p.link = path.Join("/", path.Dir(name), h.Linkname)[1:]
		case tar.TypeLink:
			p.link = path.Clean("/" + h.Linkname)[1:]
		default:
			continue
		}
		if _, twice := a.parts[name]; twice {
			return fmt.Errorf("has two entries called %q", name)
		}
		a.parts[name] = p
	}
}

func (a *archive) Close() error { return a.file.Close() }

func (a *archive) open(name string) (File, error) {
	at := name
	for range maxArchiveLinks {
		p, ok := a.parts[at]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		if p.link == "" {
			return archived{io.NewSectionReader(a.file, p.offset, p.size)}, nil
		}
		at = p.link
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ELOOP}
}

// archived is one file of an archive, which stays open.
type archived struct{ *io.SectionReader }

func (archived) Close() error { return nil }
