// Command image pulls container images into bundles, and packs, serves and
// inspects them.
//
// One file holds one command: flags, output and exit codes. What the commands
// do is in the packages below image/.
package main

import "os"

// stamp is the version, if hack/build has the linker set it.
var stamp string

func main() { os.Exit(run(os.Args[1:])) }
