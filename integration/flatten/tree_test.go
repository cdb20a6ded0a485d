package flatten_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fact is what is compared of a file, by the name of the property.
type fact map[string]string

// scan collects the facts of all files below dir.
func scan(t *testing.T, dir string) map[string]fact {
	t.Helper()
	tree := map[string]fact{}
	groups := map[uint64][]string{}
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
		f := fact{
			"mode":  fmt.Sprintf("%o", st.Mode),
			"owner": fmt.Sprintf("%d:%d", st.Uid, st.Gid),
			"mtime": fmt.Sprintf("%d.%09d", st.Mtim.Sec, st.Mtim.Nsec),
		}
		if time.Since(time.Unix(st.Mtim.Unix())) < time.Hour {
			f["mtime"] = "now"
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
			groups[st.Ino] = append(groups[st.Ino], name)
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			f["size"] = fmt.Sprint(st.Size)
			f["holes"] = fmt.Sprint(st.Blocks*512 < st.Size)
			if f["sha256"], err = sum(path); err != nil {
				return err
			}
		case unix.S_IFLNK:
			if f["target"], err = os.Readlink(path); err != nil {
				return err
			}
		case unix.S_IFCHR, unix.S_IFBLK:
			f["device"] = fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		tree[name] = f
		return attributes(path, f)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range groups {
		slices.Sort(names)
		for _, name := range names {
			tree[name]["links"] = strings.Join(names, " ")
		}
	}
	return tree
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// attributes adds the extended attributes of path, one fact each.
func attributes(path string, f fact) error {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(string(buf[:n]), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return err
		}
		f["xattr "+name] = fmt.Sprintf("%q", value[:n])
	}
	return nil
}

// differences lists, sorted, the facts of two trees that differ, as "file
// property: ours, theirs". A fact that one does not have is "-".
func differences(ours, theirs map[string]fact) []string {
	var out []string
	for _, name := range keys(ours, theirs) {
		o, inOurs := ours[name]
		th, inTheirs := theirs[name]
		if !inOurs || !inTheirs {
			out = append(out, fmt.Sprintf("%s: %s, %s", name, there(inOurs), there(inTheirs)))
			continue
		}
		for _, key := range keys(o, th) {
			if a, b := value(o, key), value(th, key); a != b {
				out = append(out, fmt.Sprintf("%s %s: %s, %s", name, key, a, b))
			}
		}
	}
	return out
}

func keys[V any](a, b map[string]V) []string {
	var out []string
	for k := range a {
		out = append(out, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func there(b bool) string {
	if b {
		return "there"
	}
	return "-"
}

func value(f fact, key string) string {
	v, ok := f[key]
	if !ok {
		return "-"
	}
	return v
}
