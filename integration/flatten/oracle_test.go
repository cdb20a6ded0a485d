package flatten_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocikit/ocikit/image"
	"github.com/ocikit/ocikit/image/ref"
	"github.com/ocikit/ocikit/internal/testmain"
)

// TestMain refuses to run where the comparison is impossible.
func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests unpack images with foreign owners and devices, and "+
			"need root")
		os.Exit(1)
	}
	for _, tool := range []string{"skopeo", "umoci"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "these tests compare with %s: apt-get install %s\n", tool, tool)
			os.Exit(1)
		}
	}
	os.Exit(testmain.Run(m))
}

// ours flattens an image with image.Pull.
func ours(t *testing.T, layers []compressed) (map[string]fact, error) {
	t.Helper()
	dir := t.TempDir()
	layout, bundle := filepath.Join(dir, "layout"), filepath.Join(dir, "bundle")
	writeLayout(t, layout, layers)
	_, err := image.Pull(t.Context(), ref.Reference{Kind: ref.Layout, Path: layout}, bundle,
		image.Options{Platform: &platform})
	if err != nil {
		return nil, err
	}
	return scan(t, filepath.Join(bundle, "rootfs")), nil
}

// theirs flattens an image with skopeo copy and umoci unpack.
func theirs(t *testing.T, image []compressed) (map[string]fact, error) {
	t.Helper()
	dir := t.TempDir()
	writeLayout(t, filepath.Join(dir, "layout"), image)
	copied, bundle := filepath.Join(dir, "copy"), filepath.Join(dir, "bundle")
	for _, argv := range [][]string{
		{"skopeo", "copy", "--quiet", "--insecure-policy", "oci:" + filepath.Join(dir, "layout") +
			":latest", "oci:" + copied + ":latest"},
		{"umoci", "unpack", "--image", copied + ":latest", bundle},
	} {
		cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", argv[0], err, strings.TrimSpace(stderr.String()))
		}
	}
	return scan(t, filepath.Join(bundle, "rootfs")), nil
}

func TestOracle(t *testing.T) {
	for _, test := range oracleCases(t) {
		t.Run(test.name, func(t *testing.T) {
			if equal := test.differs == nil &&
				(test.refused == "") == (test.umociRefuses == ""); !equal && test.why == "" {
				t.Fatal("a difference without a reason")
			}
			got, err := ours(t, test.image)
			if (err == nil) != (test.refused == "") || err != nil && !strings.Contains(err.Error(),
				test.refused) {
				t.Fatalf("we say %v, want %q", err, test.refused)
			}
			want, theirErr := theirs(t, test.image)
			if (theirErr == nil) != (test.umociRefuses == "") || theirErr != nil &&
				!strings.Contains(theirErr.Error(), test.umociRefuses) {
				t.Fatalf("they say %v, want %q", theirErr, test.umociRefuses)
			}
			if err != nil || theirErr != nil {
				return
			}
			if diff := differences(got, want); !slices.Equal(diff, test.differs) {
				t.Errorf("got  %q\nwant %q", diff, test.differs)
			}
		})
	}
}

// oracleCase is an image that both flatten. Where the trees are not equal, or
// one of the tools refuses the image, the reason is in why.
type oracleCase struct {
	name         string
	image        []compressed
	differs      []string // facts: ours, theirs
	refused      string   // our error
	umociRefuses string   // their error
	why          string
}
