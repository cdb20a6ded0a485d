package copyup

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       []option
	}{
		{"none", "", []option{}},
		{"values", "mode=755,size=64k", []option{{name: "mode", value: "755"}, {name: "size",
			value: "64k"}}},
		{"words", "inode64,sync", []option{{name: "inode64", bare: true}, {name: "sync",
			bare: true}}},
		{"empty value", "size=", []option{{name: "size"}}},
		{"equals in a value", "context=a=b", []option{{name: "context", value: "a=b"}}},
		{"commas in a value", "mpol=bind:0,2,4-6,mode=0",
			[]option{{name: "mpol", value: "bind:0,2,4-6"}, {name: "mode", value: "0"}}},
		{"empty words", ",,mode=0,", []option{{name: "mode", value: "0"}}},
		{"a number after a word", "a,5,6", []option{{name: "a,5,6", bare: true}}},
		{"a number first", "5,mode=0", []option{{name: "5", bare: true}, {name: "mode",
			value: "0"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := options(tt.data); !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestNewTmpfs(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct {
		name, data, want string // the error
	}{
		{"plain", "", ""},
		{"options",
			"mode=700,size=50%,nr_inodes=100,uid=1,gid=2,inode64,mpol=local,sync,dirsync,lazytime",
			""},
		{"unknown", "colour=red", "fsconfig(colour): invalid argument: tmpfs: Unknown parameter " +
			"'colour'"},
		{"unknown word", "mode=755,colour", "fsconfig(colour): invalid argument: tmpfs: Unknown " +
			"parameter 'colour'"},
		{"bad value", "size=large",
			"fsconfig(size): invalid argument: tmpfs: Bad value for 'size'"},
		{"no value", "size", "fsconfig(size): invalid argument: tmpfs: Bad value for 'size'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := NewTmpfs("test", tt.data)
			if err != nil {
				if err.Error() != tt.want || !errors.Is(err, unix.EINVAL) {
					t.Errorf("got %q\nwant %q", err, tt.want)
				}
				if e := new(os.SyscallError); !errors.As(err, &e) {
					t.Errorf("%T is no *os.SyscallError", err)
				}
				return
			}
			defer f.Close()
			var st unix.Statfs_t
			if err := unix.Fstatfs(int(f.Fd()), &st); err != nil || st.Type != unix.TMPFS_MAGIC ||
				tt.want != "" {
				t.Errorf("type %#x, error %v; want %q", st.Type, err, tt.want)
			}
		})
	}
}

// TestNewTmpfsOptions: the options have an effect.
func TestNewTmpfsOptions(t *testing.T) {
	needRoot(t)
	f := newTmpfs(t, "mode=1700,size=128k,nr_inodes=100,uid=1,gid=2")
	var st unix.Stat_t
	var vfs unix.Statfs_t
	try(t, unix.Fstat(int(f.Fd()), &st), unix.Fstatfs(int(f.Fd()), &vfs))
	got := fmt.Sprintf("%o %d:%d %d bytes %d files", st.Mode, st.Uid, st.Gid,
		vfs.Blocks*uint64(vfs.Bsize), vfs.Files)
	if want := "41700 1:2 131072 bytes 100 files"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzOptions checks that options that were split can be joined again.
func FuzzOptions(f *testing.F) {
	for _, data := range []string{"", "mode=755,size=64k", "mpol=bind:0,2,mode=0", ",,a,=b",
		"5,6"} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		var text string
		list := options(data)
		for _, o := range list {
			if o.bare && o.value != "" {
				t.Fatalf("%+v is a word with a value", o)
			}
			text += "," + o.name
			if !o.bare {
				text += "="
			}
			text += o.value
		}
		if again := options(text); !slices.Equal(again, list) {
			t.Errorf("%q: %+v, again %+v", data, list, again)
		}
	})
}
