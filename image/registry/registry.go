// Package registry reads images from a registry over the OCI distribution API.
//
// It owns what a pull needs from the network: the handshake (anonymous, basic
// or bearer, with the credentials of docker's config.json and its helpers),
// retries, and downloads that go on where they broke off. The handshake itself
// is go-containerregistry's; see guard.go for the rules on where a request may
// go, which no layer above can get around.
//
// A registry is not trusted. Manifests and configs are checked against their
// digests here. Layers are not, because their reader must hash them anyway
// while it unpacks: see Repository.Blob.
package registry

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Options say how to talk to a registry. The zero value is right for public and
// logged-in registries.
type Options struct {
	// PlainHTTP allows http where https does not answer. Anyone on the network
	// path can then read the credentials, but cannot change an image that is
	// named by digest. http is always allowed to a registry on a loopback
	// address.
	PlainHTTP bool
	// Loopback says that the registry is on this machine; see
	// ref.Reference.IsLoopback.
	Loopback bool
	// Auth are the credentials; nil means those that docker's config.json, or
	// podman's auth.json, has for the registry.
	Auth authn.Authenticator
	// TLS may name other certificate authorities than the system's.
	TLS *tls.Config
	// UserAgent is put before go-containerregistry's own.
	UserAgent string
	// Retry bounds repetition; the zero value gives up on a dead registry
	// after about 8 seconds.
	Retry Retry
}

// Repository is one repository of a registry, logged in. It is safe for
// concurrent use.
type Repository struct {
	host   string // as the user wrote it
	name   name.Repository
	client *http.Client
	guard  *guard
	retry  Retry
}

// Open connects to a registry and logs in. Callers Close the repository.
func Open(ctx context.Context, host, repository string, o Options) (*Repository, error) {
	opts := []name.Option{}
	plain := o.PlainHTTP || o.Loopback
	if plain {
		opts = append(opts, name.Insecure)
	}
	repo, err := name.NewRepository(host+"/"+repository, opts...)
	if err != nil {
		return nil, err
	}
	if o.Auth == nil {
		if o.Auth, err = authn.Resolve(ctx, authn.DefaultKeychain, repo); err != nil {
			return nil, fmt.Errorf("credentials of %s in docker's config.json: %w", host, err)
		}
	}
	retry := o.Retry
	if retry == (Retry{}) {
		retry = defaultRetry
	}
	r := &Repository{host: host, name: repo, retry: retry, guard: newGuard(repo.RegistryStr(),
		plain, o.TLS, retry.Stall)}
	base := transport.NewUserAgent(r.guard, o.UserAgent)
	err = r.retry.do(ctx, func() error {
		return r.within(context.WithValue(ctx, handshake{}, true), func(ctx context.Context) error {
			rt, err := transport.NewWithContext(ctx, repo.Registry, o.Auth, base,
				[]string{repo.Scope(transport.PullScope)})
			r.client = &http.Client{Transport: rt}
			return err
		})
	})
	if err != nil {
		r.Close()
		return nil, r.explain("", err)
	}
	return r, nil
}

// String is host/repository, as the user wrote it.
func (r *Repository) String() string { return r.host + "/" + r.name.RepositoryStr() }

// Close ends idle connections.
func (r *Repository) Close() { r.guard.close() }
