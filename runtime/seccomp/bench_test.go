package seccomp

import (
	"testing"

	"github.com/ocikit/ocikit/bundle/profile"
)

// BenchmarkCompile compiles the profiles that containers have.
func BenchmarkCompile(b *testing.B) {
	for name, spec := range realProfiles(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Compile(spec, onX86_64); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("moby-default", func(b *testing.B) {
		for b.Loop() {
			if _, err := profile.Default(dockerCaps); err != nil {
				b.Fatal(err)
			}
		}
	})
}
