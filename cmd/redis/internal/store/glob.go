package store

// Match reports whether s matches a pattern of KEYS and SCAN: * any bytes,
// ? one byte, [abc] [a-z] [^abc] one byte of a class, and \ before a byte that
// is meant itself. A class that is never closed ends with the pattern.
//
// Only the last * is ever tried again, so the time is at most the product of
// the two lengths.
func Match(pattern, s []byte) bool {
	p, i := 0, 0
	star, retry := -1, 0 // where to go back to: after the last *, and the byte it has not swallowed
	for i < len(s) || p < len(pattern) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, retry = p, i
			continue
		}
		if p < len(pattern) && i < len(s) {
			if next, ok := matchOne(pattern, p, s[i]); ok {
				p, i = next, i+1
				continue
			}
		}
		if star < 0 || i == len(s) {
			return false
		}
		retry++
		p, i = star, retry
	}
	return true
}

// matchOne matches c with the element of the pattern at p, which is not a *,
// and returns where the next element begins.
func matchOne(pattern []byte, p int, c byte) (int, bool) {
	switch {
	case pattern[p] == '?':
		return p + 1, true
	case pattern[p] == '\\' && p+1 < len(pattern):
		return p + 2, pattern[p+1] == c
	case pattern[p] != '[':
		return p + 1, pattern[p] == c
	}
	p++
	negate := p < len(pattern) && pattern[p] == '^'
	if negate {
		p++
	}
	found := false
	for p < len(pattern) && pattern[p] != ']' {
		low, high, length := pattern[p], pattern[p], 1
		switch {
		case low == '\\' && p+1 < len(pattern):
			low, high, length = pattern[p+1], pattern[p+1], 2
		case p+2 < len(pattern) && pattern[p+1] == '-':
			low, high, length = min(low, pattern[p+2]), max(low, pattern[p+2]), 3
		}
		found = found || low <= c && c <= high
		p += length
	}
	return min(p+1, len(pattern)), found != negate
}
