package bundle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// linux checks the Linux-specific part (config-linux.md).
func (c *checker) linux(l *specs.Linux) {
	c.namespaceList(l.Namespaces)
	c.userMappings(l)
	c.timeOffsets(l.TimeOffsets)
	c.sysctls(l.Sysctl)
	if l.Resources != nil {
		c.resources("linux.resources", l.Resources)
	}
	if hasDotDot(l.CgroupsPath) {
		c.bad("linux.cgroupsPath", fmt.Sprintf("%q has a component %q", l.CgroupsPath, ".."), "")
	}
	c.devices(l.Devices)
	c.netDevices(l.NetDevices)
	if l.Seccomp != nil {
		c.seccomp("linux.seccomp", l.Seccomp)
	}
	if l.RootfsPropagation != "" {
		c.oneOf("linux.rootfsPropagation", l.RootfsPropagation, propagations[:])
	}
	c.restrictedPaths("linux.maskedPaths", l.MaskedPaths)
	c.restrictedPaths("linux.readonlyPaths", l.ReadonlyPaths)
	if l.IntelRdt != nil {
		c.intelRdt(l.IntelRdt)
	}
	if l.MemoryPolicy != nil {
		c.memoryPolicy(l.MemoryPolicy)
	}
	if p := l.Personality; p != nil {
		c.oneOf("linux.personality.domain", string(p.Domain), []string{"LINUX", "LINUX32"})
		for i := range p.Flags {
			c.bad(elem("linux.personality.flags", i), "no flags are supported", "")
		}
	}
}

// namespaceList checks config-linux.md#namespaces.
func (c *checker) namespaceList(list []specs.LinuxNamespace) {
	for i, ns := range list {
		at := elem("linux.namespaces", i)
		if !known(string(ns.Type), namespaceTypes[:]) {
			c.oneOf(at+".type", string(ns.Type), namespaceTypes[:])
			continue
		}
		same := func(other specs.LinuxNamespace) bool { return other.Type == ns.Type }
		if j := slices.IndexFunc(list, same); j < i {
			c.bad(at+".type", fmt.Sprintf("the %s namespace is already in %s", ns.Type,
				elem("linux.namespaces", j)), "remove one")
		}
		if ns.Path != "" {
			c.absolute(at+".path", ns.Path)
		}
	}
}

// userMappings checks config-linux.md#user-namespace-mappings. An existing user
// namespace, which the container joins, has its mappings already.
func (c *checker) userMappings(l *specs.Linux) {
	c.mappings("linux.uidMappings", l.UIDMappings)
	c.mappings("linux.gidMappings", l.GIDMappings)
	ns, ok := c.namespace(specs.UserNamespace)
	switch {
	case ns.Type == "" && ok: // the type of an entry is not known
	case ok && ns.Path == "":
		c.needMappings("linux.uidMappings", l.UIDMappings)
		c.needMappings("linux.gidMappings", l.GIDMappings)
	case !ok && len(l.UIDMappings) > 0:
		c.needNamespace("linux.uidMappings", "a mapping of ids", specs.UserNamespace)
	case !ok && len(l.GIDMappings) > 0:
		c.needNamespace("linux.gidMappings", "a mapping of ids", specs.UserNamespace)
	}
}

func (c *checker) needMappings(at string, list []specs.LinuxIDMapping) {
	if len(list) == 0 {
		c.bad(at, "missing, and there is a user namespace", "a new user namespace needs at "+
			"least one mapping")
	}
}

// mappedIDs checks that the process's ids exist in a new user namespace:
// otherwise setuid(2) fails.
func (c *checker) mappedIDs(s *specs.Spec) {
	ns, _ := c.namespace(specs.UserNamespace)
	if s.Process == nil || ns.Type == "" || ns.Path != "" {
		return
	}
	u := s.Process.User
	c.mapped("process.user.uid", u.UID, "linux.uidMappings", s.Linux.UIDMappings)
	c.mapped("process.user.gid", u.GID, "linux.gidMappings", s.Linux.GIDMappings)
	for i, g := range u.AdditionalGids {
		c.mapped(elem("process.user.additionalGids", i), g, "linux.gidMappings",
			s.Linux.GIDMappings)
	}
}

