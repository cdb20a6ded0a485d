package main

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestParseSize(t *testing.T) {
	tests := []struct {
		in   string
		want int64 // -1 for an error
	}{
		{"0", 0}, {"100", 100}, {"100b", 100}, {"1k", 1024}, {"64m", 64 << 20}, {"64M", 64 << 20},
		{"64MB", 64 << 20}, {"64MiB", 64 << 20},
		{"1.5g", 3 << 29}, {"2T", 2 << 40}, {"1p", 1 << 50}, {"1 g", 1 << 30},
		{"", -1}, {"m", -1}, {"-1", -1}, {"1x", -1}, {"1kk", -1}, {"1e3", -1}, {"0x10", -1},
		{"1..2", -1}, {"NaN", -1}, {"9999999p", -1}, {"kg1", -1},
	}
	for _, tt := range tests {
		got, err := parseSize(tt.in)
		if tt.want < 0 && err == nil || tt.want >= 0 && (err != nil || got != tt.want) {
			t.Errorf("parseSize(%q) = %d, %v, want %d", tt.in, got, err, tt.want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("1.5g")
	f.Add("64MiB")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseSize(s); err == nil && n < 0 || n == math.MaxInt64 {
			t.Errorf("parseSize(%q) = %d", s, n)
		}
	})
}

func TestParseWords(t *testing.T) {
	tests := []struct {
		in   string
		want []string // nil for none
		err  bool
	}{
		{"", nil, false},
		{"/bin/app", []string{"/bin/app"}, false},
		{" a  b ", []string{"a", "b"}, false},
		{`["a b","c"]`, []string{"a b", "c"}, false},
		{`[]`, []string{}, false},
		{`["a"`, nil, true},
		{`[1]`, nil, true},
	}
	for _, tt := range tests {
		got, err := parseWords("--cmd", tt.in)
		if (err != nil) != tt.err || !slices.Equal(got, tt.want) ||
			(got == nil) != (tt.want == nil) {
			t.Errorf("parseWords(%q) = %q, %v", tt.in, got, err)
		}
	}
}

func TestParseMounts(t *testing.T) {
	tests := []struct {
		name  string
		parse func(string) (specs.Mount, error)
		in    string
		want  string // JSON, or part of the error after "!"
	}{
		{"volume", parseVolume, "/a:/b",
			`{"destination":"/b","type":"bind","source":"/a","options":["rbind","rprivate"]}`},
		{"read-only volume", parseVolume, "/a:/b:ro",
			`{"destination":"/b","type":"bind","source":"/a","options":["rbind","ro","rprivate"]}`},
		{"shared volume", parseVolume, "/a:/b:rw,rshared",
			`{"destination":"/b","type":"bind","source":"/a","options":["rbind","rw","rshared"]}`},
		{"named volume", parseVolume, "data:/b", "!there are no named volumes; for a directory " +
			"write ./data"},
		{"only a target", parseVolume, "/b", "!must be SOURCE:TARGET"},
		{"too many parts", parseVolume, "/a:/b:ro:x", "!must be SOURCE:TARGET"},
		{"no source", parseVolume, ":/b", "!no source"},
		{"no target", parseVolume, "/a:", "!no target"},
		{"relative target", parseVolume, "/a:b", `!target "b": must begin with "/"`},
		{"relabel", parseVolume, "/a:/b:Z", "!not relabelled"},
		{"bind", parseMount, "type=bind,source=/a,target=/b,readonly",
			`{"destination":"/b","type":"bind","source":"/a","options":["rbind","ro","rprivate"]}`},
		{"bind in short", parseMount, "type=bind,src=/a,dst=/b,ro=false,bind-propagation=rslave",
			`{"destination":"/b","type":"bind","source":"/a","options":["rbind","rslave"]}`},
		{"comma in a name", parseMount, `type=bind,"source=/a,b",target=/b`,
			`{"destination":"/b","type":"bind","source":"/a,b","options":["rbind","rprivate"]}`},
		{"tmpfs", parseMount, "type=tmpfs,target=/b,tmpfs-size=1m,tmpfs-mode=1777",
			`{"destination":"/b","type":"tmpfs","source":"tmpfs","options":["nosuid","nodev","size=1048576","mode=1777"]}`},
		{"no type", parseMount, "target=/b", `!type "": must be bind or tmpfs`},
		{"volume type", parseMount, "type=volume,target=/b", "!must be bind or tmpfs"},
		{"unknown key", parseMount, "type=tmpfs,target=/b,nocopy", `!unknown key "nocopy"`},
		{"bad size", parseMount, "type=tmpfs,target=/b,tmpfs-size=x", "!tmpfs-size"},
		{"bad flag", parseMount, "type=bind,source=/a,target=/b,ro=maybe",
			`!"maybe" is not true or false`},
		{"relative tmpfs", parseMount, "type=tmpfs,target=b", "!must begin with"},
		{"bad quotes", parseMount, `type="tmpfs`, "!parse error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := tt.parse(tt.in)
			if want, ok := strings.CutPrefix(tt.want, "!"); ok {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, %v, want an error with %q", m, err, want)
				}
				return
			}
			got, jsonErr := json.Marshal(m)
			if err != nil || jsonErr != nil || string(got) != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB",
		1536 << 10: "1.5 MiB", math.MaxInt64: "8.0 EiB"} {
		if got := formatSize(n); got != want {
			t.Errorf("formatSize(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestParsePorts(t *testing.T) {
	ports, err := parsePorts([]string{"80", "53/udp"})
	if _, tcp := ports["80/tcp"]; err != nil || !tcp || len(ports) != 2 {
		t.Errorf("got %v, %v", ports, err)
	}
	for _, bad := range []string{"", "0", "65536", "80/", "80/icmp", "x"} {
		if _, err := parsePorts([]string{bad}); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

func TestParseOwner(t *testing.T) {
	if o, err := parseOwner("5:6"); err != nil || o.UID != 5 || o.GID != 6 || o.Keep {
		t.Errorf("got %+v, %v", o, err)
	}
	if o, err := parseOwner("keep"); err != nil || !o.Keep {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, bad := range []string{"", "5", "5:", "a:b", "-1:0", "2147483648:0"} {
		if _, err := parseOwner(bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

func TestSourceDateEpoch(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	if e, err := sourceDateEpoch(); err != nil || e.Unix() != 1700000000 {
		t.Errorf("got %v, %v", e, err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "")
	if e, err := sourceDateEpoch(); err != nil || e != nil {
		t.Errorf("got %v, %v", e, err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if _, err := sourceDateEpoch(); err == nil {
		t.Error("got no error")
	}
}
