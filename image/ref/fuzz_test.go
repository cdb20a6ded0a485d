package ref_test

import (
	"net/url"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/ocikit/ocikit/image/ref"
)

// FuzzParse checks what callers rely on: what is accepted reads back from its
// full form, is understood by the registry client, and cannot leave its place
// in a URL.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"alpine", "h.x:5000/a/b:tag@" + sha, "[::1]:1/a", "oci:d:t", "oci:d@" + sha,
		"docker-archive:x.tar:a:b", "docker://a",
		"a__b/c--d.e", "localhost/a", "a/../b", "oci-archive:@:@",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ref.Parse(s)
		if err != nil {
			return
		}
		again, err := ref.Parse(r.String())
		if err != nil || again != r {
			t.Fatalf("%q is %+v, whose full form %q is %+v, %v", s, r, r.String(), again, err)
		}
		if r.Base() == "" {
			t.Fatalf("%q has an empty base", s)
		}
		if r.Kind != ref.Registry {
			return
		}
		repo, err := name.NewRepository(r.Host + "/" + r.Repository)
		if err != nil || repo.RepositoryStr() != r.Repository {
			t.Fatalf("%q: the registry client reads %q, %v", s, repo.RepositoryStr(), err)
		}
		u, err := url.Parse("https://" + r.Host + "/v2/" + r.Repository + "/manifests/" + r.Name)
		if err != nil || u.Host != r.Host || u.Path != "/v2/"+r.Repository+"/manifests/"+r.Name ||
			u.RawQuery != "" {
			t.Fatalf("%q: makes the URL %v, %v", s, u, err)
		}
	})
}
