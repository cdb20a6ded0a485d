package flatten

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Names that the image specification reserves (image-spec/layer.md,
// "Whiteouts"). A file cannot have them.
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
	// AUFS left files with this prefix in the layers of old images. Only its
	// directory of hard link targets, below the root, has a meaning.
	aufsPrefix = ".wh..wh."
)

// pathMax is the longest path that the kernel resolves, with its NUL
// (limits.h). A longer one could be made, but nobody could open it.
const pathMax = 4096

var errPathMax = fmt.Errorf("the name is longer than %d bytes", pathMax-1)

// clean returns name as a path from the root of the image, without empty, "."
// and ".." elements; it is "" for the root. Like a path in a chroot, a name
// cannot leave the root: ".." of the root is the root.
func clean(name string) (string, error) {
	name = path.Clean("/" + name)[1:]
	if len(name) >= pathMax {
		return "", errPathMax
	}
	return name, nil
}

// split cuts a clean path into its directory and its last element.
func split(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// whiteout is what the name of an entry means for the layers below.
type whiteout int

const (
	noWhiteout whiteout = iota
	deletes             // the path that is returned with it
	opaque              // the directory's contents
	ignored             // AUFS's own
)

// classify tells whether base, in directory dir, is a whiteout, and of what.
func classify(dir, base string) (whiteout, string, error) {
	if strings.Contains(dir, whiteoutPrefix) {
		if err := checkDir(dir); err != nil {
			return noWhiteout, "", err
		}
	}
	switch name, ok := strings.CutPrefix(base, whiteoutPrefix); {
	case !ok:
		return noWhiteout, "", nil
	case base == opaqueMarker:
		return opaque, "", nil
	case strings.HasPrefix(base, aufsPrefix):
		return ignored, "", nil
	case name == "" || name == "." || name == "..":
		return noWhiteout, "", errors.New("a whiteout that names no file")
	default:
		return deletes, name, nil
	}
}

// checkDir refuses a path through a whiteout.
func checkDir(dir string) error {
	first, rest, _ := strings.Cut(dir, "/")
	if isAUFS(first) {
		dir = rest
	}
	for e := range strings.SplitSeq(dir, "/") {
		if strings.HasPrefix(e, whiteoutPrefix) {
			return fmt.Errorf("%q is a whiteout and cannot be a directory", e)
		}
	}
	return nil
}

// isAUFS reports whether the element, of the root, is one of AUFS's own.
func isAUFS(element string) bool {
	return strings.HasPrefix(element, aufsPrefix) && element != opaqueMarker
}
