package layer

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
)

var (
	errNumber = errors.New("bad number in the header")
	errTime   = errors.New("bad time in the extended header")
)

// parseNumber reads a numeric header field: octal digits with spaces or NULs
// around them, or GNU's base-256, a big-endian two's complement number behind
// a first bit that is set.
func parseNumber(b []byte) (int64, error) {
	if b[0]&0x80 != 0 {
		return parseBase256(b)
	}
	b = bytes.Trim(b, " \x00")
	var v int64
	for i, c := range b {
		switch {
		case c == 0 && i > 0:
			return v, nil
		case c < '0' || c > '7' || v > math.MaxInt64>>3:
			return 0, errNumber
		}
		v = v<<3 | int64(c-'0')
	}
	return v, nil
}

func parseBase256(b []byte) (int64, error) {
	// A negative number is the complement of one that is not.
	var invert byte
	if b[0]&0x40 != 0 {
		invert = 0xff
	}
	v := uint64((b[0] ^ invert) & 0x7f)
	for _, c := range b[1:] {
		if v>>55 != 0 {
			return 0, errNumber
		}
		v = v<<8 | uint64(c^invert)
	}
	if invert != 0 {
		return ^int64(v), nil
	}
	return int64(v), nil
}

// parseDecimal reads a number of an extended header.
func parseDecimal(s string) (int64, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, errors.New("bad number " + strconv.Quote(shorten(s)) + " in the extended header")
	}
	return v, nil
}

// parseTime reads a decimal number of seconds, which may be negative and may
// have a fraction; digits beyond nanoseconds are cut off.
func parseTime(s string) (Time, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return Time{}, errTime
	}
	var nsec int64
	for i := range max(9, len(fraction)) {
		digit := byte('0')
		if i < len(fraction) {
			digit = fraction[i]
		}
		if digit < '0' || digit > '9' {
			return Time{}, errTime
		}
		if i < 9 {
			nsec = nsec*10 + int64(digit-'0')
		}
	}
	// Nanoseconds always count forward.
	if strings.HasPrefix(whole, "-") && nsec > 0 {
		if sec == math.MinInt64 {
			return Time{}, errTime
		}
		return Time{sec - 1, 1e9 - nsec}, nil
	}
	return Time{sec, nsec}, nil
}

// cstring is the field up to its first NUL.
func cstring(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
