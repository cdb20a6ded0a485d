// Command image pulls container images into bundles, and packs, serves and shows them. See package cli for its commands.
package main

import (
	"os"

	"github.com/ocikit/ocikit/cmd/image/cli"
)

// version is set by the linker.
var version = "devel"

func main() { os.Exit(cli.Main(version, os.Args[1:])) }
