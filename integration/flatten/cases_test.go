package flatten_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// oracleCases are images with everything that an image can have, in groups.
func oracleCases(t *testing.T) []oracleCase {
	return slicesOf(metadataCases(t), stackCases(t), formatCases(t), refusedCases(t))
}

func slicesOf(groups ...[]oracleCase) []oracleCase {
	var out []oracleCase
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}

// root describes the root directory, since the tools give it different metadata
// if no layer does.
var root = directory("./")

// img makes one layer of each list of entries.
func img(t *testing.T, stack ...[]entry) []compressed {
	t.Helper()
	var out []compressed
	for _, entries := range stack {
		out = append(out, zipped(t, append(tarball(t, entries...), end...)))
	}
	return out
}

// joined makes an image of one layer from parts of a tar.
func joined(t *testing.T, parts ...[]byte) []compressed {
	t.Helper()
	return []compressed{zipped(t, bytes.Join(append(parts, end), nil))}
}

// Names for which the header has no room.
var (
	longDir = strings.Repeat("long", 30)
	long    = longDir + "/" + strings.Repeat("name", 40)
)

// capability is security.capability for cap_net_raw (capabilities(7)).
func capability() string {
	b := binary.LittleEndian.AppendUint32(nil, 0x02000001)
	b = binary.LittleEndian.AppendUint32(b, 1<<13)
	return string(append(b, make([]byte, 12)...))
}

func metadataCases(t *testing.T) []oracleCase {
	return []oracleCase{
		{name: "types, modes, owners, times", image: img(t, []entry{
			at(owner(mode(root, 0o751), 3, 4), 1000, 5),
			at(owner(mode(directory("d"), 0o1777), 1, 2), -5, 1), mode(directory("d/setgid"),
				0o2755),
			mode(directory("closed"), 0),
			mode(file("setuid", "x"), 0o4755), owner(mode(file("setuid-owned", "x"), 0o6711), 1000,
				1000),
			mode(file("writable", "x"), 0o666), mode(file("closed/file", "x"), 0),
			owner(file("ids", "x"), 2147483647, 2147483646),
			at(file("precise", "x"), 1_600_000_000, 123_456_789), at(file("1969", "x"), -1, 0),
			at(file("1955", "x"), -460_000_000, 5), at(file("1970", "x"), 0, 0),
			file("empty", ""), file("big", strings.Repeat("0123456789abcdef", 100_000)),
			owner(at(symlink("link", "/d/../x"), 7, 8), 5, 6), symlink("dangling", "no/such"),
			special("fifo", tar.TypeFifo, 0, 0), mode(special("null", tar.TypeChar, 1, 3), 0o666),
			owner(special("disk", tar.TypeBlock, 259, 70000), 0, 6),
			mode(special("setuid-fifo", tar.TypeFifo, 0, 0), 0o4755),
			hardlink("hard", "d/../big"), hardlink("d/hard", "hard"), hardlink("hard-symlink",
				"link"), hardlink("hard-null", "null"),
		})},
		{name: "names", image: img(t, []entry{root, file("/absolute", "1"), directory("//d//"),
			directory("d/a"), file("./d/./a//b", "2"), file("../../outside", "3"),
			file("d/../../up", "4"), file("new\nline", "5"), file("\xff\xfe", "6"),
			file(strings.Repeat("n", 255), "7"), directory(longDir), directory(long),
			file(long+"/f",
				"8"),
			symlink("long-target", long+long), file(" ", "9"), file("wh.not", "10"), file("not.wh.",
				"11")})},
		{name: "attributes", image: img(t, []entry{root, xattr(file("a", "x"), "user.text", "1",
			"user.binary", "\x00=\n\xff\x00", "trusted.x", "2"),
			xattr(owner(file("capable", "x"), 1000, 1000), "security.capability", capability()),
			xattr(directory("d"), "user.d", "1"),
			xattr(symlink("l", "a"), "trusted.l", "on the link"), xattr(special("p", tar.TypeFifo,
				0, 0), "trusted.p", "1")})},
		{name: "empty attribute", image: img(t, []entry{root, xattr(file("a", "x"), "user.empty",
			"")}),
			differs: []string{`a xattr user.empty: "", -`},
			why: "umoci's tar reader takes an empty PAX value for a deleted record; an " +
				"attribute may be empty (xattr(7))"},
		{name: "overlay attributes", image: img(t, []entry{root, xattr(directory("d"),
			"trusted.overlay.opaque", "y"), file("d/a", "")})},
		{name: "SELinux label", image: img(t, []entry{root, xattr(file("a", ""),
			"security.selinux", "system_u:object_r:bin_t:s0")})},
		{name: "root and parents that no layer describes", image: img(t,
			[]entry{file("d/e/a", "x")}),
			differs: []string{". mtime: 0.000000000, now", "d mtime: 0.000000000, now",
				"d/e mtime: 0.000000000, now"},
			why: "umoci leaves the time of unpacking, so that no two trees of the image are " +
				"equal"},
		{name: "hard link with metadata of its own", image: img(t, []entry{root, file("a", "x"),
			owner(mode(at(hardlink("b", "a"), 1, 0), 0o777), 9, 9)})},
	}
}

