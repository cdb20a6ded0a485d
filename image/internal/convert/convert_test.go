package convert

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// base is a small spec, so that goldens change only with this package.
func base() *specs.Spec {
	return &specs.Spec{
		Version: "1.2.0",
		Process: &specs.Process{Terminal: true, Args: []string{"sh"},
			Env: []string{"PATH=/usr/bin:/bin", "TERM=xterm"}, Cwd: "/"},
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Hostname: "base",
		Mounts: []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm"}},
		Linux: &specs.Linux{Resources: &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
			{Allow: false, Access: "rwm"}}}},
	}
}

var accounts = Accounts{
	Passwd: []byte("root:x:0:0:root:/root:/bin/sh\n# " +
		"comment:x:1:1::/:\napp:x:1000:1001:App:/home/app:/bin/sh\nbad:x::5::/:\nhuge:x:4294967296:0::/:\n" +
		"nohome:x:7:8\nrelative:x:9:9::home:\nshort\napp:x:0:0::/root:\n"),
	Group: []byte(
		"root:x:0:root\nwheel:x:10:root,app\nvideo:x:44:app\nagain:x:44:app\nbadgid:x:x:\nhuge:x:4294967296:huge\nnet:x:50\n"),
}

func TestSpecGolden(t *testing.T) {
	created := time.Date(2024, 2, 3, 4, 5, 6, 7000, time.UTC)
	full := &specv1.Image{
		Created: &created, Author: "Jane",
		Platform: specv1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8", OSVersion: "1",
			OSFeatures: []string{"a", "b"}},
		Config: specv1.ImageConfig{
			User: "app", Env: []string{"A=1", "PATH=/app/bin", "B="},
			Entrypoint: []string{"/entry"}, Cmd: []string{"serve", "-v"},
			WorkingDir: "/srv", StopSignal: "SIGQUIT",
			ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}},
			Volumes:      map[string]struct{}{"/data": {}, "/var/lib/x/": {}},
			Labels: map[string]string{"org.opencontainers.image.author": "label wins",
				"k": "v", "": "no key"},
		},
	}
	tests := []struct {
		name string
		img  *specv1.Image
		o    Options
	}{
		{"empty", &specv1.Image{}, Options{}},
		{"full", full, Options{}},
		{"overridden", full, Options{
			Args: []string{"check"}, Env: []string{"A=2", "C=3"}, User: "0:video",
			WorkingDir: "/tmp", Terminal: true, Hostname: "h", ReadOnly: true,
			Mounts: []specs.Mount{
				{Destination: "/data", Type: "bind", Source: "/host", Options: []string{"rbind"}},
				{Destination: "/dev/shm/", Type: "tmpfs", Source: "big"},
			},
			Memory: 64 << 20, CPUs: 1.5, Pids: 100,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Spec(base(), tt.img, accounts, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(r, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", tt.name+".json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(string(want)) != string(got) {
				t.Errorf("differs from %s (rewrite it with -update):\n%s", file, got)
			}
		})
	}
}

func TestCommand(t *testing.T) {
	img := &specv1.Image{Config: specv1.ImageConfig{Entrypoint: []string{"e"}, Cmd: []string{"c"}}}
	tests := []struct {
		name string
		img  *specv1.Image
		o    Options
		want string
	}{
		{"image", img, Options{}, "e c"},
		{"args replace cmd", img, Options{Args: []string{"a", "b"}}, "e a b"},
		{"no args", img, Options{Args: []string{}}, "e"},
		{"entrypoint drops cmd", img, Options{Entrypoint: []string{"x"}}, "x"},
		{"entrypoint and args", img, Options{Entrypoint: []string{"x"},
			Args: []string{"a"}}, "x a"},
		{"no entrypoint", img, Options{Entrypoint: []string{}, Args: []string{"a"}}, "a"},
		{"nothing", &specv1.Image{}, Options{}, "sh"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Spec(base(), tt.img, accounts, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(r.Spec.Process.Args, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if warned := len(r.Warnings) > 0; warned != (tt.name == "nothing") {
				t.Errorf("got warnings %q", r.Warnings)
			}
		})
	}
}

func TestLookup(t *testing.T) {
	tests := []struct {
		user     string
		uid, gid uint32
		groups   []uint32
		home     string
		err      string
	}{
		{user: "", home: "/root", groups: []uint32{0, 10}},
		{user: "root", home: "/root", groups: []uint32{0, 10}},
		{user: "app", uid: 1000, gid: 1001, home: "/home/app", groups: []uint32{10, 44}},
		{user: "1000", uid: 1000, gid: 1001, home: "/home/app", groups: []uint32{10, 44}},
		{user: "01000", uid: 1000, gid: 1001, home: "/home/app", groups: []uint32{10, 44}},
		{user: "app:", uid: 1000, gid: 1001, home: "/home/app", groups: []uint32{10, 44}},
		{user: "app:video", uid: 1000, gid: 44, home: "/home/app"},
		{user: "app:5", uid: 1000, gid: 5, home: "/home/app"},
		{user: "77", uid: 77, home: "/"},
		{user: "77:88", uid: 77, gid: 88, home: "/"},
		{user: ":44", gid: 44, home: "/root"},
		{user: "2147483647", uid: math.MaxInt32, home: "/"},
		{user: "nohome", uid: 7, gid: 8, home: "/"},
		{user: "relative", uid: 9, gid: 9, home: "/"},
		{user: "2147483648", err: `user "2147483648": 2147483648 is larger than 2147483647`},
		{user: "4294967296", err: "is larger than"},
		{user: "99999999999999999999999", err: "is larger than"},
		{user: "0:4294967296", err: `group "4294967296": 4294967296 is larger`},
		{user: "huge", err: `user "huge": /etc/passwd of the image, line 5: 4294967296 is larger`},
		{user: "bad", err: `user "bad": /etc/passwd of the image, line 4: "" is not a number`},
		{user: "nobody", err: `user "nobody": is not in /etc/passwd of the image`},
		{user: "# comment", err: "is not in /etc/passwd"},
		{user: "short", err: "is not in /etc/passwd"},
		{user: "-1", err: "is not in /etc/passwd"},
		{user: "+1", err: "is not in /etc/passwd"},
		{user: "app:none", err: `group "none": is not in /etc/group of the image`},
		{user: "app:badgid",
			err: `group "badgid": /etc/group of the image, line 5: "x" is not a number`},
		{user: "app:video:x", err: `group "video:x": is not in`},
	}
	for _, tt := range tests {
		t.Run(tt.user, func(t *testing.T) {
			got, err := accounts.lookup(tt.user)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %+v, %v, want an error with %q", got, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			u := got.User
			if u.UID != tt.uid || u.GID != tt.gid || !slices.Equal(u.AdditionalGids, tt.groups) ||
				got.Home != tt.home {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestLookupWithoutFiles(t *testing.T) {
	got, err := Accounts{}.lookup("")
	if err != nil || got.User.UID != 0 || got.Home != "/" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := (Accounts{}).lookup("root"); err == nil {
		t.Error("root by name without /etc/passwd: got no error")
	}
}

func TestLimitsRefused(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"memory", Options{Memory: -1}, "negative"},
		{"pids", Options{Pids: -1}, "negative"},
		{"cpus", Options{CPUs: -1}, "negative"},
		{"no number", Options{CPUs: math.NaN()}, "negative"},
		{"few cpus", Options{CPUs: 0.001}, "between 0.01"},
		{"many cpus", Options{CPUs: math.Inf(1)}, "between 0.01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Spec(base(), &specv1.Image{}, accounts, tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// FuzzLookup checks that no account file gives a uid or gid that was not
// written there.
func FuzzLookup(f *testing.F) {
	f.Add("app", accounts.Passwd, accounts.Group)
	f.Add("1000:video", accounts.Passwd, accounts.Group)
	f.Add("x", []byte("x:::::"), []byte("y:::x"))
	f.Fuzz(func(t *testing.T, user string, passwd, group []byte) {
		got, err := Accounts{Passwd: passwd, Group: group}.lookup(user)
		if err != nil {
			return
		}
		if !strings.HasPrefix(got.Home, "/") || got.User.UID > math.MaxInt32 ||
			got.User.GID > math.MaxInt32 {
			t.Fatalf("%q is %+v", user, got)
		}
		name, _, _ := strings.Cut(user, ":")
		if got.User.UID == 0 && strings.Trim(name, "0") != "" && !strings.Contains(string(passwd),
			"0") {
			t.Fatalf("%q became root", user)
		}
	})
}
