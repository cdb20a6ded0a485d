// A command lives for milliseconds: the Go runtime need not follow changes of the cgroup's CPU limit for it, or name its memory for
// debuggers.
//
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0

// Command runtime runs containers from bundles (OCI runtime specification).
// Its commands, flags, output, texts and exit codes are those of runc, so
// that programs that call runc can call it instead; "run BUNDLE" and
// "explain" are its own.
//
// One file holds one command. Everything that a command does beyond flags,
// output and exit codes is in the packages below runtime/.
package main

import (
	"os"

	_ "github.com/ocikit/ocikit/cmd/runtime/stack"
)

// version is set by the linker.
var version = "unknown"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
