package flatten

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// scan describes every file below dir in one line each. Names of the same inode
// have the same group, which is the first of them.
func scan(t testing.TB, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	first := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		group := ""
		if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
			if first[st.Ino] == "" {
				first[st.Ino] = name
			}
			group = first[st.Ino]
		}
		content := ""
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(data)
		case unix.S_IFLNK:
			if content, err = os.Readlink(path); err != nil {
				return err
			}
		case unix.S_IFCHR, unix.S_IFBLK:
			content = fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		xattrs, err := attributesOf(path)
		if err != nil {
			return err
		}
		tree[name] = line(st.Mode, int(st.Uid), int(st.Gid), st.Mtim.Sec, st.Mtim.Nsec, content,
			group, xattrs)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// line is the description of one file.
func line(mode uint32, uid, gid int, sec, nsec int64, content, group string,
	xattrs []string) string {
	if mode&unix.S_IFMT == unix.S_IFLNK {
		mode |= 0o777
	}
	if len(content) > 100 {
		content = fmt.Sprintf("%d bytes, %x", len(content), hash(content))
	}
	return fmt.Sprintf("%o %d:%d %d.%09d %q link %q %q", mode, uid, gid, sec, nsec, content, group,
		xattrs)
}

func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range []byte(s) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// attributesOf lists the extended attributes of a path as name=value, sorted.
func attributesOf(path string) ([]string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return nil, err
	}
	var out []string
	for name := range strings.SplitSeq(string(buf[:n]), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, err
		}
		out = append(out, name+"="+string(value[:n]))
	}
	slices.Sort(out)
	return out, nil
}

// differences lists where two trees differ.
func differences(got, want map[string]string) []string {
	var out []string
	for name, w := range want {
		switch g, ok := got[name]; {
		case !ok:
			out = append(out, fmt.Sprintf("%s: missing, want %s", name, w))
		case g != w:
			out = append(out, fmt.Sprintf("%s:\n   got  %s\n   want %s", name, g, w))
		}
	}
	for name, g := range got {
		if _, ok := want[name]; !ok {
			out = append(out, fmt.Sprintf("%s: not wanted: %s", name, g))
		}
	}
	slices.Sort(out)
	return out
}
