package registry

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func basicHeader(user, pass string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))
}

// wantAuth answers 401 with a challenge unless a request has the Authorization
// header.
func wantAuth(header, challenge string, then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != header {
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		then(w, r)
	}
}

func TestBasic(t *testing.T) {
	routes := map[string]http.HandlerFunc{
		"/v2/": wantAuth(basicHeader("jane", "s3cret"), `Basic realm="x"`,
			say(200, "")),
		manifestPath("v1"): wantAuth(basicHeader("jane", "s3cret"), `Basic realm="x"`,
			say(200, goodManifest)),
	}
	f := newFake(t, httptest.NewServer, routes)
	if _, _, err := open(t, f, Options{Auth: basicOf("jane", "s3cret")}).Resolve(t.Context(),
		"v1"); err != nil {
		t.Errorf("right password: %v", err)
	}
	_, _, err := open(t, f, Options{Auth: basicOf("jane", "other")}).Resolve(t.Context(), "v1")
	if err == nil || !strings.Contains(err.Error(), "docker login") {
		t.Errorf("wrong password: got %v", err)
	}
	if _, _, err := open(t, f, Options{}).Resolve(t.Context(), "v1"); err == nil {
		t.Error("anonymous: got no error")
	}
}

// TestDockerConfig logs in with what `docker login` leaves behind, in clear and
// with a credential helper.
func TestDockerConfig(t *testing.T) {
	f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{
		"/v2/": wantAuth(basicHeader("jane", "s3cret"), `Basic realm="x"`,
			say(200, "")),
		manifestPath("v1"): wantAuth(basicHeader("jane", "s3cret"), `Basic realm="x"`,
			say(200, goodManifest)),
	})
	auth := strings.TrimPrefix(basicHeader("jane", "s3cret"), "Basic ")
	tests := []struct{ name, config, err string }{
		{"auths", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, f.host(), auth), ""},
		{"helper", fmt.Sprintf(`{"credHelpers":{%q:"fake"}}`, f.host()), ""},
		{"helper for all", `{"credsStore":"fake"}`, ""},
		{"missing helper", `{"credsStore":"is-not-installed"}`, "credentials of " + f.host()},
		{"broken", `{`, "credentials of " + f.host()},
	}
	helper := "#!/bin/sh\nread host\necho '{\"Username\":\"jane\",\"Secret\":\"s3cret\"}'\n"
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "config.json"), tt.config, 0o600)
			write(t, filepath.Join(dir, "docker-credential-fake"), helper, 0o700)
			t.Setenv("DOCKER_CONFIG", dir)
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			r, err := Open(t.Context(), f.host(), "app", Options{Loopback: true, Retry: quick})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want an error with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, _, err := r.Resolve(t.Context(), "v1"); err != nil {
				t.Error(err)
			}
		})
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// tokenServer gives a token to whoever knows the password, or to anybody.
func tokenServer(t *testing.T, start func(http.Handler) *httptest.Server, password string) *fake {
	return newFake(t, start, map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter,
		r *http.Request) {
		if password != "" && r.Header.Get("Authorization") != basicHeader("jane", password) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if scope := r.URL.Query()["scope"]; len(scope) == 0 || scope[0] != "repository:app:pull" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"token": "t0ken", "expires_in": 60})
	}})
}

// realm names a server by a name instead of its address: a literal private
// address of another host is refused in any case.
func realm(f *fake) string {
	u, _ := url.Parse(f.URL)
	return u.Scheme + "://localhost:" + u.Port() + "/token"
}

func bearer(realm string) string { return fmt.Sprintf(`Bearer realm=%q,service="reg"`, realm) }

func TestBearer(t *testing.T) {
	tests := []struct {
		name, password string
		o              Options
		err            string
	}{
		{"anonymous", "", Options{}, ""},
		{"logged in", "s3cret", Options{Auth: basicOf("jane", "s3cret")}, ""},
		{"not logged in", "s3cret", Options{}, "docker login"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tokens := tokenServer(t, httptest.NewServer, tt.password)
			f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{
				"/v2/": wantAuth("Bearer t0ken", bearer(realm(tokens)), say(200, "")),
				manifestPath("v1"): wantAuth("Bearer t0ken", bearer(realm(tokens)),
					say(200, goodManifest)),
			})
			tt.o.Loopback, tt.o.Retry = true, quick
			r, err := Open(t.Context(), f.host(), "app", tt.o)
			if err == nil {
				defer r.Close()
				_, _, err = r.Resolve(t.Context(), "v1")
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil ||
				!strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			for _, req := range f.asked(manifestPath("v1")) {
				if strings.HasPrefix(req.Header.Get("Authorization"), "Basic") {
					t.Error("the password went to the registry, which asked for a token")
				}
			}
		})
	}
}

