package registry

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/internal/manifest"
)

// Resolve fetches the index or manifest that a tag stands for now, at most 4
// MiB, and returns it with its Content-Type. It is not parsed. Errors are of
// type *Error.
func (r *Repository) Resolve(ctx context.Context, tag string) (raw []byte, mediaType string,
	err error) {
	raw, header, err := r.manifest(ctx, tag)
	said, is := header.Get("Docker-Content-Digest"), digest.FromBytes(raw).String()
	if err == nil && strings.HasPrefix(said, "sha256:") && said != is {
		err = contentErrorf("the registry says that the manifest is %q, but it is %s", said, is)
	}
	if err != nil {
		return nil, "", r.explain(":"+tag, err)
	}
	return raw, header.Get("Content-Type"), nil
}

// Manifest fetches the index or manifest with a digest, and verifies it. It is
// otherwise as Resolve. Size -1 means that the size is not known.
func (r *Repository) Manifest(ctx context.Context, d specv1.Descriptor) (raw []byte,
	mediaType string, err error) {
	raw, header, err := r.manifest(ctx, d.Digest.String())
	if err == nil {
		err = manifest.Verify(raw, d)
	}
	if err != nil {
		return nil, "", r.explain("@"+d.Digest.String(), err)
	}
	return raw, header.Get("Content-Type"), nil
}

func (r *Repository) manifest(ctx context.Context, name string) (raw []byte, header http.Header,
	err error) {
	err = r.retry.do(ctx, func() error {
		res, err := r.get(ctx, "manifests", name, func(h http.Header) {
			h.Set("Accept", strings.Join(manifest.MediaTypes(), ", "))
		})
		if err != nil {
			return err
		}
		defer res.Body.Close()
		header = res.Header
		raw, err = readAll(res)
		return err
	})
	return raw, header, err
}

// Config fetches a small blob into memory and verifies it.
func (r *Repository) Config(ctx context.Context, d specv1.Descriptor) ([]byte, error) {
	b, err := r.Blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	raw, err := io.ReadAll(io.LimitReader(b, manifest.MaxConfigSize+1))
	if err != nil {
		return nil, err
	}
	if err := manifest.Verify(raw, d); err != nil {
		return nil, r.explain("", err)
	}
	return raw, nil
}

// get makes one request and returns an answer of status 200 or 206, whose body
// the caller closes and which ends when it stalls.
func (r *Repository) get(ctx context.Context, kind, name string, headers func(http.Header)) (
	*http.Response, error) {
	// The transport turns https into http where that is what the registry
	// speaks and the user allowed it.
	url := "https://" + r.name.RegistryStr() + "/v2/" + r.name.RepositoryStr() + "/" + kind + "/" +
		name
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	headers(req.Header)
	late := time.AfterFunc(answerTime*r.retry.Stall, func() { cancel(errStalled) })
	res, err := r.client.Do(req)
	late.Stop()
	if err != nil {
		if context.Cause(ctx) == errStalled {
			err = errStalled
		}
		cancel(nil)
		return nil, err
	}
	res.Body = &watched{ReadCloser: res.Body, ctx: ctx, cancel: cancel, limit: r.retry.Stall}
	if err := transport.CheckError(res, http.StatusOK, http.StatusPartialContent); err != nil {
		res.Body.Close()
		return nil, retryAfter(res, err)
	}
	return res, nil
}

// readAll reads the body of a manifest.
func readAll(res *http.Response) ([]byte, error) {
	const most = manifest.MaxSize
	if res.ContentLength > most {
		return nil, contentErrorf("manifest of %d bytes: more than %d are not read",
			res.ContentLength, most)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if len(raw) > most {
		return nil, contentErrorf("manifest: more than %d bytes are not read", most)
	}
	return raw, err
}
