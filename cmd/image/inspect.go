package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ocikit/ocikit/image"
	"github.com/ocikit/ocikit/image/ref"
	"github.com/ocikit/ocikit/internal/printable"
)

// inspected is the output of `image inspect`.
type inspected struct {
	Reference string             `json:"reference"`
	Digest    digest.Digest      `json:"digest"`
	MediaType string             `json:"mediaType"`
	Platforms []string           `json:"platforms,omitempty"` // of an index
	Manifest  digest.Digest      `json:"manifest"`
	Platform  string             `json:"platform"`
	Created   *time.Time         `json:"created,omitempty"`
	Author    string             `json:"author,omitempty"`
	Size      int64              `json:"size"` // bytes to fetch
	Layers    []inspectedLayer   `json:"layers"`
	Config    specv1.ImageConfig `json:"config"`
	Warnings  []string           `json:"warnings,omitempty"`
}

type inspectedLayer struct {
	Digest    digest.Digest `json:"digest"`
	DiffID    digest.Digest `json:"diffID"`
	Size      int64         `json:"size"`
	MediaType string        `json:"mediaType"`
}

func inspectCommand() *cobra.Command {
	var f sourceFlags
	var raw bool
	cmd := &cobra.Command{
		Use:   "inspect [flags] IMAGE",
		Short: "Show what an image consists of, as JSON",
		Long: `inspect fetches the manifest and the configuration of an image, but no layers, and
prints what they say.`,
		Example: "  image inspect alpine\n  image inspect --platform linux/arm64 " +
			"oci:layout:latest",
		Args:              oneArg("the name of an image"),
		ValidArgsFunction: completeImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			r, err := ref.Parse(args[0])
			if err != nil {
				return err
			}
			img, err := image.Open(cmd.Context(), r, o)
			if err != nil {
				return err
			}
			defer img.Close()
			if raw {
				data := img.Raw
				if out, ok := cmd.OutOrStdout().(*os.File); ok && term.IsTerminal(int(out.Fd())) {
					data = printable.JSON(data)
				}
				_, err := cmd.OutOrStdout().Write(data)
				return err
			}
			var out bytes.Buffer
			enc := json.NewEncoder(&out)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(inspect(img)); err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(printable.JSON(out.Bytes()))
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&raw, "raw", false, "print the index or manifest as it is stored")
	return cmd
}

// oneArg requires exactly one argument.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s needs %s, and nothing else", cmd.Name(), what)
		}
		return nil
	}
}

func inspect(img *image.Image) inspected {
	out := inspected{
		Reference: img.Ref.String(), Digest: img.Digest, MediaType: img.MediaType,
		Manifest: img.ManifestDigest, Platform: image.FormatPlatform(img.Config.Platform),
		Created: img.Config.Created, Author: img.Config.Author, Size: imageSize(img),
		Layers: []inspectedLayer{}, Config: img.Config.Config, Warnings: img.Warnings,
	}
	if index := img.Index; index != nil {
		for _, d := range index.Manifests {
			if d.Platform != nil {
				out.Platforms = append(out.Platforms, image.FormatPlatform(*d.Platform))
			}
		}
	}
	for i, l := range img.Manifest.Layers {
		out.Layers = append(out.Layers, inspectedLayer{l.Digest, img.Config.RootFS.DiffIDs[i],
			l.Size, l.MediaType})
	}
	return out
}
