package resp

import (
	"bytes"
	"math"
	"strconv"
	"testing"
)

func TestAppend(t *testing.T) {
	tests := []struct {
		name         string
		reply        any
		resp2, resp3 string
	}{
		{"status", Status("OK"), "+OK\r\n", "+OK\r\n"},
		{"error", Error("ERR no"), "-ERR no\r\n", "-ERR no\r\n"},
		{"error with line ends", Error("ERR a\r\nb\n"), "-ERR a  b \r\n", "-ERR a  b \r\n"},
		{"integer", -5, ":-5\r\n", ":-5\r\n"},
		{"bulk", []byte("a\r\n"), "$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n"},
		{"empty bulk", []byte{}, "$0\r\n\r\n", "$0\r\n\r\n"},
		{"bulk string", "ab", "$2\r\nab\r\n", "$2\r\nab\r\n"},
		{"null", nil, "$-1\r\n", "_\r\n"},
		{"bulk by reference", &[]byte{'a'}, "$1\r\na\r\n", "$1\r\na\r\n"},
		{"null bytes by reference", new([]byte), "$-1\r\n", "_\r\n"},
		{"null bytes", []byte(nil), "$-1\r\n", "_\r\n"},
		{"null array", []any(nil), "*-1\r\n", "_\r\n"},
		{"array", []any{"a", ""}, "*2\r\n$1\r\na\r\n$0\r\n\r\n", "*2\r\n$1\r\na\r\n$0\r\n\r\n"},
		{"nested array", []any{1, []any{}, nil}, "*3\r\n:1\r\n*0\r\n$-1\r\n",
			"*3\r\n:1\r\n*0\r\n_\r\n"},
		{"map", Map{"a", 1, "b", 2.5}, "*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n$3\r\n2.5\r\n",
			"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n,2.5\r\n"},
		{"set", Set{"a", "b"}, "*2\r\n$1\r\na\r\n$1\r\nb\r\n", "~2\r\n$1\r\na\r\n$1\r\nb\r\n"},
		{"double", 1.5, "$3\r\n1.5\r\n", ",1.5\r\n"},
		{"infinity", math.Inf(-1), "$4\r\n-inf\r\n", ",-inf\r\n"},
		{"text", Text("hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for proto, want := range map[int]string{2: tt.resp2, 3: tt.resp3} {
				if got := string(Append([]byte("before"), proto, tt.reply)); got != "before"+want {
					t.Errorf("RESP%d: got %q, want %q", proto, got, want)
				}
			}
		})
	}
}

func TestFormatFloat(t *testing.T) {
	tests := []struct {
		f    float64
		want string // C's printf("%.17g")
	}{
		{0, "0"}, {1, "1"}, {-3, "-3"}, {0.5, "0.5"}, {0.1, "0.10000000000000001"},
		{100000, "100000"}, {1e16, "10000000000000000"}, {1e17, "1e+17"}, {123456789012345678,
			"1.2345678901234568e+17"},
		{1e-4, "0.0001"}, {1e-5, "1.0000000000000001e-05"}, {1e300, "1.0000000000000001e+300"},
		{5e-324, "4.9406564584124654e-324"},
		{math.Inf(1), "inf"}, {math.Inf(-1), "-inf"},
	}
	for _, tt := range tests {
		if got := formatFloat(tt.f); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestParseInt(t *testing.T) {
	tests := []struct {
		text string
		want int
		ok   bool
	}{
		{"0", 0, true}, {"7", 7, true}, {"-7", -7, true}, {"1234567890", 1234567890, true},
		{"9223372036854775807", math.MaxInt64, true}, {"-9223372036854775808", math.MinInt64, true},
		{"9223372036854775808", 0, false}, {"-9223372036854775809", 0, false},
		{"99999999999999999999", 0, false},
		{"", 0, false}, {"-", 0, false}, {"+1", 0, false}, {"01", 0, false}, {"-0", 0, false},
		{"-01", 0, false},
		{" 1", 0, false}, {"1 ", 0, false}, {"1.0", 0, false}, {"0x1", 0, false}, {"1_0", 0, false},
	}
	for _, tt := range tests {
		if got, ok := ParseInt([]byte(tt.text)); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: got %d, %v, want %d, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

// FuzzParseInt checks that exactly the texts are numbers that a number prints.
func FuzzParseInt(f *testing.F) {
	for _, seed := range []string{"0", "-1", "9223372036854775807", "01", "+1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, err := strconv.ParseInt(string(text), 10, 64)
		canonical := err == nil && bytes.Equal(strconv.AppendInt(nil, want, 10), text)
		if got, ok := ParseInt(text); ok != canonical || ok && got != int(want) {
			t.Errorf("%q: got %d, %v, want %d, %v", text, got, ok, want, canonical)
		}
	})
}
