package mountopt

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	const field = unix.MOUNT_ATTR__ATIME
	tests := []struct {
		name, options string
		want          Parsed
	}{
		{"none", "", Parsed{}},
		{"no effect",
			"defaults,auto,noauto,nouser,_netdev,x-systemd.automount,X-mount.mkdir,comment=a",
			Parsed{}},
		{"the default /dev/shm", "nosuid,noexec,nodev,mode=1777,size=65536k", Parsed{
			Set:  unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV,
			Data: "mode=1777,size=65536k",
		}},
		{"the opposites", "suid,exec,dev,rw,symfollow,diratime", Parsed{
			Clear: unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV | unix.MS_RDONLY |
				unix.MS_NOSYMFOLLOW | unix.MS_NODIRATIME,
		}},
		{"the later one counts", "ro,rw", Parsed{Clear: unix.MS_RDONLY}},
		{"the later one counts, too", "rw,ro", Parsed{Set: unix.MS_RDONLY}},
		{"of the superblock", "sync,dirsync,lazytime,mand,iversion,silent,acl", Parsed{
			Set: unix.MS_SYNCHRONOUS | unix.MS_DIRSYNC | unix.MS_LAZYTIME | unix.MS_MANDLOCK |
				unix.MS_I_VERSION | unix.MS_SILENT | unix.MS_POSIXACL,
		}},
		{"of the superblock, off", "async,nolazytime,nomand,noiversion,loud,noacl", Parsed{
			Clear: unix.MS_SYNCHRONOUS | unix.MS_LAZYTIME | unix.MS_MANDLOCK | unix.MS_I_VERSION |
				unix.MS_SILENT | unix.MS_POSIXACL,
		}},
		{"noatime", "noatime", Parsed{Set: unix.MS_NOATIME}},
		{"relatime", "relatime", Parsed{Set: unix.MS_RELATIME}},
		{"strictatime", "strictatime", Parsed{Set: unix.MS_STRICTATIME}},
		{"one access time replaces the other", "noatime,strictatime", Parsed{
			Set: unix.MS_STRICTATIME,
		}},
		{"and back", "strictatime,noatime", Parsed{Set: unix.MS_NOATIME}},
		{"atime is the default", "atime", Parsed{Clear: unix.MS_NOATIME}},
		{"atime takes noatime back", "noatime,atime", Parsed{Clear: unix.MS_NOATIME}},
		{"atime leaves strictatime", "strictatime,atime", Parsed{
			Set: unix.MS_STRICTATIME, Clear: unix.MS_NOATIME,
		}},
		{"nostrictatime leaves noatime", "noatime,nostrictatime", Parsed{
			Set: unix.MS_NOATIME, Clear: unix.MS_STRICTATIME,
		}},
		{"norelatime", "relatime,norelatime", Parsed{Clear: unix.MS_RELATIME}},
		{"nodiratime is not of the field", "noatime,nodiratime", Parsed{
			Set: unix.MS_NOATIME | unix.MS_NODIRATIME,
		}},
		{"bind", "bind", Parsed{Bind: true}},
		{"rbind", "rbind,ro", Parsed{Bind: true, Recursive: true, Set: unix.MS_RDONLY}},
		{"propagation in order", "rbind,rslave,shared,runbindable", Parsed{
			Bind: true, Recursive: true,
			Propagation: []uintptr{unix.MS_SLAVE | unix.MS_REC, unix.MS_SHARED, unix.MS_UNBINDABLE |
				unix.MS_REC},
		}},
		{"more propagation", "slave,private,rprivate,unbindable,rshared",
			Parsed{Propagation: []uintptr{
				unix.MS_SLAVE, unix.MS_PRIVATE, unix.MS_PRIVATE | unix.MS_REC, unix.MS_UNBINDABLE,
				unix.MS_SHARED | unix.MS_REC,
			}}},
		{"recursive", "rro,rnosuid,rnodev,rnoexec,rnosymfollow,rnodiratime,rnoatime", Parsed{
			RecAttrSet: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV |
				unix.MOUNT_ATTR_NOEXEC |
				unix.MOUNT_ATTR_NOSYMFOLLOW | unix.MOUNT_ATTR_NODIRATIME | unix.MOUNT_ATTR_NOATIME,
			RecAttrClr: field,
		}},
		{"recursive, off", "rrw,rsuid,rdev,rexec,rsymfollow,rdiratime", Parsed{
			RecAttrClr: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV |
				unix.MOUNT_ATTR_NOEXEC |
				unix.MOUNT_ATTR_NOSYMFOLLOW | unix.MOUNT_ATTR_NODIRATIME,
		}},
		{"recursive access times", "rstrictatime,rrelatime", Parsed{RecAttrClr: field}},
		{"recursive access times, off", "rstrictatime,rnostrictatime,ratime,rnorelatime",
			Parsed{RecAttrClr: field}},
		{"recursive and not", "ro,rrw", Parsed{
			Set: unix.MS_RDONLY, RecAttrClr: unix.MOUNT_ATTR_RDONLY,
		}},
		{"the runtime's own", "tmpcopyup,idmap,ridmap", Parsed{TmpCopyUp: true, IDMap: true,
			RIDMap: true}},
		{"remount", "remount,bind,ro", Parsed{Bind: true, Set: unix.MS_REMOUNT | unix.MS_RDONLY}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := Parse(strings.Split(tt.options, ","), false)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// TestAttributes: what mount_setattr(2) is given for one mount. With any option
// about flags, a bind mount has just what was asked for.
func TestAttributes(t *testing.T) {
	const (
		ro, nosuid, nodev, noexec = unix.MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR_NOSUID,
			unix.MOUNT_ATTR_NODEV, unix.MOUNT_ATTR_NOEXEC
		nosymfollow = unix.MOUNT_ATTR_NOSYMFOLLOW
		dir, field  = unix.MOUNT_ATTR_NODIRATIME, unix.MOUNT_ATTR__ATIME
		all         = ro | nosuid | nodev | noexec | nosymfollow
	)
	tests := []struct {
		options             string
		set, clear, unasked uint64
	}{
		{"", 0, 0, 0},
		{"bind,defaults,rslave,private,remount", 0, 0, 0},
		{"rbind,rro,rnoatime", 0, 0, 0},
		{"nodev", nodev, 0, all &^ nodev},
		{"rw", 0, ro, all &^ ro},
		{"ro,rw,nosuid,exec,symfollow", nosuid, ro | noexec | nosymfollow, nodev},
		{"sync", 0, 0, all},
		{"async", 0, 0, all},
		{"relatime", 0, field, all | dir},
		{"noatime", unix.MOUNT_ATTR_NOATIME, field, all | dir},
		{"noatime,strictatime", unix.MOUNT_ATTR_STRICTATIME, field, all | dir},
		{"noatime,diratime", unix.MOUNT_ATTR_NOATIME, field | dir, all},
		{"noatime,nodiratime", unix.MOUNT_ATTR_NOATIME | dir, field, all},
		{"nodiratime", dir, field, all},
		{"atime", 0, 0, all},
		{"noatime,atime", 0, 0, all},
		{"norelatime", 0, 0, all},
		{"diratime", 0, 0, all},
	}
	for _, tt := range tests {
		t.Run(tt.options, func(t *testing.T) {
			p, problems := Parse(strings.Split(tt.options, ","), true)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			set, clear := p.Attributes()
			if unasked := p.Unasked(); set != tt.set || clear != tt.clear || unasked != tt.unasked {
				t.Errorf("got %#x, %#x, %#x, want %#x, %#x, %#x", set, clear, unasked, tt.set,
					tt.clear, tt.unasked)
			}
		})
	}
}

func TestParseProblems(t *testing.T) {
	long := strings.Repeat("x", maxData)
	tests := []struct {
		name    string
		options []string
		bind    bool
		want    string
	}{
		{"file system options", []string{"nosuidd", "mode=755"}, false, ""},
		{"near a known one", []string{"rbind", "nosuidd"}, false,
			`options[1]: unknown option "nosuidd" (did you mean "nosuid"?)`},
		{"bind comes later", []string{"nosuidd", "bind"}, false,
			`options[0]: unknown option "nosuidd" (did you mean "nosuid"?)`},
		{"bind by type", []string{"rprivat"}, true,
			`options[0]: unknown option "rprivat" (did you mean "rprivate"?)`},
		{"near none", []string{"bind", "size=1"}, false,
			`options[1]: unknown option "size=1" (a bind mount has no file system to pass it to)`},
		{"several in one", []string{"bind", "ro,nosuid"}, false,
			`options[1]: unknown option "ro,nosuid" (write each option as a string of its own)`},
		{"all of them", []string{"bind", "rx", "ro", "size=1"}, false,
			`options[1]: unknown option "rx" (did you mean "ro"?); options[3]: unknown option "size=1" (a bind mount has no file system to pass it to)`},
		{"as long as can be", []string{long}, false, ""},
		{"too long", []string{long, "y"}, false,
			`options: 4097 bytes of options for the file system, and the kernel takes 4095`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := Parse(tt.options, tt.bind)
			var got []string
			for _, p := range problems {
				got = append(got, p.Error())
			}
			if s := strings.Join(got, "; "); s != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", s, tt.want)
			}
		})
	}
}

