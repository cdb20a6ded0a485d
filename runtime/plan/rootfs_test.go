package plan

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/mountopt"
)

// with compiles the minimal configuration after a change to it.
func with(t *testing.T, edit func(*Input)) *Plan {
	t.Helper()
	in := inputFor(minimal())
	edit(&in)
	return compile(t, in)
}

func TestCleanTarget(t *testing.T) {
	for destination, want := range map[string]string{
		"/": "/", "": "/", ".": "/", "a": "/a", "/a/": "/a", "//a//b": "/a/b", "/a/../b": "/b",
		"/../../a": "/a", "..": "/", "/a/.": "/a",
	} {
		if got := cleanTarget(destination); got != want {
			t.Errorf("%q is %q, want %q", destination, got, want)
		}
	}
}

// TestBindSource: relative sources start in the bundle, config.md#mounts.
func TestBindSource(t *testing.T) {
	for source, want := range map[string]string{
		"/srv": "/srv", "data": "/bundles/test/data", "./data/": "/bundles/test/data",
		"../data": "/bundles/data",
	} {
		p := with(t, func(in *Input) {
			in.Spec.Mounts = []specs.Mount{{Destination: "/a", Source: source,
				Options: []string{"bind"}}}
		})
		if got := steps[OpenTree](p)[1].Source; got != want {
			t.Errorf("%q is %q, want %q", source, got, want)
		}
	}
}

