package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// fields are the names that the specification gives a meaning. encoding/json
// would read "Manifests" as "manifests"; other readers would not.
var fields = [...]string{
	"schemaVersion", "mediaType", "manifests", "layers", "config", "digest", "size", "urls",
	"annotations", "data", "platform", "artifactType",
	"subject", "fsLayers", "architecture", "os", "variant",
}

// level is an object or array that the scanner is in.
type level struct {
	keys map[string]bool // of an object, nil in an array
	free bool            // keys are the author's own words: annotations
	key  string          // the key whose value comes next, "" when a key comes next
}

// checkJSON refuses an index or manifest that is not one JSON value, is too
// deep, or has a key twice or misspelt.
func checkJSON(raw []byte) error {
	return scan(raw, func(l *level, key string) error {
		if l.keys[key] {
			return fmt.Errorf("key %q is there twice", key)
		}
		l.keys[key] = true
		for _, f := range fields {
			if !l.free && key != f && strings.EqualFold(key, f) {
				return fmt.Errorf("key %q must be written %q", key, f)
			}
		}
		return nil
	})
}

// checkDepth refuses what is not one JSON value or is too deep.
func checkDepth(raw []byte) error {
	return scan(raw, func(*level, string) error { return nil })
}

// scan walks through one JSON value and shows each key of each object.
func scan(raw []byte, onKey func(l *level, key string) error) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var stack []level
	for first := true; first || len(stack) > 0; first = false {
		tok, err := dec.Token()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("is not JSON: %w", err)
		}
		var top *level
		if len(stack) > 0 {
			top = &stack[len(stack)-1]
		}
		if key, ok := tok.(string); ok && top != nil && top.keys != nil && top.key == "" {
			if err := onKey(top, key); err != nil {
				return err
			}
			top.key = "=" + key
			continue
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			if len(stack) == maxDepth {
				return fmt.Errorf("more than %d JSON values in each other", maxDepth)
			}
			l := level{free: top != nil && top.key == "=annotations"}
			if tok == json.Delim('{') {
				l.keys = map[string]bool{}
			}
			stack = append(stack, l)
		case json.Delim('}'), json.Delim(']'):
			if stack = stack[:len(stack)-1]; len(stack) > 0 {
				stack[len(stack)-1].key = ""
			}
		default:
			if top != nil {
				top.key = ""
			}
		}
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("is not JSON: something follows the document")
	}
	return nil
}
