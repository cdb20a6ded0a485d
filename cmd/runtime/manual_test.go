package main

import (
	"testing"

	"github.com/ocikit/ocikit/cmd/internal/manual"
)

// TestManual keeps the reference and the manual page what the help says.
func TestManual(t *testing.T) {
	root := (&app{}).rootCommand()
	golden(t, "../../../docs/reference/runtime.md", manual.Markdown(root))
	golden(t, "../../../docs/man/runtime.1", manual.Page(root, "image"))
}
