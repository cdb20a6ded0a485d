package bundle

import (
	"encoding/json"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	if err := Save(dir, Default()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(dir); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodingJSON is what Load is compared with: decoding only, warm.
func BenchmarkEncodingJSON(b *testing.B) {
	data, err := json.Marshal(Default())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var spec specs.Spec
		if err := json.Unmarshal(data, &spec); err != nil {
			b.Fatal(err)
		}
	}
}
