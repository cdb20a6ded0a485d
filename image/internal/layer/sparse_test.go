package layer

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// oldSparse makes a header of the old GNU format and its extension blocks.
func oldSparse(realSize string, stored int, frags ...string) []byte {
	entries := func(b []byte, most int) {
		for i := 0; i < most && len(frags) > 0; i++ {
			copy(b[i*oldEntry:], frags[0])
			frags = frags[1:]
		}
		if len(frags) > 0 {
			b[most*oldEntry] = 1
		}
	}
	out := partsOf(blockOf{name: "sparse", flag: 'S', gnu: true, size: stored,
		edit: func(b []byte) {
			entries(b[oldMapAt:], 4)
			copy(b[oldMapAt+97:], realSize)
		}})
	for len(frags) > 0 {
		b := make([]byte, blockSize)
		entries(b, 21)
		out = append(out, b...)
	}
	return out
}

func octal(v int64) string { return fmt.Sprintf("%011o\x00", v) }

func frag(off, n int64) string { return octal(off) + octal(n) }

// The same file in all formats: "ab" at 1000, "c" at 5000, size 10000.
const sparseWant = "ab at 1000, c at 5000"

func sparseFormats() map[string][]byte {
	var many []string
	for i := range int64(30) { // empty fragments force extension blocks
		many = append(many, frag(i, 0))
	}
	many = append(many, frag(1000, 2), frag(5000, 1), frag(10000, 0))
	mapText := "3\n1000\n2\n5000\n1\n10000\n0\n"
	return map[string][]byte{
		"old GNU": tarOf(oldSparse(octal(10000), 3, frag(1000, 2), frag(5000, 1)),
			"abc"),
		"old GNU with extension": tarOf(oldSparse(octal(10000), 3, many...), "abc"),
		"old GNU, base-256": tarOf(oldSparse(base256(10000, 12), 3, base256(1000, 12)+octal(2),
			base256(5000, 12)+base256(1, 12)), "abc"),
		"0.0": tarOf(pax("GNU.sparse.size", "10000", "GNU.sparse.numblocks", "2",
			"GNU.sparse.offset", "1000", "GNU.sparse.numbytes", "2",
			"GNU.sparse.offset", "5000", "GNU.sparse.numbytes", "1"), blockOf{name: "sparse",
			size: 3}, "abc"),
		"0.1": tarOf(pax("GNU.sparse.size", "10000", "GNU.sparse.numblocks", "2", "GNU.sparse.map",
			"1000,2,5000,1", "GNU.sparse.name", "sparse"),
			blockOf{name: "GNUSparseFile.1/sparse", size: 3}, "abc"),
		"0.1 with version": tarOf(pax("GNU.sparse.major", "0", "GNU.sparse.minor", "1",
			"GNU.sparse.size", "10000", "GNU.sparse.numblocks", "2", "GNU.sparse.map",
			"1000,2,5000,1"),
			blockOf{name: "sparse", size: 3}, "abc"),
		"1.0": tarOf(pax("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name",
			"sparse", "GNU.sparse.realsize", "10000"),
			blockOf{name: "GNUSparseFile.1/sparse", size: 512 + 3}, mapText, "abc"),
	}
}

func TestSparse(t *testing.T) {
	for name, data := range sparseFormats() {
		t.Run(name, func(t *testing.T) {
			for _, chunk := range []int{1, 512, 700, 1 << 20} {
				tr := NewTar(&pieces{data: data, size: chunk}, "", Limits{})
				h, err := tr.Next()
				if err != nil {
					t.Fatal(err)
				}
				if h.Name != "sparse" || h.Type != File || h.Size != 10000 || !h.Sparse {
					t.Errorf("got %+v", *h)
				}
				p, err := parseData(tr, h)
				if err != nil {
					t.Fatal(err)
				}
				want := make([]byte, 10000)
				copy(want[1000:], "ab")
				want[5000] = 'c'
				if p.data != string(want) || !p.holes {
					t.Errorf("chunks of %d: data or holes are wrong, want %s", chunk, sparseWant)
				}
			}
		})
	}
}

