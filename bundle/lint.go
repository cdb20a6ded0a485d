package bundle

import (
	"fmt"

	"github.com/ocikit/ocikit/bundle/internal/strictjson"
	"github.com/ocikit/ocikit/bundle/mountopt"
)

// Lint looks for probable misspellings in what must not be an error: fields
// that the specification does not know, which are ignored
// (config.md#extensibility), and mount options that are passed to the file
// system because they are not known (config.md#linux-mount-options). Only what is
// nearly a known name is reported.
//
// It reads the configuration once more, which is why Load does not do it.
func (b *Bundle) Lint() []Problem {
	var found []finding
	for _, p := range strictjson.Lint(b.src.text, b.Spec) {
		found = append(found, finding{p.Path, p.Offset, p.Cause, p.Cure})
	}
	for i, m := range b.Spec.Mounts {
		for j, o := range m.Options {
			if near := mountopt.Misspelt(o); near != "" {
				found = append(found, finding{
					path: elem(elem("mounts", i)+".options", j), offset: unknownOffset,
					cause: fmt.Sprintf("unknown option %q, passed to the file system", o),
					cure:  fmt.Sprintf("did you mean %q?", near),
				})
			}
		}
	}
	return b.src.locate(found)
}
