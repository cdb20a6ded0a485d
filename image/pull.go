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

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/bundle/inroot"
	"github.com/ocikit/ocikit/bundle/profile"
	"github.com/ocikit/ocikit/image/convert"
	"github.com/ocikit/ocikit/image/flatten"
	"github.com/ocikit/ocikit/image/manifest"
	"github.com/ocikit/ocikit/image/ref"
	"github.com/ocikit/ocikit/image/registry"
	"github.com/ocikit/ocikit/image/staging"
)

// Options say how to find an image and what to make of it. The zero value is
// right for a public image and the platform of this program.
type Options struct {
	Platform *specv1.Platform // nil is manifest.Host
	Registry registry.Options
	Config   convert.Options
	Flatten  flatten.Options
	Seccomp  profile.Source // of the profile that the container gets; nil is none
	// Found is called once, when the image is found and before its layers are
	// fetched.
	Found func(*Image)
}

func (o Options) platform() specv1.Platform {
	if o.Platform != nil {
		return *o.Platform
	}
	return manifest.Host()
}

// Pulled is what Pull made.
type Pulled struct {
	Image    *Image // closed
	Flatten  flatten.Result
	Warnings []string // of all steps
}

const (
	rootfs      = "rootfs"
	maxAccounts = 4 << 20 // bytes of /etc/passwd or /etc/group
)

// Pull makes a bundle of an image: path/config.json and path/rootfs. The folder
// that holds path must exist, and path must not.
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

// build fills a folder.
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
	if p.Flatten, err = flatten.Apply(ctx, root.File(), p.Image.layers(), o.Flatten); err != nil {
		return err
	}
	p.Warnings = append(p.Warnings, p.Flatten.Warnings...)
	converted, err := convert.Spec(bundle.Default(), p.Image.Config, p.accounts(root), o.Config)
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
	for i, d := range img.Manifest.Manifest.Layers {
		layers = append(layers, flatten.Layer{
			Digest: d.Digest, DiffID: img.Config.RootFS.DiffIDs[i], Size: d.Size,
			MediaType: d.MediaType,
			Open: func(ctx context.Context) (io.ReadCloser, error) {
				return img.source.Blob(ctx,
					d)
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

// makeVolumes makes the folders that are declared as volumes and missing, as
// docker does.
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
