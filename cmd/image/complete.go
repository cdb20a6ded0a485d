package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/ocikit/ocikit/internal/printable"
)

// completeImage completes the first argument as the name of an image in files,
// and the second one as a directory. It asks no registry.
func completeImage(_ *cobra.Command, args []string, word string) ([]string,
	cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	prefixes := []string{"oci:", "oci-archive:", "docker-archive:"}
	names := prefixes
	if prefix, path, found := strings.Cut(word, ":"); found {
		names = nil
		if !slices.Contains(prefixes, prefix+":") { // the host of a registry
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for _, name := range stored(prefix, path) {
			if printable.Text(name) == name {
				names = append(names, prefix+":"+name)
			}
		}
	}
	for _, name := range names {
		if strings.HasSuffix(name, ":") || strings.HasSuffix(name, "/") {
			return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// stored returns the completions of path behind a prefix such as oci:
// directories, and images.
func stored(prefix, path string) (names []string) {
	layout, _, chosen := strings.Cut(path, ":")
	if chosen {
		return imagesOf(prefix, layout)
	}
	matches, _ := filepath.Glob(path + "*") // a bad pattern matches nothing
	for _, name := range matches {
		st, err := os.Stat(name)
		switch images := imagesOf(prefix, name); {
		case err != nil:
		case len(images) > 0:
			names = append(names, images...)
		case st.IsDir():
			names = append(names, name+"/")
		case prefix != "oci" && strings.HasSuffix(name, ".tar"):
			names = append(names, name)
		}
	}
	return names
}

// imagesOf lists the images of a layout as DIR:NAME. It returns nil for other
// directories, and for prefixes other than oci.
func imagesOf(prefix, dir string) (images []string) {
	var index specv1.Index
	raw, err := os.ReadFile(filepath.Join(dir, specv1.ImageIndexFile))
	if err != nil || json.Unmarshal(raw, &index) != nil || prefix != "oci" {
		return nil
	}
	for _, m := range index.Manifests {
		if name := m.Annotations[specv1.AnnotationRefName]; name != "" {
			images = append(images, dir+":"+name)
		}
	}
	return images
}
