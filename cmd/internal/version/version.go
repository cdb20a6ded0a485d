// Package version says which version of a command this is.
package version

import "runtime/debug"

// Or returns stamp, the version that hack/build has the linker write into a
// command. Without one it returns what the go command recorded: the version of
// `go install …@version`, or one that `go build` made from the commit.
func Or(stamp string) string {
	if stamp != "" {
		return stamp
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "unknown"
	}
	return info.Main.Version
}
