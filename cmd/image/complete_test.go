package main

import (
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	dir := sample(t, "--tag", "v1")
	tests := []struct{ name, line, want string }{
		{"command", "serv", "serve\tServe image layouts as a registry :4"},
		{"kinds of files", "pull %s", "oci: oci-archive: docker-archive: :6"},
		{"directories", "inspect oci:b", "oci:base/ :6"},
		{"images of a layout", "pull oci:a", "oci:app:v1 :4"},
		{"image", "pull oci:app:", "oci:app:v1 :4"},
		{"directory that is no layout", "pull oci:base:", ":4"},
		{"archives", "pull oci-archive:t", "oci-archive:top/ :6"},
		{"in a registry", "pull ghcr.io/team:", ":4"},
		{"bundle", "pull oci:app %s", ":16"},
		{"layout to serve", "serve %s", ":16"},
		{"value", "pack --compression %s", "gzip zstd none :4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"__complete"}
			for _, word := range strings.Fields(tt.line) {
				args = append(args, strings.TrimPrefix(word, "%s"))
			}
			stdout, _, code := runImage(t, dir, args...)
			got := strings.ReplaceAll(strings.TrimSpace(stdout), "\n", " ")
			if code != 0 || got != tt.want {
				t.Errorf("got %d, %q, want %q", code, got, tt.want)
			}
		})
	}
}
