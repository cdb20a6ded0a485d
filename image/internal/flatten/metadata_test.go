package flatten

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// capability is a security.capability value: cap_net_raw, permitted and
// effective (capabilities(7), version 2).
func capability() string {
	b := binary.LittleEndian.AppendUint32(nil, 0x02000001)
	b = binary.LittleEndian.AppendUint32(b, 1<<13)
	return string(append(b, make([]byte, 12)...))
}

// everything is a layer with one of each kind of metadata.
func everything() []entry {
	at := func(e entry, mode int64, uid, gid int, sec, nsec int64) entry {
		e.Mode, e.Uid, e.Gid, e.ModTime = mode, uid, gid, time.Unix(sec, nsec)
		return e
	}
	node := func(name string, typ byte, major, minor int64) entry {
		return entry{tar.Header{Name: name, Typeflag: typ, Devmajor: major, Devminor: minor}, ""}
	}
	big := strings.Repeat("0123456789abcdef", 1<<16+3) // over several chunks
	return []entry{
		at(directory("./"), 0o751, 5, 6, -1000, 999_999_999),
		at(directory("d"), 0o1777, 1, 2, 100, 1),
		at(directory("d/setgid"), 0o2755, 0, 7, 100, 0),
		at(directory("d/closed"), 0, 0, 0, 100, 0),
		at(file("d/closed/file", "x"), 0, 0, 0, 100, 0),
		at(file("setuid", "x"), 0o4755, 0, 0, 100, 0),
		at(file("setuid-owned", "x"), 0o6711, 1000, 1000, 100, 0),
		at(file("writable", "x"), 0o666, 0, 0, 100, 0),
		at(file("group", "x"), 0o664, 0, 33, 100, 0),
		at(file("readonly", ""), 0o444, 0, 0, 100, 0),
		at(file("largest-ids", "x"), 0o644, 2147483647, 2147483646, 100, 0),
		at(file("old", "x"), 0o644, 0, 0, -1, 0),
		at(file("older", "x"), 0o644, 0, 0, -86400*365*30, 123_456_789),
		at(file("precise", "x"), 0o644, 0, 0, 1_600_000_000, 123_456_789),
		at(file("big", big), 0o644, 0, 0, 100, 0),
		at(file("d/deep/implied/file", "x"), 0o600, 0, 0, 100, 0),
		at(symlink("link", "d/file"), 0o777, 12, 13, 100, 5),
		at(fifo("fifo"), 0o622, 1, 1, 100, 0),
		at(node("null", tar.TypeChar, 1, 3), 0o666, 0, 0, 100, 0),
		at(node("disk", tar.TypeBlock, 259, 1<<20-1), 0o4660, 0, 6, 100, 0),
		withXattr(at(file("capable", "x"), 0o755, 1000, 1000, 100, 0), "security.capability",
			capability(), "user.b", "2"),
		withXattr(at(file("xattrs", "x"), 0o444, 0, 0, 100, 0), "user.empty", "", "user.binary",
			"\x00=\n\xff\x00", "trusted.x", "1"),
		withXattr(at(directory("xdir"), 0o755, 3, 3, 100, 0), "user.d", "dir"),
		withXattr(at(symlink("xlink", "nowhere"), 0o777, 0, 0, 100, 0), "trusted.l", "on the link"),
		withXattr(at(fifo("xfifo"), 0o600, 0, 0, 100, 0), "trusted.f", "on the fifo"),
	}
}

