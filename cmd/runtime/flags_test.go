package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ocikit/ocikit/bundle"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
)

// base is the process of a container's config.json.
func base() *specs.Process {
	return &specs.Process{
		Terminal: true, ConsoleSize: &specs.Box{Height: 1, Width: 2}, Args: []string{"init"},
		Env: []string{"PATH=/bin", "A=1"}, Cwd: "/home",
		User: specs.User{UID: 5, GID: 6, AdditionalGids: []uint32{7}},
		Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"},
			Effective: []string{"CAP_KILL"}},
	}
}

func TestProcessFlags(t *testing.T) {
	tests := []struct {
		name string
		args string
		want func(p *specs.Process) // the changes to base
		err  string
	}{
		{"none", "", func(*specs.Process) {}, ""},
		{"terminal", "-t", func(p *specs.Process) { p.Terminal = true }, ""},
		{"directory", "--cwd /tmp", func(p *specs.Process) { p.Cwd = "/tmp" }, ""},
		{"relative directory", "--cwd tmp", nil, `--cwd: "tmp" is not absolute`},
		{"environment", "-e A=2 -e B=x=y", func(p *specs.Process) {
			p.Env = []string{"PATH=/bin",
				"A=2", "B=x=y"}
		}, ""},
		{"bad environment", "-e A", nil, `--env: "A" is not NAME=VALUE`},
		{"no name", "-e =x", nil, `--env: "=x" is not NAME=VALUE`},
		{"user", "-u 1", func(p *specs.Process) { p.User.UID = 1 }, ""},
		{"user and group", "--user 1:2", func(p *specs.Process) { p.User.UID, p.User.GID = 1, 2 },
			""},
		{"highest user", "-u 4294967294", func(p *specs.Process) { p.User.UID = 4294967294 }, ""},
		{"no user", "-u :", nil, `--user: uid "" is not a number from 0 to 4294967294`},
		{"no group", "-u 1:", nil, `--user: gid "" is not a number from 0 to 4294967294`},
		{"user by name", "-u root", nil, `--user: uid "root" is not a number from 0 to 4294967294`},
		{"no user at all", "-u 4294967295", nil,
			`--user: uid "4294967295" is not a number from 0 to 4294967294`},
		{"overflow", "-u 4294967296", nil,
			`--user: uid "4294967296" is not a number from 0 to 4294967294`},
		{"negative", "-u -1", nil, `--user: uid "-1" is not a number from 0 to 4294967294`},
		{"three", "-u 1:2:3", nil, `--user: gid "2:3" is not a number from 0 to 4294967294`},
		{"groups", "-g 8 -g 9,10", func(p *specs.Process) {
			p.User.AdditionalGids = []uint32{7, 8,
				9, 10}
		}, ""},
		{"bad group", "-g x", nil,
			`--additional-gids: gid "x" is not a number from 0 to 4294967294`},
		{"label", "--process-label l --apparmor a", func(p *specs.Process) {
			p.SelinuxLabel,
				p.ApparmorProfile = "l", "a"
		}, ""},
		{"no new privileges", "--no-new-privs", func(p *specs.Process) { p.NoNewPrivileges = true },
			""},
		{"capability", "-c CAP_CHOWN", func(p *specs.Process) {
			p.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL", "CAP_CHOWN"},
				Effective: []string{"CAP_KILL", "CAP_CHOWN"}, Permitted: []string{"CAP_CHOWN"}}
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p processFlags
			f := new(pflag.FlagSet)
			f.SetInterspersed(false)
			p.add(f)
			if err := f.Parse(append(strings.Fields(tt.args), "prog", "-x")); err != nil {
				t.Fatal(err)
			}
			given := base()
			got, _, err := p.process(given, f.Args(), f)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := base()
			want.Args, want.Terminal, want.ConsoleSize = []string{"prog", "-x"}, false, nil
			tt.want(want)
			if !sameJSON(t, got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if !reflect.DeepEqual(given, base()) {
				t.Error("the container's own process has changed")
			}
		})
	}
}

// TestInheritableCapabilities: a capability that is added becomes ambient only
// where the container has inheritable ones.
func TestInheritableCapabilities(t *testing.T) {
	kill, both := []string{"CAP_KILL"}, []string{"CAP_KILL", "CAP_CHOWN"}
	for _, tt := range []struct{ given, want *specs.LinuxCapabilities }{
		{nil, &specs.LinuxCapabilities{Bounding: both[1:], Effective: both[1:],
			Permitted: both[1:]}},
		{
			&specs.LinuxCapabilities{Bounding: kill, Ambient: kill},
			&specs.LinuxCapabilities{Bounding: both, Effective: both[1:], Permitted: both[1:],
				Ambient: kill},
		},
		{
			&specs.LinuxCapabilities{Inheritable: kill, Ambient: kill},
			&specs.LinuxCapabilities{Bounding: both[1:], Effective: both[1:], Permitted: both[1:],
				Inheritable: kill, Ambient: both},
		},
	} {
		if got := addCapabilities(tt.given, []string{"CAP_CHOWN"}); !reflect.DeepEqual(got,
			tt.want) {
			t.Errorf("%+v: got %+v, want %+v", tt.given, got, tt.want)
		}
	}
}

