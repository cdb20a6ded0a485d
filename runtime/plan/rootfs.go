package plan

import (
	"cmp"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/bundle/mountopt"
)

// root takes the rootfs and cuts the new mount namespace off from the host's.
func (c *compiler) root() {
	attr := Attr{RecPropagation: c.sourcePropagation()}
	if attr.RecPropagation == 0 {
		// pivot_root refuses a shared mount, and what is mounted on one would
		// reach the host
		attr.Propagation = unix.MS_PRIVATE
	}
	c.add(Host, "root.path", OpenTree{Tree: Root, Source: c.Rootfs, Recursive: true, Attr: attr})
	c.add(Child, c.namespaceField(specs.MountNamespace), SlaveMounts{})
	c.add(Child, "root.path", AttachRoot{Path: c.Rootfs})
}

// sourcePropagation is what a copy of a host mount starts with. A copy is a
// peer of its source; unless the configuration asks for mounts to reach the
// host, it becomes a slave or private before anything is mounted on it.
func (c *compiler) sourcePropagation() uint64 {
	flag, _ := rootPropagation(c.Spec.Linux.RootfsPropagation)
	switch flag {
	case unix.MS_SHARED:
		return 0
	case unix.MS_PRIVATE, unix.MS_UNBINDABLE:
		return unix.MS_PRIVATE
	}
	return unix.MS_SLAVE
}

// mounts adds the configuration's mounts in their order, config.md#mounts.
func (c *compiler) mounts() {
	for i := range c.Spec.Mounts {
		m := &c.Spec.Mounts[i]
		field := fmt.Sprintf("mounts[%d]", i)
		opts, target := c.mountList[i].opts, c.mountList[i].target
		for _, p := range c.mountList[i].problems {
			c.fail(fmt.Sprintf("%s.options[%d]", field, p.Index), p.Cause, p.Cure)
		}
		if opts.IDMap || opts.RIDMap || len(m.UIDMappings) > 0 || len(m.GIDMappings) > 0 {
			c.fail(field, "id-mapped mounts are not supported by this version",
				"remove the mappings")
		}
		if _, inProc := below(target, "/proc"); target != cleanTarget(m.Destination) &&
			(inProc || target == "/") {
			c.fail(field+".destination", "begins with the path of the rootfs",
				fmt.Sprintf("say %q, for which there are rules", target))
		}
		switch {
		case c.copied[i]:
			c.add(Child, field, AttachTree{Tree: field, Target: target})
		case opts.Bind:
			c.bind(field, &c.mountList[i])
		case m.Type == "cgroup" && !c.Facts.CgroupV2:
			c.cgroupMounts(field, m, target, opts)
		default:
			c.mountFS(i, target, opts)
		}
	}
}

// makeReadonly makes a new mount read-only at the end: later mounts need
// directories in it, and /dev its devices.
func (c *compiler) makeReadonly(field, target string) {
	c.readonly = append(c.readonly, Step{Where: Child, Field: field,
		Op: RemountReadonly{Target: target}})
}

// bind adds a bind mount. Its source is opened, and its attributes are set,
// before the child exists, unless the source is a part of the container.
func (c *compiler) bind(field string, m *mount) {
	opts, target := m.opts, m.target
	attr := bindAttributes(opts)
	if attr.Propagation|attr.RecPropagation == 0 || attr.RecPropagation == 0 && opts.Recursive {
		if !asksForShared(opts) {
			attr.RecPropagation = c.sourcePropagation()
		}
	}
	if m.inside != "" && target != "/proc" {
		c.add(Child, field, BindInside{Source: m.inside, Target: target,
			Recursive: opts.Recursive, Attr: attr})
		return
	}
	c.add(Host, field, OpenTree{Tree: field, Source: m.source, Recursive: opts.Recursive,
		Attr: attr, Procfs: target == "/proc"})
	c.add(Child, field, AttachTree{Tree: field, Target: target})
}

// asksForShared says that the options ask for a mount that stays a peer of its
// source on the host.
func asksForShared(opts mountopt.Parsed) bool {
	return slices.ContainsFunc(opts.Propagation, func(flag uintptr) bool {
		return flag&unix.MS_SHARED != 0
	})
}

// attributes are the parts of the options that only mount_setattr(2) can set:
// recursive ones, and propagation.
func attributes(opts mountopt.Parsed) Attr {
	attr := Attr{RecSet: opts.RecAttrSet, RecClear: opts.RecAttrClr}
	for _, flag := range opts.Propagation {
		if flag&unix.MS_REC != 0 {
			attr.RecPropagation = uint64(flag &^ unix.MS_REC)
			attr.Propagation = 0
		} else {
			attr.Propagation = uint64(flag)
		}
	}
	return attr
}

