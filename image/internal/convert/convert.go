// Package convert turns the config of an image into the config.json of a
// bundle, by the rules of image-spec conversion.md.
//
// It is pure: what it must know of the root filesystem, the account files, is
// passed in. Where the specification leaves a choice, the result is what
// `docker run` of the same image would have: its capabilities, a writable root,
// users found in the image's own /etc/passwd.
package convert

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Options have the fields of image.Config, which says what they mean.
type Options struct {
	Entrypoint, Args, Env []string
	User, WorkingDir      string
	Terminal              bool
	Hostname              string
	ReadOnly              bool
	Mounts                []specs.Mount
	Memory                int64
	CPUs                  float64
	Pids                  int64
}

// Result is a converted config.
type Result struct {
	Spec *specs.Spec
	// Volumes are the directories that the image declares as volumes, absolute
	// and sorted. Programs expect them to exist.
	Volumes []string
	// Warnings are what the user should know, one line each.
	Warnings []string
}

// Spec converts img on top of base, which it changes and returns. accounts are
// of the root filesystem.
func Spec(base *specs.Spec, img *specv1.Image, accounts Accounts, o Options) (Result, error) {
	r := Result{Spec: base}
	if base.Process == nil {
		base.Process = &specs.Process{}
	}
	p := base.Process
	if args := command(img.Config, o); len(args) > 0 {
		p.Args = args
	} else {
		r.warnf("the image names no command, config.json runs %q", strings.Join(p.Args, " "))
	}
	account, err := accounts.lookup(cmp.Or(o.User, img.Config.User))
	if err != nil {
		return r, err
	}
	p.User = account.User
	p.Terminal = o.Terminal
	p.Env = environment(p.Env, img.Config.Env, o, account.Home)
	p.Cwd = path.Join("/", cmp.Or(o.WorkingDir, img.Config.WorkingDir))
	p.NoNewPrivileges = false
	p.Capabilities = capabilities()
	p.Rlimits = nil

	base.Hostname = cmp.Or(o.Hostname, base.Hostname)
	base.Root.Readonly = o.ReadOnly
	if base.Annotations == nil {
		base.Annotations = map[string]string{}
	}
	annotate(base.Annotations, img)
	r.Volumes = volumes(img.Config)
	if o.ReadOnly {
		addMounts(base, volumeMounts(r.Volumes))
	}
	addMounts(base, o.Mounts)
	return r, limit(base, o)
}

func (r *Result) warnf(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// command puts Entrypoint and Cmd together as `docker run` does.
func command(c specv1.ImageConfig, o Options) []string {
	entrypoint, args := c.Entrypoint, c.Cmd
	if o.Entrypoint != nil {
		entrypoint, args = o.Entrypoint, nil
	}
	if o.Args != nil {
		args = o.Args
	}
	return slices.Concat(entrypoint, args)
}

// environment is the image's, changed by the user's, and completed by defaults,
// which never change what one of them says.
func environment(defaults, image []string, o Options, home string) []string {
	env := slices.Clone(image)
	at := func(name string) int {
		return slices.IndexFunc(env, func(e string) bool {
			n, _, _ := strings.Cut(e, "=")
			return n == name
		})
	}
	for _, e := range o.Env {
		name, _, _ := strings.Cut(e, "=")
		if i := at(name); i >= 0 {
			env[i] = e
		} else {
			env = append(env, e)
		}
	}
	for _, e := range append(slices.Clone(defaults), "HOME="+home) {
		name, _, _ := strings.Cut(e, "=")
		if at(name) < 0 && (name != "TERM" || o.Terminal) {
			env = append(env, e)
		}
	}
	return env
}

// capabilities are docker's default ones, which programs in images are written
// for: dropping privileges (SETUID, SETGID, SETPCAP), owning files (CHOWN,
// FOWNER, FSETID, DAC_OVERRIDE), low ports, ping, chroot. None is inheritable
// (CVE-2022-24769).
func capabilities() *specs.LinuxCapabilities {
	names := func() []string {
		return []string{
			"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
			"CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE",
			"CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID",
			"CAP_SYS_CHROOT",
		}
	}
	return &specs.LinuxCapabilities{Bounding: names(), Effective: names(), Permitted: names()}
}

// annotate adds what conversion.md#annotation-fields lists. Labels win over it.
func annotate(annotations map[string]string, img *specv1.Image) {
	const prefix = "org.opencontainers.image."
	set := func(key, value string) {
		if value != "" {
			annotations[prefix+key] = value
		}
	}
	set("os", img.OS)
	set("architecture", img.Architecture)
	set("variant", img.Variant)
	set("os.version", img.OSVersion)
	set("os.features", strings.Join(img.OSFeatures, ","))
	set("author", img.Author)
	if img.Created != nil {
		set("created", img.Created.Format(time.RFC3339Nano))
	}
	set("stopSignal", img.Config.StopSignal)
	set("exposedPorts", strings.Join(slices.Sorted(maps.Keys(img.Config.ExposedPorts)), ","))
	set("volumes", strings.Join(volumes(img.Config), ",")) // not in the specification
	for k, v := range img.Config.Labels {
		if k != "" { // config.md#annotations of the runtime specification forbids it
			annotations[k] = v
		}
	}
}

func volumes(c specv1.ImageConfig) []string {
	var paths []string
	for v := range c.Volumes {
		if v = path.Join("/", v); v != "/" {
			paths = append(paths, v)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// volumeMounts keeps volumes writable under a read-only root. tmpcopyup puts
// there what the image has in the directory.
func volumeMounts(paths []string) (mounts []specs.Mount) {
	for _, p := range paths {
		mounts = append(mounts, specs.Mount{Destination: p, Type: "tmpfs", Source: "tmpfs",
			Options: []string{"nosuid", "nodev", "tmpcopyup"}})
	}
	return mounts
}

func addMounts(base *specs.Spec, mounts []specs.Mount) {
	for _, m := range mounts {
		same := func(old specs.Mount) bool {
			return path.Join("/", old.Destination) == path.Join("/", m.Destination)
		}
		base.Mounts = append(slices.DeleteFunc(base.Mounts, same), m)
	}
}

// cpuPeriod is the kernel's default, in microseconds; docker uses it too.
const cpuPeriod = 100_000

// limit sets the resources.
func limit(base *specs.Spec, o Options) error {
	if o.Memory < 0 || o.Pids < 0 || o.CPUs < 0 || math.IsNaN(o.CPUs) {
		return fmt.Errorf("limits must not be negative")
	}
	if base.Linux == nil {
		base.Linux = &specs.Linux{}
	}
	if base.Linux.Resources == nil {
		base.Linux.Resources = &specs.LinuxResources{}
	}
	r := base.Linux.Resources
	if o.Memory > 0 {
		r.Memory = &specs.LinuxMemory{Limit: &o.Memory}
	}
	if o.Pids > 0 {
		r.Pids = &specs.LinuxPids{Limit: &o.Pids}
	}
	if o.CPUs > 0 {
		if o.CPUs < 0.01 || o.CPUs > 1e6 {
			return fmt.Errorf("cpus %g: must be between 0.01 and 1000000, because the kernel "+
				"gives time in steps of a hundredth", o.CPUs)
		}
		quota, period := int64(math.Round(o.CPUs*cpuPeriod)), uint64(cpuPeriod)
		r.CPU = &specs.LinuxCPU{Quota: &quota, Period: &period}
	}
	return nil
}