// A sparse file without any data.
func TestSparseHole(t *testing.T) {
	for name, data := range map[string][]byte{
		"old GNU": tarOf(oldSparse(octal(1<<32), 0)),
		"0.1": tarOf(pax("GNU.sparse.size", "4294967296", "GNU.sparse.numblocks", "0",
			"GNU.sparse.major", "0", "GNU.sparse.minor", "1"), blockOf{name: "a"}),
		"1.0": tarOf(pax("GNU.sparse.major", "1", "GNU.sparse.minor", "0",
			"GNU.sparse.realsize", "4294967296"), blockOf{name: "a", size: 512}, "0\n"),
	} {
		got, err := parseAll(data, 700, Limits{})
		if err != nil || len(got) != 1 || got[0].Size != 1<<32 || !got[0].holes {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestSparseErrors(t *testing.T) {
	v1 := func(kv ...string) []byte {
		return pax(append([]string{"GNU.sparse.major", "1", "GNU.sparse.minor", "0",
			"GNU.sparse.realsize", "10000"}, kv...)...)
	}
	v01 := func(blocks, list string) []byte {
		return tarOf(pax("GNU.sparse.size", "100", "GNU.sparse.numblocks", blocks, "GNU.sparse.map",
			list), blockOf{name: "a", size: 3}, "abc")
	}
	tests := []struct {
		name string
		tar  []byte
		want string
	}{
		{"4 EiB in 1 KiB, 1.0", tarOf(v1("GNU.sparse.realsize", "4611686018427387904"),
			blockOf{name: "a", size: 512}, "0\n"), "more than the limit FileSize"},
		{"1 PiB, old GNU", tarOf(oldSparse(base256(1<<50, 12), 0)), "more than the limit FileSize"},
		{"fragments overlap", v01("2", "0,2,1,1"), "bad sparse map"},
		{"fragments go back", v01("2", "5,2,1,1"), "bad sparse map"},
		{"fragment ends behind the file", v01("1", "98,3"), "bad sparse map"},
		{"offset overflows", v01("1", "9223372036854775807,3"), "bad sparse map"},
		{"negative length", v01("2", "0,-3,0,6"), "bad sparse map"},
		{"negative offset", v01("1", "-1,3"), "bad sparse map"},
		{"less data than the map", v01("1", "0,4"), "it does not match the data stored"},
		{"more data than the map", v01("1", "0,2"), "it does not match the data stored"},
		{"odd map", v01("1", "0,3,5"), "bad sparse map"},
		{"count does not match", v01("2", "0,3"), "bad sparse map"},
		{"huge count", v01("4611686018427387905", "0,3"), "bad sparse map"},
		{"no number", v01("1", "0,x"), "bad sparse map"},
		{"0.0 out of turn", tarOf(pax("GNU.sparse.numbytes", "1"), blockOf{name: "a"}),
			"bad sparse map"},
		{"unknown version", tarOf(pax("GNU.sparse.major", "2", "GNU.sparse.minor", "0"),
			blockOf{name: "a"}), `sparse format "2.0" is not known`},
		{"a directory", tarOf(v1(), blockOf{name: "a", flag: '5'}),
			"bad sparse map: the entry is a directory"},
		{"map without data", tarOf(v1(), blockOf{name: "a", size: 100}, "1\n"), "bad sparse map"},
		{"map without a line end", tarOf(v1(), blockOf{name: "a", size: 2048}, strings.Repeat("1",
			2048)), "bad sparse map"},
		{"negative count", tarOf(v1(), blockOf{name: "a", size: 512}, "-1\n"), "bad sparse map"},
		{"size is no number", tarOf(v1("GNU.sparse.realsize", "x"), blockOf{name: "a", size: 512},
			"0\n"), `bad number "x" in the extended header`},
		{"star's sparse files", tarOf(blockOf{name: "a", flag: 'S'}), "bad sparse map"},
		{"endless map, 1.0", tarOf(v1(), blockOf{name: "a", size: 2 << 20},
			"999999\n"+strings.Repeat("1\n0\n", 1<<19)), "the sparse map has at least 1049088 " +
			"bytes, more than the limit Extended of 1048576"},
		{"endless map, old GNU", endlessOld(), "the sparse map has at least 1049088 bytes, more " +
			"than the limit Extended of 1048576"},
		{"extension block is missing", oldSparse(octal(10), 0, frag(1, 0), frag(2, 0), frag(3, 0),
			frag(4, 0), frag(5, 0))[:512], "unexpected EOF"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseAll(test.tar, 700, Limits{})
			var known *Error
			if err == nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, &known) {
				t.Fatalf("got %v, want %s", err, test.want)
			}
		})
	}
}

// endlessOld is an old GNU map that fills 3 MiB.
func endlessOld() []byte {
	frags := make([]string, 4+21*6200)
	for i := range frags {
		frags[i] = frag(int64(i), 0)
	}
	return tarOf(oldSparse(octal(math.MaxInt32), 0, frags...))
}