func checkEverything(t *testing.T, dir string) {
	t.Helper()
	want, err := naive([][]entry{everything()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := differences(scan(t, dir), want); diff != nil {
		t.Error(strings.Join(diff, "\n"))
	}
}

func TestMetadata(t *testing.T) {
	dir := openDir(t)
	if _, err := Apply(t.Context(), dir, []Layer{layerOf(t, everything()...)},
		Options{}); err != nil {
		t.Fatal(err)
	}
	checkEverything(t, dir.Name())
}

// The umask of the process neither changes the tree nor is changed, not even
// for a moment.
func TestUmask(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	l := layerOf(t, everything()...)
	stop, watched := make(chan struct{}), make(chan string, 1)
	go func() {
		for {
			select {
			case <-stop:
				watched <- ""
				return
			default:
			}
			status, err := os.ReadFile("/proc/self/status")
			if err != nil || !bytes.Contains(status, []byte("\nUmask:\t0077\n")) {
				watched <- fmt.Sprintf("the umask of the process is not 0077: %v", err)
				return
			}
		}
	}()
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared=%v", shared), func(t *testing.T) {
			dir := openDir(t)
			a := newApply(Options{Workers: 3})
			a.disk.shared = shared
			if _, err := a.apply(t.Context(), dir, []Layer{l}); err != nil {
				t.Fatal(err)
			}
			checkEverything(t, dir.Name())
		})
	}
	close(stop)
	if bad := <-watched; bad != "" {
		t.Error(bad)
	}
}

// What the root directory would hand down to new files does not reach the tree.
func TestRootInherits(t *testing.T) {
	// A default ACL: u::rwx g::--- o::rwx, as posix_acl_xattr.h lays it out.
	acl := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range [][2]uint16{{0x01, 7}, {0x04, 0}, {0x20, 7}} {
		acl = binary.LittleEndian.AppendUint16(acl, e[0])
		acl = binary.LittleEndian.AppendUint16(acl, e[1])
		acl = binary.LittleEndian.AppendUint32(acl, 0xffffffff)
	}
	tests := []struct {
		name    string
		prepare func(path string) error
	}{
		{"setgid directory", func(path string) error {
			if err := os.Chown(path, 0, 4242); err != nil {
				return err
			}
			return os.Chmod(path, 0o755|os.ModeSetgid)
		}},
		{"directory of another owner", func(path string) error {
			return os.Chown(path, 4242, 4242)
		}},
		{"default ACL", func(path string) error {
			return unix.Setxattr(path, "system.posix_acl_default", acl, 0)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := openDir(t)
			if err := test.prepare(dir.Name()); err != nil {
				t.Fatal(err)
			}
			if _, err := Apply(t.Context(), dir, []Layer{layerOf(t, everything()...)},
				Options{Workers: 3}); err != nil {
				t.Fatal(err)
			}
			checkEverything(t, dir.Name())
		})
	}
}

