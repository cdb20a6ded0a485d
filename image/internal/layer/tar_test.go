package layer

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
)

// base256 encodes v in n bytes as GNU tar does.
func base256(v int64, n int) string {
	b := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		b[i] = byte(v)
		v >>= 8
	}
	b[0] |= 0x80
	return string(b)
}

func TestTarEntries(t *testing.T) {
	long := strings.Repeat("long/", 60) + "name"
	tests := []struct {
		name string
		tar  []byte
		want []parsed
	}{
		{"nothing at all", nil, nil},
		{"end blocks only", tarOf(), nil},
		{"a file", tarOf(blockOf{name: "a", size: 5}, "hello"),
			[]parsed{{Header: &Header{Name: "a", Type: File, Mode: 0o644, Size: 5},
				data: "hello"}}},
		{"no end blocks", partsOf(blockOf{name: "a", size: 5}, "hello"),
			[]parsed{{Header: &Header{Name: "a", Type: File, Mode: 0o644, Size: 5},
				data: "hello"}}},
		{"no end blocks and no padding", partsOf(blockOf{name: "a", size: 5}, []byte("hello")),
			[]parsed{{Header: &Header{Name: "a", Type: File, Mode: 0o644, Size: 5},
				data: "hello"}}},
		{"one end block", partsOf(blockOf{name: "a"}, zeros[:]),
			[]parsed{{Header: &Header{Name: "a", Type: File, Mode: 0o644}}}},
		{"anything behind the end blocks", append(tarOf(blockOf{name: "a"}), "garbage"...),
			[]parsed{{Header: &Header{Name: "a", Type: File, Mode: 0o644}}}},
		{"all types", tarOf(
			blockOf{name: "d/", flag: '5', mode: "0001755\x00"},
			blockOf{name: "s", flag: '2', link: "../x", size: 99},
			blockOf{name: "h", flag: '1', link: "a", size: 99},
			blockOf{name: "c", flag: '3', major: "0000001\x00", minor: "0000003\x00"},
			blockOf{name: "b", flag: '4', major: base256(4095, 8), minor: base256(1<<20-1, 8)},
			blockOf{name: "p", flag: '6', link: "ignored"},
			blockOf{name: "contiguous", flag: '7', size: 1}, "x"),
			[]parsed{
				{Header: &Header{Name: "d/", Type: Directory, Mode: 0o1755}},
				{Header: &Header{Name: "s", Link: "../x", Type: Symlink, Mode: 0o644}},
				{Header: &Header{Name: "h", Link: "a", Type: HardLink, Mode: 0o644}},
				{Header: &Header{Name: "c", Type: Char, Mode: 0o644, Major: 1, Minor: 3}},
				{Header: &Header{Name: "b", Type: Block, Mode: 0o644, Major: 4095,
					Minor: 1<<20 - 1}},
				{Header: &Header{Name: "p", Type: Fifo, Mode: 0o644}},
				{Header: &Header{Name: "contiguous", Type: File, Mode: 0o644, Size: 1}, data: "x"},
			}},
		{"seventh edition", tarOf(blockOf{name: "d/", v7: true}, blockOf{name: "f", v7: true,
			size: 1, major: "rubbish"}, "x"),
			[]parsed{
				{Header: &Header{Name: "d/", Type: Directory, Mode: 0o644}},
				{Header: &Header{Name: "f", Type: File, Mode: 0o644, Size: 1}, data: "x"},
			}},
		{"mode with type bits", tarOf(blockOf{name: "a", mode: "0104755\x00"}),
			[]parsed{{Header: &Header{Name: "a", Type: File, Mode: 0o4755}}}},
		{"numbers with spaces", tarOf(blockOf{name: "a", mode: "   644 \x00", uid: "    12 \x00",
			gid: " 0000013"}),
			[]parsed{{Header: &Header{Name: "a", Type: File, Mode: 0o644, UID: 10, GID: 11}}}},
		{"signed checksum", tarOf(blockOf{name: "\xff\xfe\x80", signed: true}),
			[]parsed{{Header: &Header{Name: "\xff\xfe\x80", Type: File, Mode: 0o644}}}},
		{"base-256", tarOf(blockOf{name: "a", uid: base256(3<<21, 8), gid: base256(math.MaxInt32,
			8), rawSize: base256(1, 12), mtime: base256(-5, 12)}, "x"),
			[]parsed{{Header: &Header{Name: "a", Type: File, Mode: 0o644, UID: 3 << 21,
				GID: math.MaxInt32, Size: 1, ModTime: Time{-5, 0}}, data: "x"}}},
		{"prefix", tarOf(blockOf{name: "b", edit: func(b []byte) { copy(b[prefixAt:], "dir/a") }}),
			[]parsed{{Header: &Header{Name: "dir/a/b", Type: File, Mode: 0o644}}}},
		{"star's shorter prefix", tarOf(blockOf{name: "b", edit: func(b []byte) {
			copy(b[prefixAt:], "dir")
			copy(b[prefixAt+131:], "00000000001 00000000002 ")
			copy(b[508:], "tar\x00")
		}}), []parsed{{Header: &Header{Name: "dir/b", Type: File, Mode: 0o644}}}},
		{"GNU times are no prefix", tarOf(blockOf{name: "b", gnu: true, edit: func(b []byte) {
			copy(b[prefixAt:], "00000000001\x0000000000002\x00")
		}}),
			[]parsed{{Header: &Header{Name: "b", Type: File, Mode: 0o644}}}},
		{"prefix of Go 1.7 in a GNU header", tarOf(blockOf{name: "b", gnu: true,
			edit: func(b []byte) { copy(b[prefixAt:], "usr/share/x") }}),
			[]parsed{{Header: &Header{Name: "usr/share/x/b", Type: File, Mode: 0o644}}}},
		{"GNU long names", tarOf(
			blockOf{name: "././@LongLink", flag: 'L', gnu: true, size: len(long) + 1}, long+"\x00",
			blockOf{name: "././@LongLink", flag: 'K', gnu: true, size: len(long) + 3},
			long+"!\x00x",
			blockOf{name: "short", flag: '2', link: "short", gnu: true}, blockOf{name: "next",
				gnu: true}),
			[]parsed{
				{Header: &Header{Name: long, Link: long + "!", Type: Symlink, Mode: 0o644}},
				{Header: &Header{Name: "next", Type: File, Mode: 0o644}},
			}},
		{"pax overrides", tarOf(pax("path", long, "uid", "2147483647", "gid", "7", "size", "3",
			"mtime", "-1.25", "comment", "x", "uname", ""),
			blockOf{name: "a", uid: "7777777\x00", size: 0}, "abc"),
			[]parsed{{Header: &Header{Name: long, Type: File, Mode: 0o644, UID: math.MaxInt32,
				GID: 7, Size: 3, ModTime: Time{-2, 750_000_000}}, data: "abc"}}},
		{"pax linkpath", tarOf(pax("linkpath", long), blockOf{name: "a", flag: '1', link: "b"}),
			[]parsed{{Header: &Header{Name: "a", Link: long, Type: HardLink, Mode: 0o644}}}},
		{"attributes", tarOf(pax("SCHILY.xattr.user.a", "", "SCHILY.xattr.user.b", "\x00=\n\xff",
			"SCHILY.xattr.user.c", "1", "SCHILY.xattr.user.c", "2"), blockOf{name: "a"}),
			[]parsed{{Header: &Header{Name: "a", Type: File, Mode: 0o644,
				Xattrs: []Xattr{{"user.a", ""}, {"user.b", "\x00=\n\xff"}, {"user.c", "2"}}}}}},
		{"the last extended header wins", tarOf(pax("path", "1", "uid", "1"), pax("path", "2"),
			blockOf{name: "a"}),
			[]parsed{{Header: &Header{Name: "2", Type: File, Mode: 0o644}}}},
		{"global headers are not applied", tarOf(paxFlag('g', "path", "all", "comment", "x"),
			blockOf{name: "a"}),
			[]parsed{{Header: &Header{Name: "a", Type: File, Mode: 0o644}}}},
		{"an empty name", tarOf(blockOf{}), []parsed{{Header: &Header{Type: File, Mode: 0o644}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, chunk := range []int{1, 511, 512, 700, 1 << 20} {
				got, err := parseAll(test.tar, chunk, Limits{})
				if err != nil {
					t.Fatalf("chunks of %d: %v", chunk, err)
				}
				compare(t, got, test.want)
			}
		})
	}
}

func compare(t *testing.T, got, want []parsed) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d entries, want %d", len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i].Header, want[i].Header) {
			t.Errorf("entry %d: got %+v, want %+v", i, *got[i].Header, *want[i].Header)
		}
		if got[i].data != want[i].data || got[i].holes != want[i].holes {
			t.Errorf("entry %d: got data %q (holes %v), want %q (%v)", i, got[i].data, got[i].holes,
				want[i].data, want[i].holes)
		}
	}
}

