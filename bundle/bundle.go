package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// ConfigFile is the name of the configuration in a bundle's folder
// (bundle.md of the runtime specification).
const ConfigFile = "config.json"

// MaxConfigSize is the size in bytes above which a configuration is refused.
// It is many times that of the largest known ones.
const MaxConfigSize = 8 << 20

// Bundle is a loaded and valid configuration.
type Bundle struct {
	// Dir is the absolute path of the bundle's folder. It is empty for a
	// Bundle made by Parse.
	Dir string
	// Spec is the configuration.
	Spec *specs.Spec
	// Warnings are doubts that did not stop the configuration from being
	// valid, in the order of the file. Among them are keys and mount options
	// that are not known, but nearly a known one. The caller decides whether to
	// show them.
	Warnings []Problem

	src source
}

// Load reads and validates the config.json of the bundle in dir. The error is
// Problems if the file was read but is not valid, and otherwise says why it
// could not be read.
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

// readConfig reads a regular file; one that is too large is cut off behind what
// Parse accepts. A FIFO in its place does not block.
//
// It makes the system calls itself, because os.File readies the runtime's
// poller for a file that was opened with O_NONBLOCK: on the way of every start
// for nothing.
func readConfig(name string) (data []byte, err error) {
	fail := func(op string, err error) ([]byte, error) {
		return nil, &os.PathError{Op: op, Path: name, Err: err}
	}
	var fd int
	err = retry(func() (err error) {
		fd, err = syscall.Open(name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		_, err := fail("open", err)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w (no bundle? `image pull` makes one, and `runtime spec` writes "+
				"a %s)", err, ConfigFile)
		}
		return nil, err
	}
	defer syscall.Close(fd)
	var info syscall.Stat_t
	if err := syscall.Fstat(fd, &info); err != nil {
		return fail("fstat", err)
	}
	if info.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return fail("read", errors.New("not a regular file"))
	}
	data = make([]byte, min(info.Size, MaxConfigSize)+1) // one more, to see the end
	for size := 0; ; {
		var n int
		err := retry(func() (err error) {
			n, err = syscall.Read(fd, data[size:])
			return err
		})
		if err != nil {
			return fail("read", err)
		}
		size += n
		if n == 0 || size > MaxConfigSize {
			return data[:size], nil
		}
		if size == len(data) { // the file grows
			data = append(data, make([]byte, MaxConfigSize+1-size)...)
		}
	}
}

// retry calls f until no signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); err != syscall.EINTR {
			return err
		}
	}
}

// Parse validates a configuration that is in memory; file is its name in
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

// ParseJoin reads of a configuration that Parse has accepted before what a
// process depends on that joins its container: process, linux.namespaces,
// linux.seccomp and linux.personality. Nothing else is set in what it returns,
// and nothing is checked again, which takes longer than to read. The error is
// always Problems.
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

// ParseProcess validates the file that exec takes as --process: the process
// object of a configuration on its own. The error is always Problems.
func ParseProcess(file string, data []byte) (p *specs.Process, warnings []Problem, err error) {
	p = new(specs.Process)
	src := source{file: file}
	if warnings, err = src.read(data, p, func(c *checker) { c.process("", p) }); err != nil {
		return nil, nil, err
	}
	return p, warnings, nil
}

// ParseResources reads the file that update takes as --resources: the object
// linux.resources of a configuration on its own. It says whether that can be
// read, and not whether a cgroup would take it. The error is always Problems.
func ParseResources(file string, data []byte) (r *specs.LinuxResources, warnings []Problem,
	err error) {
	r = new(specs.LinuxResources)
	src := source{file: file}
	if warnings, err = src.read(data, r, func(*checker) {}); err != nil {
		return nil, nil, err
	}
	return r, warnings, nil
}

// Validate checks a configuration that was made in memory rather than read.
// Problems have no positions. The error is always Problems.
func Validate(spec *specs.Spec) (warnings []Problem, err error) {
	src := source{file: ConfigFile}
	var c checker
	c.spec(spec)
	return src.judge(&c)
}

// Text returns the text of the configuration, as it was loaded or parsed.
func (b *Bundle) Text() string { return b.src.text }

// Rootfs returns root.path; a relative one is relative to the bundle
// (config.md#root). The result is absolute if Dir is set.
func (b *Bundle) Rootfs() string {
	if filepath.IsAbs(b.Spec.Root.Path) {
		return filepath.Clean(b.Spec.Root.Path)
	}
	return filepath.Join(b.Dir, b.Spec.Root.Path)
}

// Problem makes a problem with the field at path, for what is found wrong
// after loading, such as a mount that fails. The position is looked up in the
// text of the configuration; if the field is not there (the caller may have
// set it since), it is that of the nearest enclosing field.
func (b *Bundle) Problem(path, cause, cure string) Problem {
	return b.src.locate([]finding{{path: path, offset: unknownOffset, cause: cause, cure: cure}})[0]
}
