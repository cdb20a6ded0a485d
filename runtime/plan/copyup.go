package plan

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/mountopt"
)

// copyUps adds the steps that fill file systems with the option tmpcopyup. The
// host makes a tmpfs. The parent copies into it what lies at the mount's
// destination, while the child writes the files' content. The child does that
// before its first mount.
func (c *compiler) copyUps() {
	c.copied = make(map[int]bool)
	for i := range c.Spec.Mounts {
		m := &c.Spec.Mounts[i]
		opts, covers := c.mountList[i].opts, c.mountList[i].covers
		if !opts.TmpCopyUp || opts.Bind {
			continue
		}
		if covers.Made {
			continue // a new, empty file system, as without the option
		}
		c.copied[i] = true
		field := fmt.Sprintf("mounts[%d]", i)
		attr := attributes(opts)
		attr.Set, attr.Clear = opts.Attributes()
		if (attr.Set|attr.RecSet)&unix.MOUNT_ATTR_RDONLY != 0 {
			attr.Set &^= unix.MOUNT_ATTR_RDONLY
			attr.RecSet &^= unix.MOUNT_ATTR_RDONLY
			c.makeReadonly(field, c.mountList[i].target)
		}
		source, data := m.Source, superblockOptions(opts)
		if source == "" {
			source = "tmpfs"
		}
		c.add(Host, field, MakeTmpfs{Tree: field, Source: source, Data: data, Attr: attr})
		c.copies = append(c.copies, Step{Where: Parent, Field: field, Op: CopyTree{Tree: field,
			Root: covers.Root, Path: covers.Path, Data: data}})
		c.add(Child, field, CopyContents{Tree: field})
	}
}

// superblockOptions are a tmpfs's own options and those flags of mount(2) that
// belong to the file system and not to the mount, as words of fsconfig(2). The
// other such flags ("silent", "acl", "iversion") mean nothing to a tmpfs.
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