func stackCases(t *testing.T) []oracleCase {
	d := directory("d")
	return []oracleCase{
		{name: "replaced and merged", image: img(t, []entry{root, d, file("d/a", "1"),
			file("d/b", "1"), directory("e"), symlink("l", "d")}, []entry{root, mode(d, 0o700),
			file("d/b", "2"), file("l", "3")}, []entry{root, d, symlink("e", "d")})},
		{name: "file, directory, file; directory, file, directory", image: img(t,
			[]entry{root, file("x", "1"), d, file("d/a", "1")}, []entry{root, directory("x"),
				file("x/a", "2"), file("d", "2")}, []entry{root, file("x", "3"), d,
				file("d/b", "3")})},
		{name: "whiteouts", image: img(t, []entry{root, d, file("d/a", "1"), file("b", "1"),
			directory("e"), directory("e/f"), file("e/f/g", "1")}, []entry{root, wh(".wh.b"), d,
			wh("d/.wh.a"), wh(".wh.e"), wh(".wh.nothing")})},
		{name: "whiteout and file of one name, in both orders", image: img(t,
			[]entry{root, file("a", "1"), file("b", "1"), d, file("d/x", "1"), d},
			[]entry{root, wh(".wh.a"), file("a", "2"), file("b", "2"), wh(".wh.b"), wh(".wh.d"), d,
				file("d/y", "2")})},
		{name: "directory, then its whiteout", image: img(t, []entry{root, d, file("d/x", "1")},
			[]entry{root, mode(d, 0o700), file("d/y", "2"), wh(".wh.d")}),
			differs: []string{"d mtime: 1600000000.000000000, now"},
			why: "umoci applies the whiteout late and changes the directory after its time " +
				"is set"},
		{name: "implied directory, then its whiteout", image: img(t, []entry{root, mode(d, 0o700),
			file("d/x", "1")}, []entry{root, file("d/y", "2"), wh(".wh.d")}),
			differs: []string{"d mode: 40755, 40700", "d mtime: 0.000000000, now"},
			why: "the whiteout is for the lower directory, metadata included; umoci deletes " +
				"only its contents"},
		{name: "opaque directories", image: img(t, []entry{root, d, file("d/a", "1"),
			directory("e"),
			file("e/a", "1"), file("e/b", "1")}, []entry{root, d, wh("d/.wh..wh..opq"),
			file("d/b", "2"), directory("e"), file("e/b", "2"), wh("e/.wh..wh..opq")})},
		{name: "opaque root", image: img(t, []entry{root, d, file("d/a", "1"), file("b", "1")},
			[]entry{root, wh(".wh..wh..opq"), file("c", "2")})},
		{name: "comes back", image: img(t, []entry{root, d, file("d/a", "1")},
			[]entry{root, wh(".wh.d")}, []entry{root, d, file("d/b", "3")})},
		{name: "first name of a hard link deleted", image: img(t, []entry{root, file("a", "1"),
			hardlink("b", "a"), hardlink("c", "a"), file("x", "1"), hardlink("y", "x")},
			[]entry{root, wh(".wh.a"), file("x", "2")})},
		{name: "hard link to a lower layer", image: img(t, []entry{root, file("a", "1")},
			[]entry{root, hardlink("b", "a")}, []entry{root, file("a", "3")})},
		{name: "parents through links", image: img(t, []entry{root, directory("usr"),
			directory("usr/lib"), symlink("lib", "usr/lib"), file("usr/lib/a", "1"),
			symlink("up", "../../usr"), symlink("abs", "/usr/lib")},
			[]entry{root, file("lib/b", "2"), file("up/c", "2"), file("abs/d", "2"),
				wh("lib/.wh.a"), hardlink("hard", "abs/d")})},
		{name: "parent through a link to nothing", image: img(t,
			[]entry{root, symlink("l", "x/y")}, []entry{root, at(directory("x"), 5, 0),
				at(directory("x/y"), 5, 0), at(file("l/a", "2"), 5, 0)})},
		{name: "described directory replaces a link", image: img(t, []entry{root, directory("usr"),
			file("usr/a", "1"), symlink("lib", "usr")}, []entry{root, directory("lib"),
			file("lib/b", "2")})},
		{name: "duplicates", image: img(t, []entry{root, file("a", "1"), file("a", "2"),
			mode(d, 0o700), file("d/x", "1"), d, file("e", "1"), directory("e"), file("e/y", "2"),
			hardlink("h", "a"), file("a", "3")})},
		{name: "AUFS", image: img(t, []entry{root, directory(".wh..wh.plnk"), file(".wh..wh.plnk/1",
			"1"), hardlink("a", ".wh..wh.plnk/1"), wh(".wh..wh.aufs")}),
			differs: []string{". mtime: 1600000000.000000000, now", ".wh..wh.plnk: -, there",
				".wh..wh.plnk/1: -, there", "a links: -, .wh..wh.plnk/1 a"},
			why: "umoci knows nothing of AUFS and leaves its directory in the tree"},
	}
}

