package image

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestSelect(t *testing.T) {
	entry := func(platform string) specv1.Descriptor {
		d := specv1.Descriptor{MediaType: specv1.MediaTypeImageManifest,
			Digest: digest.FromString(platform)}
		if platform != "" {
			p := strings.SplitN(platform+"//", "/", 4)
			d.Platform = &specv1.Platform{OS: p[0], Architecture: p[1], Variant: strings.Trim(p[2],
				"/")}
		}
		return d
	}
	tests := []struct {
		name string
		have []string
		want string
		got  string // "" for none
	}{
		{"exact", []string{"linux/amd64", "linux/arm64"}, "linux/arm64", "linux/arm64"},
		{"variant by default", []string{"linux/arm64/v8"}, "linux/arm64", "linux/arm64/v8"},
		{"no variant by default", []string{"linux/arm64"}, "linux/arm64/v8", "linux/arm64"},
		{"newest arm that runs", []string{"linux/arm/v5", "linux/arm/v6", "linux/arm/v7"},
			"linux/arm/v6", "linux/arm/v6"},
		{"older arm", []string{"linux/arm/v5", "linux/arm/v6"}, "linux/arm", "linux/arm/v6"},
		{"newer arm does not run", []string{"linux/arm/v7"}, "linux/arm/v6", ""},
		{"plain amd64 before v3", []string{"linux/amd64/v3", "linux/amd64"}, "linux/amd64",
			"linux/amd64"},
		{"v2 serves v3", []string{"linux/amd64", "linux/amd64/v2"}, "linux/amd64/v3",
			"linux/amd64/v2"},
		{"first of equals", []string{"linux/amd64", "linux/amd64/v1"}, "linux/amd64",
			"linux/amd64"},
		{"other system", []string{"windows/amd64"}, "linux/amd64", ""},
		{"attestation", []string{"unknown/unknown"}, "linux/amd64", ""},
		{"no platform", []string{""}, "linux/amd64", ""},
		{"empty", nil, "linux/amd64", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var index specv1.Index
			for _, p := range tt.have {
				index.Manifests = append(index.Manifests, entry(p))
			}
			want, err := ParsePlatform(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := selectPlatform(&index, want)
			if tt.name == "no platform" { // an index of one image need not say for which platform
				tt.got = ""
				if err != nil || got.Digest != digest.FromString("") {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			var none *PlatformError
			if tt.got == "" {
				if !errors.As(err, &none) {
					t.Errorf("got %v, %v, want a PlatformError", got.Platform, err)
				}
				return
			}
			if err != nil || got.Digest != digest.FromString(tt.got) {
				t.Errorf("got %v, %v, want %s", got.Platform, err, tt.got)
			}
		})
	}
}

func TestPlatformError(t *testing.T) {
	amd64, arm64 := specv1.Platform{OS: "linux", Architecture: "amd64"},
		specv1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	if err := checkPlatform(amd64, arm64); err == nil ||
		err.Error() != "not available for linux/amd64, only for linux/arm64/v8 (choose one with "+
			"--platform)" {
		t.Errorf("got %v", err)
	}
	if err := checkPlatform(amd64, specv1.Platform{}); err != nil {
		t.Errorf("an image that does not say: got %v", err)
	}
}

func TestParsePlatform(t *testing.T) {
	tests := []struct{ in, want string }{
		{"linux/amd64", "linux/amd64"},
		{"aarch64", "linux/arm64"},
		{"linux/x86_64", "linux/amd64"},
		{"Linux/arm/v7", "linux/arm/v7"},
		{"", ""}, {"linux/", ""}, {"a/b/c/d", ""},
	}
	for _, tt := range tests {
		p, err := ParsePlatform(tt.in)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%q: got %v, want an error", tt.in, p)
			}
			continue
		}
		if err != nil || FormatPlatform(p) != tt.want {
			t.Errorf("%q: got %v, %v, want %s", tt.in, p, err, tt.want)
		}
	}
}