// The metadata of directories comes from the highest layer that describes them.
func TestDirectoryMetadata(t *testing.T) {
	mode := func(e entry, mode int64) entry { e.Mode = mode; return e }
	dir := openDir(t)
	_, err := Apply(t.Context(), dir, []Layer{
		layerOf(t, mode(directory("."), 0o700), mode(directory("a"), 0o701), mode(directory("b"),
			0o702),
			mode(directory("c"), 0o703), mode(directory("d"), 0o704)),
		layerOf(t, file("a/x", ""), mode(directory("b"), 0o712), mode(directory("b"), 0o713),
			file(".wh.c", ""), file("c/x", ""), file("d", "")),
		layerOf(t, file("d/x", ""), mode(directory("/"), 0o720)),
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{".": 0o720, "a": 0o701, "b": 0o713, "c": 0o755,
		"d": 0o755} {
		info, err := os.Stat(filepath.Join(dir.Name(), name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want %o", name, info.Mode(), err, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	dir := openDir(t)
	global := append(paxGlobal(), tarball(t,
		withXattr(directory("d"), "trusted.overlay.opaque", "y", "user.keep", "1"),
		withXattr(file("d/f", ""), "user.overlay.redirect", "x", "security.selinux",
			"system_u:object_r:bin_t:s0"),
		withXattr(file("d/g", ""), "security.selinux", "system_u:object_r:bin_t:s0",
			"unknown.class", "1"),
	)...)
	l := blob(zip(t, global), global, gzipType)
	result, err := Apply(t.Context(), dir, []Layer{l}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const machine = " left out, since it belongs to a machine, not to an image"
	want := []string{
		`layer ` + l.Digest.String() +
			`: global extended header ignored, as by other image tools: mtime`,
		`"d/f": extended attribute security.selinux` + machine + ` (and 1 more)`,
		`"d": extended attribute trusted.overlay.opaque` + machine,
		`"d/g": extended attribute unknown.class left out, since the file system does not support it`,
		`"d/f": extended attribute user.overlay.redirect` + machine,
	}
	if !slices.Equal(result.Warnings, want) {
		t.Errorf("got  %q\nwant %q", result.Warnings, want)
	}
	xattrs, err := attributesOf(filepath.Join(dir.Name(), "d"))
	if err != nil || !slices.Equal(xattrs, []string{"user.keep=1"}) {
		t.Errorf("got %q, %v", xattrs, err)
	}
}

// paxGlobal is a global extended header.
func paxGlobal() []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g",
		PAXRecords: map[string]string{"mtime": "1", "comment": "x"}}); err != nil {
		panic(err)
	}
	if err := w.Flush(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// Holes stay holes, and files end where they should.
func TestSparse(t *testing.T) {
	data := sparseTar("s", 1<<30, [][2]int64{{1 << 20, 5}, {1 << 29, 3}}, "helloend")
	dir := openDir(t)
	result, err := Apply(t.Context(), dir, []Layer{blob(data, data, tarType)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	path := filepath.Join(dir.Name(), "s")
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	if st.Size != 1<<30 || st.Blocks*512 > 1<<20 {
		t.Errorf("got %d bytes in %d blocks", st.Size, st.Blocks)
	}
	if result.Bytes != 8 {
		t.Errorf("got %d bytes written, want 8", result.Bytes)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off, want := range map[int64]string{1<<20 - 1: "\x00hello\x00", 1<<29 - 1: "\x00end\x00"} {
		got := make([]byte, len(want))
		if _, err := f.ReadAt(got, off); err != nil || string(got) != want {
			t.Errorf("at %d: got %q, %v, want %q", off, got, err, want)
		}
	}
}

// sparseTar is a tar with one file in GNU's PAX format 0.1.
func sparseTar(name string, size int64, frags [][2]int64, data string) []byte {
	var list []string
	for _, f := range frags {
		list = append(list, fmt.Sprint(f[0]), fmt.Sprint(f[1]))
	}
	var records strings.Builder
	for _, r := range [][2]string{{"GNU.sparse.size", fmt.Sprint(size)}, {"GNU.sparse.numblocks",
		fmt.Sprint(len(frags))}, {"GNU.sparse.map", strings.Join(list, ",")}} {
		n := len(r[0]) + len(r[1]) + 3
		for len(fmt.Sprintf("%d %s=%s\n", n, r[0], r[1])) != n {
			n++
		}
		fmt.Fprintf(&records, "%d %s=%s\n", n, r[0], r[1])
	}
	var buf bytes.Buffer
	part := func(flag byte, name, data string) {
		b := make([]byte, 512)
		copy(b, name)
		copy(b[100:], "0000644\x000000000\x000000000\x00")
		copy(b[124:], fmt.Sprintf("%011o\x0000000000000\x00        ", len(data)))
		b[156] = flag
		copy(b[257:], "ustar\x0000")
		sum := 0
		for _, c := range b {
			sum += int(c)
		}
		copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
		buf.Write(b)
		buf.WriteString(data)
		buf.Write(make([]byte, -len(data)&511))
	}
	part('x', "x", records.String())
	part('0', name, data)
	buf.Write(make([]byte, 1024))
	return buf.Bytes()
}

// Several calls at the same time do not get into each other's way.
func TestConcurrent(t *testing.T) {
	l := layerOf(t, everything()...)
	var wg sync.WaitGroup
	for range 4 {
		dir := openDir(t)
		wg.Go(func() {
			if _, err := Apply(t.Context(), dir, []Layer{l, l}, Options{}); err != nil {
				t.Error(err)
				return
			}
			checkEverything(t, dir.Name())
		})
	}
	wg.Wait()
}
