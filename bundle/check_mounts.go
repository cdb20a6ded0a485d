package bundle

import (
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle/mountopt"
)

// mount checks one entry of mounts (config.md#mounts).
func (c *checker) mount(at string, m *specs.Mount) {
	opts, problems := mountopt.Parse(m.Options, m.Type == "bind")
	for _, p := range problems {
		where := at + ".options"
		if p.Index >= 0 {
			where = elem(where, p.Index)
		}
		c.bad(where, p.Cause, p.Cure)
	}
	c.destination(at, m, opts.Bind)
	if opts.Data != "" {
		c.misspelt(at, m.Options)
	}
	switch {
	case opts.Bind && m.Source == "":
		c.conflict(at+".source", at, "missing", "a bind mount needs the file or directory to bind")
	case !opts.Bind && m.Type == "" && !opts.Remount():
		c.conflict(at+".type", at, "missing",
			`must be a file system, unless the options hold "bind" or "rbind"`)
	}
	if opts.TmpCopyUp && m.Type != "tmpfs" {
		c.conflict(at+".options", at, `"tmpcopyup" is for mounts of type tmpfs`, "")
	}
	c.mountMappings(at, m, opts)
}

// maxOptions is how many options of file systems misspelt looks at, because
// each takes a while.
const maxOptions = 1000

// misspelt warns of unknown options that are nearly a known one. Unknown
// options are passed to the file system (config.md#linux-mount-options).
func (c *checker) misspelt(at string, options []string) {
	for i, o := range options {
		if c.options++; c.options > maxOptions {
			return
		}
		if near := mountopt.Misspelt(o); near != "" {
			c.warn(elem(at+".options", i),
				fmt.Sprintf("unknown option %q, passed to the file system", o),
				fmt.Sprintf("did you mean %q?", near))
		}
	}
}

// destination checks where a mount goes. Only the runtime sees where its links
// lead, and applies the rule for /proc again there.
func (c *checker) destination(at string, m *specs.Mount, bind bool) {
	dest := m.Destination
	switch {
	case dest == "":
		c.bad(at+".destination", "missing", "must be an absolute path")
		return
	case dest[0] != '/':
		c.warn(at+".destination", fmt.Sprintf("%q is not an absolute path, which is deprecated",
			dest), "begin it with a slash")
	}
	clean := path.Join("/", dest)
	switch {
	case clean == "/":
		c.bad(at+".destination", "the root cannot be mounted over",
			"set root.path instead")
	case clean == "/proc" && !bind && m.Type != "proc":
		c.conflict(at+".destination", at, fmt.Sprintf("a file system of type %q cannot be "+
			"mounted on /proc", m.Type), `the type must be "proc"`)
	case strings.HasPrefix(clean, "/proc/") && !known(clean, procMounts[:]):
		c.bad(at+".destination", clean+" cannot be mounted over, because it is inside /proc",
			"the exceptions are "+strings.Join(procMounts[:], ", "))
	}
}

// mountMappings checks the id mappings of a mount
// (config.md#posix-platform-mounts).
func (c *checker) mountMappings(at string, m *specs.Mount, opts mountopt.Parsed) {
	c.mappings(at+".uidMappings", m.UIDMappings)
	c.mappings(at+".gidMappings", m.GIDMappings)
	mapped := opts.IDMap || opts.RIDMap
	switch {
	case len(m.UIDMappings) > 0 && len(m.GIDMappings) == 0:
		c.conflict(at+".gidMappings", at, "missing, and uidMappings is there", "give both or none")
	case len(m.GIDMappings) > 0 && len(m.UIDMappings) == 0:
		c.conflict(at+".uidMappings", at, "missing, and gidMappings is there", "give both or none")
	case len(m.UIDMappings) > 0 && !mapped:
		c.warn(at+".options", `there are id mappings, but neither "idmap" nor "ridmap"`,
			`add "idmap"`)
	case len(m.UIDMappings) == 0 && mapped:
		if _, ok := c.namespace(specs.UserNamespace); !ok {
			c.conflict(at+".options", at, "an id-mapped mount needs mappings, and there are none",
				"add uidMappings and gidMappings to the mount")
		}
	}
}

// maxMappings is how many lines a uid_map can have (user_namespaces(7)).
const maxMappings = 340

// mappings checks one list of ranges of ids.
func (c *checker) mappings(at string, list []specs.LinuxIDMapping) {
	if len(list) > maxMappings {
		c.bad(at, fmt.Sprintf("%d mappings, and the kernel allows %d", len(list), maxMappings), "")
		return
	}
	for i, m := range list {
		switch {
		case m.Size == 0:
			c.bad(elem(at, i)+".size", "must be at least 1", "")
		case !fits(m.ContainerID, m.Size):
			c.conflict(elem(at, i)+".containerID", elem(at, i),
				"the range goes beyond the largest id", "")
		case !fits(m.HostID, m.Size):
			c.conflict(elem(at, i)+".hostID", elem(at, i), "the range goes beyond the largest id",
				"")
		}
		for j, other := range list[:i] {
			if overlap(m.ContainerID, m.Size, other.ContainerID, other.Size) {
				c.conflict(elem(at, i)+".containerID", elem(at, i),
					"the range overlaps with that of "+elem(at, j), "")
			}
			if overlap(m.HostID, m.Size, other.HostID, other.Size) {
				c.conflict(elem(at, i)+".hostID", elem(at, i), "the range overlaps with that of "+
					elem(at, j), "")
			}
		}
	}
}

// fits says whether a range of ids ends before the last one, which means
// "none".
func fits(first, size uint32) bool {
	return uint64(first)+uint64(size) <= 1<<32-1
}

func overlap(a, sizeA, b, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}
