package bundle

import (
	"errors"
	"fmt"
	"io"
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
	// valid, in the order of the file. The caller decides whether to show them.
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

// readConfig reads a regular file of a bounded size. A FIFO in its place does
// not block.
func readConfig(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
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
	data := make([]byte, min(info.Size(), MaxConfigSize)+1) // one more, to see the end
	n, err := io.ReadFull(f, data)
	switch {
	case err == nil: // there may be more: Parse judges the size
		rest, err := io.ReadAll(io.LimitReader(f, MaxConfigSize))
		return append(data, rest...), err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return data[:n], nil
	}
	return nil, err
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

// ParseProcess validates the file that exec takes as --process: the process
// object of a configuration on its own. The error is always Problems.
func ParseProcess(file string, data []byte) (*specs.Process, error) {
	p := new(specs.Process)
	src := source{file: file}
	if _, err := src.read(data, p, func(c *checker) { c.process("", p) }); err != nil {
		return nil, err
	}
	return p, nil
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
	return b.src.problem(finding{path: path, offset: unknownOffset, cause: cause, cure: cure})
}
