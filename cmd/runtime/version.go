package main

import (
	"fmt"
	goruntime "runtime"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/cmd/internal/version"
)

// versionText is what --version prints. Callers take the lines apart at their
// first colon.
func versionText() string {
	return fmt.Sprintf("runtime version %s\nspec: %s\ngo: %s\n", version.Or(stamp), bundle.Version,
		goruntime.Version())
}