// bindAttributes are all parts of the options of a bind mount. The recursive
// ones apply to the mount itself, too, and override its own: they come last, as
// with runc.
func bindAttributes(opts mountopt.Parsed) Attr {
	attr := attributes(opts)
	set, clear := opts.Attributes()
	unasked := opts.Unasked()
	if set|clear|unasked == 0 {
		return attr
	}
	attr.Set = set&^attr.RecClear | attr.RecSet
	attr.Clear = clear&^attr.RecSet | attr.RecClear
	attr.Unasked = unasked &^ (attr.RecSet | attr.RecClear)
	if (attr.Set|attr.Clear)&unix.MOUNT_ATTR__ATIME != 0 {
		attr.Clear |= unix.MOUNT_ATTR__ATIME
	}
	return attr
}

// mountFS adds a new file system.
func (c *compiler) mountFS(index int, target string, opts mountopt.Parsed) {
	m, field := &c.Spec.Mounts[index], fmt.Sprintf("mounts[%d]", index)
	op := MountFS{
		Type: m.Type, Source: m.Source, Target: target, Flags: uint64(opts.Set), Data: opts.Data,
		Attr:     attributes(opts),
		NoFollow: m.Type == "proc" || m.Type == "sysfs",
	}
	if m.Type == "cgroup" {
		op.Type = "cgroup2"
	}
	op.Source = cmp.Or(op.Source, op.Type)
	if m.Type == "tmpfs" && (op.Flags&unix.MS_RDONLY != 0 ||
		op.Attr.RecSet&unix.MOUNT_ATTR_RDONLY != 0) {
		op.Flags &^= unix.MS_RDONLY
		op.Attr.RecSet &^= unix.MOUNT_ATTR_RDONLY
		c.makeReadonly(field, target)
	}
	if m.Type == "tmpfs" && !setsMode(opts) {
		if covers := c.mountList[index].covers; !covers.Made {
			op.ModeOf = field
			c.add(Host, field, ReadMode{Name: field, Root: covers.Root, Path: covers.Path})
		}
	}
	if op.Type == "proc" && c.joinsPID() {
		c.joinedProcfs(index, op.Target, opts)
		return
	}
	c.add(Child, field, op)
}

// joinedProcfs adds a procfs of the PID namespace that is joined. A procfs
// shows the namespace of the process that opens it, and the child enters that
// namespace last, so the parent makes it.
func (c *compiler) joinedProcfs(index int, target string, opts mountopt.Parsed) {
	m, field := &c.Spec.Mounts[index], fmt.Sprintf("mounts[%d]", index)
	attr := attributes(opts)
	attr.Set, attr.Clear = opts.Attributes()
	c.add(Host, field, MakeProcfs{
		Tree: field, Source: cmp.Or(m.Source, m.Type), Data: superblockOptions(opts), Attr: attr,
		Field: c.namespaceField(specs.PIDNamespace),
	})
	c.add(Child, field, AttachTree{Tree: field, Target: target, NoFollow: true})
}

// setsMode says whether a tmpfs's options set the mode of its root, tmpfs(5).
// Otherwise it gets the mode of the directory that it covers, as with runc, so
// that a private directory of an image does not become public.
func setsMode(opts mountopt.Parsed) bool {
	return strings.HasPrefix(opts.Data, "mode=") || strings.Contains(opts.Data, ",mode=")
}

// cgroupMounts shows the container its own cgroup in every version 1 hierarchy,
// config-linux.md#default-filesystems.
func (c *compiler) cgroupMounts(field string, m *specs.Mount, target string, opts mountopt.Parsed) {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	c.add(Child, field, MountFS{Type: "tmpfs", Source: "tmpfs", Target: target, Flags: flags,
		Data: "mode=755"})
	for _, h := range c.Facts.Hierarchies {
		tree := field + ":" + h.Name
		attr := attributes(opts)
		attr.Set, attr.Clear = opts.Attributes()
		if attr.RecPropagation == 0 {
			attr.RecPropagation = unix.MS_PRIVATE
		}
		c.add(Host, field, OpenTree{Tree: tree, Source: h.Path, Attr: attr})
		c.add(Child, field, AttachTree{Tree: tree, Target: path.Join(target, h.Name)})
		for _, link := range h.Links {
			c.add(Child, field, MakeLink{Path: path.Join(target, link), Content: h.Name})
		}
	}
	if uint64(opts.Set)&unix.MS_RDONLY != 0 || opts.RecAttrSet&unix.MOUNT_ATTR_RDONLY != 0 {
		c.makeReadonly(field, target)
	}
}

