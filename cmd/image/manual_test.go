package main

import (
	"testing"

	"github.com/ocikit/ocikit/cmd/internal/manual"
)

// TestManual keeps the reference and the manual page what the help says.
func TestManual(t *testing.T) {
	root := rootCommand()
	golden(t, "../../../docs/reference/image.md", manual.Markdown(root))
	golden(t, "../../../docs/man/image.1", manual.Page(root, "runtime"))
}
