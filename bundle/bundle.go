package bundle

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// ConfigFile is the name of the configuration in a bundle's folder
// (bundle.md of the runtime specification).
const ConfigFile = "config.json"

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

	file string // for problems
	raw  []byte // the text of the configuration, for positions
}

// Load reads and validates the config.json of the bundle in dir. The error is
// Problems if the configuration was read but is not valid, and otherwise says
// why it could not be read.
func Load(dir string) (*Bundle, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(abs, ConfigFile))
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

// Parse validates a configuration that is in memory; file is its name in
// problems. The Bundle keeps data, which the caller must not change. The error
// is always Problems.
func Parse(file string, data []byte) (*Bundle, error) {
	b := &Bundle{Spec: new(specs.Spec), file: file, raw: data}
	if err := json.Unmarshal(data, b.Spec); err != nil {
		return nil, Problems{{File: file, Cause: err.Error()}}
	}
	return b, nil
}

// ParseProcess validates the file that exec takes as --process: the process
// object of a configuration on its own. The error is always Problems.
func ParseProcess(file string, data []byte) (*specs.Process, error) {
	p := new(specs.Process)
	if err := json.Unmarshal(data, p); err != nil {
		return nil, Problems{{File: file, Cause: err.Error()}}
	}
	return p, nil
}

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
// text of the configuration; if the field is absent, or the caller has set it
// since, it is that of the nearest enclosing field.
func (b *Bundle) Problem(path, cause, cure string) Problem {
	return Problem{File: b.file, Path: path, Cause: cause, Cure: cure}
}
