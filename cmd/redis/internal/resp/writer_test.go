package resp

import (
	"bytes"
	"math"
	"strconv"
	"testing"
)

func TestWriter(t *testing.T) {
	tests := []struct {
		name         string
		write        func(*Writer)
		resp2, resp3 string
	}{
		{"status", func(w *Writer) { w.Status("OK") }, "+OK\r\n", "+OK\r\n"},
		{"error", func(w *Writer) { w.Error("ERR no") }, "-ERR no\r\n", "-ERR no\r\n"},
		{"error with line ends", func(w *Writer) { w.Error("ERR a\r\nb\n") }, "-ERR a  b \r\n", "-ERR a  b \r\n"},
		{"integer", func(w *Writer) { w.Int(-5) }, ":-5\r\n", ":-5\r\n"},
		{"bulk", func(w *Writer) { w.Bulk([]byte("a\r\n")) }, "$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n"},
		{"empty bulk", func(w *Writer) { w.Bulk(nil) }, "$0\r\n\r\n", "$0\r\n\r\n"},
		{"bulk string", func(w *Writer) { w.BulkString("ab") }, "$2\r\nab\r\n", "$2\r\nab\r\n"},
		{"null", func(w *Writer) { w.Null() }, "$-1\r\n", "_\r\n"},
		{"null array", func(w *Writer) { w.NullArray() }, "*-1\r\n", "_\r\n"},
		{"array", func(w *Writer) { w.Array(2) }, "*2\r\n", "*2\r\n"},
		{"map", func(w *Writer) { w.Map(2) }, "*4\r\n", "%2\r\n"},
		{"set", func(w *Writer) { w.Set(2) }, "*2\r\n", "~2\r\n"},
		{"double", func(w *Writer) { w.Double(1.5) }, "$3\r\n1.5\r\n", ",1.5\r\n"},
		{"infinity", func(w *Writer) { w.Double(math.Inf(-1)) }, "$4\r\n-inf\r\n", ",-inf\r\n"},
		{"text", func(w *Writer) { w.Text("hi") }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for proto, want := range map[int]string{2: tt.resp2, 3: tt.resp3} {
				w := Writer{Proto: proto}
				tt.write(&w)
				if got := string(w.Bytes()); got != want || w.Len() != len(want) {
					t.Errorf("RESP%d: got %q, want %q", proto, got, want)
				}
			}
		})
	}
}

func TestWriterReset(t *testing.T) {
	w := Writer{Proto: 2}
	w.Status("OK")
	w.Reset()
	w.Int(1)
	if got := string(w.Bytes()); got != ":1\r\n" {
		t.Errorf("got %q after Reset", got)
	}
	w.Bulk(make([]byte, 2*maxBuffer))
	w.Reset()
	if cap(w.buf) != 0 {
		t.Errorf("a buffer of %d bytes is kept", cap(w.buf))
	}
}

func TestAppendFloat(t *testing.T) {
	tests := []struct {
		f    float64
		want string // C's printf("%.17g")
	}{
		{0, "0"}, {1, "1"}, {-3, "-3"}, {0.5, "0.5"}, {0.1, "0.10000000000000001"},
		{100000, "100000"}, {1e16, "10000000000000000"}, {1e17, "1e+17"}, {123456789012345678, "1.2345678901234568e+17"},
		{1e-4, "0.0001"}, {1e-5, "1.0000000000000001e-05"}, {1e300, "1.0000000000000001e+300"}, {5e-324, "4.9406564584124654e-324"},
		{math.Inf(1), "inf"}, {math.Inf(-1), "-inf"},
	}
	for _, tt := range tests {
		if got := string(AppendFloat(nil, tt.f)); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestParseInt(t *testing.T) {
	tests := []struct {
		text string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"7", 7, true}, {"-7", -7, true}, {"1234567890", 1234567890, true},
		{"9223372036854775807", math.MaxInt64, true}, {"-9223372036854775808", math.MinInt64, true},
		{"9223372036854775808", 0, false}, {"-9223372036854775809", 0, false}, {"99999999999999999999", 0, false},
		{"", 0, false}, {"-", 0, false}, {"+1", 0, false}, {"01", 0, false}, {"-0", 0, false}, {"-01", 0, false},
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
		if got, ok := ParseInt(text); ok != canonical || ok && got != want {
			t.Errorf("%q: got %d, %v, want %d, %v", text, got, ok, want, canonical)
		}
	})
}
