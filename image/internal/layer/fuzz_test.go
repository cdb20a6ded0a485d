package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzTar holds the parser against archive/tar: what that package reads we read
// as well, with the same result, unless one of our own rules forbids it.
func FuzzTar(f *testing.F) {
	for _, data := range sparseFormats() {
		f.Add(data, uint16(512))
	}
	for _, name := range goCorpus(f) {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 64<<10 {
			f.Add(data, uint16(1000))
		}
	}
	f.Add(tarOf(pax("path", "p", "mtime", "-1.5", "SCHILY.xattr.user.a", ""), blockOf{name: "a",
		size: 3}, "abc", blockOf{name: "b", flag: '5'}), uint16(7))
	f.Fuzz(func(t *testing.T, data []byte, chunk uint16) {
		if err := differ(repair(data), max(1, int(chunk))); err != nil {
			t.Fatal(err)
		}
	})
}

// repair corrects the checksums of all blocks that look like headers, so that
// mutations get past them.
func repair(data []byte) []byte {
	data = bytes.Clone(data)
	for b := data; len(b) >= blockSize; b = b[blockSize:] {
		if string(field(b, 257, 5)) != "ustar" {
			continue
		}
		copy(b[148:156], "        ")
		sum := 0
		for _, c := range b[:blockSize] {
			sum += int(c)
		}
		copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	}
	return data
}

// goCorpus lists the archives that archive/tar is tested with.
func goCorpus(tb testing.TB) []string {
	tb.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		tb.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)),
		"src/archive/tar/testdata/*.tar"))
	if err != nil {
		tb.Fatal(err)
	}
	return names
}

func TestGoCorpus(t *testing.T) {
	names := goCorpus(t)
	if len(names) == 0 {
		t.Skip("the Go tree has no archive/tar/testdata")
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := differ(data, 700); err != nil {
				t.Error(err)
			}
		})
	}
}

// differ returns how the two parsers differ.
func differ(data []byte, chunk int) error {
	if bytes.Contains(data, []byte("GNU.sparse.")) && len(data) > 1<<20 {
		return nil
	}
	theirs := tar.NewReader(bytes.NewReader(data))
	ours := NewTar(&pieces{data: data, size: chunk}, "", Limits{FileSize: -1})
	defer ours.Close()
	for i := 0; ; i++ {
		th, terr := theirs.Next()
		if terr == nil && th.Typeflag == tar.TypeXGlobalHeader {
			return nil // an entry of its own there, not with us
		}
		oh, oerr := ours.Next()
		switch {
		case terr == io.EOF && oerr == io.EOF:
			return nil
		case terr == nil && oerr == nil:
			if err := sameEntry(theirs, th, ours, oh); err != nil {
				return fmt.Errorf("entry %d: %w", i, err)
			}
		case oerr != nil && terr == nil && !forbidden(theirs, th, oerr):
			return fmt.Errorf("entry %d: archive/tar reads %+v, we say %w", i, th, oerr)
		case terr == io.EOF && oerr == nil, terr == io.EOF && !forbidden(nil, nil, oerr):
			return fmt.Errorf("entry %d: archive/tar ends, we have %+v, %v", i, oh, oerr)
		default:
			return nil // refused by both, or read by us only
		}
	}
}

// forbidden reports whether we may refuse what archive/tar accepts.
func forbidden(theirs *tar.Reader, th *tar.Header, err error) bool {
	var limit *LimitError
	if errors.As(err, &limit) || errors.Is(err, io.ErrUnexpectedEOF) && th == nil {
		return true
	}
	if errors.Is(err, errSparseMap) || errors.Is(err, errSparseData) || errors.Is(err,
		io.ErrUnexpectedEOF) {
		if th == nil {
			return false
		}
		// archive/tar notices a bad map only when the data is read, and takes a
		// file of an unknown version for one that is not sparse.
		_, readErr := io.CopyN(io.Discard, theirs, 1<<20+1)
		return readErr != nil && readErr != io.EOF || th.Size > 1<<20
	}
	for _, text := range []string{"is outside of 0 to", "does not exist on Linux",
		"is not supported", "is not known", "holds a NUL", "bad time"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// sameEntry compares an entry that both have read.
func sameEntry(theirs *tar.Reader, th *tar.Header, ours *Tar, oh *Header) error {
	if th.Name != oh.Name || th.Mode&0o7777 != int64(oh.Mode) || th.Uid != oh.UID ||
		th.Gid != oh.GID {
		return fmt.Errorf("archive/tar reads %+v, we read %+v", th, oh)
	}
	if link := oh.Type == HardLink || oh.Type == Symlink; link && th.Linkname != oh.Link {
		return fmt.Errorf("archive/tar reads link %q, we read %q", th.Linkname, oh.Link)
	}
	flag := th.Typeflag
	if flag == tar.TypeGNUSparse || flag == tar.TypeCont {
		flag = tar.TypeReg
	}
	if flag != byte(oh.Type) || oh.Type == File && th.Size != oh.Size {
		return fmt.Errorf("archive/tar reads type %q and size %d, we read %q and %d", flag, th.Size,
			oh.Type, oh.Size)
	}
	if th.ModTime.Unix() != oh.ModTime.Sec || int64(th.ModTime.Nanosecond()) != oh.ModTime.Nsec {
		return fmt.Errorf("archive/tar reads time %v, we read %v", th.ModTime, oh.ModTime)
	}
	if oh.Type == Char && (th.Devmajor != int64(oh.Major) || th.Devminor != int64(oh.Minor)) {
		return fmt.Errorf("archive/tar reads device %d:%d, we read %d:%d", th.Devmajor, th.Devminor,
			oh.Major, oh.Minor)
	}
	for _, x := range oh.Xattrs {
		if v, ok := th.PAXRecords[keyXattr+x.Name]; !ok || v != x.Value {
			return fmt.Errorf("archive/tar reads attribute %q as %q, we as %q", x.Name, v, x.Value)
		}
	}
	count := 0
	for key := range th.PAXRecords {
		if strings.HasPrefix(key, keyXattr) {
			count++
		}
	}
	if count != len(oh.Xattrs) {
		return fmt.Errorf("archive/tar reads %d attributes, we read %v", count, oh.Xattrs)
	}
	if oh.Size > expandable {
		return nil
	}
	want, terr := io.ReadAll(theirs)
	got, oerr := parseData(ours, oh)
	if terr != nil || oerr != nil {
		if terr == nil || oerr == nil {
			return fmt.Errorf("data: archive/tar says %v, we say %v", terr, oerr)
		}
		return nil
	}
	if got.data != string(want) {
		return fmt.Errorf("the data of %q differs", oh.Name)
	}
	return nil
}

// FuzzRecords checks that the records of an extended header are read as they
// were written.
func FuzzRecords(f *testing.F) {
	f.Add("path", "a", "SCHILY.xattr.user.x", "\x00")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		for _, k := range []string{k1, k2} {
			if k == "" || strings.ContainsAny(k, "=\x00") {
				return
			}
		}
		got, err := parseRecords(paxRecord(k1, v1) + paxRecord(k2, v2))
		if want := []record{{k1, v1}, {k2, v2}}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
}
