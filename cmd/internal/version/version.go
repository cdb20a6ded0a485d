// Package version says which version of a command this is.
package version

import "runtime/debug"

// Or returns stamp, the version that hack/build has the linker write into a
// command, or without one what the go command has recorded: the version of
// `go install …@version`, or one made of the commit by `go build`.
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
