package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/bundle/inroot"
	"github.com/ocikit/ocikit/bundle/profile"
	"github.com/ocikit/ocikit/image/internal/convert"
	"github.com/ocikit/ocikit/image/internal/flatten"
	"github.com/ocikit/ocikit/image/internal/staging"
	"github.com/ocikit/ocikit/image/ref"
	"github.com/ocikit/ocikit/image/registry"
)

// Options say how to find an image and what to make of it. The zero value is
// right for a public image and the platform of this program.
type Options struct {
	Platform *specv1.Platform // nil is Host()
	Registry registry.Options
	Config   Config
	Limits   Limits
	Seccomp  profile.Source // of the profile that the container gets; nil is none
	// Found, if set, is called once, when the image is found and before its
	// layers are fetched.
	Found func(*Image)
	// Progress, if set, is told how far each layer is. It is called from
	// several goroutines at once, about once for each 64 KiB that is read, and
	// holds up the work until it returns.
	Progress func(Event)
}

// Config is what the user wants different from the image. The zero value
// changes nothing.
type Config struct {
	Entrypoint []string // replaces the image's Entrypoint and Cmd when not nil
	Args       []string // replaces the image's Cmd when not nil
	Env        []string // NAME=VALUE, added or replaced
	User       string   // as in an image's config: user, uid, user:group, uid:gid, …
	WorkingDir string
	Terminal   bool
	Hostname   string
	// ReadOnly is for the root; directories that the image declares as volumes
	// stay writable.
	ReadOnly bool
	// Mounts are added after the default ones, and replace those with the same
	// destination.
	Mounts []specs.Mount

	Memory int64   // bytes, 0 is no limit
	CPUs   float64 // of processors, 0 is no limit
	Pids   int64   // processes and threads, 0 is no limit
}

// Limits bounds what an image may cost. In each field 0 stands for a default
// that is generous for real images and small enough to stop a hostile one
// before it fills a disk, and a negative number for no limit.
type Limits struct {
	// Entries bounds the tar entries of all layers together, with the parent
	// directories that they imply. An entry costs about 300 bytes of memory.
	// The default is 2 Mi.
	Entries int64
	// FileSize bounds the size of one file in bytes, holes included. The
	// default is 256 GiB.
	FileSize int64
	// TotalSize bounds the decompressed bytes of all layers together, and the
	// sizes of all files that are written, holes included. The default is 1
	// TiB.
	TotalSize int64
	// Expansion bounds how many times larger than its blob a layer may become,
	// once it has reached 1 GiB. The default is 200.
	Expansion int64
	// Extended bounds one PAX header, long name or sparse map in bytes. The
	// default is 1 MiB.
	Extended int64
	// Window bounds the window of a zstd frame in bytes, which is memory that
	// the decoder needs. The default is 128 MiB, what the zstd tool accepts
	// without --long.
	Window int64
}

// Event is one step of progress.
type Event struct {
	Layer int   // index in the manifest
	Read  int64 // bytes of the blob read in this pass
	Size  int64 // size of the blob
	Done  bool  // the layer is read to its end and verified
	// Pass is 1 for the first time that the layer is read. Few images need a
	// second pass over some of their layers, and hardly any a third.
	Pass int
}

func (o Options) platform() specv1.Platform {
	if o.Platform != nil {
		return *o.Platform
	}
	return Host()
}

// Pulled is what Pull made.
type Pulled struct {
	Image    *Image   // closed
	Bytes    int64    // of file data written, holes not counted
	Warnings []string // of all steps
}

const (
	rootfs      = "rootfs"
	maxAccounts = 4 << 20 // bytes of /etc/passwd or /etc/group
)

// Pull makes a bundle of an image: path/config.json and path/rootfs. The
// directory that holds path must exist, and path must not.
//
// The bundle is readable by its owner only, because what is in it, set-user-ID
// programs among others, is not for everybody on the host (CVE-2021-41103). It
// appears at once, when it is complete: whatever goes wrong, a cancelled ctx
// too, nothing is left.
func Pull(ctx context.Context, r ref.Reference, path string, o Options) (_ *Pulled, err error) {
	// first, so that a bundle that exists is reported before anything is
	// fetched
	dir, err := staging.New(path)
	if err != nil {
		return nil, err
	}
	img, err := Open(ctx, r, o)
	if err != nil {
		return nil, errors.Join(err, dir.Discard())
	}
	defer img.Close()
	if o.Found != nil {
		o.Found(img)
	}
	p := &Pulled{Image: img, Warnings: img.Warnings}
	if err := p.build(ctx, dir.Path(), o); err != nil {
		return nil, errors.Join(err, dir.Discard())
	}
	if err := context.Cause(ctx); err != nil {
		return nil, errors.Join(err, dir.Discard())
	}
	return p, dir.Commit()
}

// build fills a directory.
func (p *Pulled) build(ctx context.Context, dir string, o Options) (err error) {
	at := filepath.Join(dir, rootfs)
	if err := errors.Join(os.Mkdir(at, 0o755), os.Chmod(at, 0o755)); err != nil {
		return err
	}
	root, err := inroot.Open(at)
	if err != nil {
		return err
	}
	defer root.Close()
	fo := flatten.Options{Limits: flatten.Limits(o.Limits)}
	if o.Progress != nil {
		fo.Progress = func(e flatten.Event) { o.Progress(Event(e)) }
	}
	flat, err := flatten.Apply(ctx, root.File(), p.Image.layers(), fo)
	if err != nil {
		return err
	}
	p.Bytes = flat.Bytes
	p.Warnings = append(p.Warnings, flat.Warnings...)
	converted, err := convert.Spec(bundle.Default(), p.Image.Config, p.accounts(root),
		convert.Options(o.Config))
	if err != nil {
		return fmt.Errorf("%s: %w", p.Image.Ref, err)
	}
	p.Warnings = append(p.Warnings, converted.Warnings...)
	if err := o.Seccomp.Apply(converted.Spec); err != nil {
		return err
	}
	p.makeVolumes(root, converted.Volumes)
	return bundle.Save(dir, converted.Spec)
}

// layers pairs the manifest's layers with the config's diffIDs.
func (img *Image) layers() []flatten.Layer {
	var layers []flatten.Layer
	for i, d := range img.Manifest.Layers {
		layers = append(layers, flatten.Layer{
			Digest: d.Digest, DiffID: img.Config.RootFS.DiffIDs[i], Size: d.Size,
			MediaType: d.MediaType,
			Open: func(ctx context.Context) (io.ReadCloser, error) {
				return img.source.Blob(ctx, d)
			},
		})
	}
	return layers
}

// accounts reads the account files of the root filesystem. What cannot be read,
// because it is no regular file or too large (CVE-2024-9676, CVE-2026-47262),
// counts as empty.
func (p *Pulled) accounts(root *inroot.Root) convert.Accounts {
	read := func(name string) []byte {
		content, err := root.ReadFile(name, maxAccounts)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.Warnings = append(p.Warnings, fmt.Sprintf("no names are known from %v", err))
		}
		return content
	}
	return convert.Accounts{Passwd: read("/etc/passwd"), Group: read("/etc/group")}
}

// makeVolumes makes the directories that are declared as volumes and missing,
// as docker does.
func (p *Pulled) makeVolumes(root *inroot.Root, paths []string) {
	for _, path := range paths {
		f, err := root.MkdirAll(path, 0o755)
		if err != nil {
			p.Warnings = append(p.Warnings, fmt.Sprintf("volume %s: %v", path, err))
			continue
		}
		f.Close()
	}
}
