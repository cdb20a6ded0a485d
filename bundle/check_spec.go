package bundle

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// spec checks a whole configuration (config.md).
func (c *checker) spec(s *specs.Spec) {
	if s.Linux != nil {
		c.setNamespaces(s.Linux.Namespaces)
	}
	c.version(s.Version)
	c.root(s.Root)
	if s.Process != nil { // required by start only
		c.process("process.", s.Process)
	}
	c.utsName("hostname", s.Hostname)
	c.utsName("domainname", s.Domainname)
	for i := range s.Mounts {
		c.mount(elem("mounts", i), &s.Mounts[i])
	}
	if s.Hooks != nil {
		c.hooks(s.Hooks)
	}
	if _, ok := s.Annotations[""]; ok {
		c.bad(member("annotations", ""), "the key is empty", "")
	}
	if s.Linux != nil {
		c.linux(s.Linux)
		c.mappedIDs(s)
	}
}

// version checks ociVersion: Semantic Versioning 2.0, major version 1. All
// versions 1.x are compatible with each other (config.md#version).
func (c *checker) version(v string) {
	const at = "ociVersion"
	if v == "" {
		c.bad(at, "missing", fmt.Sprintf("must be a version such as %q", Version))
		return
	}
	major, minor, ok := semver(v)
	switch {
	case !ok:
		c.bad(at, fmt.Sprintf("%q is not a semantic version", v),
			fmt.Sprintf("must be a version such as %q", Version))
	case major != specs.VersionMajor:
		c.bad(at, fmt.Sprintf("version %s is not supported", v), "1.0.0 and later 1.x versions are")
	case minor > specs.VersionMinor:
		c.warn(at, fmt.Sprintf("version %s is newer than %s, and what is new in it is ignored", v,
			Version), "")
	}
}

// semver takes a version apart (semver.org, version 2.0.0).
func semver(v string) (major, minor int, ok bool) {
	v, build, hasBuild := strings.Cut(v, "+")
	core, pre, hasPre := strings.Cut(v, "-")
	if hasBuild && !identifiers(build, false) || hasPre && !identifiers(pre, true) {
		return 0, 0, false
	}
	parts := strings.Split(core, ".")
	if len(parts) != 3 {
		return 0, 0, false
	}
	var n [3]int
	for i, p := range parts {
		u, err := strconv.ParseUint(p, 10, 31)
		if err != nil || len(p) > 1 && p[0] == '0' {
			return 0, 0, false
		}
		n[i] = int(u)
	}
	return n[0], n[1], true
}

// identifiers checks what comes after "-" or "+" in a version. strict forbids
// leading zeros in numbers.
func identifiers(list string, strict bool) bool {
	for id := range strings.SplitSeq(list, ".") {
		number := true
		for i := range len(id) {
			c := id[i]
			digit := '0' <= c && c <= '9'
			if !digit && c != '-' && !('a' <= c && c <= 'z') && !('A' <= c && c <= 'Z') {
				return false
			}
			number = number && digit
		}
		if id == "" || strict && number && len(id) > 1 && id[0] == '0' {
			return false
		}
	}
	return true
}

// root checks that there is one (config.md#root). Whoever opens the directory
// sees whether it exists.
func (c *checker) root(r *specs.Root) {
	switch {
	case r == nil:
		c.bad("root", "missing", `must name the root filesystem, as in {"path": "rootfs"}`)
	case r.Path == "":
		c.bad("root.path", "missing", `must be a directory, by convention "rootfs"`)
	}
}

// utsName checks hostname and domainname against sethostname(2).
func (c *checker) utsName(at, name string) {
	if name == "" {
		return
	}
	if len(name) > 64 { // __NEW_UTS_LEN
		c.bad(at, fmt.Sprintf("%d bytes long, and the kernel allows 64", len(name)), "")
	}
	c.needNamespace(at, "a "+at, specs.UTSNamespace)
}

// hooks checks the lists of hooks (config.md#posix-platform-hooks).
func (c *checker) hooks(h *specs.Hooks) {
	//lint:ignore SA1019 prestart is deprecated, and callers still use it.
	c.hookList("hooks.prestart", h.Prestart)
	c.hookList("hooks.createRuntime", h.CreateRuntime)
	c.hookList("hooks.createContainer", h.CreateContainer)
	c.hookList("hooks.startContainer", h.StartContainer)
	c.hookList("hooks.poststart", h.Poststart)
	c.hookList("hooks.poststop", h.Poststop)
}

func (c *checker) hookList(at string, hooks []specs.Hook) {
	for i, h := range hooks {
		c.absolute(elem(at, i)+".path", h.Path)
		if h.Timeout != nil && *h.Timeout <= 0 {
			c.bad(elem(at, i)+".timeout", fmt.Sprintf("%d is not greater than 0", *h.Timeout),
				"leave it out for no timeout")
		}
	}
}

// sortedKeys puts the findings about a map's members into a fixed order.
func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