// TestRedirectedBlob: object stores behind registries get no credentials.
func TestRedirectedBlob(t *testing.T) {
	d := blobOf("content")
	store := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{"/x": say(200, "content")})
	for _, challenge := range []string{`Basic realm="x"`, "bearer"} {
		tokens := tokenServer(t, httptest.NewServer, "s3cret")
		header := basicHeader("jane", "s3cret")
		if challenge == "bearer" {
			challenge, header = bearer(realm(tokens)), "Bearer t0ken"
		}
		f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{
			"/v2/": wantAuth(header, challenge, say(200, "")),
			blobPath(d): wantAuth(header, challenge, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, store.URL+"/x", http.StatusTemporaryRedirect)
			}),
		})
		b, err := open(t, f, Options{Auth: basicOf("jane", "s3cret")}).Blob(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(b)
		b.Close()
		if err != nil || string(raw) != "content" {
			t.Errorf("got %q, %v", raw, err)
		}
	}
	for _, req := range store.asked("/x") {
		if h := req.Header.Get("Authorization"); h != "" {
			t.Errorf("the store was given %q", h)
		}
	}
}

// TestCredentialsStayOnHTTPS: a registry that was reached by https cannot lead
// to http, by whatever means (CVE-2020-15157, CVE-2026-48978).
func TestCredentialsStayOnHTTPS(t *testing.T) {
	plain := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{"": say(200,
		`{"token":"x"}`)})
	plainURL := "http://localhost:" + strings.TrimPrefix(plain.URL, "http://127.0.0.1:")
	secure := newFake(t, httptest.NewTLSServer, nil)
	to := func(url string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, url, http.StatusTemporaryRedirect)
		}
	}
	tests := []struct {
		name   string
		routes map[string]http.HandlerFunc
	}{
		{"realm", map[string]http.HandlerFunc{"": wantAuth("no", bearer(plainURL+"/token"), nil)}},
		{"realm redirects", map[string]http.HandlerFunc{
			"":       wantAuth("no", bearer("https://"+secure.host()+"/token"), nil),
			"/token": to(plainURL + "/token"),
		}},
		{"ping redirects", map[string]http.HandlerFunc{"": to(plainURL + "/v2/")}},
		{"manifest redirects", map[string]http.HandlerFunc{
			"/v2/": wantAuth(basicHeader("jane", "s3cret"), `Basic realm="x"`,
				say(200, "")),
			manifestPath("v1"): to(plainURL + "/m"),
		}},
		{"manifest redirects to itself by http", map[string]http.HandlerFunc{
			"/v2/": wantAuth(basicHeader("jane", "s3cret"), `Basic realm="x"`,
				say(200, "")),
			manifestPath("v1"): to("http://" + secure.host() + manifestPath("v1")),
		}},
		{"late challenge", map[string]http.HandlerFunc{
			"/v2/":             say(200, ""),
			manifestPath("v1"): wantAuth("no", bearer(plainURL+"/token"), nil),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			secure.mu.Lock()
			secure.routes = tt.routes
			secure.mu.Unlock()
			r, err := Open(t.Context(), secure.host(), "app", Options{
				Auth: basicOf("jane", "s3cret"), Retry: quick, TLS: trusting(secure),
			})
			if err == nil {
				defer r.Close()
				_, _, err = r.Resolve(t.Context(), "v1")
			}
			if err == nil {
				t.Error("got no error")
			}
			plain.mu.Lock()
			defer plain.mu.Unlock()
			if len(plain.requests) > 0 {
				t.Errorf("%s was asked for %s", plain.URL, plain.requests[0].URL)
			}
		})
	}
}

func trusting(f *fake) *tls.Config {
	return f.Client().Transport.(*http.Transport).TLSClientConfig
}

func TestHTTPS(t *testing.T) {
	f := newFake(t, httptest.NewTLSServer, map[string]http.HandlerFunc{manifestPath("v1"): say(200,
		goodManifest)})
	r, err := Open(t.Context(), f.host(), "app", Options{TLS: trusting(f), Retry: quick})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, _, err := r.Resolve(t.Context(), "v1"); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), f.host(), "app", Options{Retry: quick}); err == nil ||
		!strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown authority: got %v", err)
	}
	if n := len(f.asked("/v2/")); n != 1 {
		t.Errorf("registry was pinged %d times, want once", n)
	}
}