func TestTarErrors(t *testing.T) {
	whole := tarOf(blockOf{name: "dir/file", size: 600}, strings.Repeat("x", 600))
	tests := []struct {
		name string
		tar  []byte
		want string
	}{
		{"garbage", []byte(strings.Repeat("garbage!", 64)), "not a tar header, or a damaged " +
			"one: bad checksum"},
		{"half a header", whole[:100], "unexpected EOF"},
		{"header only", whole[:512], `entry "dir/file": unexpected EOF`},
		{"half the data", whole[:800], `entry "dir/file": unexpected EOF`},
		{"zero block in between", partsOf(blockOf{name: "a"}, zeros[:], blockOf{name: "b"}),
			"one block of zeros between two entries"},
		{"extended header for nothing", tarOf(pax("path", "x")), "unexpected EOF"},
		{"half an extended header", pax("path", "x")[:600], "unexpected EOF"},
		{"uid beyond int32", tarOf(pax("uid", "2147483648"), blockOf{name: "a"}),
			"uid 2147483648 is outside of 0 to 2147483647"},
		{"uid 2³²", tarOf(blockOf{name: "a", uid: base256(1<<32, 8)}),
			"uid 4294967296 is outside of 0 to 2147483647"},
		{"negative gid", tarOf(pax("gid", "-1"), blockOf{name: "a"}),
			"gid -1 is outside of 0 to 2147483647"},
		{"negative size", tarOf(blockOf{name: "a", rawSize: base256(-1, 12)}),
			"size -1 is negative"},
		{"negative pax size", tarOf(pax("size", "-512"), blockOf{name: "a"}),
			"size -512 is negative"},
		{"negative size of an extended header", tarOf(blockOf{name: "x", flag: 'x',
			rawSize: base256(-512, 12)}), "extended header: size -512 is negative"},
		{"number too large",
			tarOf(blockOf{name: "a", rawSize: "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}),
			"bad number in the header"},
		{"no number", tarOf(blockOf{name: "a", mode: "rwxr-xr-"}), "bad number in the header"},
		{"no pax number", tarOf(pax("uid", "root"), blockOf{name: "a"}),
			`bad number "root" in the extended header`},
		{"bad time", tarOf(pax("mtime", "1.2x"), blockOf{name: "a"}),
			"bad time in the extended header"},
		{"bad record", tarOf(blockOf{flag: 'x', size: 9}, "99 path=x", blockOf{name: "a"}),
			"bad record in the extended header"},
		{"record without a key", tarOf(blockOf{flag: 'x', size: 5}, "5 =x\n", blockOf{name: "a"}),
			"bad record in the extended header"},
		{"NUL in a path", tarOf(pax("path", "a\x00b"), blockOf{name: "a"}), "a name holds a NUL"},
		{"NUL in a link", tarOf(pax("linkpath", "a\x00b"), blockOf{name: "a", flag: '2'}),
			"a name holds a NUL"},
		{"unknown type", tarOf(blockOf{name: "a", flag: 'V'}), `tar type 'V' is not supported`},
		{"device beyond Linux", tarOf(blockOf{name: "a", flag: '3', major: base256(4096, 8)}),
			"device 4096:0 does not exist on Linux"},
		{"negative minor", tarOf(blockOf{name: "a", flag: '4', minor: base256(-1, 8)}),
			"device 0:-1 does not exist on Linux"},
		{"huge extended header", tarOf(blockOf{flag: 'x', size: 1<<20 + 1}),
			"the extended header has at least 1048577 bytes, more than the limit Extended of " +
				"1048576"},
		{"huge long name", tarOf(blockOf{flag: 'L', gnu: true, size: 1 << 30}),
			"the extended header has at least 1073741824 bytes, more than the limit Extended of " +
				"1048576"},
		{"huge file", tarOf(blockOf{name: "a", rawSize: base256(1<<60, 12)}),
			"the file has 1152921504606846976 bytes, more than the limit FileSize of 274877906944"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseAll(test.tar, 700, Limits{})
			if err == nil || !strings.HasSuffix(err.Error(), test.want) {
				t.Fatalf("got %v, want %s", err, test.want)
			}
			var known *Error
			if !errors.As(err, &known) || known.Digest != "sha256:test" {
				t.Errorf("got %#v, want an Error that names the layer", err)
			}
		})
	}
}

// A record of just 1 MiB is allowed.
func TestLargestRecord(t *testing.T) {
	value := strings.Repeat("v", 1<<20-len("1048576 SCHILY.xattr.user.x=\n"))
	got, err := parseAll(tarOf(pax("SCHILY.xattr.user.x", value), blockOf{name: "a"}), 1<<16,
		Limits{})
	if err != nil || len(got) != 1 || got[0].Xattrs[0].Value != value {
		t.Fatalf("got %d entries, %v", len(got), err)
	}
}

func TestLimitsCanBeRaised(t *testing.T) {
	data := tarOf(blockOf{name: "a", size: 100}, strings.Repeat("x", 100))
	for _, test := range []struct {
		limit int64
		ok    bool
	}{{99, false}, {100, true}, {-1, true}, {0, true}} {
		_, err := parseAll(data, 512, Limits{FileSize: test.limit})
		var limit *LimitError
		if (err == nil) != test.ok || err != nil && (!errors.As(err, &limit) ||
			limit.Field != "FileSize") {
			t.Errorf("limit %d: got %v", test.limit, err)
		}
	}
}

func TestGlobalKeys(t *testing.T) {
	tr := NewTar(&pieces{data: tarOf(paxFlag('g', "mtime", "1", "comment", "git"),
		blockOf{name: "a"}), size: 100}, "", Limits{})
	if _, err := tr.Next(); err != nil {
		t.Fatal(err)
	}
	if got := tr.GlobalKeys(); !reflect.DeepEqual(got, []string{"mtime"}) {
		t.Errorf("got %q", got)
	}
}

// Next skips what was not read, and after an error nothing more comes.
func TestTarStays(t *testing.T) {
	boom := errors.New("boom")
	tr := NewTar(&pieces{data: partsOf(blockOf{name: "a", size: 2000}, strings.Repeat("x", 2000),
		blockOf{name: "b"}), size: 300, err: boom}, "", Limits{})
	for _, want := range []string{"a", "b"} {
		h, err := tr.Next()
		if err != nil || h.Name != want {
			t.Fatalf("got %v, %v, want %s", h, err, want)
		}
	}
	for range 2 {
		if _, err := tr.Next(); !errors.Is(err, boom) {
			t.Errorf("got %v", err)
		}
		if _, err := tr.Data(); !errors.Is(err, boom) {
			t.Errorf("got %v", err)
		}
	}
	tr.Close()
	if _, err := tr.Next(); err == nil || err == io.EOF {
		t.Errorf("after Close: got %v", err)
	}
}

func TestTimes(t *testing.T) {
	tests := []struct {
		in   string
		want Time
		ok   bool
	}{
		{"0", Time{0, 0}, true},
		{"1.5", Time{1, 500_000_000}, true},
		{"-1.5", Time{-2, 500_000_000}, true},
		{"-0.000000001", Time{-1, 999_999_999}, true},
		{"1.1234567899", Time{1, 123_456_789}, true},
		{"-1.0000000001", Time{-1, 0}, true},
		{"12.", Time{12, 0}, true},
		{"9223372036854775807.999999999", Time{math.MaxInt64, 999_999_999}, true},
		{"-9223372036854775808", Time{math.MinInt64, 0}, true},
		{"-9223372036854775808.5", Time{}, false},
		{"9223372036854775808", Time{}, false},
		{"", Time{}, false},
		{".5", Time{}, false},
		{"1.-5", Time{}, false},
		{"1e5", Time{}, false},
	}
	for _, test := range tests {
		got, err := parseTime(test.in)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%q: got %v, %v, want %v, %v", test.in, got, err, test.want, test.ok)
		}
	}
}

func TestTypeNames(t *testing.T) {
	for _, typ := range []Type{File, HardLink, Symlink, Char, Block, Directory, Fifo, 'X'} {
		if s := typ.String(); s == "" || (typ == 'X') != (s == "tar type 'X'") {
			t.Errorf("%d: %q", typ, s)
		}
	}
	long := &Error{Digest: "sha256:x", Entry: strings.Repeat("n", 5000), Err: fmt.Errorf("why")}
	if n := len(long.Error()); n > 400 {
		t.Errorf("an error of %d bytes", n)
	}
}