func sameJSON(t *testing.T, a, b any) bool {
	t.Helper()
	x, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(x) == string(y)
}

func TestProcessFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "process.json")
	if err := os.WriteFile(file,
		[]byte(`{"args": ["x"], "cwd": "/", "user": {"uid": 1, "gid": 2}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := new(pflag.FlagSet)
	p, _, err := processOf(file, f)
	if err != nil || p.User.UID != 1 || len(p.Env) != 0 {
		t.Errorf("got %+v, %v", p, err)
	}
	if err := os.WriteFile(file, []byte(`{"args": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := processOf(file, f); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("bad file: got %v", err)
	}
	if _, _, err := processOf(file+"x", f); err == nil {
		t.Error("missing file: no error")
	}
	if _, _, err := (&processFlags{}).process(base(), nil, f); err == nil ||
		!strings.HasPrefix(err.Error(), "process args cannot be empty") {
		t.Errorf("nothing to run: got %v", err)
	}
	if p, _, err := (&processFlags{}).process(nil, []string{"x"}, f); err != nil || p.Cwd != "/" {
		t.Errorf("container without process: got %+v, %v", p, err)
	}
}

// processOf is what exec makes of --process.
func processOf(file string, f *pflag.FlagSet) (*specs.Process, []bundle.Problem, error) {
	p := processFlags{file: file}
	if err := p.read(); err != nil {
		return nil, nil, err
	}
	return p.process(base(), nil, f)
}

func TestUpdateFlags(t *testing.T) {
	tests := []struct {
		name, args, want, err string
	}{
		{"none", "", `{}`, ""},
		{"memory", "--memory 512M --memory-reservation 1k --memory-swap -1",
			`{"memory":{"limit":536870912,"reservation":1024,"swap":-1}}`, ""},
		{"cpu", "--cpu-period 100000 --cpu-quota -1 --cpu-share 512 --cpu-burst 0 --cpu-idle 1 " +
			"--cpuset-cpus 0-1 --cpuset-mems 0",
			`{"cpu":{"shares":512,"quota":-1,"burst":0,"period":100000,"cpus":"0-1","mems":"0","idle":1}}`, ""},
		{"realtime", "--cpu-rt-period 1000000 --cpu-rt-runtime 950000",
			`{"cpu":{"realtimeRuntime":950000,"realtimePeriod":1000000}}`, ""},
		{"pids", "--pids-limit -1", `{"pids":{"limit":-1}}`, ""},
		{"block I/O", "--blkio-weight 500", `{"blockIO":{"weight":500}}`, ""},
		{"kernel memory", "--kernel-memory 1M --kernel-memory-tcp 1M", `{}`, ""},
		{"bad memory", "--memory lots", "",
			`--memory: "lots" is not a size such as 1048576, 512M or 1.5GiB`},
		{"bad quota", "--cpu-quota x", "",
			`--cpu-quota: strconv.ParseInt: parsing "x": invalid syntax`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var u updateFlags
			f := new(pflag.FlagSet)
			u.add(f)
			if err := f.Parse(strings.Fields(tt.args)); err != nil {
				t.Fatal(err)
			}
			r, err := u.resources(f)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				return
			}
			got, jerr := json.Marshal(r)
			if err != nil || jerr != nil || string(got) != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestUpdateFile(t *testing.T) {
	root := t.TempDir()
	tests := []struct {
		name, input, want string
	}{
		{"good", `{"memory": {"limit": 1}}`, "container does not exist"},
		{"bad", `{"memory": 1}`, "standard input:1:12: memory: must be an object, and is a number"},
		{"empty", ``, "standard input:1:1: expected a value, found the end of the file"},
		{"large", strings.Repeat(" ", 1<<20+1), "--resources: standard input: is larger than " +
			"1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := invokeWith(t, tt.input, "--root", root, "update", "--resources=-", "x")
			if o.code != 1 || !strings.Contains(o.stderr, tt.want) {
				t.Errorf("got %+v, want %q", o, tt.want)
			}
		})
	}
	if o := invoke(t, "update", "-r", root+"/nothere", "x"); o.code != 1 ||
		!strings.Contains(o.stderr, "--resources: open") {
		t.Errorf("missing file: %+v", o)
	}
}

func TestParseCgroups(t *testing.T) {
	tests := []struct {
		name string
		in   []string
		want map[string]string
		ok   bool
	}{
		{"none", nil, map[string]string{}, true},
		{"path", []string{"a/b"}, map[string]string{"": "a/b"}, true},
		{"controllers", []string{"cpu,memory:a", "pids:b"}, map[string]string{"cpu": "a",
			"memory": "a", "pids": "b"}, true},
		{"empty", []string{""}, nil, false},
		{"no path", []string{"cpu:"}, nil, false},
		{"no controller", []string{":a"}, nil, false},
		{"twice", []string{"cpu:a", "cpu:b"}, nil, false},
		{"two paths", []string{"a", "b"}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseCgroups(tt.in)
			if (err == nil) != tt.ok || tt.ok && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}
