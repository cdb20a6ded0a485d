package host

import (
	"fmt"
	"os"
	"strings"
)

// MountPoints returns where this process sees mounts, but for its root and
// those that are below another: who unmounts each with all that is on it leaves
// none. A point with several mounts upon each other is listed once for each.
func MountPoints() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return mountPoints(string(text))
}

// mountPoints is MountPoints of the text of a mountinfo file,
// proc_pid_mountinfo(5).
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
	var onTop func(m mount) bool // of the root: not below another mount's point
	onTop = func(m mount) bool {
		parent, seen := byID[m.parent]
		return !seen || parent.point == "/" || parent.point == m.point && onTop(parent)
	}
	var points []string
	for _, m := range list {
		if m.point != "/" && onTop(m) {
			points = append(points, m.point)
		}
	}
	return points, nil
}

// mountEscapes turns the octal numbers back that mountinfo has for what would
// end a field.
var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
