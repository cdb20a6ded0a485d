package plan

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/mountopt"
)

// copyUps adds what fills the file systems with the option tmpcopyup: a tmpfs
// that the host makes, and into which the parent copies what lies at the
// mount's destination while the child writes the files' content. The child does
// that before its first mount.
func (c *compiler) copyUps() {
	c.copied = make(map[int]bool)
	for i := range c.Spec.Mounts {
		m := &c.Spec.Mounts[i]
		opts := c.places[i].opts
		if !opts.TmpCopyUp || opts.Bind {
			continue
		}
		root, dir, ok := c.covered(i)
		if !ok {
			continue // a new, empty file system, as without the option
		}
		c.copied[i] = true
		field := fmt.Sprintf("mounts[%d]", i)
		attr := attributes(opts)
		attr.Set, attr.Clear = opts.Attributes()
		if (attr.Set|attr.RecSet)&unix.MOUNT_ATTR_RDONLY != 0 {
			attr.Set &^= unix.MOUNT_ATTR_RDONLY
			attr.RecSet &^= unix.MOUNT_ATTR_RDONLY
			c.makeReadonly(field, c.places[i].target)
		}
		source, data := m.Source, superblockOptions(opts)
		if source == "" {
			source = "tmpfs"
		}
		c.add(Host, field, MakeTmpfs{Tree: field, Source: source, Data: data, Attr: attr})
		c.copies = append(c.copies, Step{Where: Parent, Field: field, Op: CopyTree{Tree: field,
			Root: root, Path: dir, Data: data}})
		c.add(Child, field, CopyContents{Tree: field})
	}
}

// covered finds what a mount will cover: a path in the rootfs, or in the source
// of a bind mount that is there by then. ok is false if it is something that
// the container makes, and nothing that could be copied.
func (c *compiler) covered(index int) (root, dir string, ok bool) {
	target, cover := c.places[index].target, c.places[index].cover
	if cover < 0 {
		return c.Rootfs, target, true
	}
	holder := &c.places[cover]
	if !holder.opts.Bind || holder.inside != "" {
		return "", "", false
	}
	rest, _ := below(target, holder.target)
	return c.source(&c.Spec.Mounts[cover]), rest, true
}

// below says whether target is dir or lies in it, and what it is called there.
func below(target, dir string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(target+"/", strings.TrimSuffix(dir, "/")+"/")
	return path.Clean("/" + rest), ok
}

// superblockOptions are a tmpfs's own options and those flags of mount(2) that
// belong to the file system and not to the mount, as the words that fsconfig(2)
// takes. The others of these ("silent", "acl", "iversion") mean nothing to a
// tmpfs.
func superblockOptions(opts mountopt.Parsed) string {
	words := make([]string, 0, 4)
	if opts.Data != "" {
		words = append(words, opts.Data)
	}
	for _, f := range []flagName{
		{unix.MS_SYNCHRONOUS, "sync"}, {unix.MS_DIRSYNC, "dirsync"}, {unix.MS_LAZYTIME, "lazytime"},
		{unix.MS_MANDLOCK, "mand"},
	} {
		if uint64(opts.Set)&f.flag != 0 {
			words = append(words, f.name)
		}
	}
	return strings.Join(words, ",")
}