// TestBindInside: a bind mount of a path in the rootfs shows what earlier
// mounts have made of it, but never the procfs, which has no masks yet.
func TestBindInside(t *testing.T) {
	const rootfs = "/bundles/test/rootfs"
	for _, tt := range []struct {
		name, source, target string
		options              []string
		want                 *BindInside // nil: it is taken from the host
	}{
		{"at a mount", rootfs + "/vol", "/c", []string{"bind"}, &BindInside{Source: "/vol",
			Attr: Attr{RecPropagation: unix.MS_SLAVE}}},
		{"below a mount", rootfs + "/vol/./b/", "/c", []string{"bind"},
			&BindInside{Source: "/vol/b", Attr: Attr{RecPropagation: unix.MS_SLAVE}}},
		{"above a mount", rootfs + "/deep", "/c", []string{"bind"}, &BindInside{Source: "/deep",
			Attr: Attr{RecPropagation: unix.MS_SLAVE}}},
		{"relative", "rootfs/vol", "/c", []string{"bind", "rprivate"}, &BindInside{Source: "/vol",
			Attr: Attr{RecPropagation: unix.MS_PRIVATE}}},
		{"recursive", "rootfs/vol", "/c", []string{"rbind", "ro"}, &BindInside{
			Source: "/vol", Recursive: true, Attr: Attr{Set: unix.MOUNT_ATTR_RDONLY,
				RecPropagation: unix.MS_SLAVE,
				Unasked: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC |
					unix.MOUNT_ATTR_NOSYMFOLLOW},
		}},
		{"without a mount", rootfs + "/a", "/c", []string{"bind"}, nil},
		{"before the mount", rootfs + "/later", "/c", []string{"bind"}, nil},
		{"a name that begins the same", rootfs + "/volume", "/c", []string{"bind"}, nil},
		{"a root that begins the same", rootfs + "2/vol", "/c", []string{"bind"}, nil},
		{"out again", rootfs + "/../vol", "/c", []string{"bind"}, nil},
		{"a procfs", rootfs + "/proc", "/c", []string{"rbind"}, nil},
		{"in a procfs", rootfs + "/proc/sys", "/c", []string{"rbind"}, nil},
		{"above a procfs", rootfs, "/c", []string{"rbind"}, nil},
		{"for a procfs", rootfs + "/vol", "/proc", []string{"rbind"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := with(t, func(in *Input) {
				in.Spec.Mounts = []specs.Mount{
					{Destination: "/proc", Type: "proc"}, {Destination: "/vol", Type: "mqueue"},
					{Destination: "/deep/x", Type: "mqueue"},
					{Destination: tt.target, Source: tt.source, Options: tt.options},
					{Destination: "/later", Type: "mqueue"},
				}
			})
			var want []BindInside
			if tt.want != nil {
				tt.want.Target = tt.target
				want = append(want, *tt.want)
			}
			if got := steps[BindInside](p); !slices.Equal(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if trees := steps[OpenTree](p)[1:]; (len(trees) == 0) != (want != nil) {
				t.Errorf("got the trees %+v", trees)
			}
		})
	}
}

// TestBindAttributes: recursive options apply to the mount itself, too, and
// override its own. Options that are not recursive do not change them.
func TestBindAttributes(t *testing.T) {
	const ro, nosuid, nodev, noexec, nosymfollow = unix.MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR_NOSUID,
		unix.MOUNT_ATTR_NODEV, unix.MOUNT_ATTR_NOEXEC,
		unix.MOUNT_ATTR_NOSYMFOLLOW
	for _, tt := range []struct {
		options string
		want    Attr
	}{
		{"bind", Attr{}},
		{"rro,rnosuid", Attr{RecSet: ro | nosuid}},
		{"nodev", Attr{Set: nodev, Unasked: ro | nosuid | noexec | nosymfollow}},
		{"rro,rw", Attr{RecSet: ro, Set: ro, Unasked: nosuid | nodev | noexec | nosymfollow}},
		{"ro,rrw,rnosuid", Attr{RecSet: nosuid, RecClear: ro, Set: nosuid, Clear: ro,
			Unasked: nodev | noexec | nosymfollow}},
		{"noatime,rrelatime", Attr{
			RecClear: unix.MOUNT_ATTR__ATIME, Clear: unix.MOUNT_ATTR__ATIME,
			Unasked: ro | nosuid | nodev | noexec | nosymfollow | unix.MOUNT_ATTR_NODIRATIME,
		}},
		{"rw,rnoatime", Attr{
			RecSet: unix.MOUNT_ATTR_NOATIME, RecClear: unix.MOUNT_ATTR__ATIME,
			Set: unix.MOUNT_ATTR_NOATIME, Clear: unix.MOUNT_ATTR__ATIME | ro, Unasked: nosuid |
				nodev | noexec | nosymfollow,
		}},
	} {
		opts, problems := mountopt.Parse(strings.Split(tt.options, ","), true)
		if got := bindAttributes(opts); got != tt.want || len(problems) > 0 {
			t.Errorf("%s: got %+v, want %+v; %v", tt.options, got, tt.want, problems)
		}
	}
}

// TestTargetWithRootfs: a destination may begin with the path of the rootfs,
// but must not evade the rules of package bundle in that way.
func TestTargetWithRootfs(t *testing.T) {
	const rootfs = "/bundles/test/rootfs"
	for destination, want := range map[string]string{
		rootfs + "/a": "/a", rootfs + "//a/../b/": "/b", rootfs + "2/a": rootfs + "2/a",
		"/a" + rootfs: "/a" + rootfs,
		rootfs:        "", rootfs + "/": "", rootfs + "/proc": "", rootfs + "/proc/sys": "",
		rootfs + "/process": "/process",
	} {
		in := inputFor(minimal())
		in.Spec.Mounts = []specs.Mount{{Destination: destination, Type: "mqueue"}}
		p, err := Compile(in)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), "mounts[0].destination: begins with "+
				"the path of the rootfs") {
				t.Errorf("%s: got %v", destination, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := steps[MountFS](p); got[0].Target != want {
			t.Errorf("%s: got %+v, want %s", destination, got, want)
		}
	}
}

func TestBindKinds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mount specs.Mount
		want  *OpenTree // nil: a new file system
	}{
		{name: "type", mount: specs.Mount{Type: "bind"}, want: &OpenTree{}},
		{name: "option", mount: specs.Mount{Options: []string{"bind"}}, want: &OpenTree{}},
		{name: "recursive", mount: specs.Mount{Options: []string{"rbind"}},
			want: &OpenTree{Recursive: true}},
		{name: "type none", mount: specs.Mount{Type: "none", Options: []string{"rbind"}},
			want: &OpenTree{Recursive: true}},
		{name: "any type", mount: specs.Mount{Type: "tmpfs", Options: []string{"bind"}},
			want: &OpenTree{}},
		{name: "new", mount: specs.Mount{Type: "tmpfs"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.mount.Destination, tt.mount.Source = "/a", "/b"
			p := with(t, func(in *Input) { in.Spec.Mounts = []specs.Mount{tt.mount} })
			trees := steps[OpenTree](p)[1:]
			if tt.want == nil {
				if len(trees) != 0 || len(steps[MountFS](p)) != 1 {
					t.Errorf("got the trees %+v", trees)
				}
				return
			}
			tt.want.Tree, tt.want.Source, tt.want.Attr = "mounts[0]", "/b",
				Attr{RecPropagation: unix.MS_SLAVE}
			if !slices.Equal(trees, []OpenTree{*tt.want}) {
				t.Errorf("got %+v, want %+v", trees, *tt.want)
			}
			if got := steps[AttachTree](p); !slices.Equal(got, []AttachTree{{Tree: "mounts[0]",
				Target: "/a"}}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestMountOrder: mounts of all kinds are made in the order of the list,
// config.md#mounts.
func TestMountOrder(t *testing.T) {
	p := with(t, func(in *Input) {
		in.Spec.Mounts = []specs.Mount{
			{Destination: "/b", Type: "tmpfs"}, {Destination: "/b/c", Source: "/x",
				Options: []string{"bind"}},
			{Destination: "/a", Type: "tmpfs", Options: []string{"ro"}}, {Destination: "/b",
				Source: "/y", Options: []string{"bind"}},
		}
	})
	var got []string
	for _, s := range p.Steps {
		switch op := s.Op.(type) {
		case MountFS:
			got = append(got, s.Field+" "+op.Target)
		case AttachTree:
			got = append(got, s.Field+" "+op.Target)
		case RemountReadonly:
			got = append(got, s.Field+" "+op.Target+" read-only")
		}
	}
	want := []string{"mounts[0] /b", "mounts[1] /b/c", "mounts[2] /a", "mounts[3] /b",
		"mounts[2] /a read-only"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestMountFS(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mount specs.Mount
		want  MountFS
	}{
		{
			name: "flags and data", mount: specs.Mount{Type: "tmpfs", Source: "shm",
				Options: []string{"nosuid", "size=1k", "nodev", "mode=700"}},
			want: MountFS{Type: "tmpfs", Source: "shm", Flags: unix.MS_NOSUID | unix.MS_NODEV,
				Data: "size=1k,mode=700"},
		},
		{name: "no source", mount: specs.Mount{Type: "mqueue"}, want: MountFS{Type: "mqueue",
			Source: "mqueue"}},
		{
			name: "only a tmpfs waits to be read-only", mount: specs.Mount{Type: "sysfs",
				Options: []string{"ro"}},
			want: MountFS{Type: "sysfs", Source: "sysfs", Flags: unix.MS_RDONLY, NoFollow: true},
		},
		{
			name: "cgroup v2", mount: specs.Mount{Type: "cgroup", Source: "cgroup",
				Options: []string{"ro"}},
			want: MountFS{Type: "cgroup2", Source: "cgroup", Flags: unix.MS_RDONLY},
		},
		{
			name: "cgroup v2 without a source", mount: specs.Mount{Type: "cgroup"},
			want: MountFS{Type: "cgroup2", Source: "cgroup2"},
		},
		{
			name: "propagation", mount: specs.Mount{Type: "tmpfs", Options: []string{"rshared",
				"private"}},
			want: MountFS{Type: "tmpfs", Source: "tmpfs", ModeOf: "mounts[0]",
				Attr: Attr{RecPropagation: unix.MS_SHARED, Propagation: unix.MS_PRIVATE}},
		},
		{
			name: "recursive attributes", mount: specs.Mount{Type: "tmpfs",
				Options: []string{"rnosuid", "rexec"}},
			want: MountFS{
				Type: "tmpfs", Source: "tmpfs", ModeOf: "mounts[0]",
				Attr: Attr{RecSet: unix.MOUNT_ATTR_NOSUID, RecClear: unix.MOUNT_ATTR_NOEXEC},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.mount.Destination, tt.want.Target = "/a", "/a"
			p := with(t, func(in *Input) { in.Spec.Mounts = []specs.Mount{tt.mount} })
			if got := steps[MountFS](p); !slices.Equal(got, []MountFS{tt.want}) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// TestTmpfsMode: a tmpfs without the option mode has the mode of the directory
// that it covers, if that exists before the container.
func TestTmpfsMode(t *testing.T) {
	const rootfs = "/bundles/test/rootfs"
	volume := specs.Mount{Destination: "/vol", Source: "/srv", Type: "bind",
		Options: []string{"bind"}}
	for _, tt := range []struct {
		name    string
		before  []specs.Mount
		target  string
		options []string
		want    []ReadMode
	}{
		{"rootfs", nil, "/a/./b/", nil, []ReadMode{{Name: "mounts[0]", Root: rootfs,
			Path: "/a/b"}}},
		{"other options", nil, "/a", []string{"size=1k", "nosuid"}, []ReadMode{{Name: "mounts[0]",
			Root: rootfs, Path: "/a"}}},
		{"its own", nil, "/a", []string{"mode=0"}, nil},
		{"its own behind others", nil, "/a", []string{"size=1k", "mode=700", "uid=1"}, nil},
		{"copied", nil, "/a", []string{"tmpcopyup"}, nil},
		{"in a volume", []specs.Mount{volume}, "/vol/a", nil, []ReadMode{{Name: "mounts[1]",
			Root: "/srv", Path: "/a"}}},
		{"in a part of the container", []specs.Mount{volume, {Destination: "/x",
			Source: "rootfs/vol", Options: []string{"bind"}}}, "/x/a", nil, nil},
		{"in a new file system", []specs.Mount{{Destination: "/dev", Type: "tmpfs",
			Options: []string{"mode=755"}}}, "/dev/shm", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := with(t, func(in *Input) {
				in.Spec.Mounts = append(tt.before, specs.Mount{Destination: tt.target,
					Type: "tmpfs", Options: tt.options})
			})
			if got := steps[ReadMode](p); !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			for _, m := range steps[MountFS](p) {
				if inherits := m.Target == cleanTarget(tt.target) &&
					tt.want != nil; (m.ModeOf != "") != inherits {
					t.Errorf("got %+v", m)
				}
			}
		})
	}
}

// TestCgroupHierarchies: on a host with cgroup v1 the container sees its own
// cgroup in each hierarchy.
func TestCgroupHierarchies(t *testing.T) {
	mount := func(facts Facts, options ...string) *Plan {
		return with(t, func(in *Input) {
			in.Facts = facts
			in.Spec.Mounts = []specs.Mount{{Destination: "/cg", Type: "cgroup", Options: options}}
		})
	}
	t.Run("trees and links", func(t *testing.T) {
		p := mount(onHybrid(), "nosuid")
		private := Attr{Set: unix.MOUNT_ATTR_NOSUID, RecPropagation: unix.MS_PRIVATE}
		if got, want := steps[OpenTree](p)[1:], []OpenTree{
			{Tree: "mounts[0]:cpu,cpuacct", Source: "/sys/fs/cgroup/cpu,cpuacct/test",
				Attr: private},
			{Tree: "mounts[0]:memory", Source: "/sys/fs/cgroup/memory/test", Attr: private},
			{Tree: "mounts[0]:unified", Source: "/sys/fs/cgroup/unified/test", Attr: private},
		}; !slices.Equal(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if got, want := steps[AttachTree](p), []AttachTree{
			{Tree: "mounts[0]:cpu,cpuacct", Target: "/cg/cpu,cpuacct"}, {Tree: "mounts[0]:memory",
				Target: "/cg/memory"},
			{Tree: "mounts[0]:unified", Target: "/cg/unified"},
		}; !slices.Equal(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if got, want := steps[MakeLink](p)[:2], []MakeLink{
			{Path: "/cg/cpu", Content: "cpu,cpuacct"}, {Path: "/cg/cpuacct",
				Content: "cpu,cpuacct"},
		}; !slices.Equal(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if got := steps[RemountReadonly](p); len(got) != 0 {
			t.Errorf("read-only without being asked: %+v", got)
		}
	})
	t.Run("read-only", func(t *testing.T) {
		p := mount(onHybrid(), "ro")
		if got := steps[RemountReadonly](p); !slices.Equal(got,
			[]RemountReadonly{{Target: "/cg"}}) {
			t.Errorf("got %+v", got)
		}
		for _, tree := range steps[OpenTree](p)[1:] {
			if tree.Attr.Set != unix.MOUNT_ATTR_RDONLY {
				t.Errorf("%s can be written: %+v", tree.Tree, tree.Attr)
			}
		}
	})
	t.Run("no hierarchies", func(t *testing.T) {
		if got := steps[MountFS](mount(Facts{})); len(got) != 1 || got[0].Type != "tmpfs" {
			t.Errorf("got %+v", got)
		}
	})
}

// TestOwnDev: only a bind mount on /dev itself prevents the default devices.
func TestOwnDev(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mount specs.Mount
		want  bool
	}{
		{"tmpfs", specs.Mount{Destination: "/dev", Type: "tmpfs"}, true},
		{"bind", specs.Mount{Destination: "/dev", Type: "bind", Source: "/dev"}, false},
		{"rbind with a slash", specs.Mount{Destination: "/dev/", Source: "/dev",
			Options: []string{"ro", "rbind"}}, false},
		{"relative", specs.Mount{Destination: "dev", Source: "/dev", Options: []string{"bind"}},
			false},
		{"below", specs.Mount{Destination: "/dev/shm", Source: "/dev/shm",
			Options: []string{"bind"}}, true},
		{"elsewhere", specs.Mount{Destination: "/x", Source: "/dev", Options: []string{"bind"}},
			true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := with(t, func(in *Input) { in.Spec.Mounts = []specs.Mount{tt.mount} })
			if got := len(steps[MakeNode](p)) > 0; got != tt.want {
				t.Errorf("default devices: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMakeNode(t *testing.T) {
	mode := func(m os.FileMode) *os.FileMode { return &m }
	id := func(n uint32) *uint32 { return &n }
	for _, tt := range []struct {
		name   string
		device specs.LinuxDevice
		want   MakeNode
	}{
		{"character", specs.LinuxDevice{Path: "/dev/a", Type: "c", Major: 10, Minor: 200},
			MakeNode{Path: "/dev/a", Mode: unix.S_IFCHR | 0o666, Major: 10, Minor: 200}},
		{"unbuffered", specs.LinuxDevice{Path: "/dev/a", Type: "u", Major: 4, Minor: 1},
			MakeNode{Path: "/dev/a", Mode: unix.S_IFCHR | 0o666, Major: 4, Minor: 1}},
		{"block", specs.LinuxDevice{Path: "/dev/a", Type: "b", Major: 8}, MakeNode{Path: "/dev/a",
			Mode: unix.S_IFBLK | 0o666, Major: 8}},
		{"fifo has no numbers", specs.LinuxDevice{Path: "/dev/a", Type: "p", Major: 8, Minor: 1},
			MakeNode{Path: "/dev/a", Mode: unix.S_IFIFO | 0o666}},
		{
			"mode and owner", specs.LinuxDevice{Path: "/dev/a", Type: "c", FileMode: mode(0o600),
				UID: id(1), GID: id(2)},
			MakeNode{Path: "/dev/a", Mode: unix.S_IFCHR | 0o600, UID: 1, GID: 2},
		},
		{"mode 0", specs.LinuxDevice{Path: "/dev/a", Type: "c", FileMode: mode(0)},
			MakeNode{Path: "/dev/a", Mode: unix.S_IFCHR}},
		{
			// 8624 is octal 020660: tools copy st_mode of a device as it is.
			"mode with a type in it", specs.LinuxDevice{Path: "/dev/a", Type: "b",
				FileMode: mode(0o20660)},
			MakeNode{Path: "/dev/a", Mode: unix.S_IFBLK | 0o660},
		},
		{"path", specs.LinuxDevice{Path: "dev/../dev//a", Type: "c"}, MakeNode{Path: "/dev/a",
			Mode: unix.S_IFCHR | 0o666}},
		{"outside of /dev", specs.LinuxDevice{Path: "/srv/a", Type: "c"}, MakeNode{Path: "/srv/a",
			Mode: unix.S_IFCHR | 0o666}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := makeNode(tt.device); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestDefaultDevices compares with config-linux.md#default-devices and
// runtime-linux.md#dev-symbolic-links.
func TestDefaultDevices(t *testing.T) {
	p := with(t, func(in *Input) { in.Facts.Kcore = true })
	var nodes, links []string
	for _, n := range steps[MakeNode](p) {
		nodes = append(nodes, n.Path)
	}
	for _, l := range steps[MakeLink](p) {
		links = append(links, l.Path+" "+l.Content)
	}
	wantNodes := []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
		"/dev/tty"}
	if !slices.Equal(nodes, wantNodes) {
		t.Errorf("got %q, want %q", nodes, wantNodes)
	}
	wantLinks := []string{
		"/dev/fd /proc/self/fd", "/dev/stdin /proc/self/fd/0", "/dev/stdout /proc/self/fd/1",
		"/dev/stderr /proc/self/fd/2",
		"/dev/core /proc/kcore", "/dev/ptmx pts/ptmx",
	}
	if !slices.Equal(links, wantLinks) {
		t.Errorf("got %q, want %q", links, wantLinks)
	}
	if p := with(t, func(*Input) {}); strings.Contains(dump(p), "/dev/core") {
		t.Error("/dev/core without /proc/kcore")
	}
}

// TestListedDevices: a device of the configuration replaces the default device
// or link at its path.
func TestListedDevices(t *testing.T) {
	p := with(t, func(in *Input) {
		in.Spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev//zero", Type: "c", Major: 9},
			{Path: "/dev/ptmx", Type: "c", Major: 5, Minor: 2}}
	})
	nodes := steps[MakeNode](p)
	if nodes[0].Path != "/dev/zero" || nodes[0].Major != 9 || len(nodes) != 7 {
		t.Errorf("got %+v", nodes)
	}
	for _, n := range nodes[1:] {
		if n.Path == "/dev/zero" {
			t.Errorf("the default device is made, too: %+v", n)
		}
	}
	for _, l := range steps[MakeLink](p) {
		if l.Path == "/dev/ptmx" {
			t.Errorf("the link is made, too: %+v", l)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Run("null is opened once, and only for masks", func(t *testing.T) {
		p := with(t, func(in *Input) { in.Spec.Linux.ReadonlyPaths = []string{"/a"} })
		if len(steps[NullDevice](p)) != 0 {
			t.Error("without masks")
		}
		p = with(t, func(in *Input) { in.Spec.Linux.MaskedPaths = []string{"/a", "/b"} })
		if len(steps[NullDevice](p)) != 1 || !slices.Equal(steps[MaskPath](p),
			[]MaskPath{{Path: "/a"}, {Path: "/b"}}) {
			t.Errorf("got\n%s", dump(p))
		}
	})
	t.Run("a path that is listed twice has one mount", func(t *testing.T) {
		p := with(t, func(in *Input) {
			in.Spec.Linux.MaskedPaths, in.Spec.Linux.ReadonlyPaths = []string{"/a", "/b", "/a"},
				[]string{"/c", "/c", "/d"}
		})
		if !slices.Equal(steps[MaskPath](p), []MaskPath{{Path: "/a"}, {Path: "/b"}}) ||
			!slices.Equal(steps[ReadonlyPath](p), []ReadonlyPath{{Path: "/c"}, {Path: "/d"}}) {
			t.Errorf("got\n%s", dump(p))
		}
	})
	for cwd, want := range map[string][]EnsureDir{"/": nil, "/x/..": nil,
		"/a": {{Path: "/a", Mode: 0o755}}, "/a/./b/": {{Path: "/a/b", Mode: 0o755}}} {
		t.Run("working directory "+cwd, func(t *testing.T) {
			p := with(t, func(in *Input) { in.Spec.Process.Cwd = cwd })
			if got := steps[EnsureDir](p); !slices.Equal(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestSysctl: parameters are set in the order of their names, so that one
// configuration always makes the same plan.
func TestSysctl(t *testing.T) {
	p := with(t, func(in *Input) {
		in.Spec.Linux.Sysctl = map[string]string{"net.b": "2", "net.a": "1",
			"net.ipv4.conf.eth0/1.x": "3", "kernel/x.y": "4"}
	})
	want := []Sysctl{
		{Key: "kernel/x.y", Value: "4", File: "kernel/x.y"}, {Key: "net.a", Value: "1",
			File: "net/a"}, {Key: "net.b", Value: "2", File: "net/b"},
		{Key: "net.ipv4.conf.eth0/1.x", Value: "3", File: "net/ipv4/conf/eth0.1/x"},
	}
	if got := steps[Sysctl](p); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestNamespaceSteps(t *testing.T) {
	set := func(list ...specs.LinuxNamespace) func(*Input) {
		return func(in *Input) {
			in.Spec.Linux.Namespaces = append([]specs.LinuxNamespace{{Type: specs.MountNamespace}},
				list...)
		}
	}
	for _, tt := range []struct {
		name string
		edit func(*Input)
		want []Op // of the namespace steps
	}{
		{name: "mount only", edit: set(), want: []Op{Clone{Flags: unix.CLONE_NEWNS,
			IntoCgroup: true}}},
		{
			name: "new", edit: set(specs.LinuxNamespace{Type: "pid"},
				specs.LinuxNamespace{Type: "ipc"}),
			want: []Op{Clone{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC,
				IntoCgroup: true}},
		},
		{
			name: "cgroup is unshared inside", edit: set(specs.LinuxNamespace{Type: "cgroup"}),
			want: []Op{Clone{Flags: unix.CLONE_NEWNS, IntoCgroup: true},
				Unshare{Flags: unix.CLONE_NEWCGROUP}},
		},
		{
			name: "loopback", edit: set(specs.LinuxNamespace{Type: "network"}),
			want: []Op{
				MakeNetwork{}, AwaitNetwork{}, Clone{Flags: unix.CLONE_NEWNS, IntoCgroup: true},
				JoinNamespace{Type: "network", Flags: unix.CLONE_NEWNET}, LoopbackUp{},
			},
		},
		{
			name: "a new network is begun first of all, and joined like others that are there",
			edit: set(specs.LinuxNamespace{Type: "uts"}, specs.LinuxNamespace{Type: "network"},
				specs.LinuxNamespace{Type: "pid"}, specs.LinuxNamespace{Type: "ipc", Path: "/i"}),
			want: []Op{
				MakeNetwork{}, OpenNamespace{Type: "ipc", Path: "/i"}, AwaitNetwork{},
				Clone{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS,
					IntoCgroup: true},
				JoinNamespace{Type: "ipc", Flags: unix.CLONE_NEWIPC}, JoinNamespace{Type: "network",
					Flags: unix.CLONE_NEWNET}, LoopbackUp{},
			},
		},
		{
			name: "a joined network is left as it is",
			edit: set(specs.LinuxNamespace{Type: "network", Path: "/n"}),
			want: []Op{
				OpenNamespace{Type: "network", Path: "/n"}, Clone{Flags: unix.CLONE_NEWNS,
					IntoCgroup: true},
				JoinNamespace{Type: "network", Flags: unix.CLONE_NEWNET},
			},
		},
		{
			name: "a joined pid namespace is forked into",
			edit: set(specs.LinuxNamespace{Type: "pid", Path: "/p"}),
			want: []Op{
				OpenNamespace{Type: "pid", Path: "/p"}, Clone{Flags: unix.CLONE_NEWNS,
					IntoCgroup: true},
				JoinNamespace{Type: "pid", Flags: unix.CLONE_NEWPID}, Fork{},
			},
		},
		{
			name: "v1", edit: func(in *Input) { in.Facts = onHybrid() },
			want: []Op{Clone{Flags: unix.CLONE_NEWNS}, JoinCgroup{}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []Op
			for _, s := range with(t, tt.edit).Steps {
				switch s.Op.(type) {
				case OpenNamespace, MakeNetwork, AwaitNetwork, Clone, JoinCgroup, JoinNamespace,
					Unshare,
					LoopbackUp, Fork:
					got = append(got, s.Op)
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}
