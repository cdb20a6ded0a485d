package host

import (
	"fmt"
	"os"
	"strings"
)

// MountPoints returns the mount points of this process, without the root and
// without those below another: to unmount each with all below it leaves none. A
// point with several mounts on top of each other is listed once for each.
func MountPoints() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return mountPoints(string(text))
}

// mountPoints reads the text of a mountinfo file, proc_pid_mountinfo(5).
func mountPoints(mountinfo string) ([]string, error) {
	type mount struct{ id, parent, point string }
	var list []mount
	byID := make(map[string]mount)
	for line := range strings.Lines(mountinfo) {
		fields := strings.Split(line, " ")
		if len(fields) < 5 {
			return nil, fmt.Errorf("/proc/self/mountinfo: not a line of five fields: %q", line)
		}
		m := mount{fields[0], fields[1], mountEscapes.Replace(fields[4])}
		list = append(list, m)
		byID[m.id] = m
	}
	var onRoot func(m mount) bool // says whether no other mount point is above m's
	onRoot = func(m mount) bool {
		parent, seen := byID[m.parent]
		return !seen || parent.point == "/" || parent.point == m.point && onRoot(parent)
	}
	var points []string
	for _, m := range list {
		if m.point != "/" && onRoot(m) {
			points = append(points, m.point)
		}
	}
	return points, nil
}

// mountEscapes replaces the octal numbers that mountinfo has for characters
// that would end a field.
var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
