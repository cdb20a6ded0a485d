package resp

import (
	"fmt"
	"strconv"
	"strings"
)

// Replies that Go has no type for.
type (
	Status string // a simple string, without line ends
	Error  string // begins with a code such as ERR
	Text   string // for people; in RESP3 a verbatim string
	Set    []any  // in RESP2 an array
	Map    []any  // keys and values in turn; in RESP2 an array
)

func (e Error) Error() string { return string(e) }

// lineEnds cleans error texts, which may quote what the client sent.
var lineEnds = strings.NewReplacer("\r", " ", "\n", " ")

// Append appends a reply to b, in version 2 or 3 of the protocol. Types that
// only RESP3 knows are written in RESP2 as Redis does it. An int is an integer,
// a string, []byte or *[]byte a bulk string, a float64 a double, []any an
// array; other types panic. nil and nil bytes are null, a nil []any is the null
// that RESP2 has for arrays.
func Append(b []byte, proto int, reply any) []byte {
	switch v := reply.(type) {
	case nil:
		return null(b, proto, '$')
	case *[]byte: // costs no memory
		if *v == nil {
			return null(b, proto, '$')
		}
		return crlf(append(header(b, '$', len(*v)), *v...))
	case []byte:
		return Append(b, proto, &v)
	case string:
		return crlf(append(header(b, '$', len(v)), v...))
	case Status:
		return crlf(append(append(b, '+'), v...))
	case Error:
		return crlf(append(append(b, '-'), lineEnds.Replace(string(v))...))
	case int:
		return header(b, ':', v)
	case float64:
		if proto == 3 {
			return crlf(append(append(b, ','), formatFloat(v)...))
		}
		return Append(b, proto, formatFloat(v))
	case Text:
		if proto == 3 {
			return crlf(append(append(header(b, '=', len("txt:")+len(v)), "txt:"...), v...))
		}
		return Append(b, proto, string(v))
	case Set:
		return list(b, proto, '~', v)
	case Map:
		return list(b, proto, '%', v)
	case []any:
		if v == nil {
			return null(b, proto, '*')
		}
		return list(b, proto, '*', v)
	}
	panic(fmt.Sprintf("a reply of type %T", reply))
}

// list appends an aggregate of a kind; in RESP2 all are arrays.
func list(b []byte, proto int, kind byte, elements []any) []byte {
	n := len(elements)
	if proto != 3 {
		kind = '*'
	} else if kind == '%' {
		n /= 2
	}
	b = header(b, kind, n)
	for _, v := range elements {
		b = Append(b, proto, v)
	}
	return b
}

func null(b []byte, proto int, kind byte) []byte {
	if proto == 3 {
		return append(b, "_\r\n"...)
	}
	return header(b, kind, -1)
}

func header(b []byte, kind byte, n int) []byte {
	return crlf(strconv.AppendInt(append(b, kind), int64(n), 10))
}

func crlf(b []byte) []byte { return append(b, '\r', '\n') }

// formatFloat prints f as Redis 7.0 prints a score: C's %.17g, and inf and -inf
// for the infinities.
func formatFloat(f float64) string {
	return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', 17, 64)), "+")
}
