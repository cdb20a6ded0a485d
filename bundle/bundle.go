package bundle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// ConfigFile is the name of the configuration in a bundle's directory
// (bundle.md of the runtime specification).
const ConfigFile = "config.json"

// MaxConfigSize is the size in bytes of the largest configuration that is
// accepted. It is many times that of the largest known ones.
const MaxConfigSize = 8 << 20

// Bundle is a loaded and valid configuration.
type Bundle struct {
	// Dir is the absolute path of the bundle's directory. It is empty for a
	// Bundle made by Parse.
	Dir string
	// Spec is the configuration.
	Spec *specs.Spec
	// Warnings are what is valid but probably a mistake, in the order of the
	// file, such as an unknown key or mount option that is nearly a known one.
	// The caller decides whether to show them.
	Warnings []Problem

	src source
}

// Load reads and validates the config.json of the bundle in dir. The error is
// Problems if the file is not valid; otherwise it says why the file could not
// be read.
func Load(dir string) (*Bundle, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	data, err := readConfig(filepath.Join(abs, ConfigFile))
	if err != nil {
		return nil, err
	}
	b, err := Parse(ConfigFile, data)
	if err != nil {
		return nil, err
	}
	b.Dir = abs
	return b, nil
}

// readConfig reads a regular file, at most one byte more than Parse accepts. A
// FIFO in its place does not block.
func readConfig(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w (no bundle? `image pull` makes one, and `runtime spec` writes a %s)",
			err, ConfigFile)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	return io.ReadAll(io.LimitReader(f, MaxConfigSize+1))
}

// Parse validates a configuration that is in memory. file is its name in
// problems. The caller may change data afterwards. The error is always
// Problems.
func Parse(file string, data []byte) (*Bundle, error) {
	b := &Bundle{Spec: new(specs.Spec), src: source{file: file}}
	warnings, err := b.src.read(data, b.Spec, func(c *checker) { c.spec(b.Spec) })
	if err != nil {
		return nil, err
	}
	b.Warnings = warnings
	return b, nil
}

// ParseJoin reads the parts of a configuration that a process needs to join the
// container: process, linux.namespaces, linux.seccomp and linux.personality. It
// sets nothing else in the result. The configuration is one that Parse has
// accepted before; ParseJoin does not validate it again. The error is always
// Problems.
func ParseJoin(file string, data []byte) (*specs.Spec, error) {
	var parts struct {
		Process *specs.Process `json:"process"`
		Linux   *struct {
			Namespaces  []specs.LinuxNamespace  `json:"namespaces"`
			Seccomp     *specs.LinuxSeccomp     `json:"seccomp"`
			Personality *specs.LinuxPersonality `json:"personality"`
		} `json:"linux"`
	}
	src := source{file: file}
	if _, err := src.read(data, &parts, func(*checker) {}); err != nil {
		return nil, err
	}
	linux := &specs.Linux{}
	if l := parts.Linux; l != nil {
		linux.Namespaces, linux.Seccomp, linux.Personality = l.Namespaces, l.Seccomp, l.Personality
	}
	return &specs.Spec{Process: parts.Process, Linux: linux}, nil
}

// ParseProcess validates a process object of a configuration on its own: the
// file that exec takes as --process. The error is always Problems.
func ParseProcess(file string, data []byte) (p *specs.Process, warnings []Problem, err error) {
	p = new(specs.Process)
	src := source{file: file}
	if warnings, err = src.read(data, p, func(c *checker) { c.process("", p) }); err != nil {
		return nil, nil, err
	}
	return p, warnings, nil
}

// ParseResources reads a linux.resources object of a configuration on its own:
// the file that update takes as --resources. It does not check whether a cgroup
// would take the values. The error is always Problems.
func ParseResources(file string, data []byte) (r *specs.LinuxResources, warnings []Problem,
	err error) {
	r = new(specs.LinuxResources)
	src := source{file: file}
	if warnings, err = src.read(data, r, func(*checker) {}); err != nil {
		return nil, nil, err
	}
	return r, warnings, nil
}

// Validate checks a configuration that the program has made itself. Problems
// have no positions. The error is always Problems.
func Validate(spec *specs.Spec) (warnings []Problem, err error) {
	src := source{file: ConfigFile}
	var c checker
	c.spec(spec)
	return src.judge(&c)
}

// Text returns the text of the configuration, as it was loaded or parsed.
func (b *Bundle) Text() string { return b.src.text }

// Rootfs returns root.path. A relative one is below the bundle's directory
// (config.md#root). The result is absolute if Dir is set.
func (b *Bundle) Rootfs() string {
	if filepath.IsAbs(b.Spec.Root.Path) {
		return filepath.Clean(b.Spec.Root.Path)
	}
	return filepath.Join(b.Dir, b.Spec.Root.Path)
}

// Problem makes a problem with the field at path, for what fails after loading,
// such as a mount. It looks up the position in the text of the configuration.
// If the field is not there (the caller may have set it since), the position is
// that of the nearest enclosing field.
func (b *Bundle) Problem(path, cause, cure string) Problem {
	return b.src.locate([]finding{{path: path, offset: unknownOffset, cause: cause, cure: cure}})[0]
}
