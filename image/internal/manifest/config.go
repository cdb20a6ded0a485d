package manifest

import (
	"encoding/json"
	"fmt"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/ref"
)

// ParseConfig reads a config and checks that it describes as many layers as the
// manifest has.
func ParseConfig(raw []byte, layers int) (*specv1.Image, error) {
	if len(raw) > MaxConfigSize {
		return nil, fmt.Errorf("larger than %d bytes", MaxConfigSize)
	}
	if err := checkDepth(raw); err != nil {
		return nil, err
	}
	var img specv1.Image
	if err := json.Unmarshal(raw, &img); err != nil {
		return nil, err
	}
	if t := img.RootFS.Type; t != "layers" && t != "" {
		return nil, fmt.Errorf("rootfs.type is %q, must be \"layers\"", t)
	}
	if n := len(img.RootFS.DiffIDs); n != layers {
		return nil, fmt.Errorf("rootfs.diff_ids has %d entries for %d layers", n, layers)
	}
	for i, d := range img.RootFS.DiffIDs {
		if err := ref.CheckDigest(d); err != nil {
			return nil, fmt.Errorf("rootfs.diff_ids[%d]: %w", i, err)
		}
	}
	return &img, nil
}
