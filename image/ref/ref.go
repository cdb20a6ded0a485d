// Package ref parses the names by which people call images.
//
// A name in a registry follows the grammar of
// github.com/distribution/reference, with docker's defaults: no host means
// docker.io, one path component on docker.io means library/NAME, neither tag
// nor digest means the tag "latest".
//
//	alpine                                  docker.io/library/alpine:latest
//	localhost:5000/team/app:1.2             a host is what has a dot or a port, or is "localhost"
//	ghcr.io/team/app@sha256:0123…           by content; a tag beside a digest is kept for display only
//	docker://alpine                         the prefix that skopeo and buildah know is accepted
//	oci:DIR[:NAME][@DIGEST]                 an OCI image layout in a directory
//	oci-archive:FILE[:NAME][@DIGEST]        an OCI image layout in a tar file
//	docker-archive:FILE[:NAME]              what `docker save` writes
//
// The package is strict, because what it accepts becomes part of URLs: names
// that a registry could read in two ways are errors.
package ref

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Kind says where an image is.
type Kind int

// The places that a Reference can point to.
const (
	Registry      Kind = iota // a repository of a registry
	Layout                    // an OCI image layout, a directory
	OCIArchive                // an OCI image layout in a tar file
	DockerArchive             // the format of `docker save`
)

// prefixes of the kinds that are not a registry.
var prefixes = [...]struct {
	text string
	kind Kind
}{
	{"oci-archive:", OCIArchive},
	{"docker-archive:", DockerArchive},
	{"oci:", Layout},
}

// Reference is a parsed image name. The zero value is not valid; get one from
// Parse.
type Reference struct {
	Kind Kind

	Host       string // registry: host[:port] as the user wrote it, "docker.io" by default
	Repository string // registry: path in the registry, "library/alpine"

	Path string // others: the directory or file

	// Name is the tag in a registry. In a layout or archive it is the whole
	// name an image is stored under, which may be a tag ("latest") or a full
	// name ("docker.io/library/alpine:3.20"), and is empty when the user named
	// none.
	Name string
	// Digest is set when the image is named by digest; it wins over Name.
	Digest digest.Digest
}

// Error is a name that cannot be parsed.
type Error struct {
	Ref    string // the whole text, as the user wrote it
	Reason string // what is wrong, and the cure where there is one
}

func (e *Error) Error() string { return fmt.Sprintf("image name %q: %s", e.Ref, e.Reason) }

const (
	defaultHost = "docker.io"
	defaultTag  = "latest"

	maxRef  = 4096 // a path is at most PATH_MAX; nothing that is a name gets near it
	maxName = 255  // host and repository together, the limit of github.com/distribution/reference
	maxTag  = 128
)

// Parse parses an image name; errors are *Error.
func Parse(s string) (Reference, error) {
	r, reason := parse(s)
	if reason != "" {
		if len(s) > 2*maxName {
			s = s[:2*maxName] + "…"
		}
		return Reference{}, &Error{Ref: s, Reason: reason}
	}
	return r, nil
}

func parse(s string) (r Reference, reason string) {
	switch {
	case s == "":
		return r, "empty"
	case len(s) > maxRef:
		return r, fmt.Sprintf("longer than %d bytes", maxRef)
	}
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(s, p.text); ok {
			return parseStored(p.kind, rest)
		}
	}
	return parseRegistry(strings.TrimPrefix(s, "docker://"))
}

// parseStored parses what follows the prefix of a layout or an archive.
func parseStored(kind Kind, s string) (r Reference, reason string) {
	r.Kind = kind
	if path, dgst, ok := cutLast(s, '@'); ok && strings.HasPrefix(dgst, "sha") &&
		kind != DockerArchive {
		if err := CheckDigest(digest.Digest(dgst)); err != nil {
			return r, err.Error()
		}
		r.Digest, s = digest.Digest(dgst), path
	}
	var named bool
	r.Path, r.Name, named = strings.Cut(s, ":")
	switch {
	case r.Path == "":
		return r, "no path after the prefix"
	case named && r.Name == "":
		return r, `no name after the last ":"`
	case strings.ContainsFunc(s, isControl):
		return r, "holds a control character"
	}
	return r, ""
}

func parseRegistry(s string) (r Reference, reason string) {
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") {
		return r, "looks like a path: write oci:PATH for an image layout, oci-archive:PATH or " +
			"docker-archive:PATH for a tar file"
	}
	rest, dgst, hasDigest := strings.Cut(s, "@")
	if hasDigest {
		if err := CheckDigest(digest.Digest(dgst)); err != nil {
			return r, err.Error()
		}
		r.Digest = digest.Digest(dgst)
	}
	host, path := splitHost(rest)
	if name, tag, ok := cutLast(path, ':'); ok {
		if reason := checkTag(tag); reason != "" {
			return r, reason
		}
		path, r.Name = name, tag
	}
	if host == "" || host == "index.docker.io" {
		host = defaultHost
	}
	if reason := checkHost(host); reason != "" {
		return r, reason
	}
	if reason := checkRepository(path); reason != "" {
		return r, reason
	}
	if host == defaultHost && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	if len(host)+1+len(path) > maxName {
		return r, fmt.Sprintf("host and repository are longer than %d bytes", maxName)
	}
	r.Host, r.Repository = host, path
	if r.Name == "" && !hasDigest {
		r.Name = defaultTag
	}
	return r, ""
}

