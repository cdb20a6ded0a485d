package flatten

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// attributes sets the extended attributes of an open file or directory.
func (w *writer) attributes(fd int, n *node, h *layer.Header) error {
	for _, x := range h.Xattrs {
		if w.unwanted(n, x) {
			continue
		}
		err := retry("fsetxattr", func() error {
			return unix.Fsetxattr(fd, x.Name, []byte(x.Value),
				0)
		})
		if err := w.checkAttribute(n, x, err); err != nil {
			return err
		}
	}
	return nil
}

// unwanted are attributes that mean something to the machine and not to the
// image: overlayfs would take its own for orders to hide files, labels belong
// to the machine's policy, and signatures to its keys.
func (w *writer) unwanted(n *node, x layer.Xattr) bool {
	overlay := strings.HasPrefix(x.Name, "trusted.overlay.") || strings.HasPrefix(x.Name,
		"user.overlay.")
	switch {
	case overlay, x.Name == "security.selinux", x.Name == "security.evm":
		w.disk.warn("extended attribute "+x.Name+" left out, since it belongs to a machine, not "+
			"to an image", n.path)
		return true
	}
	return false
}

// checkAttribute turns what the file system cannot store into a warning.
func (w *writer) checkAttribute(n *node, x layer.Xattr, err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		w.disk.warn("extended attribute "+x.Name+" left out, since the file system does not "+
			"support it", n.path)
		return nil
	}
	if err != nil {
		return fmt.Errorf("extended attribute %q: %w", x.Name, err)
	}
	return nil
}
