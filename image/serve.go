package image

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/internal/layout"
	"github.com/ocikit/ocikit/image/internal/manifest"
	"github.com/ocikit/ocikit/image/ref"
)

// ServeOptions change how a Server serves.
type ServeOptions struct {
	// User and Password are what clients must present, by HTTP basic
	// authentication. No user means that everybody may pull.
	User, Password string
}

// Server is an http.Handler. It is a small registry: it serves the images of
// OCI layouts over the read-only part of the OCI distribution API, so that any
// client can pull them. It is meant for tests, demonstrations and one's own
// machine: there is no TLS and nothing can be pushed. Layouts are read anew for
// each request, so images that are added are served at once.
type Server struct {
	opts  ServeOptions
	repos map[string]string // repository to directory
}

// Serve returns a Server for dir, which is an image layout, or a directory with
// layouts in it at any depth up to 8. A layout becomes the repository that is
// called as its path below dir; dir itself as its own last component.
// Directories whose names cannot be a repository are an error.
func Serve(dir string, o ServeOptions) (*Server, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, repos: map[string]string{}}
	if isLayout(abs) {
		return s, s.add(filepath.Base(abs), abs)
	}
	if err := filepath.WalkDir(abs, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() || path == abs {
			return err
		}
		rel, err := filepath.Rel(abs, path)
		switch {
		case err != nil:
			return err
		case isLayout(path):
			return cmp.Or(s.add(filepath.ToSlash(rel), path), error(fs.SkipDir))
		case strings.Count(rel, "/") == maxDepth:
			return fs.SkipDir
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if len(s.repos) == 0 {
		return nil, fmt.Errorf("%s: is not an image layout, nor is any directory in it", dir)
	}
	return s, nil
}

// maxDepth is how deep layouts are looked for.
const maxDepth = 7

func isLayout(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, specv1.ImageLayoutFile))
	return err == nil && info.Mode().IsRegular()
}

func (s *Server) add(name, dir string) error {
	var bad *ref.Error
	if _, err := ref.Parse("localhost/" + name); errors.As(err, &bad) {
		return fmt.Errorf("%s: the name of the directory becomes that of the repository: %s", dir,
			bad.Reason)
	}
	s.repos[name] = dir
	return nil
}

// Images lists what can be pulled, as REPOSITORY:TAG, sorted. Images without a
// tag are REPOSITORY@DIGEST.
func (s *Server) Images() ([]string, error) {
	var images []string
	for repo, dir := range s.repos {
		l, err := layout.Open(dir)
		if err != nil {
			return nil, err
		}
		for _, d := range l.Entries() {
			if tag := tagOf(d); tag != "" {
				images = append(images, repo+":"+tag)
			} else {
				images = append(images, repo+"@"+d.Digest.String())
			}
		}
		l.Close()
	}
	slices.Sort(images)
	return slices.Compact(images), nil
}

// tagOf is the tag that an image is served under: its name in the layout, or
// the tag of it if that is a full name.
func tagOf(d specv1.Descriptor) string {
	name := d.Annotations[specv1.AnnotationRefName]
	tag := name[strings.LastIndexByte(name, ':')+1:]
	if r, err := ref.Parse("localhost/x:" + tag); err != nil || r.Name != tag {
		return ""
	}
	return tag
}

// apiError is an answer that is not 200, as the distribution specification
// wants it.
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) Error() string { return e.message }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	err := s.serve(w, req)
	if err == nil {
		return
	}
	var answer *apiError
	if !errors.As(err, &answer) {
		answer = &apiError{http.StatusInternalServerError, "UNKNOWN",
			"the server cannot read its images"}
	}
	body, err := json.Marshal(map[string]any{"errors": []any{map[string]string{"code": answer.code,
		"message": answer.message}}})
	if err != nil {
		body = nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.status)
	w.Write(body)
}