// splitHost cuts the host off, by docker's rule: the first component is a host
// when it cannot be part of a repository.
func splitHost(s string) (host, path string) {
	first, rest, ok := strings.Cut(s, "/")
	if ok && (first == "localhost" || strings.ContainsAny(first, ".:[")) {
		return first, rest
	}
	return "", s
}

// String returns the full name, which Parse reads back as the same Reference.
func (r Reference) String() string {
	var b strings.Builder
	if r.Kind == Registry {
		b.WriteString(r.Host + "/" + r.Repository)
	} else {
		for _, p := range prefixes {
			if p.kind == r.Kind {
				b.WriteString(p.text + r.Path)
			}
		}
	}
	if r.Name != "" {
		b.WriteString(":" + r.Name)
	}
	if r.Digest != "" {
		b.WriteString("@" + r.Digest.String())
	}
	return b.String()
}

// Base is a short name for what is made from the image: the last component of
// the repository or path, without an extension. It holds only letters, digits,
// ".", "_" and "-", and is never empty.
func (r Reference) Base() string {
	s := r.Repository
	if r.Kind != Registry {
		s = strings.TrimSuffix(strings.TrimRight(r.Path, "/"), ".tar")
	}
	s = s[strings.LastIndexByte(s, '/')+1:]
	s = strings.Map(func(c rune) rune {
		if c < 0x80 && (isAlnum(byte(c)) || c == '.' || c == '_' || c == '-') {
			return c
		}
		return '-'
	}, s)
	if s = strings.TrimLeft(s, ".-"); s == "" {
		return "image"
	}
	return s
}

// IsLoopback reports whether the registry is on this machine: localhost, a name
// under .localhost (RFC 6761) or a loopback address.
func (r Reference) IsLoopback() bool {
	host, _ := splitPort(r.Host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

func splitPort(host string) (name, port string) {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i], host[i+1:]
	}
	return host, ""
}

// checkHost checks host[:port] and returns what is wrong with it.
func checkHost(s string) string {
	name, port := splitPort(s)
	if len(name) < len(s) {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return fmt.Sprintf("%q is not a port", port)
		}
	}
	if strings.HasPrefix(name, "[") {
		addr, err := netip.ParseAddr(strings.TrimSuffix(name[1:], "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(name, "]") {
			return fmt.Sprintf("%q is not an IPv6 address in brackets", name)
		}
		return ""
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || !all(label, isHostByte) {
			return fmt.Sprintf("%q is not a host name", name)
		}
	}
	return ""
}

// checkRepository checks path-component ("/" path-component)*.
func checkRepository(s string) string {
	if s == "" {
		return "no repository"
	}
	if strings.ToLower(s) != s {
		return fmt.Sprintf("repository %q: must be lower case", s)
	}
	for part := range strings.SplitSeq(s, "/") {
		if !isPathComponent(part) {
			return fmt.Sprintf("repository %q: %q is not lower-case letters and digits, joined "+
				"by one \".\", one or two \"_\", or any number of \"-\"", s, part)
		}
	}
	return ""
}

// isPathComponent matches [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*.
func isPathComponent(s string) bool {
	if s == "" || !isLowerAlnum(s[0]) || !isLowerAlnum(s[len(s)-1]) {
		return false
	}
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && !isLowerAlnum(s[j]) {
			j++
		}
		switch sep := s[i:j]; {
		case sep == "", sep == ".", sep == "_", sep == "__", strings.Trim(sep, "-") == "":
		default:
			return false
		}
		i = j + 1
	}
	return true
}

func checkTag(s string) string {
	isTagByte := func(c byte) bool { return isAlnum(c) || c == '_' || c == '.' || c == '-' }
	if s == "" || len(s) > maxTag || s[0] == '.' || s[0] == '-' || !all(s, isTagByte) {
		return fmt.Sprintf("tag %q: must be at most %d letters, digits, \"_\", \".\" or \"-\", "+
			"and not begin with \".\" or \"-\"", s, maxTag)
	}
	return ""
}

// CheckDigest checks that a digest is sha256 or sha512 in the one spelling that
// the image specification allows, so that it can be part of a URL or a file
// name (CVE-2024-3727): "sha256:" and 64, or "sha512:" and 128, lower-case
// hexadecimal digits, and nothing else.
func CheckDigest(d digest.Digest) error {
	algorithm, hex, _ := strings.Cut(string(d), ":")
	want := 0
	switch algorithm {
	case "sha256":
		want = 64
	case "sha512":
		want = 128
	default:
		return fmt.Errorf("digest %q: is neither sha256 nor sha512", clip(string(d)))
	}
	isHex := func(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
	if len(hex) != want || !all(hex, isHex) {
		return fmt.Errorf("digest %q: must be %s: and %d lower-case hexadecimal digits",
			clip(string(d)), algorithm, want)
	}
	return nil
}

// clip bounds what an error quotes.
func clip(s string) string {
	const most = 160
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isControl(c rune) bool    { return c < ' ' || c == 0x7f }
func isLowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
func isAlnum(c byte) bool      { return isLowerAlnum(c) || 'A' <= c && c <= 'Z' }
func isHostByte(c byte) bool   { return isAlnum(c) || c == '-' }