// paths adds what the container loses: read-only mounts, masked and read-only
// paths, config-linux.md#masked-paths. It makes the working directory first,
// since it could not be made in something read-only.
func (c *compiler) paths() {
	if p := c.Spec.Process; p != nil && cleanTarget(p.Cwd) != "/" {
		c.add(Child, "process.cwd", EnsureDir{Path: cleanTarget(p.Cwd), Mode: 0o755})
	}
	c.steps = append(c.steps, c.readonly...)
	l := c.Spec.Linux
	if len(l.MaskedPaths) > 0 {
		c.add(Child, "linux.maskedPaths", NullDevice{})
	}
	for i, masked := range once(l.MaskedPaths) { // a second mask would be a mount upon the first
		c.add(Child, fmt.Sprintf("linux.maskedPaths[%d]", i), MaskPath{Path: masked})
	}
	for i, readonly := range once(l.ReadonlyPaths) {
		c.add(Child, fmt.Sprintf("linux.readonlyPaths[%d]", i), ReadonlyPath{Path: readonly})
	}
}

// once goes through a list and skips repetitions.
func once(list []string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		seen := make(map[string]bool, len(list))
		for i, s := range list {
			if seen[s] {
				continue
			}
			seen[s] = true
			if !yield(i, s) {
				return
			}
		}
	}
}

// kernelParameters adds linux.sysctl in the order of the names.
func (c *compiler) kernelParameters() {
	keys := make([]string, 0, len(c.Spec.Linux.Sysctl))
	for key := range c.Spec.Linux.Sysctl {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		c.add(Child, "linux.sysctl["+quote(key)+"]", Sysctl{Key: key,
			Value: c.Spec.Linux.Sysctl[key], File: bundle.SysctlFile(key)})
	}
}

// console adds the terminal of a process that asks for one. That of the init
// process is on /dev/console too.
func (c *compiler) console(mount bool) {
	p := c.Spec.Process
	if p == nil || !p.Terminal {
		return
	}
	op := Console{UID: p.User.UID, Mount: mount, PlainLines: c.ConsoleSocket == ""}
	if size := p.ConsoleSize; size != nil {
		op.Rows, op.Columns = uint16(size.Height), uint16(size.Width)
	}
	c.add(Child, "process.terminal", op)
}

// ownDev says whether /dev is the container's own. A bind mount of the host's
// /dev is left as it is.
func (c *compiler) ownDev() bool {
	return !slices.ContainsFunc(c.mountList, func(m mount) bool {
		return m.opts.Bind && m.target == "/dev"
	})
}

// defaultDevices are those of config-linux.md#default-devices; console and ptmx
// have steps of their own.
var defaultDevices = [...]struct {
	path         string
	major, minor uint32
}{
	{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8},
	{"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
}

// defaultLinks are those of runtime-linux.md#dev-symbolic-links.
var defaultLinks = [...]MakeLink{
	{Path: "/dev/fd", Content: "/proc/self/fd"}, {Path: "/dev/stdin", Content: "/proc/self/fd/0"},
	{Path: "/dev/stdout", Content: "/proc/self/fd/1"}, {Path: "/dev/stderr",
		Content: "/proc/self/fd/2"},
	{Path: "/dev/core", Content: "/proc/kcore"}, {Path: "/dev/ptmx", Content: "pts/ptmx",
		Replace: true},
}

// devices adds the device nodes, the configuration's and then the default ones,
// and the links in /dev.
func (c *compiler) devices() {
	if !c.ownDev() {
		return
	}
	listed := map[string]bool{}
	for i, d := range c.Spec.Linux.Devices {
		node := makeNode(d)
		listed[node.Path] = true
		c.add(Child, fmt.Sprintf("linux.devices[%d]", i), node)
	}
	for _, d := range defaultDevices {
		if !listed[d.path] {
			c.add(Child, "", MakeNode{Path: d.path, Mode: unix.S_IFCHR | 0o666, Major: d.major,
				Minor: d.minor})
		}
	}
	for _, link := range defaultLinks {
		if !listed[link.Path] && (link.Path != "/dev/core" || c.Facts.Kcore) {
			c.add(Child, "", link)
		}
	}
}

// makeNode turns an entry of linux.devices into its step.
func makeNode(d specs.LinuxDevice) MakeNode {
	node := MakeNode{Path: cleanTarget(d.Path), Mode: 0o666, Major: uint32(d.Major),
		Minor: uint32(d.Minor)}
	if d.FileMode != nil {
		node.Mode = uint32(*d.FileMode & 0o7777)
	}
	if d.UID != nil {
		node.UID = *d.UID
	}
	if d.GID != nil {
		node.GID = *d.GID
	}
	switch strings.ToLower(d.Type) {
	case "b":
		node.Mode |= unix.S_IFBLK
	case "p":
		node.Mode |= unix.S_IFIFO
		node.Major, node.Minor = 0, 0
	default:
		node.Mode |= unix.S_IFCHR
	}
	return node
}
