// Package bundle says what a bundle is: a folder with a config.json (the OCI
// runtime specification, config.md and config-linux.md) beside a root
// filesystem. It loads, validates, writes and makes such configurations.
//
// Validation finds all problems in one go. Each [Problem] names the file, the
// line and column, the JSON path of the field, the cause, and the cure where
// one is known. What the specification allows but is probably a mistake is a
// warning, never an error: see [Bundle.Warnings].
//
// The package looks at nothing but the files it is given. Whether this host's
// kernel can do what a configuration asks for is the runtime's business, and so
// is everything inside the root filesystem (package inroot).
package bundle
