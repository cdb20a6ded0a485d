package profile

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// allows reports whether p has a rule that allows name whatever the arguments.
func allows(p *specs.LinuxSeccomp, name string) bool {
	return slices.ContainsFunc(p.Syscalls, func(c specs.LinuxSyscall) bool {
		return c.Action == specs.ActAllow && len(c.Args) == 0 && slices.Contains(c.Names, name)
	})
}

func TestDefaultFitsCapabilities(t *testing.T) {
	for _, test := range []struct {
		name     string
		bounding []string
		mount    bool
		chroot   bool
	}{
		{"none", nil, false, false},
		{"chroot", []string{"CAP_SYS_CHROOT"}, false, true},
		{"admin", []string{"CAP_SYS_ADMIN", "CAP_SYS_CHROOT"}, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Default(test.bounding)
			if err != nil {
				t.Fatal(err)
			}
			if p.DefaultAction != specs.ActErrno || !allows(p, "read") {
				t.Errorf("default action %s, read allowed %v", p.DefaultAction, allows(p, "read"))
			}
			if got := allows(p, "mount"); got != test.mount {
				t.Errorf("mount allowed: got %v, want %v", got, test.mount)
			}
			if got := allows(p, "chroot"); got != test.chroot {
				t.Errorf("chroot allowed: got %v, want %v", got, test.chroot)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, text string
		rules      int
		err        string
	}{
		{"runtime spec",
			`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}`, 1, ""},
		{"old name",
			`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"mkdir","action":"SCMP_ACT_ERRNO"}]}`, 1, ""},
		{"needs a capability",
			`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["bpf"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_BPF"]}}]}`, 0, ""},
		{"has the capability",
			`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["bpf"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_CHOWN"]}}]}`, 1, ""},
		{"no names",
			`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":[],"action":"SCMP_ACT_ALLOW"}]}`,
			0, ""},
		{"empty", `{}`, -1, ""},
		{"not JSON", "{\n\n]", 0, "line 3: invalid character ']'"},
		{"both names",
			`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]}`, 0, "both 'name' and 'names'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Parse([]byte(test.text), []string{"CAP_CHOWN"})
			switch {
			case test.err != "":
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got error %v, want one with %q", err, test.err)
				}
			case err != nil:
				t.Error(err)
			case p == nil && test.rules >= 0 || p != nil && len(p.Syscalls) != test.rules:
				t.Errorf("got %+v, want %d rules", p, test.rules)
			}
		})
	}
}
