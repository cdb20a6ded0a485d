package seccomp

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestExceptions lets calls through, or has them asked about, that a profile
// forbids, and nothing else: neither with other arguments nor of another
// architecture.
func TestExceptions(t *testing.T) {
	const fork = unix.CLONE_PARENT | uint64(unix.SIGCHLD)
	opts := Options{Native: specs.ArchX86_64}
	profile := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"clone", "setsid", "read"},
			Action: specs.ActErrno}},
	}
	exact, _, err := Compile(profile, opts)
	if err != nil {
		t.Fatal(err)
	}
	clone := Call{Nr: 56, Args: [6]uint64{fork}, Fixed: 1}
	setsid := Call{Nr: 112}
	read := Call{Nr: 0, Args: [6]uint64{4, 0, 1}, Fixed: 1 | 1<<2}
	asking, err := exact.Asking(opts.Native, clone, setsid)
	if err != nil {
		t.Fatal(err)
	}
	both, err := asking.Allowing(opts.Native, read)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Filter{Instructions: both.Instructions}).check(); err != nil {
		t.Error(err)
	}
	if both.Flags&FlagNewListener == 0 || both.Notify || exact.Flags&FlagNewListener != 0 {
		t.Errorf("flags %#x, notify %v", both.Flags, both.Notify)
	}
	a := findArch(opts.Native)
	x86 := findArch(specs.ArchX86)
	forbidden := uint32(retErrno | errnoEPERM)
	for _, c := range []struct {
		name        string
		d           data
		exact, both uint32
	}{
		{"the fork", data{56, a.audit, [6]uint64{fork}}, forbidden, retUserNotif},
		{"another clone", data{56, a.audit, [6]uint64{fork | unix.CLONE_VM}}, forbidden, forbidden},
		{"a clone with a high bit", data{56, a.audit, [6]uint64{fork | 1<<40}}, forbidden,
			forbidden},
		{"setsid", data{112, a.audit, [6]uint64{9, 9}}, forbidden, retUserNotif},
		{"setsid's number on x86", data{112, x86.audit, [6]uint64{}}, retAllow, retAllow},
		{"clone on x86", data{120, x86.audit, [6]uint64{fork}}, forbidden, forbidden},
		{"the gate", data{0, a.audit, [6]uint64{4, 77, 1}}, forbidden, retAllow},
		{"another descriptor", data{0, a.audit, [6]uint64{3, 77, 1}}, forbidden, forbidden},
		{"a longer read", data{0, a.audit, [6]uint64{4, 77, 2}}, forbidden, forbidden},
		{"write", data{1, a.audit, [6]uint64{4}}, retAllow, retAllow},
	} {
		for _, f := range []struct {
			filter *Filter
			want   uint32
		}{{exact, c.exact}, {both, c.both}} {
			if got := run(f.filter.Instructions, &c.d, byteOrder(a)); got != f.want {
				t.Errorf("%s: verdict %#x, want %#x", c.name, got, f.want)
			}
		}
	}
	for _, c := range []struct {
		filter *Filter
		call   Call
		want   bool
	}{
		{exact, clone, false}, {exact, setsid, false}, {exact, Call{Nr: 1}, true},
		{both, clone, false}, {both, read, true},
	} {
		if got := c.filter.Allows(opts.Native, c.call); got != c.want {
			t.Errorf("%+v: allowed %v, want %v", c.call, got, c.want)
		}
	}
}
