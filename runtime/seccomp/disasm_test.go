package seccomp

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestDisassemble compares what is printed of some filters with golden files.
func TestDisassemble(t *testing.T) {
	for _, test := range []struct {
		name   string
		native specs.Arch
	}{
		{"deny", specs.ArchX86_64},
		{"x86", specs.ArchX86_64},
		{"arguments", specs.ArchAARCH64},
		{"bigendian", specs.ArchS390X},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", test.name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			f, _, err := Compile(parse(t, string(text)), Options{Native: test.native})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := Disassemble(&got, f); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", test.name+".txt")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%swant\n%s", got.String(), want)
			}
		})
	}
}
