package layer

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Keys of extended header records: pax(1), "pax Extended Header", and those of
// GNU tar and star.
const (
	keyPath     = "path"
	keyLinkPath = "linkpath"
	keySize     = "size"
	keyUID      = "uid"
	keyGID      = "gid"
	keyModTime  = "mtime"
	keyXattr    = "SCHILY.xattr."

	keySparse         = "GNU.sparse."
	keySparseMajor    = "GNU.sparse.major"
	keySparseMinor    = "GNU.sparse.minor"
	keySparseName     = "GNU.sparse.name"
	keySparseSize     = "GNU.sparse.size"
	keySparseRealSize = "GNU.sparse.realsize"
	keySparseBlocks   = "GNU.sparse.numblocks"
	keySparseMap      = "GNU.sparse.map"
	keySparseOffset   = "GNU.sparse.offset"
	keySparseBytes    = "GNU.sparse.numbytes"
)

var errRecord = errors.New("bad record in the extended header")

// record is one key and value of an extended header.
type record struct{ key, value string }

// parseRecords splits an extended header into its records, "LENGTH KEY=VALUE\n"
// each, where LENGTH counts all of it.
func parseRecords(s string) ([]record, error) {
	var records []record
	for len(s) > 0 {
		digits, rest, ok := strings.Cut(s, " ")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n <= len(digits)+1 || n > len(s) || s[n-1] != '\n' {
			return nil, errRecord
		}
		key, value, ok := strings.Cut(rest[:n-len(digits)-2], "=")
		if !ok || key == "" || strings.IndexByte(key, 0) >= 0 {
			return nil, errRecord
		}
		records = append(records, record{key, value})
		s = s[n:]
	}
	return records, nil
}

// extended is what extended headers and long names say about the next entry.
type extended struct {
	seen    bool
	records []record
	name    string // GNU long name
	link    string // GNU long link
}

// apply overrides r with the extended header. An empty value leaves the
// header's own, except for an attribute, whose value may be empty.
func (r *raw) apply(ext *extended) error {
	for _, rec := range ext.records {
		if name, ok := strings.CutPrefix(rec.key, keyXattr); ok {
			r.setXattr(name, rec.value)
			continue
		}
		if rec.value == "" {
			continue
		}
		var err error
		switch rec.key {
		case keyPath:
			r.Name = rec.value
		case keyLinkPath:
			r.Link = rec.value
		case keySize:
			r.stored, err = parseDecimal(rec.value)
		case keyUID:
			r.uid, err = parseDecimal(rec.value)
		case keyGID:
			r.gid, err = parseDecimal(rec.value)
		case keyModTime:
			r.ModTime, err = parseTime(rec.value)
		}
		if err != nil {
			return err
		}
	}
	if ext.name != "" {
		r.Name = ext.name
	}
	if ext.link != "" {
		r.Link = ext.link
	}
	return nil
}

// setXattr adds an attribute; the last of the same name wins.
func (r *raw) setXattr(name, value string) {
	i := slices.IndexFunc(r.Xattrs, func(x Xattr) bool { return x.Name == name })
	if i < 0 {
		r.Xattrs = append(r.Xattrs, Xattr{name, value})
		return
	}
	r.Xattrs[i].Value = value
}
