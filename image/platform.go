package image

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/internal/manifest"
)

// Host is the platform that this program was built for.
func Host() specv1.Platform {
	return specv1.Platform{OS: "linux", Architecture: runtime.GOARCH}
}

// aliases maps what uname(1) and people say to what GOARCH says.
var aliases = [...][2]string{
	{"x86_64", "amd64"}, {"x86-64", "amd64"}, {"aarch64", "arm64"}, {"i386", "386"},
	{"i686", "386"}, {"armhf", "arm"}, {"armel", "arm"},
}

// ParsePlatform reads OS/ARCH[/VARIANT] or ARCH, for example linux/arm64,
// linux/arm/v7, aarch64.
func ParsePlatform(s string) (specv1.Platform, error) {
	parts := strings.Split(strings.ToLower(s), "/")
	if len(parts) == 1 {
		parts = append([]string{"linux"}, parts...)
	}
	if len(parts) > 3 || slices.Contains(parts, "") {
		return specv1.Platform{}, fmt.Errorf("platform %q: must be OS/ARCH or OS/ARCH/VARIANT, "+
			"for example linux/arm64", s)
	}
	p := specv1.Platform{OS: parts[0], Architecture: parts[1]}
	for _, a := range aliases {
		if p.Architecture == a[0] {
			p.Architecture = a[1]
		}
	}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// FormatPlatform is the inverse of ParsePlatform.
func FormatPlatform(p specv1.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// PlatformError says that an image does not exist for a platform.
type PlatformError struct {
	Want specv1.Platform
	Have []specv1.Platform
}

func (e *PlatformError) Error() string {
	have := make([]string, 0, len(e.Have))
	for _, p := range e.Have {
		have = append(have, FormatPlatform(p))
	}
	slices.Sort(have)
	have = slices.Compact(have)
	if len(have) == 0 {
		return fmt.Sprintf("not available for %s, nor for any other platform",
			FormatPlatform(e.Want))
	}
	return fmt.Sprintf("not available for %s, only for %s (choose one with --platform)",
		FormatPlatform(e.Want), strings.Join(have, ", "))
}

// selectPlatform returns the entry of an index that fits a platform best; among
// equals the first one. Errors are *PlatformError.
func selectPlatform(index *specv1.Index, want specv1.Platform) (specv1.Descriptor, error) {
	best, at := 0, -1
	var have []specv1.Platform
	for i, m := range index.Manifests {
		if !manifest.IsType(m.MediaType) {
			continue
		}
		p := specv1.Platform{}
		if m.Platform != nil {
			p = *m.Platform
			if p.OS != "unknown" { // attestations of docker's buildx
				have = append(have, p)
			}
		}
		if fit := fits(want, p); fit > best {
			best, at = fit, i
		}
	}
	if at < 0 {
		return specv1.Descriptor{}, &PlatformError{Want: want, Have: have}
	}
	return index.Manifests[at], nil
}

// checkPlatform checks that an image's own config, which wins over the index,
// is for a platform. An image that does not say fits all.
func checkPlatform(want, have specv1.Platform) error {
	if fits(want, have) == 0 {
		return &PlatformError{Want: want, Have: []specv1.Platform{have}}
	}
	return nil
}

// fits returns 0 when have cannot serve want, and more the better it does.
func fits(want, have specv1.Platform) int {
	switch {
	case have.OS == "" && have.Architecture == "":
		return 1 // an index of one image, or an old image, without a platform
	case have.OS != want.OS || have.Architecture != want.Architecture:
		return 0
	}
	w, h := variant(want), variant(have)
	switch {
	case w == h:
		return 1000
	case want.Variant != "" && have.Variant == "":
		return 2
	case h != "" && h < w: // newer processors run older code: the newest of those
		return 10 + int(h[len(h)-1])
	}
	return 0
}

// variant fills in what an empty variant means; github.com/containerd/platforms
// has the same defaults.
func variant(p specv1.Platform) string {
	switch v := p.Variant; {
	case v != "" && !strings.HasPrefix(v, "v"):
		return "v" + v
	case v != "":
		return v
	case p.Architecture == "arm64":
		return "v8"
	case p.Architecture == "arm":
		return "v7"
	case p.Architecture == "amd64":
		return "v1"
	}
	return ""
}
