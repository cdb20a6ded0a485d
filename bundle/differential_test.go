package bundle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/internal/strictjson"
)

// mangler writes a JSON document with keys in odd cases, keys that are there
// twice, and null where something was.
type mangler struct {
	*rand.Rand
	out strings.Builder
}

func (m *mangler) chance(n int) bool { return m.IntN(n) == 0 }

func (m *mangler) key(key string) {
	if m.chance(4) {
		key = strings.Map(func(r rune) rune {
			switch {
			case m.chance(2):
				return r
			case r == 's' && m.chance(2):
				return 'ſ'
			case r == 'k' && m.chance(2):
				return 'K' // the Kelvin sign
			}
			return []rune(strings.ToUpper(string(r)))[0]
		}, key)
	}
	fmt.Fprintf(&m.out, "%q:", key)
}

func (m *mangler) value(v any) {
	switch v := v.(type) {
	case map[string]any:
		m.object(v)
	case []any:
		m.list(v)
	default:
		text, _ := json.Marshal(v)
		m.out.Write(text)
	}
}

func (m *mangler) object(v map[string]any) {
	keys := sortedKeys(v)
	for range 2 { // some of the keys again
		for _, key := range keys {
			if m.chance(8) {
				keys = append(keys, key)
			}
		}
	}
	m.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	m.out.WriteByte('{')
	for i, key := range keys {
		if i > 0 {
			m.out.WriteByte(',')
		}
		m.key(key)
		if m.chance(20) {
			m.out.WriteString("null")
		} else {
			m.value(v[key])
		}
	}
	m.out.WriteByte('}')
}

func (m *mangler) list(v []any) {
	v = slices.Clone(v)
	m.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
	v = append(v, v[:m.IntN(len(v)+1)]...)[:m.IntN(2*len(v)+1)/2]
	m.out.WriteByte('[')
	for i, elem := range v {
		if i > 0 {
			m.out.WriteByte(',')
		}
		if m.chance(20) {
			m.out.WriteString("null")
		} else {
			m.value(elem)
		}
	}
	m.out.WriteByte(']')
}

// TestSameValueAsEncodingJSON checks that a configuration with keys in any case
// and number has the value that all other programs in Go see. One of them may
// have checked it before.
func TestSameValueAsEncodingJSON(t *testing.T) {
	data, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	m := mangler{Rand: rand.New(rand.NewPCG(seed, 0))}
	warned := 0
	for range 100 {
		m.out.Reset()
		m.value(doc)
		text := m.out.String()
		var got, want specs.Spec
		res := strictjson.Decode(text, &got)
		if err := json.Unmarshal([]byte(text), &want); err != nil || len(res.Problems) > 0 {
			t.Fatalf("%v, %v\n%s", err, res.Problems, text)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %s\nwant %s\nof %s", dump(t, got), dump(t, want), text)
		}
		warned += len(res.Warnings)
	}
	if warned < 300 {
		t.Errorf("only %d warnings: the texts are too plain", warned)
	}
}
