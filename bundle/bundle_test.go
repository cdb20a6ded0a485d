package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/internal/testmain"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestMain fails if the tests leave file descriptors open.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(testmain.Run(m))
}

// writeBundle makes a bundle in a new directory.
func writeBundle(t testing.TB, config string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestProblemsGolden pins whole reports, with positions. Each
// testdata/problems/*.json is a configuration, and the .golden beside it what
// Load says.
func TestProblemsGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			config, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := report(Load(writeBundle(t, string(config))))
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func report(b *Bundle, err error) string {
	var out strings.Builder
	if err != nil {
		var problems Problems
		if !errors.As(err, &problems) {
			return "not Problems: " + err.Error()
		}
		for _, p := range problems {
			out.WriteString(p.Error() + "\n")
		}
		return out.String()
	}
	for _, w := range b.Warnings {
		out.WriteString("warning: " + w.Error() + "\n")
	}
	return out.String()
}

func TestLoad(t *testing.T) {
	dir := writeBundle(t, `{"ociVersion":"1.0.0","root":{"path":"rootfs"}}`)
	t.Chdir(filepath.Dir(dir))
	b, err := Load(filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	if b.Dir != dir {
		t.Errorf("Dir = %s, want %s", b.Dir, dir)
	}
	if got, want := b.Rootfs(), filepath.Join(dir, "rootfs"); got != want {
		t.Errorf("Rootfs() = %s, want %s", got, want)
	}
	b.Spec.Root.Path = "/some/./where"
	if got, want := b.Rootfs(), "/some/where"; got != want {
		t.Errorf("Rootfs() = %s, want %s", got, want)
	}
}

func TestLoadUnreadable(t *testing.T) {
	tests := []struct {
		name string
		make func(config string) error
		want string
	}{
		{"missing", func(string) error { return nil }, "no such file or directory (no bundle? " +
			"`image pull` makes one, and `runtime spec` writes a config.json)"},
		{"a directory", func(c string) error { return os.Mkdir(c, 0o700) }, "not a regular file"},
		{"a FIFO", func(c string) error { return syscall.Mkfifo(c, 0o600) }, "not a regular file"},
		{"a device", func(c string) error { return os.Symlink("/dev/zero", c) },
			"not a regular file"},
		{"a link to itself", func(c string) error { return os.Symlink(ConfigFile, c) },
			"too many levels of symbolic links"},
		{"too large", func(c string) error {
			return os.WriteFile(c, bytes.Repeat([]byte(" "), MaxConfigSize+1), 0o600)
		}, "config.json: larger than the limit of 8388608 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tt.make(filepath.Join(dir, ConfigFile)); err != nil {
				t.Fatal(err)
			}
			_, err := Load(dir)
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), ConfigFile) {
				t.Errorf("err = %v, want %s", err, tt.want)
			}
			if tt.name == "missing" && !errors.Is(err, fs.ErrNotExist) {
				t.Error("not fs.ErrNotExist")
			}
		})
	}
}

func TestLoadLargest(t *testing.T) {
	config := `{"ociVersion":"1.0.0","root":{"path":"rootfs"}}`
	config += strings.Repeat(" ", MaxConfigSize-len(config))
	if _, err := Load(writeBundle(t, config)); err != nil {
		t.Error(err)
	}
}

