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
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, retry = p, i
			continue
		}
		if p < len(pattern) {
			if next, ok := matchOne(pattern, p, s[i]); ok {
				p = next
				i++
				continue
			}
		}
		if star < 0 {
			return false
		}
		retry++
		p, i = star, retry
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne matches c with the element of the pattern at p, which is not a *,
// and returns where the next element begins.
func matchOne(pattern []byte, p int, c byte) (int, bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchClass(pattern, p+1, c)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, pattern[p] == c
}

// matchClass matches c with the class whose '[' is before p.
func matchClass(pattern []byte, p int, c byte) (int, bool) {
	negate := p < len(pattern) && pattern[p] == '^'
	if negate {
		p++
	}
	found := false
	for p < len(pattern) && pattern[p] != ']' {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			found = found || pattern[p+1] == c
			p += 2
		case p+2 < len(pattern) && pattern[p+1] == '-':
			low, high := min(pattern[p], pattern[p+2]), max(pattern[p], pattern[p+2])
			found = found || low <= c && c <= high
			p += 3
		default:
			found = found || pattern[p] == c
			p++
		}
	}
	return min(p+1, len(pattern)), found != negate
}
