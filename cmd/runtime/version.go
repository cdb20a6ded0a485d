package main

import (
	"fmt"
	goruntime "runtime"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/cmd/internal/version"
)

// versionText is what --version prints after "runtime version ". Callers take
// the lines apart at their first colon.
func versionText() string {
	return fmt.Sprintf("%s\nspec: %s\ngo: %s", version.Or(stamp), bundle.Version,
		goruntime.Version())
}
