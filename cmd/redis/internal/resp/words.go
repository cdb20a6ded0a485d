package resp

// splitWords splits an inline request at blanks. A word may hold parts in
// double quotes, with the escapes \n \r \t \b \a \xHH and \ before any other
// byte, and in single quotes, where only \' is an escape. A closing quote must
// end its word. It reports false when the quotes do not balance.
func splitWords(line []byte) ([][]byte, bool) {
	var words [][]byte
	for {
		for len(line) > 0 && isSpace(line[0]) {
			line = line[1:]
		}
		if len(line) == 0 {
			return words, true
		}
		word, rest, ok := nextWord(line)
		if !ok {
			return nil, false
		}
		words = append(words, word)
		line = rest
	}
}

// nextWord takes one word off a line that begins with it.
func nextWord(line []byte) (word, rest []byte, ok bool) {
	word = []byte{}
	for len(line) > 0 {
		switch c := line[0]; {
		case c == ' ' || c == '\n' || c == '\r' || c == '\t':
			return word, line[1:], true
		case c == '"' || c == '\'':
			word, line, ok = quoted(word, line[1:], c)
			if !ok || len(line) > 0 && !isSpace(line[0]) {
				return nil, nil, false
			}
		default:
			word = append(word, c)
			line = line[1:]
		}
	}
	return word, nil, true
}

// quoted appends the text up to the closing quote to word.
func quoted(word, line []byte, quote byte) (_, rest []byte, ok bool) {
	for len(line) > 0 {
		c := line[0]
		switch {
		case c == quote:
			return word, line[1:], true
		case c == '\\' && quote == '"' && len(line) >= 4 && line[1] == 'x' && isHex(line[2]) && isHex(line[3]):
			word = append(word, unhex(line[2])<<4|unhex(line[3]))
			line = line[4:]
		case c == '\\' && quote == '"' && len(line) >= 2:
			word = append(word, unescape(line[1]))
			line = line[2:]
		case c == '\\' && quote == '\'' && len(line) >= 2 && line[1] == '\'':
			word = append(word, '\'')
			line = line[2:]
		default:
			word = append(word, c)
			line = line[1:]
		}
	}
	return nil, nil, false
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&7 + 9
}
