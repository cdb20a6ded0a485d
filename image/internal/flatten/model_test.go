package flatten

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// model is the naive way to flatten, from the bottom to the top with whole
// paths in one map, against which the real one is held. It is slow and simple
// and shares no code with it.
type model map[string]*item // clean path without a slash at either end; "" is the root

type item struct {
	h     tar.Header
	data  string
	inode *item // of a hard link: what it shares; otherwise itself
}

func newItem(e entry) *item {
	i := &item{h: e.Header, data: e.data}
	if i.h.ModTime.IsZero() {
		i.h.ModTime = defaultTime
	}
	i.inode = i
	return i
}

func impliedDir() *item {
	return newItem(entry{tar.Header{Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(0, 0)},
		""})
}

func (m model) isDir(p string) bool {
	return m[p] != nil && m[p].h.Typeflag == tar.TypeDir
}

// remove deletes a path and all below it.
func (m model) remove(p string) {
	for q := range m {
		if q == p || strings.HasPrefix(q, p+"/") {
			delete(m, q)
		}
	}
}

// dir resolves a directory, one element after the other. It returns false
// if there is none and make is not set.
func (m model) dir(p string, make bool) (string, bool, error) {
	at, links := "", 0
	todo := strings.Split(p, "/")
	for len(todo) > 0 {
		e := todo[0]
		todo = todo[1:]
		if e == "" || e == "." {
			continue
		}
		if e == ".." {
			at = path.Dir(at)
			if at == "." {
				at = ""
			}
			continue
		}
		next := strings.TrimPrefix(at+"/"+e, "/")
		if i := m[next]; i != nil && i.inode.h.Typeflag == tar.TypeSymlink {
			if links++; links > 40 {
				return "", false, errors.New("loop")
			}
			target := i.inode.h.Linkname
			if path.IsAbs(target) {
				at = ""
			}
			todo = append(strings.Split(target, "/"), todo...)
			continue
		}
		if !m.isDir(next) {
			if !make {
				return "", false, nil
			}
			m.remove(next)
			m[next] = impliedDir()
		}
		at = next
	}
	return at, true, nil
}

// clean is path.Clean in a root.
func modelClean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func (m model) apply(layer []entry) error {
	var rest []entry
	for _, e := range layer {
		p := modelClean(e.Name)
		dir, base := path.Split(p)
		if slices.ContainsFunc(strings.Split(dir, "/"),
			func(s string) bool { return strings.HasPrefix(s, ".wh.") }) {
			return fmt.Errorf("%s is below a whiteout", p)
		}
		if !strings.HasPrefix(base, ".wh.") {
			rest = append(rest, e)
			continue
		}
		at, ok, err := m.dir(dir, false)
		if err != nil || !ok {
			continue // below a link that leads nowhere there is nothing to delete
		}
		if base == ".wh..wh..opq" {
			for q := range m {
				if q != at && (at == "" || strings.HasPrefix(q, at+"/")) {
					delete(m, q)
				}
			}
			continue
		}
		m.remove(strings.TrimPrefix(at+"/"+base[4:], "/"))
	}
	for _, e := range rest {
		if err := m.add(e); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return nil
}

func (m model) add(e entry) error {
	p := modelClean(e.Name)
	if p == "" {
		if e.Typeflag != tar.TypeDir {
			return errors.New("root")
		}
		m[""] = newItem(e)
		return nil
	}
	dir, base := path.Split(p)
	at, _, err := m.dir(dir, true)
	if err != nil {
		return err
	}
	at = strings.TrimPrefix(at+"/"+base, "/")
	i := newItem(e)
	if e.Typeflag == tar.TypeLink {
		tdir, tbase := path.Split(modelClean(e.Linkname))
		tat, ok, err := m.dir(tdir, false)
		if err != nil {
			return err
		}
		t := m[strings.TrimPrefix(tat+"/"+tbase, "/")]
		if !ok || t == nil || t.h.Typeflag == tar.TypeDir {
			return errors.New("link to nothing or to a directory")
		}
		i = t.inode
	}
	if m.isDir(at) && e.Typeflag == tar.TypeDir {
		m[at] = i
		return nil
	}
	m.remove(at)
	m[at] = i
	return nil
}

// scan describes the tree as the function scan does for a real one.
func (m model) scan() map[string]string {
	groups := map[*item][]string{}
	for p, i := range m {
		if i.h.Typeflag != tar.TypeDir {
			groups[i.inode] = append(groups[i.inode], p)
		}
	}
	out := map[string]string{}
	for p, i := range m {
		i = i.inode
		group := ""
		if names := groups[i]; len(names) > 1 {
			// The order in which filepath.WalkDir comes to them.
			group = slices.MinFunc(names, func(a, b string) int {
				return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
			})
		}
		format := map[byte]uint32{tar.TypeReg: unix.S_IFREG, tar.TypeDir: unix.S_IFDIR,
			tar.TypeSymlink: unix.S_IFLNK,
			tar.TypeFifo:    unix.S_IFIFO, tar.TypeChar: unix.S_IFCHR,
			tar.TypeBlock: unix.S_IFBLK}[i.h.Typeflag]
		content := i.data
		switch i.h.Typeflag {
		case tar.TypeSymlink:
			content = i.h.Linkname
		case tar.TypeChar, tar.TypeBlock:
			content = fmt.Sprintf("%d:%d", i.h.Devmajor, i.h.Devminor)
		}
		var xattrs []string
		for k, v := range i.h.PAXRecords {
			xattrs = append(xattrs, strings.TrimPrefix(k, "SCHILY.xattr.")+"="+v)
		}
		slices.Sort(xattrs)
		name := p
		if p == "" {
			name = "."
		}
		out[name] = line(format|uint32(i.h.Mode), i.h.Uid, i.h.Gid, i.h.ModTime.Unix(),
			int64(i.h.ModTime.Nanosecond()), content, group, xattrs)
	}
	return out
}

// naive flattens layers with the model.
func naive(layers [][]entry) (map[string]string, error) {
	m := model{"": impliedDir()}
	for _, l := range layers {
		if err := m.apply(l); err != nil {
			return nil, err
		}
	}
	return m.scan(), nil
}