func (c *checker) mapped(at string, id uint32, where string, list []specs.LinuxIDMapping) {
	for _, m := range list {
		if id >= m.ContainerID && uint64(id) < uint64(m.ContainerID)+uint64(m.Size) {
			return
		}
	}
	if len(list) > 0 && !c.isDamaged(where) {
		c.bad(at, fmt.Sprintf("%d is not mapped by %s", id, where), "")
	}
}

// timeOffsets checks config-linux.md#offset-for-time-namespace.
func (c *checker) timeOffsets(offsets map[string]specs.LinuxTimeOffset) {
	const at = "linux.timeOffsets"
	if len(offsets) == 0 {
		return
	}
	c.needNamespace(at, "an offset", specs.TimeNamespace)
	if ns, _ := c.namespace(specs.TimeNamespace); ns.Path != "" {
		c.conflict(at, "linux.namespaces", "the time namespace is an existing one, whose "+
			"offsets cannot be changed", "")
	}
	for _, clock := range sortedKeys(offsets) {
		if clock != "monotonic" && clock != "boottime" {
			c.bad(member(at, clock), fmt.Sprintf("unknown clock %q", clock), suggest(clock,
				[]string{"monotonic", "boottime"}))
		}
		if n := offsets[clock].Nanosecs; n >= 1e9 {
			c.bad(member(at, clock)+".nanosecs", fmt.Sprintf("%d is not less than a second", n), "")
		}
	}
}

// sysctls checks that parameters belong to a namespace of the container: the
// others would change the host.
func (c *checker) sysctls(params map[string]string) {
	for _, key := range sortedKeys(params) {
		at := member("linux.sysctl", key)
		file := SysctlFile(key)
		namespace := SysctlNamespace(file)
		switch {
		case !properPath(file):
			c.bad(at, "not the name of a parameter", "")
		case file == "kernel/hostname":
			c.bad(at, "conflicts with the field hostname", "set hostname instead")
		case namespace == "":
			c.bad(at, "the parameter belongs to no namespace, and would change the host",
				"set it on the host")
		default:
			c.needNamespace(at, "this parameter", namespace)
		}
	}
}

// SysctlNamespace returns the type of the namespaces that have a parameter of
// their own, or "" if the whole host shares it. file is the parameter's path
// below /proc/sys.
func SysctlNamespace(file string) specs.LinuxNamespaceType {
	switch top, rest, _ := strings.Cut(file, "/"); {
	case file == "kernel/hostname", file == "kernel/domainname":
		return specs.UTSNamespace
	case top == "net":
		return specs.NetworkNamespace
	case known(file, ipcSysctls[:]), strings.HasPrefix(file, "fs/mqueue/"):
		return specs.IPCNamespace
	case top == "user" && rest != "":
		return specs.UserNamespace
	}
	return ""
}

// SysctlFile returns the path below /proc/sys of a key of linux.sysctl. Keys
// are written with dots or with slashes (sysctl(8)). If the first separator is
// a slash the key is the path. Otherwise dots and slashes change places
// (sysctl.d(5)), as in net.ipv4.conf.eth0/1.forwarding for the device eth0.1.
func SysctlFile(key string) string {
	i := strings.IndexAny(key, "./")
	if i < 0 || key[i] == '/' {
		return key
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, key)
}

// properPath says whether a path is relative and only goes down.
func properPath(path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." {
			return false
		}
	}
	return true
}

// devices checks config-linux.md#devices.
func (c *checker) devices(list []specs.LinuxDevice) {
	const at = "linux.devices"
	byPath := make(map[string]int, len(list))
	for i, d := range list {
		c.oneOf(elem(at, i)+".type", d.Type, deviceTypes[:])
		c.absolute(elem(at, i)+".path", d.Path)
		if hasDotDot(d.Path) {
			c.bad(elem(at, i)+".path", fmt.Sprintf("%q has a component %q", d.Path, ".."), "")
		}
		if d.Type != "p" { // the numbers of a FIFO mean nothing, but are sent
			c.between(elem(at, i)+".major", d.Major, 0, 1<<12-1) // MAJOR(3)
			c.between(elem(at, i)+".minor", d.Minor, 0, 1<<20-1)
		}
		if d.FileMode != nil && *d.FileMode > 0o177777 {
			c.bad(elem(at, i)+".fileMode", fmt.Sprintf("%d is not a file mode", *d.FileMode),
				"the number is decimal: 438 is octal 0666")
		}
		j, twice := byPath[d.Path]
		if !twice {
			byPath[d.Path] = i
			continue
		}
		if o := list[j]; o.Type == d.Type && o.Major == d.Major && o.Minor == d.Minor {
			c.warn(elem(at, i)+".path", fmt.Sprintf("%s is already in %s", d.Path, elem(at, j)),
				"remove one")
		} else {
			c.conflict(elem(at, i)+".path", at, fmt.Sprintf("%s is another device in %s", d.Path,
				elem(at, j)), "remove one")
		}
	}
}