func TestBundleProblem(t *testing.T) {
	b, err := Parse("c.json",
		[]byte("{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\n\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\"}]}"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, want string }{
		{"a field", "mounts[0].type", "c.json:2:38: mounts[0].type: no such type (try another)"},
		{"an absent field", "mounts[0].options[1]", "c.json:2:11: mounts[0].options[1]: no such " +
			"type (try another)"},
		{"no path", "", "c.json:1:1: no such type (try another)"},
		{"not a path", "mounts[", "c.json: mounts[: no such type (try another)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := b.Problem(tt.path, "no such type", "try another").Error(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestProblemsError(t *testing.T) {
	err := error(Problems{{File: "a", Cause: "b"}, {File: "c", Path: "d", Line: 1, Column: 2,
		Cause: "e", Cure: "f"}})
	if got, want := err.Error(), "a: b; c:1:2: d: e (f)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var p Problem
	if !errors.As(err, &p) || p.File != "a" {
		t.Errorf("errors.As finds %v", p)
	}
}

func TestParseProcess(t *testing.T) {
	p, _, err := ParseProcess("p.json", []byte(`{"cwd":"/","args":["sh"],"user":{"uid":7}}`))
	if err != nil || p.User.UID != 7 || p.Args[0] != "sh" {
		t.Errorf("got %+v, %v", p, err)
	}
	_, _, err = ParseProcess("p.json", []byte("{\"cwd\":\"a\",\n\"rlimits\":[{\"type\":\"X\"}]}"))
	want := `p.json:1:1: args: missing (must be the program to run and its arguments); ` +
		`p.json:1:8: cwd: "a" is not an absolute path (begin it with a slash); ` +
		`p.json:2:20: rlimits[0].type: unknown value "X"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestParseProcessWarnings: --process has warnings like a configuration, and
// keys are found in any case.
func TestParseProcessWarnings(t *testing.T) {
	p, warnings, err := ParseProcess("p.json",
		[]byte(`{"Cwd":"/","args":["sh"],"user":{"UID":7},"capabilities":{"bounding":["KILL"]},"noNewPrivilege":true}`))
	if err != nil || p.User.UID != 7 || p.Cwd != "/" {
		t.Errorf("got %+v, %v", p, err)
	}
	want := `p.json:1:2: cwd: the key is spelt "Cwd", and counts as "cwd" (spell it "cwd")
p.json:1:34: user.uid: the key is spelt "UID", and counts as "uid" (spell it "uid")
p.json:1:71: capabilities.bounding[0]: unknown capability "KILL", ignored (did you mean "CAP_KILL"?)
p.json:1:80: noNewPrivilege: unknown field, ignored (did you mean "noNewPrivileges"?)
`
	var got strings.Builder
	for _, w := range warnings {
		got.WriteString(w.Error() + "\n")
	}
	if got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
}

func TestParseResources(t *testing.T) {
	r, warnings, err := ParseResources("r.json", []byte(`{"memory":{"LIMIT":7}}`))
	if err != nil || *r.Memory.Limit != 7 || len(warnings) != 1 ||
		warnings[0].Path != "memory.limit" {
		t.Errorf("got %+v, %v, %v", r, warnings, err)
	}
	if _, _, err := ParseResources("r.json", []byte(`{"memory":7}`)); err == nil ||
		!strings.Contains(err.Error(), "r.json:1:11: memory: must be an object") {
		t.Errorf("got %v", err)
	}
}

// TestParseJoinKeys checks that ParseJoin reads keys in any form as
// encoding/json does.
func TestParseJoinKeys(t *testing.T) {
	for _, text := range []string{
		`{"Process":{"user":{"UID":1000}},"LINUX":{"Namespaces":[{"type":"pid"}]}}`,
		`{"linux":{"namespaces":[{"type":"pid"}]},"Linux":{"personality":{"domain":"LINUX32"}}}`,
		`{"linux":{"namespaces":[{"type":"pid"}]},"Linux":null}`,
		`{"process":{"cwd":"/a"},"process":{"user":{"gid":1}}}`,
	} {
		got, err := ParseJoin(ConfigFile, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var want specs.Spec
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if want.Linux == nil {
			want.Linux = &specs.Linux{}
		}
		if !reflect.DeepEqual(got, &want) {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

// TestMissingIsMisspelt checks that a field which is only misspelt is found.
func TestMissingIsMisspelt(t *testing.T) {
	_, _, err := ParseProcess("p.json", []byte("{\"cwd\":\"/\",\n \"arg\":[\"sh\"]}"))
	if want := `p.json:1:1: args: missing (is it meant by "arg" on line 2?)`; err == nil ||
		err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestValidate(t *testing.T) {
	if warnings, err := Validate(Default()); err != nil || len(warnings) > 0 {
		t.Errorf("the default: %v, %v", warnings, err)
	}
	spec := Default()
	spec.Process.Cwd = "x"
	_, err := Validate(spec)
	want := `config.json: process.cwd: "x" is not an absolute path (begin it with a slash)`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestParseKeepsNothingOfTheCaller(t *testing.T) {
	data := []byte(`{"ociVersion":"1.0.0","root":{"path":"rootfs"}}`)
	b, err := Parse(ConfigFile, data)
	if err != nil {
		t.Fatal(err)
	}
	copy(data, bytes.Repeat([]byte("x"), len(data)))
	if b.Spec.Root.Path != "rootfs" {
		t.Errorf("root.path = %s", b.Spec.Root.Path)
	}
}

func TestManyProblemsAreBounded(t *testing.T) {
	config := `{"ociVersion":"1.0.0","root":{"path":"r"},"mounts":[` + strings.Repeat(`{},`,
		10_000) + `{}]}`
	_, err := Parse(ConfigFile, []byte(config))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 101 {
		t.Fatalf("%d problems", len(problems))
	}
	if got, want := problems[100].Error(), "config.json: there may be more problems; these are "+
		"the first 100"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Each of these takes three bytes here, and hundreds once it is a mount.
func TestManyObjectsAreRefused(t *testing.T) {
	config := `{"ociVersion":"1.0.0","root":{"path":"r"},"mounts":[` + strings.Repeat(`{},`,
		1_000_000) + `{}]}`
	_, err := Parse(ConfigFile, []byte(config))
	if want := "mounts[100000]: more than 100000 objects in lists"; err == nil ||
		!strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %.200v, want %s", err, want)
	}
}

func TestVersion(t *testing.T) {
	if Version != specs.Version {
		t.Errorf("Version = %s, the module's is %s", Version, specs.Version)
	}
}

func TestSysctlFile(t *testing.T) {
	tests := []struct{ name, key, want string }{
		{"dots", "net.ipv4.ip_forward", "net/ipv4/ip_forward"},
		{"slashes", "net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"},
		{"a slash for a dot", "net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"},
		{"no separator", "kernel", "kernel"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := SysctlFile(tt.key); got != tt.want {
				t.Errorf("SysctlFile(%q) = %q, want %q", tt.key, got, tt.want)
			}
		})
	}
}

// TestParseJoin compares what ParseJoin gives with the same parts of what Parse
// gives.
func TestParseJoin(t *testing.T) {
	spec := Default()
	spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow,
		Syscalls: []specs.LinuxSyscall{{Names: []string{"swapon"}, Action: specs.ActErrno}}}
	spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Parse(ConfigFile, text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseJoin(ConfigFile, text)
	if err != nil {
		t.Fatal(err)
	}
	want := &specs.Spec{
		Process: b.Spec.Process, Linux: &specs.Linux{
			Namespaces: b.Spec.Linux.Namespaces, Seccomp: b.Spec.Linux.Seccomp,
			Personality: b.Spec.Linux.Personality,
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var problems Problems
	if _, err := ParseJoin(ConfigFile, text[:len(text)-1]); !errors.As(err, &problems) ||
		len(problems) != 1 {
		t.Errorf("of a text that is cut off: %v", err)
	}
	if got, err := ParseJoin(ConfigFile, []byte("{}")); err != nil || got.Process != nil ||
		got.Linux == nil {
		t.Errorf("of an empty configuration: %+v, %v", got, err)
	}
}
