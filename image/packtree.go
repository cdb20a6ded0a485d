package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tree writes the content of a directory as a tar stream. The directory itself
// is not an entry: its mode is that of some place on the host, often a private
// one, and not meant for the root of a container.
type tree struct {
	ctx      context.Context
	out      *tar.Writer
	dir      string
	opts     PackOptions
	links    map[inode]string // first name of each file that has several
	warnings []string
}

type inode struct{ dev, ino uint64 }

func (t *tree) write() error {
	info, err := os.Stat(t.dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: is not a directory; each layer is made of one", t.dir)
	}
	// The slash at the end follows a symbolic link that the user named.
	if err := filepath.WalkDir(t.dir+"/", t.visit); err != nil {
		return err
	}
	return t.out.Close()
}

// visit is called in the order of names.
func (t *tree) visit(at string, _ fs.DirEntry, err error) error {
	if err == nil {
		err = context.Cause(t.ctx)
	}
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(t.dir, at)
	if err != nil || rel == "." {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(at, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: at, Err: err}
	}
	if err := t.entry(at, rel, &st); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}

// entry writes one file.
func (t *tree) entry(at, rel string, st *unix.Stat_t) error {
	h := t.header(rel, st)
	id := inode{st.Dev, st.Ino}
	if first, ok := t.links[id]; ok {
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return t.out.WriteHeader(h)
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	case unix.S_IFDIR:
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		h.Linkname, err = os.Readlink(at)
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR:
		h.Typeflag = tar.TypeChar
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	case unix.S_IFBLK:
		h.Typeflag = tar.TypeBlock
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	default:
		t.warnings = append(t.warnings, at+": is a socket, which an image cannot hold")
		return nil
	}
	if err == nil {
		h.PAXRecords, err = xattrs(at)
	}
	if err != nil {
		return err
	}
	if st.Nlink > 1 && h.Typeflag != tar.TypeDir {
		t.links[id] = h.Name
	}
	if h.Typeflag == tar.TypeReg {
		return t.file(at, h, id)
	}
	return t.out.WriteHeader(h)
}

// header fills in what all kinds of files have.
func (t *tree) header(rel string, st *unix.Stat_t) *tar.Header {
	h := &tar.Header{
		// the only one with all of long names, large numbers and fractions of a
		// second
		Format: tar.FormatPAX,
		Name:   path.Clean(filepath.ToSlash(rel)),
		Mode:   int64(st.Mode & 0o7777),
		Uid:    t.opts.Owner.UID, Gid: t.opts.Owner.GID,
		ModTime: time.Unix(st.Mtim.Unix()),
	}
	if t.opts.Owner.Keep {
		h.Uid, h.Gid = int(st.Uid), int(st.Gid)
	}
	if e := t.opts.Epoch; e != nil && h.ModTime.After(*e) {
		h.ModTime = *e
	}
	return h
}

// file writes a regular file with its content.
func (t *tree) file(at string, h *tar.Header, id inode) (err error) {
	f, err := os.OpenFile(at, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if (inode{st.Dev, st.Ino}) != id || st.Size != h.Size {
		return errors.New("was changed while it was packed")
	}
	if err := t.out.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(t.out, f, h.Size)
	if err == io.EOF {
		return errors.New("was cut short while it was packed")
	}
	return err
}

// xattrs returns the extended attributes that belong to the file and not to the
// host, as PAX records.
func xattrs(at string) (map[string]string, error) {
	names := make([]byte, 64<<10) // XATTR_LIST_MAX
	n, err := unix.Llistxattr(at, names)
	if err == unix.ENOTSUP {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	var records map[string]string
	for name := range bytes.SplitSeq(names[:n], []byte{0}) {
		attr := string(name)
		if attr != "security.capability" && !strings.HasPrefix(attr, "user.") {
			continue
		}
		value := make([]byte, 64<<10) // XATTR_SIZE_MAX
		n, err := unix.Lgetxattr(at, attr, value)
		if err != nil {
			return nil, fmt.Errorf("extended attribute %s: %w", attr, err)
		}
		if records == nil {
			records = map[string]string{}
		}
		records["SCHILY.xattr."+attr] = string(value[:n])
	}
	return records, nil
}
