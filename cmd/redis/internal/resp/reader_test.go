package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readAll reads requests until the source ends or one is refused. Each request
// is the list of its arguments.
func readAll(src io.Reader) ([][]string, error) {
	r := NewReader(src)
	var requests [][]string
	for {
		args, err := r.Next()
		if err != nil {
			return requests, err
		}
		request := []string{}
		for _, arg := range args {
			request = append(request, string(arg))
		}
		requests = append(requests, request)
	}
}

func TestReader(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	tests := []struct {
		name  string
		input string
		want  string // requests joined by ; and words by ,
		err   string
	}{
		{"array", "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", "ECHO,hi", "EOF"},
		{"pipeline", "*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$1\r\nx\r\n", "PING;PING;x", "EOF"},
		{"empty argument", "*2\r\n$1\r\na\r\n$0\r\n\r\n", "a,", "EOF"},
		{"binary argument", "*1\r\n$4\r\n\r\n\x00*\r\n", "\r\n\x00*", "EOF"},
		{"nothing asked", "\r\n\n*0\r\n*-1\r\n*-5\r\n   \r\nx\r\n", "x", "EOF"},
		{"cut short", "*2\r\n$1\r\na\r\n$5\r\nab", "", "unexpected EOF"},
		{"line cut short", "*2\r\n$1\r\na\r\n$5", "", "EOF"},
		{"header with LF only", "*1\n$4\r\nPING\r\n", "", "ERR Protocol error: invalid " +
			"multibulk length"},
		{"most arguments", fmt.Sprintf("*%d\r\n", MaxArgs), "", "EOF"},
		{"too many arguments", fmt.Sprintf("*%d\r\n", MaxArgs+1), "",
			"ERR Protocol error: invalid multibulk length"},
		{"largest bulk", fmt.Sprintf("*1\r\n$%d\r\n", MaxBulk), "", "EOF"},
		{"too large bulk", fmt.Sprintf("*1\r\n$%d\r\n", MaxBulk+1), "",
			"ERR Protocol error: invalid bulk length"},
		{"negative bulk", "*1\r\n$-1\r\n", "", "ERR Protocol error: invalid bulk length"},
		{"length with leading zero", "*1\r\n$04\r\nPING\r\n", "",
			"ERR Protocol error: invalid bulk length"},
		{"length beyond 64 bits", "*18446744073709551617\r\n", "",
			"ERR Protocol error: invalid multibulk length"},
		{"no bulk", "*1\r\n:5\r\n", "", "ERR Protocol error: expected '$', got ':'"},
		{"no bulk but a line end", "*1\r\n\r\n", "", "ERR Protocol error: expected '$', got '\r'"},
		{"bulk longer than it says", "*1\r\n$3\r\nPING\r\n", "",
			"ERR Protocol error: invalid bulk length"},
		{"bulk with LF only", "*1\r\n$4\r\nPING\n\n", "",
			"ERR Protocol error: invalid bulk length"},
		{"header with CR only", "*1\r$4\r\nPING\r\n", "", "ERR Protocol error: invalid " +
			"multibulk length"},
		{"longest inline", long[1:] + "\r\n", long[1:], "EOF"},
		{"inline too long but ended", long + "\r\n", "", "ERR Protocol error: too big inline " +
			"request"},
		{"inline too long", long + "x", "", "ERR Protocol error: too big inline request"},
		{"count too long", "*" + long, "", "ERR Protocol error: too big mbulk count string"},
		{"bulk count too long", "*1\r\n$" + long, "", "ERR Protocol error: too big bulk count " +
			"string"},
		{"unbalanced quotes", "a 'b\r\nPING\r\n", "", "ERR Protocol error: unbalanced quotes in " +
			"request"},
		{"error after requests", "PING\r\n*1\r\n$4\r\nPING\r\n*x\r\nPING\r\n", "PING;PING",
			"ERR Protocol error: invalid multibulk length"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, src := range map[string]io.Reader{
				"at once":      strings.NewReader(tt.input),
				"byte by byte": iotest.OneByteReader(strings.NewReader(tt.input)),
				"in halves":    iotest.HalfReader(strings.NewReader(tt.input)),
			} {
				requests, err := readAll(src)
				var got []string
				for _, request := range requests {
					got = append(got, strings.Join(request, ","))
				}
				if text := strings.Join(got, ";"); text != tt.want {
					t.Errorf("%s: got %.100q, want %.100q", name, text, tt.want)
				}
				if err == nil || err.Error() != tt.err {
					t.Errorf("%s: got error %v, want %q", name, err, tt.err)
				}
			}
		})
	}
}