func (s *Server) serve(w http.ResponseWriter, req *http.Request) error {
	if !s.allowed(req) {
		w.Header().Set("WWW-Authenticate", `Basic realm="image serve"`)
		return &apiError{http.StatusUnauthorized, "UNAUTHORIZED",
			"a user and a password are needed"}
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return &apiError{http.StatusMethodNotAllowed, "UNSUPPORTED", "images can only be pulled"}
	}
	path, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	switch {
	case !ok:
		return &apiError{http.StatusNotFound, "UNSUPPORTED",
			"this is a registry, its API is below /v2/"}
	case path == "":
		return writeJSON(w, struct{}{})
	case path == "_catalog":
		return s.catalog(w)
	}
	for _, kind := range []string{"manifests", "blobs", "tags"} {
		if i := strings.LastIndex(path, "/"+kind+"/"); i >= 0 {
			return s.open(w, req, path[:i], kind, path[i+len(kind)+2:])
		}
	}
	return &apiError{http.StatusNotFound, "UNSUPPORTED", "there is no such endpoint"}
}

// allowed compares credentials in a time that does not depend on them.
func (s *Server) allowed(req *http.Request) bool {
	if s.opts.User == "" {
		return true
	}
	user, password, _ := req.BasicAuth()
	got, want := sha256.Sum256([]byte(user+"\x00"+password)),
		sha256.Sum256([]byte(s.opts.User+"\x00"+s.opts.Password))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

func (s *Server) catalog(w http.ResponseWriter) error {
	return writeJSON(w, map[string]any{"repositories": slices.Sorted(maps.Keys(s.repos))})
}

// open answers a request in one repository.
func (s *Server) open(w http.ResponseWriter, req *http.Request, repo, kind, name string) error {
	dir, ok := s.repos[repo]
	if !ok {
		return &apiError{http.StatusNotFound, "NAME_UNKNOWN", "there is no such repository"}
	}
	l, err := layout.Open(dir)
	if err != nil {
		return err
	}
	defer l.Close()
	switch {
	case kind == "tags" && name == "list":
		return tags(w, repo, l)
	case kind == "tags":
		return &apiError{http.StatusNotFound, "UNSUPPORTED", "there is no such endpoint"}
	case kind == "blobs":
		return blob(w, req, l, digest.Digest(name))
	}
	doc, err := find(req.Context(), l, name)
	if err != nil {
		return err
	}
	send(w, req, bytes.NewReader(doc.Raw), doc.Digest, doc.MediaType)
	return nil
}

// find looks a manifest up by tag or digest. Images of one name for several
// platforms have an index that is in no file, but is the same each time.
func find(ctx context.Context, l *layout.Layout, name string) (*manifest.Document, error) {
	byDigest := strings.Contains(name, ":")
	if byDigest {
		d := specv1.Descriptor{Digest: digest.Digest(name), Size: -1}
		if ref.CheckDigest(d.Digest) != nil {
			return nil, &apiError{http.StatusBadRequest, "DIGEST_INVALID", "that is not a digest"}
		}
		if doc, err := l.Document(ctx, d); err == nil {
			return doc, nil
		}
	}
	for _, d := range l.Entries() {
		tag := tagOf(d)
		if tag == "" || !byDigest && tag != name {
			continue
		}
		doc, err := l.Resolve(ctx, d.Annotations[specv1.AnnotationRefName])
		if err == nil && (!byDigest || doc.Digest.String() == name) {
			return doc, nil
		}
	}
	return nil, &apiError{http.StatusNotFound, "MANIFEST_UNKNOWN", "there is no such image"}
}

func tags(w http.ResponseWriter, repo string, l *layout.Layout) error {
	list := []string{}
	for _, d := range l.Entries() {
		if tag := tagOf(d); tag != "" {
			list = append(list, tag)
		}
	}
	slices.Sort(list)
	return writeJSON(w, map[string]any{"name": repo, "tags": slices.Compact(list)})
}

// blob sends a file of the layout.
func blob(w http.ResponseWriter, req *http.Request, l *layout.Layout, d digest.Digest) error {
	if ref.CheckDigest(d) != nil {
		return &apiError{http.StatusBadRequest, "DIGEST_INVALID", "that is not a digest"}
	}
	f, err := l.OpenBlob(d)
	if errors.Is(err, fs.ErrNotExist) {
		return &apiError{http.StatusNotFound, "BLOB_UNKNOWN", "there is no such blob"}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	send(w, req, f, d, "application/octet-stream")
	return nil
}

// send sends content, or the range of it that was asked for.
func send(w http.ResponseWriter, req *http.Request, content io.ReadSeeker, d digest.Digest,
	mediaType string) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Etag", `"`+d.String()+`"`)
	http.ServeContent(w, req, "", time.Time{}, content)
}

func writeJSON(w http.ResponseWriter, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(raw)
	return err
}