// netDevices checks config-linux.md#network-devices. A name may contain %d, for
// which the kernel puts a number.
func (c *checker) netDevices(devices map[string]specs.LinuxNetDevice) {
	const at = "linux.netDevices"
	if len(devices) == 0 {
		return
	}
	c.needNamespace(at, "a network device", specs.NetworkNamespace)
	for _, name := range sortedKeys(devices) {
		if !interfaceName(name) {
			c.bad(member(at, name), fmt.Sprintf("%q is not the name of a network device", name), "")
		}
		if as := devices[name].Name; as != "" && !interfaceName(as) {
			c.bad(member(at, name)+".name", fmt.Sprintf("%q is not the name of a network device",
				as), "")
		}
	}
}

// interfaceName is the rule of the kernel's dev_valid_name.
func interfaceName(name string) bool {
	return name != "" && len(name) <= 15 && name != "." && name != ".." &&
		!strings.ContainsAny(name, "/: \t\n\v\f\r")
}

// restrictedPaths checks maskedPaths and readonlyPaths. They are made by
// mounts, which without a mount namespace would cover the host's paths.
func (c *checker) restrictedPaths(at string, paths []string) {
	for i, p := range paths {
		c.absolute(elem(at, i), p)
	}
	if len(paths) > 0 {
		c.needNamespace(at, "restricting paths", specs.MountNamespace)
	}
}

// intelRdt checks config-linux.md#intelrdt.
func (c *checker) intelRdt(r *specs.LinuxIntelRdt) {
	const at = "linux.intelRdt"
	if id := r.ClosID; id == "." || id == ".." || id != "/" && strings.ContainsAny(id, "/\n") {
		c.bad(at+".closID", fmt.Sprintf("%q is not the name of a directory", id), "")
	}
	c.schema(at+".l3CacheSchema", r.L3CacheSchema)
	c.schema(at+".memBwSchema", r.MemBwSchema)
	for i, line := range r.Schemata {
		c.schema(elem(at+".schemata", i), line)
	}
	if s := r.L3CacheSchema; s != "" && !strings.HasPrefix(s, "L3:") {
		c.warn(at+".l3CacheSchema", `does not begin with "L3:"`, "")
	}
	if s := r.MemBwSchema; s != "" && !strings.HasPrefix(s, "MB:") {
		c.bad(at+".memBwSchema", `does not begin with "MB:"`, "")
	}
}

func (c *checker) schema(at, line string) {
	if strings.Contains(line, "\n") {
		c.bad(at, "holds a line break", "use schemata for several lines")
	}
}

// memoryPolicy checks config-linux.md#memory-policy and set_mempolicy(2).
func (c *checker) memoryPolicy(p *specs.LinuxMemoryPolicy) {
	const at = "linux.memoryPolicy"
	c.oneOf(at+".mode", string(p.Mode), memoryModes[:])
	c.numberList(at+".nodes", p.Nodes)
	for i, f := range p.Flags {
		c.oneOf(elem(at+".flags", i), string(f), memoryFlags[:])
	}
	switch p.Mode {
	case specs.MpolDefault, specs.MpolLocal:
		if p.Nodes != "" {
			c.conflict(at+".nodes", at, fmt.Sprintf("%s takes no nodes", p.Mode), "")
		}
	case specs.MpolBind, specs.MpolInterleave, specs.MpolWeightedInterleave,
		specs.MpolPreferredMany:
		if p.Nodes == "" {
			c.conflict(at+".nodes", at, fmt.Sprintf("missing, and %s needs at least one node",
				p.Mode), "")
		}
	}
}
