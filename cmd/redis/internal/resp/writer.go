package resp

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// Replies that Go has no type for.
type (
	Status    string   // a simple string, without line ends
	Error     string   // begins with a code such as ERR
	Text      string   // for people; in RESP3 a verbatim string
	Set       []any    // in RESP2 an array
	Map       []any    // keys and values in turn; in RESP2 an array
	NullArray struct{} // in RESP3 a null like any other
)

// Append appends a reply to b, in version 2 or 3 of the protocol. Types that
// only RESP3 knows are written in RESP2 as Redis does it. An int or bool is an
// integer, a string or []byte a bulk string, nil is null, a float64 a double,
// []string and []any are arrays; other types panic.
func Append(b []byte, proto int, reply any) []byte {
	switch v := reply.(type) {
	case nil:
		return null(b, proto, '$')
	case NullArray:
		return null(b, proto, '*')
	case []byte:
		if v == nil {
			return null(b, proto, '$')
		}
		return crlf(append(header(b, '$', len(v)), v...))
	case string:
		return crlf(append(header(b, '$', len(v)), v...))
	case Status:
		return crlf(append(append(b, '+'), v...))
	case Error:
		at := len(b)
		b = append(append(b, '-'), v...)
		for i, c := range b[at:] {
			if c == '\r' || c == '\n' { // it may quote what the client sent
				b[at+i] = ' '
			}
		}
		return crlf(b)
	case int:
		return header(b, ':', v)
	case bool:
		if v {
			return header(b, ':', 1)
		}
		return header(b, ':', 0)
	case float64:
		if proto == 3 {
			return crlf(appendFloat(append(b, ','), v))
		}
		return Append(b, proto, appendFloat(nil, v))
	case Text:
		if proto == 3 {
			return crlf(append(append(header(b, '=', len("txt:")+len(v)), "txt:"...), v...))
		}
		return Append(b, proto, string(v))
	case Set:
		if proto == 3 {
			return elements(header(b, '~', len(v)), proto, v)
		}
		return Append(b, proto, []any(v))
	case Map:
		if proto == 3 {
			return elements(header(b, '%', len(v)/2), proto, v)
		}
		return Append(b, proto, []any(v))
	case []string:
		return elements(header(b, '*', len(v)), proto, v)
	case []any:
		return elements(header(b, '*', len(v)), proto, v)
	}
	panic(fmt.Sprintf("a reply of type %T", reply))
}

func elements[T any](b []byte, proto int, list []T) []byte {
	for _, v := range list {
		b = Append(b, proto, v)
	}
	return b
}

func null(b []byte, proto int, kind byte) []byte {
	if proto == 3 {
		return crlf(append(b, '_'))
	}
	return header(b, kind, -1)
}

func header(b []byte, kind byte, n int) []byte {
	return crlf(strconv.AppendInt(append(b, kind), int64(n), 10))
}

func crlf(b []byte) []byte { return append(b, '\r', '\n') }

// appendFloat appends f as Redis 7.0 prints a score: C's %.17g, and inf and
// -inf for the infinities.
func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, f, 'g', 17, 64)
}

// ParseInt parses a signed 64-bit decimal as Redis does: an optional minus
// sign and digits without leading zeros, nothing else. "-0" is no number.
func ParseInt(b []byte) (int, bool) {
	digits := bytes.TrimPrefix(b, []byte("-"))
	if len(digits) == 0 || len(b) > len("-9223372036854775808") ||
		digits[0] < '0' || digits[0] > '9' || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return int(n), err == nil // the machines that this runs on have 64 bits
}
