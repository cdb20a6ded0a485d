// Command image pulls container images into bundles, and packs, serves and
// shows them. See package cli for its commands.
package main

import (
	"os"

	"github.com/ocikit/ocikit/cmd/image/cli"
	"github.com/ocikit/ocikit/cmd/internal/version"
)

// stamp is the version, if hack/build has the linker set it.
var stamp string

func main() { os.Exit(cli.Main(version.Or(stamp), os.Args[1:])) }
