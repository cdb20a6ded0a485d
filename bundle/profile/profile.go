// Package profile reads seccomp profiles in the format of Docker, which podman
// and others share, and returns moby's default profile.
//
// Such a profile has rules that apply only with certain capabilities, on
// certain architectures or from certain kernel releases on. The package keeps
// the rules that apply here and makes a linux.seccomp object of the runtime
// specification of them. github.com/moby/profiles/seccomp defines the format.
package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	moby "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle"
)

// Default returns moby's default profile for a process with the given bounding
// set of capabilities (such as "CAP_CHOWN"). It has the rules for the
// architecture of this program and the release of the running kernel.
func Default(bounding []string) (*specs.LinuxSeccomp, error) {
	p, err := moby.GetDefaultProfile(process(bounding))
	if err != nil {
		return nil, fmt.Errorf("default seccomp profile: %w", err)
	}
	return clean(p), nil
}

// Parse reads a profile as Docker's --security-opt seccomp=FILE takes it, or a
// linux.seccomp object of the runtime specification. It returns nil for a
// profile that has neither a default action nor rules.
func Parse(text []byte, bounding []string) (*specs.LinuxSeccomp, error) {
	p, err := moby.LoadProfile(string(text), process(bounding))
	if err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			before := text[:min(int(syntax.Offset), len(text))]
			line := 1 + bytes.Count(before, []byte("\n"))
			return nil, fmt.Errorf("seccomp profile: line %d: %w", line, syntax)
		}
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	return clean(p), nil
}

// Source makes a profile for a process with the given bounding set.
type Source func(bounding []string) (*specs.LinuxSeccomp, error)

// Choose returns what a choice on the command line means: "default" is moby's
// profile, "unconfined" is none (a nil Source), and anything else is the name
// of a file. Choose reads that at once; the Source parses it for each process.
func Choose(choice string) (Source, error) {
	switch choice {
	case "unconfined":
		return nil, nil
	case "default":
		return Default, nil
	}
	text, err := bundle.ReadInput(choice, bundle.MaxConfigSize)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w (or say default or unconfined)", err)
	}
	return func(bounding []string) (*specs.LinuxSeccomp, error) {
		p, err := Parse(text, bounding)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", choice, err)
		}
		return p, nil
	}, nil
}

// Apply puts the profile into a configuration. With a nil Source it does
// nothing.
func (s Source) Apply(spec *specs.Spec) error {
	if s == nil {
		return nil
	}
	var bounding []string
	if p := spec.Process; p != nil && p.Capabilities != nil {
		bounding = p.Capabilities.Bounding
	}
	profile, err := s(bounding)
	if err != nil {
		return err
	}
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	spec.Linux.Seccomp = profile
	return nil
}

func process(bounding []string) *specs.Spec {
	return &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{
		Bounding: bounding}}}
}

// clean drops rules without names, which the runtime specification forbids.
func clean(p *specs.LinuxSeccomp) *specs.LinuxSeccomp {
	if p == nil {
		return nil
	}
	p.Syscalls = slices.DeleteFunc(p.Syscalls, func(call specs.LinuxSyscall) bool {
		return len(call.Names) == 0
	})
	return p
}
