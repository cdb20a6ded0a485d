package main

import (
	"fmt"
	goruntime "runtime"

	"github.com/ocikit/ocikit/bundle"
)

// versionText is what --version prints. Callers take the lines apart at their
// first colon.
func versionText() string {
	return fmt.Sprintf("runtime version %s\nspec: %s\ngo: %s\n", version, bundle.Version, goruntime.Version())
}