func formatCases(t *testing.T) []oracleCase {
	plain := append(tarball(t, root, file("a", "hello")), end...)
	head := tarball(t, root)
	gz := v1.MediaTypeImageLayerGzip
	frags := "2\n1000\n2\n500000\n1\n"
	frags += string(make([]byte, 512-len(frags)))
	v1sparse := append(records('x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0",
		"GNU.sparse.name", "sparse", "GNU.sparse.realsize", "1000000"),
		block('0', "GNUSparseFile.1/sparse", ustar, frags+"abc", nil)...)
	return []oracleCase{
		{name: "uncompressed", image: []compressed{{plain, plain, v1.MediaTypeImageLayer}}},
		{name: "zstd", image: []compressed{{plain, zstded(t, plain), v1.MediaTypeImageLayerZstd}},
			umociRefuses: "blob is not correct mediatype", why: "umoci 0.4 has no zstd"},
		{name: "zstd with a skippable frame",
			image: []compressed{{plain,
				append([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip"), zstded(t, plain)...),
				v1.MediaTypeImageLayerZstd}},
			umociRefuses: "unexpected EOF", why: "skopeo 1.9 copies the skippable frame's bytes " +
				"into a tar of nothing else"},
		{name: "gzip with a header checksum", image: []compressed{{plain, headerCRC(zip(t, plain)),
			gz}}},
		{name: "gzip in several members", image: []compressed{{plain, append(zip(t, plain[:700]),
			zip(t, plain[700:])...), gz}}},
		{name: "no end blocks", image: []compressed{zipped(t, tarball(t, root,
			file("a", "hello")))}},
		{name: "data behind the end blocks", image: []compressed{zipped(t,
			append(bytes.Clone(plain), "garbage"...))}},
		{name: "base-256 and negative time", image: joined(t, head, block('0', "a", gnu, "x",
			func(b []byte) {
				copy(b[108:], "\x80\x00\x00\x00\x00\x70\x00\x00")
				copy(b[136:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00")
			}))},
		{name: "GNU long names", image: joined(t, head, tarball(t, directory(longDir),
			with(file(long, "x"), func(h *tar.Header) { h.Format = tar.FormatGNU }),
			with(symlink("l", long), func(h *tar.Header) { h.Format = tar.FormatGNU })))},
		{name: "seventh edition", image: joined(t, head, block(0, "d/", "", "", nil),
			block(0, "d/f", "", "x", nil))},
		{name: "contiguous file", image: joined(t, head, block('7', "a", ustar, "x", nil)),
			umociRefuses: `unknown typeflag '\x37'`, why: "POSIX: who has no contiguous files " +
				"treats them as regular ones"},
		{name: "prefix in a GNU header, by Go 1.7", image: joined(t, head, block('5', "d", ustar,
			"", nil), block('0', "a", gnu, "x", func(b []byte) { copy(b[345:], "d") }))},
		{name: "global header", image: joined(t, head, records('g', "mtime", "1", "comment", "x"),
			block('0', "a", ustar, "x", nil)),
			umociRefuses: `unknown typeflag '\x67'`, why: "umoci refuses what docker and " +
				"containerd ignore; we ignore it with a warning"},
		{name: "sparse 0.0", image: joined(t, head, records('x', "GNU.sparse.size", "1000000",
			"GNU.sparse.numblocks", "2", "GNU.sparse.offset", "1000", "GNU.sparse.numbytes", "2",
			"GNU.sparse.offset", "500000", "GNU.sparse.numbytes", "1"), block('0', "sparse", ustar,
			"abc", nil)),
			differs: []string{"sparse holes: true, false"}, why: "umoci writes the holes out"},
		{name: "sparse 0.1", image: joined(t, head, records('x', "GNU.sparse.size", "1000000",
			"GNU.sparse.numblocks", "2", "GNU.sparse.map", "1000,2,500000,1"), block('0', "sparse",
			ustar, "abc", nil)),
			differs: []string{"sparse holes: true, false"}, why: "umoci writes the holes out"},
		{name: "sparse 1.0", image: joined(t, head, v1sparse),
			differs: []string{"sparse holes: true, false"}, why: "umoci writes the holes out"},
		{name: "sparse, old GNU", image: joined(t, head, block('S', "sparse", gnu, "abc",
			func(b []byte) {
				copy(b[386:], fmt.Sprintf("%011o\x00%011o\x00%011o\x00%011o\x00", 1000, 2, 500000,
					1))
				copy(b[483:], fmt.Sprintf("%011o\x00", 1000000))
			})),
			umociRefuses: `unknown typeflag '\x53'`, why: "umoci knows no old GNU sparse files"},
	}
}

func refusedCases(t *testing.T) []oracleCase {
	head := tarball(t, root)
	plain := append(tarball(t, root, file("a", "hello")), end...)
	other := append(tarball(t, root, file("a", "other")), end...)
	return []oracleCase{
		{name: "root as a symbolic link", image: img(t, []entry{symlink("/", "/etc")}),
			refused:      "the root of an image can only be a directory",
			umociRefuses: "refusing to change type of root directory"},
		{name: "uid 2³²", image: joined(t, head, records('x', "uid", "4294967296"), block('0', "a",
			ustar, "", nil)), refused: "uid 4294967296 is outside of 0 to 2147483647",
			why: "umoci passes the number to the kernel, which takes its lower 32 bits: the " +
				"file becomes root's (CVE-2024-40635 is the same mistake)"},
		{name: "uid 2³¹", image: joined(t, head, records('x', "uid", "2147483648"), block('0', "a",
			ustar, "", nil)), refused: "uid 2147483648 is outside of 0 to 2147483647",
			why: "such an id is negative for every program that has it in an int; containerd " +
				"and docker refuse it as a user, too"},
		{name: "huge record", image: joined(t, head, records('x', "SCHILY.xattr.user.x",
			strings.Repeat("x", 1<<20)), block('0', "a", ustar, "", nil)),
			refused: "more than the limit Extended", umociRefuses: "header field too long"},
		{name: "wrong diffID", image: []compressed{{other, zip(t, plain),
			v1.MediaTypeImageLayerGzip}}, refused: "diffID mismatch",
			umociRefuses: "diffid mismatch"},
		{name: "truncated gzip", image: []compressed{{plain, zip(t, plain)[:100],
			v1.MediaTypeImageLayerGzip}}, refused: "unexpected EOF",
			umociRefuses: "unexpected EOF"},
		{name: "garbage behind gzip", image: []compressed{{plain, append(zip(t, plain),
			"garbage, and not a member"...), v1.MediaTypeImageLayerGzip}},
			refused:      "what follows the last member is not gzip",
			umociRefuses: "gzip: invalid header"},
		{name: "truncated tar", image: []compressed{zipped(t, plain[:1026])},
			refused: "unexpected EOF", umociRefuses: "unexpected EOF"},
		{name: "hard link to nothing", image: img(t, []entry{root, hardlink("a", "b")}),
			refused:      "which neither this layer nor a lower one has",
			umociRefuses: "no such file or directory"},
		{name: "hard link to a directory", image: img(t, []entry{root, directory("d"),
			hardlink("a", "d")}), refused: "a hard link to a directory",
			umociRefuses: "operation not permitted"},
		{name: "whiteout of ..", image: img(t, []entry{root, wh(".wh...")}),
			refused: "a whiteout that names no file", umociRefuses: "no such file or directory",
			why: "umoci deletes the directory that the root is in, and then misses it"},
		{name: "file below a whiteout", image: img(t, []entry{root, wh(".wh.a/b")}),
			refused: "is a whiteout and cannot be a directory",
			why: "names with the prefix are reserved; umoci makes a directory that is " +
				"called .wh.a"},
		{name: "file in the place of a parent", image: img(t, []entry{root, file("d", "1")},
			[]entry{root, file("d/a", "2")}), umociRefuses: "not a directory",
			why: "an entry always wins over the layers below, so the file gives way to a directory"},
		{name: "unknown type", image: joined(t, head, block('V', "a", gnu, "", nil)),
			refused: "tar type 'V' is not supported", umociRefuses: `unknown typeflag '\x56'`},
		{name: "device beyond Linux", image: img(t, []entry{root, special("c", tar.TypeChar, 5000,
			1)}), refused: "device 5000:1 does not exist on Linux",
			why: "the kernel has twelve bits for the major number; umoci makes another device, " +
				"with the bits that are left"},
	}
}
