package store

import "bytes"

// Match reports whether s matches a pattern of KEYS and SCAN: * any bytes,
// ? one byte, [abc] [a-z] [^abc] one byte of a class, and \ before a byte that
// is meant itself. A class that is never closed ends with the pattern.
//
// Only the last * is ever tried again, so the time is at most the product of
// the two lengths.
func Match(pattern, s []byte) bool {
	star := false
	// where to go on: after the last *, and with what it has not swallowed
	var afterStar, retry []byte
	for len(pattern) > 0 || len(s) > 0 {
		if len(pattern) > 0 && pattern[0] == '*' {
			pattern = pattern[1:]
			star, afterStar, retry = true, pattern, s
		} else if rest, ok := matchOne(pattern, s); ok {
			pattern, s = rest, s[1:]
		} else if star && len(s) > 0 {
			retry = retry[1:]
			pattern, s = afterStar, retry
		} else {
			return false
		}
	}
	return true
}

// matchOne matches the first byte of s with the first element of the pattern,
// which is not a *, and returns the elements after it.
func matchOne(pattern, s []byte) (rest []byte, ok bool) {
	if len(pattern) == 0 || len(s) == 0 {
		return nil, false
	}
	kind, rest, c := pattern[0], pattern[1:], s[0]
	switch {
	case kind == '?':
		return rest, true
	case kind == '\\' && len(rest) > 0:
		return rest[1:], rest[0] == c
	case kind != '[':
		return rest, kind == c
	}
	rest, negate := bytes.CutPrefix(rest, []byte("^"))
	found := false
	for len(rest) > 0 && rest[0] != ']' {
		low, high, length := rest[0], rest[0], 1
		switch {
		case low == '\\' && len(rest) > 1:
			low, high, length = rest[1], rest[1], 2
		case len(rest) > 2 && rest[1] == '-':
			low, high, length = min(low, rest[2]), max(low, rest[2]), 3
		}
		found = found || low <= c && c <= high
		rest = rest[length:]
	}
	return rest[min(1, len(rest)):], found != negate
}
