package container

import (
	"errors"
	"io"

	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/internal/host"
	"github.com/ocikit/ocikit/runtime/seccomp"
)

// ExplainSeccomp writes the filter that Create would load, as assembly for
// people. Without a profile it is an error.
func ExplainSeccomp(w io.Writer, o Options) error {
	spec := o.Bundle.Spec
	if spec.Linux == nil || spec.Linux.Seccomp == nil {
		return errors.New("the config.json has no seccomp profile: see linux.seccomp, and " +
			"--seccomp of spec and of image pull")
	}
	filter, _, err := host.Seccomp(spec.Linux.Seccomp)
	if err != nil {
		return diagnose.Configuration(o.Bundle, err)
	}
	return seccomp.Disassemble(w, filter)
}