func TestRemount(t *testing.T) {
	for option, want := range map[string]bool{"remount": true, "ro": false} {
		if p, _ := Parse([]string{option}, false); p.Remount() != want {
			t.Errorf("%s: Remount() = %v", option, p.Remount())
		}
	}
}

func TestMisspelt(t *testing.T) {
	tests := []struct{ name, option, want string }{
		{"misspelt", "nosuidd", "nosuid"},
		{"known", "nosuid", ""},
		{"of a file system", "newinstance", ""},
		{"with a value", "mode=755", ""},
		{"short", "uid", ""},
		{"comment", "x-noatime", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Misspelt(tt.option); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTable checks that the table is sorted, and that recursive options mean
// what the others do.
func TestTable(t *testing.T) {
	if !slices.IsSortedFunc(table[:], func(a, b entry) int { return cmp.Compare(a.name, b.name) }) {
		t.Error("the table is not sorted")
	}
	byName := func(name string) entry {
		e, ok := lookup(name)
		if !ok {
			t.Fatalf("%s is missing", name)
		}
		return e
	}
	attrs := map[uintptr]uint64{
		unix.MS_RDONLY: unix.MOUNT_ATTR_RDONLY, unix.MS_NOSUID: unix.MOUNT_ATTR_NOSUID,
		unix.MS_NODEV: unix.MOUNT_ATTR_NODEV, unix.MS_NOEXEC: unix.MOUNT_ATTR_NOEXEC,
		unix.MS_NOATIME: unix.MOUNT_ATTR_NOATIME, unix.MS_NODIRATIME: unix.MOUNT_ATTR_NODIRATIME,
		unix.MS_RELATIME:    unix.MOUNT_ATTR_RELATIME,
		unix.MS_STRICTATIME: unix.MOUNT_ATTR_STRICTATIME,
		unix.MS_NOSYMFOLLOW: unix.MOUNT_ATTR_NOSYMFOLLOW,
	}
	rec := map[kind]kind{set: recSet, clear: recClear, atime: recAtime}
	for _, name := range strings.Fields("ro rw nosuid suid nodev dev noexec exec noatime atime " +
		"nodiratime diratime " +
		"relatime norelatime strictatime nostrictatime nosymfollow symfollow") {
		plain, recursive := byName(name), byName("r"+name)
		want := rec[plain.kind]
		if plain.kind == clear && plain.flags&msAtime != 0 {
			want = recNoAtime
		}
		if recursive.kind != want || recursive.attr != attrs[plain.flags] || recursive.flags != 0 ||
			plain.attr != 0 {
			t.Errorf("%s and r%s differ: %+v, %+v", name, name, plain, recursive)
		}
	}
}

// TestNamesHaveTheSpecs checks Names against the table of
// config.md#linux-mount-options.
func TestNamesHaveTheSpecs(t *testing.T) {
	names := Names()
	spec := "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand " +
		"noatime nodev nodiratime " +
		"noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow " +
		"private ratime rbind rdev rdiratime " +
		"relatime remount rexec rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid " +
		"rnosymfollow ro rprivate " +
		"rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared " +
		"silent slave strictatime suid " +
		"symfollow sync tmpcopyup unbindable idmap ridmap"
	for _, name := range strings.Fields(spec) {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing", name)
		}
	}
	names[0] = "changed"
	if Names()[0] == "changed" {
		t.Error("the slice is shared")
	}
}

// FuzzMountOptions checks what holds for all options.
func FuzzMountOptions(f *testing.F) {
	f.Add("nosuid,strictatime,mode=755,size=65536k", false)
	f.Add("rbind,rro,rprivate,nosuidd", true)
	f.Add("noatime,atime,rnoatime,ratime,ro,rw", false)
	f.Fuzz(func(t *testing.T, list string, bind bool) {
		options := strings.Split(list, ",")
		p, problems := Parse(options, bind)
		if p.Set&p.Clear != 0 {
			t.Errorf("set and cleared: %#x", p.Set&p.Clear)
		}
		own := [2]uint64{}
		own[0], own[1] = p.Attributes()
		for _, pair := range [][2]uint64{own, {p.RecAttrSet, p.RecAttrClr}} {
			if both := pair[0] & pair[1] &^ unix.MOUNT_ATTR__ATIME; both != 0 {
				t.Errorf("attributes set and cleared: %#x", both)
			}
			if pair[0]&unix.MOUNT_ATTR__ATIME != 0 &&
				pair[1]&unix.MOUNT_ATTR__ATIME != unix.MOUNT_ATTR__ATIME {
				t.Errorf("access times without the field: %#x, %#x", pair[0], pair[1])
			}
		}
		if (p.Bind || bind) && p.Data != "" {
			t.Errorf("a bind mount with data %q", p.Data)
		}
		for _, problem := range problems {
			if problem.Index >= len(options) || problem.Index < -1 {
				t.Errorf("problem %+v", problem)
			}
		}
		if again, _ := Parse(append(options, options...), bind); again.Set != p.Set ||
			again.Clear != p.Clear {
			t.Errorf("twice the same is different: %+v, %+v", p, again)
		}
	})
}

func ExampleParse() {
	p, problems := Parse([]string{"rbind", "ro", "nosuidd"}, false)
	fmt.Println(p.Bind, p.Recursive, p.Set == unix.MS_RDONLY)
	fmt.Println(problems)
	// Output:
	// true true true
	// [options[2]: unknown option "nosuidd" (did you mean "nosuid"?)]
}