func TestInlineWords(t *testing.T) {
	tests := []struct {
		name, line string
		want       []string // nil: the quotes do not balance
	}{
		{"empty", "", []string{}},
		{"blanks", " \t a  b\t", []string{"a", "b"}},
		{"double quotes", `"a b" ""`, []string{"a b", ""}},
		{"single quotes", `'a b' ''`, []string{"a b", ""}},
		{"escapes", `"\n\r\t\b\a\\\"\q\x41\x0aZ\xZZ"`, []string{"\n\r\t\b\a\\\"qA\nZxZZ"}},
		{"hexadecimal digits", `"\xaF\xFa"`, []string{"\xaf\xfa"}},
		{"single quote escape", `'it\'s \n'`, []string{`it's \n`}},
		{"quote inside a word", `a"b c" d`, []string{"ab c", "d"}},
		{"open double", `"a`, nil},
		{"open single", `'a`, nil},
		{"escaped end", `"a\"`, nil},
		{"backslash at the end", `"a\`, nil},
		{"no blank after a quote", `"a"b`, nil},
		{"no blank after a single quote", `'a'b`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			words, err := splitWords([]byte(tt.line))
			got := []string{}
			for _, word := range words {
				got = append(got, string(word))
			}
			if (err == nil) != (tt.want != nil) || err == nil && !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// heap returns the bytes in use on the heap.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// watch is a source that calls arrived, with the bytes read so far, before it
// reads more: when all of them have been parsed that can be.
type watch struct {
	io.Reader
	arrived func(bytes int)
	n       int
}

func (w *watch) Read(p []byte) (int, error) {
	w.arrived(w.n)
	n, err := w.Reader.Read(p)
	w.n += n
	return n, err
}

// TestHeadersPromiseNoMemory sends the largest headers, and no more.
func TestHeadersPromiseNoMemory(t *testing.T) {
	for _, input := range []string{
		fmt.Sprintf("*%d\r\n", MaxArgs),
		fmt.Sprintf("*1\r\n$%d\r\n", MaxBulk),
		fmt.Sprintf("*%d\r\n$%d\r\nx", MaxArgs, MaxBulk),
	} {
		before := heap()
		r := NewReader(&watch{Reader: strings.NewReader(input), arrived: func(int) {
			if after := heap(); after > before+3*keepSize {
				t.Errorf("%q costs %d bytes", input, after-before)
			}
		}})
		if _, err := r.Next(); err != io.EOF && err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
	}
}

// TestMemoryGrowsWithWhatArrives sends a large bulk in pieces, and looks at
// the memory after each; then it looks whether the memory is given back.
func TestMemoryGrowsWithWhatArrives(t *testing.T) {
	const size = 32 << 20
	header := fmt.Sprintf("*2\r\n$3\r\nGET\r\n$%d\r\n", size)
	source := io.MultiReader(strings.NewReader(header), io.LimitReader(endless{[]byte("x"),
		new(int)}, size), strings.NewReader("\r\nPING\r\n"))
	before := heap()
	next, done := 1<<20, false
	r := NewReader(&watch{Reader: pieces{source, 1 << 20}, arrived: func(arrived int) {
		if arrived >= next && !done {
			next *= 2
			if used := heap() - before; used > uint64(2*arrived+2*keepSize) {
				t.Errorf("%d bytes in use after %d arrived", used, arrived)
			}
		}
		if used := int64(heap() - before); done && used > 4*keepSize {
			t.Errorf("%d bytes in use when the next request is read", used)
		}
	}})
	if args, err := r.Next(); err != nil || len(args) != 2 || len(args[1]) != size {
		t.Fatalf("got %d arguments, %v", len(args), err)
	}
	done = true
	if args, err := r.Next(); err != nil || len(args) != 1 {
		t.Fatalf("got %d arguments, %v", len(args), err)
	}
	if used := int64(heap() - before); used > 4*keepSize {
		t.Errorf("%d bytes in use after the next request", used)
	}
	runtime.KeepAlive(r)
}

// TestRequestSizeIsLimited sends arguments that become too large together.
func TestRequestSizeIsLimited(t *testing.T) {
	bulk := append([]byte("$262144\r\n"), make([]byte, 262144)...)
	bulk = append(bulk, "\r\n"...)
	read := 0
	r := NewReader(&watch{
		Reader:  io.MultiReader(strings.NewReader("*1000000\r\n"), endless{bulk, new(int)}),
		arrived: func(bytes int) { read = bytes },
	})
	r.maxRequest = 32 << 20 // for the test's memory
	if args, err := r.Next(); !errors.Is(err, ErrRequestTooLarge) || read < 31<<20 ||
		read > 33<<20 {
		t.Errorf("%d arguments, %v after %d bytes", len(args), err, read)
	}
}

// endless repeats its bytes.
type endless struct {
	b  []byte
	at *int
}

func (e endless) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		copied := copy(p[n:], e.b[*e.at:])
		*e.at = (*e.at + copied) % len(e.b)
		n += copied
	}
	return len(p), nil
}

// TestLongStream reads requests of all sizes in pieces of all sizes, so that
// they meet the end of the buffer in every way.
func TestLongStream(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var input []byte
	var want [][]string
	for len(input) < 4<<20 {
		request := make([]string, 1+random.IntN(6))
		if random.IntN(50) == 0 {
			request = make([]string, 5000)
		}
		input = fmt.Appendf(input, "*%d\r\n", len(request))
		for i := range request {
			size := random.IntN(1 << random.IntN(7))
			if random.IntN(400) == 0 {
				size = random.IntN(200_000)
			}
			request[i] = strings.Repeat(string(rune('a'+random.IntN(26))), size)
			input = fmt.Appendf(input, "$%d\r\n%s\r\n", size, request[i])
		}
		want = append(want, request)
	}
	for _, size := range []int{100, 4096, 65536, 100_000, 1 << 20} {
		got, err := readAll(pieces{bytes.NewReader(input), size})
		if err != io.EOF || len(got) != len(want) {
			t.Fatalf("in pieces of %d: %d requests, %v, want %d", size, len(got), err, len(want))
		}
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Fatalf("in pieces of %d: request %d is wrong", size, i)
			}
		}
	}
}

// TestManyArguments reads as many arguments as are allowed, in linear time
// though they arrive in small pieces.
func TestManyArguments(t *testing.T) {
	input := append(fmt.Appendf(nil, "*%d\r\n", MaxArgs), bytes.Repeat([]byte("$1\r\nx\r\n"),
		MaxArgs)...)
	requests, err := readAll(pieces{bytes.NewReader(input), 1000})
	if len(requests) != 1 || len(requests[0]) != MaxArgs || err != io.EOF {
		t.Errorf("got %d requests, %v", len(requests), err)
	}
}

// pieces reads at most so many bytes at a time.
type pieces struct {
	io.Reader
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.size)]) }

// TestNoAllocations reads pipelines and single requests without garbage.
func TestNoAllocations(t *testing.T) {
	one := []byte("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$3\r\nabc\r\n")
	r := NewReader(endless{bytes.Repeat(one, 16), new(int)})
	for range 1000 { // until the buffer has its final size
		next(t, r)
	}
	if n := testing.AllocsPerRun(10000, func() { next(t, r) }); n > 0.001 {
		t.Errorf("%v allocations per request", n)
	}
}

func next(t *testing.T, r *Reader) {
	if args, err := r.Next(); err != nil || len(args) == 0 {
		t.Fatalf("got %d arguments, %v", len(args), err)
	}
}

func TestReaderReportsErrors(t *testing.T) {
	broken := errors.New("broken")
	if _, err := NewReader(iotest.ErrReader(broken)).Next(); err != broken {
		t.Errorf("got %v, want the source's error", err)
	}
	if _, err := NewReader(idle{}).Next(); err != io.ErrNoProgress {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
}

// idle breaks the io.Reader contract.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// FuzzReader checks that requests do not depend on the pieces in which they
// arrive, and that what is read can be encoded and read again.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"PING\r\n", "*1\r\n$4\r\nPING\r\n", "*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\nset a 'b c'\r\n",
		"*-1\r\n*0\r\n\r\n", "*3\r\n$1\r\na\r\n$0\r\n\r\n$2\r\n\r\n\r\n", "*1\r\nx\r\n",
		"*1\r\n$536870913\r\n", "\"\\x41\" '\\''\n",
	} {
		f.Add([]byte(seed), uint16(3))
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint16) {
		whole, wholeErr := readAll(bytes.NewReader(input))
		parts, partsErr := readAll(pieces{bytes.NewReader(input), 1 + int(size)})
		if fmt.Sprint(whole, wholeErr) != fmt.Sprint(parts, partsErr) {
			t.Fatalf("whole: %q %v, in pieces of %d: %q %v", whole, wholeErr, 1+int(size), parts,
				partsErr)
		}
		var encoded []byte
		for _, request := range whole {
			if len(request) == 0 {
				t.Fatal("an empty request")
			}
			encoded = fmt.Appendf(encoded, "*%d\r\n", len(request))
			for _, arg := range request {
				encoded = fmt.Appendf(encoded, "$%d\r\n%s\r\n", len(arg), arg)
			}
		}
		again, err := readAll(bytes.NewReader(encoded))
		if err != io.EOF || fmt.Sprint(again) != fmt.Sprint(whole) {
			t.Fatalf("read %q, and again %q %v", whole, again, err)
		}
	})
}
