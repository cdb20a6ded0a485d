package flatten

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// sketch tells what a tree is in one word per file: directories end in a slash,
// files show their data, symbolic links their target, and further names of a
// file its first.
func sketch(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	var infos []os.FileInfo
	var names []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		for i := range infos {
			if os.SameFile(infos[i], info) {
				out = append(out, name+"=="+names[i])
				return nil
			}
		}
		infos, names = append(infos, info), append(names, name)
		switch {
		case info.IsDir():
			out = append(out, name+"/")
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			out = append(out, name+"="+string(data))
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			out = append(out, name+"->"+target)
		default:
			out = append(out, name+"|")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

func wh(name string) entry { return file(name, "") }

func fifo(name string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeFifo, Mode: 0o600}, ""}
}

// Cases of how layers make a tree, the lowest layer first.
var cases = []struct {
	name   string
	layers [][]entry
	want   string
	passes int // complete ones over a layer; 0 stands for one for each
}{
	{"no layers", nil, "", 0},
	{"a layer of nothing", [][]entry{{}}, "", 0},
	{"a file is replaced", [][]entry{{file("a", "1")}, {file("a", "2")}}, "a=2", 0},
	{"a directory is merged", [][]entry{{directory("d"), file("d/a", "1")},
		{directory("d"), file("d/b", "2")}}, "d/ d/a=1 d/b=2", 0},
	{"a file becomes a directory", [][]entry{{file("d", "1")}, {directory("d"), file("d/a", "2")}},
		"d/ d/a=2", 0},
	{"a directory becomes a file", [][]entry{{directory("d"), file("d/a", "1")}, {file("d", "2")}},
		"d=2",
		0},
	{"directory, file, directory", [][]entry{{directory("d"), file("d/a", "1")}, {file("d", "2")},
		{directory("d"), file("d/b", "3")}}, "d/ d/b=3", 0},
	{"file, directory, file", [][]entry{{file("d", "1")}, {directory("d"), file("d/a", "2")},
		{file("d", "3")}}, "d=3", 0},
	{"a directory becomes a symbolic link", [][]entry{{directory("d"), file("d/a", "1"),
		directory("e")},
		{symlink("d", "e")}}, "d->e e/", 0},
	{"a symbolic link becomes a directory", [][]entry{{symlink("d", "e"), directory("e")},
		{directory("d"), file("d/a", "1")}}, "d/ d/a=1 e/", 0},

	{"whiteout of a file", [][]entry{{file("a", "1"), file("b", "1")}, {wh(".wh.a")}}, "b=1", 0},
	{"whiteout of a directory", [][]entry{{directory("d"), file("d/a", "1")}, {wh(".wh.d")}}, "",
		0},
	{"whiteout of nothing", [][]entry{{file("a", "1")}, {wh(".wh.x"), wh("no/such/.wh.y")}}, "a=1",
		0},
	{"whiteout, then file", [][]entry{{file("a", "1")}, {wh(".wh.a"), file("a", "2")}}, "a=2", 0},
	{"file, then whiteout", [][]entry{{file("a", "1")}, {file("a", "2"), wh(".wh.a")}}, "a=2", 0},
	{"whiteout, then directory", [][]entry{{directory("d"), file("d/a", "1")},
		{wh(".wh.d"), directory("d"),
			file("d/b", "2")}}, "d/ d/b=2", 0},
	{"directory, then whiteout", [][]entry{{directory("d"), file("d/a", "1")},
		{directory("d"), file("d/b", "2"), wh(".wh.d")}}, "d/ d/b=2", 0},
	{"a file comes back", [][]entry{{file("a", "1")}, {wh(".wh.a")}, {file("a", "3")}}, "a=3", 0},
	{"whiteout below one that came back", [][]entry{{directory("d"), file("d/a", "1"),
		file("d/b", "1")}, {wh(".wh.d")}, {file("d/b", "3")}, {wh("d/.wh.b")}}, "d/", 0},
	{"whiteout of a parent", [][]entry{{directory("d"), directory("d/e"), file("d/e/a", "1")},
		{wh(".wh.d")}, {file("d/e/b", "3")}}, "d/ d/e/ d/e/b=3", 0},
	{"whiteout that is a directory", [][]entry{{file("a", "1")}, {directory(".wh.a")}}, "", 0},
	{"whiteout in an upper layer only hides lower ones", [][]entry{{wh(".wh.a")}, {file("a", "2")}},
		"a=2", 0},

	{"opaque directory", [][]entry{{directory("d"), file("d/a", "1"), directory("d/e")},
		{directory("d"), wh("d/.wh..wh..opq"), file("d/b", "2")}}, "d/ d/b=2", 0},
	{"opaque marker behind the files", [][]entry{{directory("d"), file("d/a", "1"),
		file("d/b", "1")},
		{directory("d"), file("d/b", "2"), wh("d/.wh..wh..opq")}}, "d/ d/b=2", 0},
	{"opaque marker without a directory entry", [][]entry{{directory("d"), file("d/a", "1")},
		{wh("d/.wh..wh..opq")}}, "d/", 0},
	{"opaque root", [][]entry{{file("a", "1"), directory("d"), file("d/b", "1")},
		{wh(".wh..wh..opq"),
			file("c", "2")}}, "c=2", 0},
	{"opaque root, spelt ./", [][]entry{{file("a", "1")}, {wh("./.wh..wh..opq"),
		file("./c", "2")}},
		"c=2", 0},
	{"opaque parent", [][]entry{{directory("d"), directory("d/e"), file("d/e/a", "1")},
		{wh("d/.wh..wh..opq")}, {file("d/e/b", "3")}}, "d/ d/e/ d/e/b=3", 0},
	{"opaque below opaque", [][]entry{{file("d/a", "1")}, {wh("d/.wh..wh..opq"),
		file("d/b", "2")},
		{wh("d/.wh..wh..opq"), file("d/c", "3")}}, "d/ d/c=3", 0},

	{"hard link", [][]entry{{file("a", "1"), hardlink("b", "a"), hardlink("d/c", "./a")}},
		"a=1 b==a d/ d/c==a", 0},
	{"hard link to a symbolic link", [][]entry{{symlink("s", "nowhere"), hardlink("b", "s")}},
		"b->nowhere s==b", 0},
	{"hard link to a fifo", [][]entry{{fifo("p"), hardlink("q", "p")}}, "p| q==p", 0},
	{"first name deleted above", [][]entry{{file("a", "1"), hardlink("b", "a"), hardlink("c", "a")},
		{wh(".wh.a")}}, "b=1 c==b", 3},
	{"first name replaced above", [][]entry{{file("a", "1"), hardlink("b", "a")}, {file("a", "2")}},
		"a=2 b=1", 3},
	{"first name is a fifo deleted above", [][]entry{{fifo("a"), hardlink("b", "a")},
		{wh(".wh.a")}}, "b|", 3},
	{"first name is a symbolic link deleted above", [][]entry{{symlink("a", "x"),
		hardlink("b", "a")}, {wh(".wh.a")}}, "b->x", 3},
	{"first name's directory is opaque above", [][]entry{{file("d/a", "1"), hardlink("b", "d/a")},
		{wh("d/.wh..wh..opq")}}, "b=1 d/", 3},
	{"second name deleted above", [][]entry{{file("a", "1"), hardlink("b", "a")}, {wh(".wh.b")}},
		"a=1", 0},
	{"all names deleted above", [][]entry{{file("a", "1"), hardlink("b", "a")},
		{wh(".wh.a"), wh(".wh.b")}}, "", 0},
	{"link to a link whose first name is deleted", [][]entry{{file("a", "1"), hardlink("b", "a"),
		hardlink("c", "b")}, {wh(".wh.a"), wh(".wh.b")}}, "c=1", 3},
	{"link to a lower layer", [][]entry{{file("a", "1")}, {hardlink("b", "a")}}, "a=1 b==a", 3},
	{"link to a lower layer, replaced above", [][]entry{{file("a", "1")}, {hardlink("b", "a")},
		{file("a", "3")}}, "a=3 b=1", 5},
	{"link to itself below", [][]entry{{file("a", "1")}, {hardlink("a", "a")}}, "a=1", 3},
	{"AUFS's directory of hard links", [][]entry{{directory(".wh..wh.plnk"),
		file(".wh..wh.plnk/1.2",
			"1"), hardlink("a", ".wh..wh.plnk/1.2"), hardlink("b", ".wh..wh.plnk/1.2"),
		wh(".wh..wh.aufs")}}, "a=1 b==a", 2},

	{"parents are implied", [][]entry{{file("d/e/a", "1")}}, "d/ d/e/ d/e/a=1", 0},
	{"implied parent of what is deleted above", [][]entry{{file("d/e/a", "1")}, {wh("d/e/.wh.a")}},
		"d/ d/e/", 0},
	{"implied parent in place of a file", [][]entry{{file("d", "1")}, {file("d/a", "2")}},
		"d/ d/a=2", 0},
	{"implied parent through a lower link", [][]entry{{directory("usr"), directory("usr/lib"),
		symlink("lib", "usr/lib"), file("usr/lib/a", "1")}, {file("lib/b", "2")}},
		"lib->usr/lib usr/ usr/lib/ usr/lib/a=1 usr/lib/b=2", 5},
	{"implied parent through a lower link, file is replaced",
		[][]entry{{directory("usr"), symlink("lib", "/usr"), file("usr/a", "1")},
			{file("lib/a", "2")}}, "lib->/usr usr/ usr/a=2", 5},
	{"implied parent through a link in the same layer",
		[][]entry{{directory("usr"), symlink("lib", "usr"), file("lib/a", "1")}},
		"lib->usr usr/ usr/a=1", 2},
	{"implied parent through a link to nothing", [][]entry{{symlink("lib", "x/y")},
		{file("lib/a", "2")}}, "lib->x/y x/ x/y/ x/y/a=2", 5},
	{"implied parent through a link out of the root", [][]entry{{symlink("out", "../../../tmp")},
		{file("out/a", "2")}}, "out->../../../tmp tmp/ tmp/a=2", 5},
	{"implied parent through a chain of links", [][]entry{{symlink("a", "b"),
		symlink("b", "/c/../d"), directory("d")}, {file("a/x", "2")}},
		"a->b b->/c/../d c/ d/ d/x=2",
		5},
	{"a described parent replaces a lower link", [][]entry{{directory("usr"), symlink("lib", "usr"),
		file("usr/a", "1")}, {directory("lib"), file("lib/b", "2")}}, "lib/ lib/b=2 usr/ usr/a=1",
		0},
	{"the link is replaced above", [][]entry{{directory("usr"), symlink("lib", "usr")},
		{file("lib/a", "2")}, {directory("lib"), file("lib/b", "3")}}, "lib/ lib/b=3 usr/ usr/a=2",
		6},
	{"the link is deleted above", [][]entry{{directory("usr"), symlink("lib", "usr")},
		{file("lib/a", "2")}, {wh(".wh.lib")}}, "usr/ usr/a=2", 6},
	{"whiteout through a link", [][]entry{{directory("usr"), symlink("lib", "usr"),
		file("usr/a", "1")}, {wh("lib/.wh.a")}}, "lib->usr usr/", 4},
	{"whiteout through a link out of the root", [][]entry{{symlink("out", "/../..")},
		{wh("out/.wh.out")}}, "", 3},
	{"opaque through a link", [][]entry{{directory("usr"), symlink("lib", "usr"),
		file("usr/a", "1")},
		{wh("lib/.wh..wh..opq")}}, "lib->usr usr/", 4},
	{"hard link through a link", [][]entry{{directory("usr"), symlink("lib", "usr"),
		file("usr/a", "1"), hardlink("b", "lib/a")}}, "b=1 lib->usr usr/ usr/a==b", 1},

	{"the last of two entries wins", [][]entry{{file("a", "1"), file("a", "2")}}, "a=2", 2},
	{"file, then directory of one layer", [][]entry{{file("d/x", "0")}, {file("d", "1"),
		directory("d"),
		file("d/a", "2")}}, "d/ d/a=2", 3},
	{"directory, then file of one layer", [][]entry{{file("d/x", "0")}, {directory("d"),
		file("d/a", "1"),
		file("d", "2")}}, "d=2", 3},
	{"file, then its child", [][]entry{{file("d", "1"), file("d/a", "2")}}, "d/ d/a=2", 2},
	{"hard link to the first of two", [][]entry{{file("a", "1"), hardlink("b", "a"),
		file("a", "2")}}, "a=2 b=1", 2},
	{"duplicates that a higher layer hides", [][]entry{{file("a", "1"), file("a", "2"),
		file("b", "1")}, {wh(".wh.a")}}, "b=1", 4},

	{"absolute names", [][]entry{{file("/a", "1"), directory("//d"), hardlink("/d/b", "/a")}},
		"a=1 d/ d/b==a", 0},
	{"names that leave the root", [][]entry{{file("../../a", "1"), file("d/../../../b", "2"),
		hardlink("c", "../../../a")}}, "a=1 b=2 c==a", 0},
	{"names with dots", [][]entry{{file("./.a/./b//c", "1"), file("..a", "2"), file("a..", "3"),
		file("...", "4")}}, "...=4 ..a=2 .a/ .a/b/ .a/b/c=1 a..=3", 0},
	{"a directory without a slash and a file with one", [][]entry{{directory("d"), file("a", "1")}},
		"a=1 d/", 0},
	{"odd names", [][]entry{{file("new\nline", "1"), file("\xff\xfe", "2"),
		file(strings.Repeat("n", 255), "3"), file(" ", "4"), file("wh.x", "5"), file("a.wh.b",
			"6")}},
		" =4 a.wh.b=6 new\nline=1 " + strings.Repeat("n", 255) + "=3 wh.x=5 \xff\xfe=2", 0},
}

