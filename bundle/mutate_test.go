package bundle

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ocikit/ocikit/internal/strictjson"
)

// mutations calls visit once for each value in a JSON document, with its path,
// and lets it put something else into its place meanwhile.
func mutations(value any, path string, set func(any), visit func(path string, value any,
	set func(any))) {
	visit(path, value, set)
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			at := strings.TrimPrefix(path+strictjson.Key(key), ".")
			mutations(child, at, func(x any) { v[key] = x }, visit)
		}
	case []any:
		for i, child := range v {
			mutations(child, elem(path, i), func(x any) { v[i] = x }, visit)
		}
	}
}

// mutate calls try with the text of each variant of the configuration in file.
func mutate(t *testing.T, file string, change func(value any) any, try func(path string,
	text []byte)) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(ConfigFile, data); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	n := 0
	mutations(doc, "", func(x any) { doc = x }, func(path string, value any, set func(any)) {
		n++
		set(change(value))
		text, err := json.MarshalIndent(doc, "", "  ")
		set(value)
		if err != nil {
			t.Fatal(err)
		}
		try(path, text)
	})
	if n < 200 {
		t.Errorf("only %d values in %s", n, file)
	}
}

// TestEveryWrongType gives each field of a configuration that has nearly all of
// them a value of another type, and expects one problem that names the field
// and its place, with nothing else blamed for it.
func TestEveryWrongType(t *testing.T) {
	other := func(value any) any {
		switch value.(type) {
		case string, bool:
			return []any{}
		case float64:
			return map[string]any{}
		}
		return true
	}
	mutate(t, "testdata/full.json", other, func(path string, text []byte) {
		_, err := Parse(ConfigFile, text)
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("%s: %v", path, err)
			return
		}
		p := problems[0]
		if p.Path != path || !strings.HasPrefix(p.Cause, "must be ") {
			t.Errorf("%s: %v", path, p)
		}
		if at := strictjson.Find(string(text), []string{path})[0]; at >= 0 {
			if line, column := strictjson.Position(string(text), at); p.Line != line ||
				p.Column != column {
				t.Errorf("%s: at %d:%d, want %d:%d", path, p.Line, p.Column, line, column)
			}
		}
	})
}

// TestEveryNull sets each field to null, which stands for its absence. That may
// be a problem, but never one of its type, and it must not upset any check.
func TestEveryNull(t *testing.T) {
	mutate(t, "testdata/full.json", func(any) any { return nil }, func(path string, text []byte) {
		_, err := Parse(ConfigFile, text)
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Errorf("%s: %v", path, err)
		}
		for _, p := range problems {
			if p.Line == 0 || p.Cause == "" || strings.Contains(p.Cause, "and is a") {
				t.Errorf("%s: %v", path, p)
			}
		}
	})
}

// TestEveryEmptyString sets each string to "", for the same reason.
func TestEveryEmptyString(t *testing.T) {
	empty := func(value any) any {
		if _, ok := value.(string); ok {
			return ""
		}
		return value
	}
	mutate(t, "testdata/full.json", empty, func(path string, text []byte) {
		_, err := Parse(ConfigFile, text)
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Errorf("%s: %v", path, err)
		}
	})
}
