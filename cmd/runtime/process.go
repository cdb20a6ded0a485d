package main

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
)

// processFlags are the flags of exec that describe the process. What they do
// not set is taken from the container's config.json.
type processFlags struct {
	file            string
	text            []byte // what file holds
	cwd, user       string
	env, caps       []string
	gids            []string
	tty, noNewPrivs bool
	label, apparmor string
}

func (p *processFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&p.file, "process", "p", "", "`FILE` with the process as in config.json, "+
		"instead of the flags that describe it")
	f.StringVar(&p.cwd, "cwd", "", "working `DIRECTORY` in the container")
	f.StringArrayVarP(&p.env, "env", "e", nil, "set the environment variable `NAME=VALUE` "+
		"(repeatable)")
	f.BoolVarP(&p.tty, "tty", "t", false, "give the process a terminal")
	f.StringVarP(&p.user, "user", "u", "", "`UID[:GID]` of the process")
	f.StringSliceVarP(&p.gids, "additional-gids", "g", nil,
		"additional group id `GID` (repeatable)")
	f.StringVar(&p.label, "process-label", "", "SELinux `LABEL`")
	f.StringVar(&p.apparmor, "apparmor", "", "AppArmor `PROFILE`")
	f.BoolVar(&p.noNewPrivs, "no-new-privs", false, "do not let the process gain privileges")
	f.StringArrayVarP(&p.caps, "cap", "c", nil, "add the capability `CAP` (repeatable)")
}

// read reads the file of --process, if there is one. It has to be called while
// signals still end this program, because the file can be a pipe that nobody
// writes to.
func (p *processFlags) read() (err error) {
	if p.file == "" {
		return nil
	}
	if p.text, err = bundle.ReadInput(p.file, bundle.MaxConfigSize); err != nil {
		return fmt.Errorf("--process: %w", err)
	}
	return nil
}

// process returns the process to run, and warnings about it: the process of the
// file, or base changed by args and the flags that were given.
func (p *processFlags) process(base *specs.Process, args []string, f *pflag.FlagSet) (
	*specs.Process, []bundle.Problem, error) {
	if p.file != "" {
		return bundle.ParseProcess(p.file, p.text)
	}
	out, err := p.derive(base, args, f)
	return out, p.unknownCapabilities(), err
}

// unknownCapabilities warns about names in --cap that are not capabilities.
func (p *processFlags) unknownCapabilities() (warnings []bundle.Problem) {
	for _, name := range p.caps {
		if _, known := plan.Capability(name); !known {
			warnings = append(warnings, bundle.Problem{File: "--cap",
				Cause: fmt.Sprintf("unknown capability %q, ignored", name),
				Cure:  "the names are those of capabilities(7), such as CAP_KILL"})
		}
	}
	return warnings
}

// derive returns base changed by args and the flags that were given.
func (p *processFlags) derive(base *specs.Process, args []string, f *pflag.FlagSet) (*specs.Process,
	error) {
	if len(args) == 0 {
		return nil, errors.New("process args cannot be empty: name a program after the id, or " +
			"give --process")
	}
	if base == nil {
		base = &specs.Process{Cwd: "/"}
	}
	out := *base
	out.Args = args
	out.Terminal = p.tty
	out.ConsoleSize = nil
	if err := p.identity(&out); err != nil {
		return nil, err
	}
	if p.cwd != "" {
		if !path.IsAbs(p.cwd) {
			return nil, fmt.Errorf("--cwd: %q is not absolute", p.cwd)
		}
		out.Cwd = p.cwd
	}
	if err := parseEnv(p.env); err != nil {
		return nil, err
	}
	out.Env = setEnv(out.Env, p.env...)
	if p.label != "" {
		out.SelinuxLabel = p.label
	}
	if p.apparmor != "" {
		out.ApparmorProfile = p.apparmor
	}
	if f.Changed("no-new-privs") {
		out.NoNewPrivileges = p.noNewPrivs
	}
	out.Capabilities = addCapabilities(out.Capabilities, p.caps)
	return &out, nil
}

// identity sets user and groups.
func (p *processFlags) identity(out *specs.Process) error {
	if p.user != "" {
		uid, gid, given := strings.Cut(p.user, ":")
		var err error
		if out.User.UID, err = parseID(uid); err != nil {
			return fmt.Errorf("--user: uid %w", err)
		}
		if given {
			if out.User.GID, err = parseID(gid); err != nil {
				return fmt.Errorf("--user: gid %w", err)
			}
		}
		out.User.Username = ""
	}
	out.User.AdditionalGids = slices.Clone(out.User.AdditionalGids)
	for _, g := range p.gids {
		gid, err := parseID(g)
		if err != nil {
			return fmt.Errorf("--additional-gids: gid %w", err)
		}
		out.User.AdditionalGids = append(out.User.AdditionalGids, gid)
	}
	return nil
}

// parseID reads a user or group id. The highest number is not a valid id: for
// the kernel it means "no change".
func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == math.MaxUint32 {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", s, uint32(math.MaxUint32-1))
	}
	return uint32(n), nil
}

// addCapabilities returns c with additional capabilities. They never become
// inheritable (CVE-2022-29162). They become ambient if the configuration has
// inheritable capabilities: without that, a user other than root would lose
// them at exec. Those that are not among the inheritable ones stay out of the
// ambient set.
func addCapabilities(c *specs.LinuxCapabilities, names []string) *specs.LinuxCapabilities {
	if len(names) == 0 {
		return c
	}
	out := &specs.LinuxCapabilities{}
	if c != nil {
		*out = *c
	}
	sets := []*[]string{&out.Bounding, &out.Effective, &out.Permitted}
	if len(out.Inheritable) > 0 {
		sets = append(sets, &out.Ambient)
	}
	for _, set := range sets {
		*set = append(slices.Clone(*set), names...)
	}
	return out
}
