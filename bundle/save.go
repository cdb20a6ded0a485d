package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Save writes spec as the config.json of the bundle in dir, indented with tabs
// and readable for all (mode 0644). The same spec always gives the same bytes.
// A crash leaves either the old file or the new one, never a part of it.
func Save(dir string, spec *specs.Spec) (err error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(spec); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+ConfigFile+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := writeSynced(f, buf.Bytes()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, ConfigFile)); err != nil {
		return err
	}
	return syncDir(dir)
}

// writeSynced fills f, makes it durable and closes it.
func writeSynced(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
