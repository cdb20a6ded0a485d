package host

import (
	"slices"
	"strings"
	"testing"
)

func TestMountPoints(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string // of mountinfo: number, parent, device, root, mount point
		want  []string
	}{
		{"only a root", []string{"1 1 0:2 / / rw"}, nil},
		{"below each other", []string{
			"1 0 0:2 / / rw", "2 1 0:3 / /proc rw", "3 2 0:4 / /proc/sys/fs/binfmt_misc rw",
			"4 3 0:5 / /proc/sys/fs/binfmt_misc/x rw", "5 1 0:6 / /sys rw",
		}, []string{"/proc", "/sys"}},
		{"upon each other", []string{"1 0 0:2 / / rw", "2 1 0:3 / /proc rw", "3 2 0:4 / /proc rw",
			"4 3 0:5 / /proc/x rw"}, []string{"/proc", "/proc"}},
		{"upon each other below another", []string{"1 0 0:2 / / rw", "2 1 0:3 / /a rw",
			"3 2 0:4 / /a/b rw", "4 3 0:5 / /a/b rw"}, []string{"/a"}},
		{"moved onto a newer one", []string{"1 0 0:2 / / rw", "2 3 0:3 / /a/b rw",
			"3 1 0:4 / /a rw"}, []string{"/a"}},
		{"a root that is no mount", []string{"2 1 0:3 / /proc rw", "3 2 0:4 / /proc/x rw"},
			[]string{"/proc"}},
		{"a name that only begins the same", []string{"1 0 0:2 / / rw", "2 1 0:3 / /a rw",
			"3 1 0:4 / /ab rw"}, []string{"/a", "/ab"}},
		{"escaped", []string{`1 0 0:2 / / rw`, `2 1 0:3 / /a\040b\011c\012d\134040 rw`},
			[]string{"/a b\tc\nd\\040"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mountPoints(strings.Join(tt.lines, "\n") + "\n")
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	if _, err := mountPoints("1 0 0:2\n"); err == nil {
		t.Error("a short line is no error")
	}
}

// TestMountPointsHere: every machine has a procfs there, or this test's own
// machine could not be read.
func TestMountPointsHere(t *testing.T) {
	got, err := MountPoints()
	if err != nil || !slices.Contains(got, "/proc") {
		t.Errorf("got %q, %v", got, err)
	}
}
