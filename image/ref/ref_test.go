package ref_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/ocikit/ocikit/image/ref"
)

const sha = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestParse(t *testing.T) {
	reg := func(host, repo, name, dgst string) ref.Reference {
		return ref.Reference{Host: host, Repository: repo, Name: name, Digest: digest.Digest(dgst)}
	}
	tests := []struct {
		in   string
		want ref.Reference
		text string // String(), when it is not in
	}{
		{"alpine", reg("docker.io", "library/alpine", "latest", ""),
			"docker.io/library/alpine:latest"},
		{"alpine:3.20", reg("docker.io", "library/alpine", "3.20", ""),
			"docker.io/library/alpine:3.20"},
		{"team/app", reg("docker.io", "team/app", "latest", ""), "docker.io/team/app:latest"},
		{"docker.io/alpine", reg("docker.io", "library/alpine", "latest", ""),
			"docker.io/library/alpine:latest"},
		{"index.docker.io/alpine", reg("docker.io", "library/alpine", "latest", ""),
			"docker.io/library/alpine:latest"},
		{"docker://alpine", reg("docker.io", "library/alpine", "latest", ""),
			"docker.io/library/alpine:latest"},
		{"localhost/app", reg("localhost", "app", "latest", ""), "localhost/app:latest"},
		{"localhost:5000/app:v1", reg("localhost:5000", "app", "v1", ""), ""},
		{"127.0.0.1:5000/a/b/c:v1", reg("127.0.0.1:5000", "a/b/c", "v1", ""), ""},
		{"[::1]:5000/app:v1", reg("[::1]:5000", "app", "v1", ""), ""},
		{"[2001:db8::1]/app:v1", reg("[2001:db8::1]", "app", "v1", ""), ""},
		{"Example.COM/app:V_1.x-y", reg("Example.COM", "app", "V_1.x-y", ""), ""},
		{"ghcr.io/a.b/c_d/e__f/g---h:1", reg("ghcr.io", "a.b/c_d/e__f/g---h", "1", ""), ""},
		{"alpine@" + sha, reg("docker.io", "library/alpine", "", sha), "docker.io/library/alpine@" +
			sha},
		{"host.x:1/name:tag@" + sha, reg("host.x:1", "name", "tag", sha), ""},
		{"alpine@sha512:" + strings.Repeat("0", 128), reg("docker.io", "library/alpine", "",
			"sha512:"+strings.Repeat("0", 128)),
			"docker.io/library/alpine@sha512:" + strings.Repeat("0", 128)},
		{"oci:dir", ref.Reference{Kind: ref.Layout, Path: "dir"}, ""},
		{"oci:/a/b:latest", ref.Reference{Kind: ref.Layout, Path: "/a/b", Name: "latest"}, ""},
		{"oci:dir:docker.io/library/alpine:3", ref.Reference{Kind: ref.Layout, Path: "dir",
			Name: "docker.io/library/alpine:3"}, ""},
		{"oci:dir@" + sha, ref.Reference{Kind: ref.Layout, Path: "dir", Digest: sha}, ""},
		{"oci:d@r:x@y", ref.Reference{Kind: ref.Layout, Path: "d@r", Name: "x@y"}, ""},
		{"oci-archive:a.tar:v1", ref.Reference{Kind: ref.OCIArchive, Path: "a.tar", Name: "v1"},
			""},
		{"docker-archive:a.tar:alpine:3", ref.Reference{Kind: ref.DockerArchive, Path: "a.tar",
			Name: "alpine:3"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ref.Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			text := tt.text
			if text == "" {
				text = tt.in
			}
			if got.String() != text {
				t.Errorf("String() = %q, want %q", got.String(), text)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, in, reason string
	}{
		{"empty", "", "empty"},
		{"endless", strings.Repeat("a", 5000), "longer than 4096 bytes"},
		{"long name", "h.x/" + strings.Repeat("a", 300), "longer than 255 bytes"},
		{"upper case", "Alpine", "must be lower case"},
		{"upper case below a host", "h.x/App", "must be lower case"},
		{"dot dot", "a/../b", `".." is not lower-case`},
		{"dot dot first", "../b", "looks like a path"},
		{"absolute path", "/a/b", "looks like a path"},
		{"dots as a host", "..x/b", "not a host name"},
		{"empty component", "a//b", `"" is not lower-case`},
		{"ends in a slash", "a/", `"" is not lower-case`},
		{"only a host", "h.x/", "no repository"},
		{"three underscores", "a___b", "is not lower-case"},
		{"separator first", "h.x/-a", "is not lower-case"},
		{"separator last", "h.x/a.", "is not lower-case"},
		{"two dots", "h.x/a..b", "is not lower-case"},
		{"space", "a b", "is not lower-case"},
		{"percent", "a%2fb", "is not lower-case"},
		{"query", "a?x", "is not lower-case"},
		{"empty tag", "a:", `tag ""`},
		{"tag with a slash", "h.x/a:b/c", `tag "b/c"`},
		{"tag begins with a dot", "a:.b", `tag ".b"`},
		{"tag too long", "a:" + strings.Repeat("x", 129), "at most 128"},
		{"port 0", "h.x:0/a", `"0" is not a port`},
		{"port too large", "h.x:65536/a", "is not a port"},
		{"no port", "h.x:/a", `"" is not a port`},
		{"user in the host", "u:p@h.x/a", "digest"},
		{"host label", "-h.x/a", "is not a host name"},
		{"empty label", "h..x/a", "is not a host name"},
		{"IPv6 zone", "[fe80::1%eth0]/a", "is not an IPv6"},
		{"IPv4 in brackets", "[127.0.0.1]/a", "is not an IPv6"},
		{"digest algorithm", "a@md5:00", "is neither sha256"},
		{"digest short", "a@sha256:00", "64 lower-case hexadecimal"},
		{"digest upper case", "a@" + strings.ToUpper(sha), "is neither sha256"},
		{"digest hex upper case", "a@sha256:" + strings.ToUpper(sha[7:]),
			"64 lower-case hexadecimal"},
		{"digest traversal", "a@sha256:../../x", "64 lower-case hexadecimal"},
		{"two digests", "a@" + sha + "@" + sha, "64 lower-case hexadecimal"},
		{"layout without a path", "oci:", "no path"},
		{"layout with an empty name", "oci:a:", "no name"},
		{"layout with a bad digest", "oci:a@sha256:zz", "64 lower-case"},
		{"control", "oci:a\n", "control character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ref.Parse(tt.in)
			var bad *ref.Error
			if !errors.As(err, &bad) {
				t.Fatalf("got %+v, %v, want a *ref.Error", got, err)
			}
			if !strings.Contains(bad.Reason, tt.reason) {
				t.Errorf("got reason %q, want one with %q", bad.Reason, tt.reason)
			}
			if len(err.Error()) > 1500 {
				t.Errorf("error is %d bytes long", len(err.Error()))
			}
		})
	}
}

func TestBase(t *testing.T) {
	tests := []struct{ in, want string }{
		{"alpine", "alpine"},
		{"h.x/team/app:1", "app"},
		{"oci:/a/b/", "b"},
		{"oci-archive:/x/my image.tar", "my-image"},
		{"oci:..", "image"},
		{"oci:/", "image"},
	}
	for _, tt := range tests {
		r, err := ref.Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Base(); got != tt.want {
			t.Errorf("Base(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	tests := []struct {
		in   string
		want bool
	}{
		{"localhost/a", true},
		{"localhost:5000/a", true},
		{"a.localhost:1/a", true},
		{"127.0.0.1:5000/a", true},
		{"127.8.9.1/a", true},
		{"[::1]/a", true},
		{"[::1]:80/a", true},
		{"10.0.0.1/a", false},
		{"localhost.example.com/a", false},
		{"127.0.0.1.example.com/a", false},
		{"docker.io/a", false},
	}
	for _, tt := range tests {
		r, err := ref.Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.IsLoopback(); got != tt.want {
			t.Errorf("IsLoopback(%q) = %v, want %v", tt.in, got, tt.want)
		}
	}
}
