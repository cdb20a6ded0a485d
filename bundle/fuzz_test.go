package bundle

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse checks that nothing makes Parse panic, that valid configurations
// survive Save's form, and that problems have their places in the text.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/problems/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	def, err := json.Marshal(Default())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(def)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Parse(ConfigFile, data)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("not Problems: %v", err)
			}
			for _, p := range problems {
				if strings.ContainsAny(p.Error(), "\n\r") {
					t.Fatalf("not one line: %q", p.Error())
				}
				if p.Line < 1 && !strings.HasPrefix(p.Cause, "there may be more") {
					t.Fatalf("no position: %+v", p)
				}
			}
			return
		}
		again, err := json.Marshal(b.Spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(ConfigFile, again); err != nil {
			t.Fatalf("written again, it is not valid: %v", err)
		}
		if _, _, err := ParseProcess(ConfigFile, data); err == nil {
			t.Fatal("a configuration is also a process")
		}
	})
}
