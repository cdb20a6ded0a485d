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
	return w.setAttributes(n, h, "fsetxattr", func(x layer.Xattr) error {
		return unix.Fsetxattr(fd, x.Name, []byte(x.Value), 0)
	})
}

// specialAttributes does so for what cannot be opened: through the directory's
// descriptor and without following the name in it.
func (w *writer) specialAttributes(dir int, n *node, h *layer.Header) error {
	return w.setAttributes(n, h, "lsetxattr", func(x layer.Xattr) error {
		return unix.Lsetxattr(procPath(dir)+"/"+n.name, x.Name, []byte(x.Value), 0)
	})
}

func (w *writer) setAttributes(n *node, h *layer.Header, call string,
	set func(layer.Xattr) error) error {
	for _, x := range h.Xattrs {
		if w.unwanted(n, x) {
			continue
		}
		err := retry(call, func() error { return set(x) })
		if errors.Is(err, unix.EOPNOTSUPP) {
			w.disk.warn("extended attribute "+x.Name+" left out, since the file system does not "+
				"support it", n.path)
		} else if err != nil {
			return fmt.Errorf("extended attribute %q: %w", x.Name, err)
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
