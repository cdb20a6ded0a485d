// Package bundle loads, validates, makes and writes the configuration of a
// bundle. A bundle is a directory with a config.json (config.md and
// config-linux.md of the OCI runtime specification) beside a root filesystem.
//
// Validation finds all problems in one go. Each [Problem] names the file, the
// line and column, the JSON path of the field, the cause, and the cure where
// one is known. What the specification allows but is probably a mistake is a
// warning, never an error: see [Bundle.Warnings].
//
// The package looks only at the files that it is given. The runtime finds out
// whether the kernel can do what a configuration asks for. Package inroot looks
// into the root filesystem.
package bundle