func TestCases(t *testing.T) {
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			var layers []Layer
			for _, l := range test.layers {
				layers = append(layers, layerOf(t, l...))
			}
			dir := openDir(t)
			result, err := Apply(t.Context(), dir, layers, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := sketch(t, dir.Name()); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			passes := test.passes
			if passes == 0 {
				passes = len(layers)
			}
			if result.Passes != passes {
				t.Errorf("got %d passes, want %d", result.Passes, passes)
			}
			// The model is held to the same cases.
			want, err := naive(test.layers)
			if strings.Contains(test.name, "AUFS") {
				return
			}
			if diff := differences(scan(t, dir.Name()), want); err != nil || diff != nil {
				t.Errorf("the model differs: %v\n%s", err, strings.Join(diff, "\n"))
			}
		})
	}
}

func TestRefused(t *testing.T) {
	long := strings.Repeat("directory/", 600) + "a"
	tests := []struct {
		name   string
		layers [][]entry
		entry  string // that the error names
		want   string
	}{
		{"root as a symbolic link", [][]entry{{symlink(".", "/etc")}}, ".",
			"the root of an image can only be a directory"},
		{"root as a symbolic link, spelt /", [][]entry{{symlink("/", "/etc")}}, "/",
			"the root of an image can only be a directory"},
		{"root as a file by ..", [][]entry{{file("a/..", "")}}, "a/..",
			"the root of an image can only be a directory"},
		{"root as a hard link", [][]entry{{file("a", ""), hardlink("./", "a")}}, "./",
			"the root of an image can only be a directory"},
		{"hard link to the root", [][]entry{{hardlink("a", "/")}}, "a",
			"a hard link to a directory"},
		{"hard link to a directory", [][]entry{{directory("d"), hardlink("a", "d")}}, "a",
			"a hard link to a directory"},
		{"hard link to a lower directory", [][]entry{{directory("d")}, {hardlink("a", "d")}}, "a",
			"a hard link to a directory"},
		{"hard link to nothing", [][]entry{{hardlink("a", "b")}}, "a",
			`hard link to "b", which neither this layer nor a lower one has`},
		{"hard link to what comes later", [][]entry{{hardlink("a", "b"), file("b", "")}}, "a",
			`hard link to "b", which neither this layer nor a lower one has`},
		{"hard link to what a higher layer has", [][]entry{{hardlink("a", "b")}, {file("b", "")}},
			"a", `hard link to "b", which neither this layer nor a lower one has`},
		{"hard link to what was deleted", [][]entry{{file("b", "")}, {wh(".wh.b")},
			{hardlink("a", "b")}}, "a",
			`hard link to "b", which neither this layer nor a lower one has`},
		{"whiteout without a name", [][]entry{{wh(".wh.")}}, ".wh.",
			"a whiteout that names no file"},
		{"whiteout of .", [][]entry{{wh("a/.wh..")}}, "a/.wh..", "a whiteout that names no file"},
		{"whiteout of ..", [][]entry{{wh("a/.wh...")}}, "a/.wh...",
			"a whiteout that names no file"},
		{"whiteout with a slash", [][]entry{{wh(".wh.a/b")}}, ".wh.a/b",
			`".wh.a" is a whiteout and cannot be a directory`},
		{"whiteout of something in a whiteout", [][]entry{{wh("d/.wh.a/.wh.b")}}, "d/.wh.a/.wh.b",
			`".wh.a" is a whiteout and cannot be a directory`},
		{"AUFS's own not in the root", [][]entry{{file("d/.wh..wh.plnk/1", "")}},
			"d/.wh..wh.plnk/1", `".wh..wh.plnk" is a whiteout and cannot be a directory`},
		{"symbolic links in a circle", [][]entry{{symlink("a", "b"), symlink("b", "a")},
			{file("a/x", "")}}, "a/x", "too many levels of symbolic links"},
		{"a link to itself", [][]entry{{symlink("a", "a/a/a")}, {file("a/x", "")}}, "a/x",
			"too many levels of symbolic links"},
		{"path too long", [][]entry{{file(long, "")}}, long, "the name is longer than 4095 bytes"},
		{"link target too long", [][]entry{{file("b", ""), hardlink("a", long)}}, "a",
			"the name is longer than 4095 bytes"},
		{"element too long", [][]entry{{file("d/"+strings.Repeat("n", 256), "")}},
			"d/" + strings.Repeat("n", 256), "openat: file name too long"},
		{"symbolic link to nothing", [][]entry{{symlink("a", "")}}, "a",
			"symlinkat: no such file or directory"},
		{"attribute that a link cannot have", [][]entry{{withXattr(symlink("a", "b"), "user.x",
			"1")}}, "a", `extended attribute "user.x": lsetxattr: operation not permitted`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var layers []Layer
			for _, l := range test.layers {
				layers = append(layers, layerOf(t, l...))
			}
			_, err := Apply(t.Context(), openDir(t), layers, Options{})
			var known *layer.Error
			if !errors.As(err, &known) {
				t.Fatalf("got %v, want an error that names layer and entry", err)
			}
			if known.Entry != test.entry || known.Err.Error() != test.want {
				t.Errorf("got entry %q: %v\nwant entry %q: %s", known.Entry, known.Err, test.entry,
					test.want)
			}
			found := false
			for _, l := range layers {
				found = found || l.Digest == known.Digest
			}
			if !found {
				t.Errorf("the error names layer %s, which is none of them", known.Digest)
			}
		})
	}
}

func withXattr(e entry, kv ...string) entry {
	e.PAXRecords = map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		e.PAXRecords["SCHILY.xattr."+kv[i]] = kv[i+1]
	}
	return e
}

// A root that has something in it is refused before anything is written.
func TestRootNotEmpty(t *testing.T) {
	dir := openDir(t)
	if err := os.WriteFile(filepath.Join(dir.Name(), "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Apply(t.Context(), dir, []Layer{layerOf(t, file("a", ""))}, Options{})
	if want := fmt.Sprintf("%s: the directory is not empty: it has \"x\"",
		dir.Name()); err == nil ||
		err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
