package image_test

import (
	"bufio"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/image"
	"github.com/ocikit/ocikit/image/ref"
)

// need skips a test on machines without a tool.
func need(t *testing.T, tool, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed (Debian package %s)", tool, debianPackage)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dockerRegistry starts Debian's docker-registry on a free port, with lines of
// YAML for its authentication, and returns its address.
func dockerRegistry(t *testing.T, auth string) string {
	t.Helper()
	need(t, "docker-registry", "docker-registry")
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    "+
		"rootdirectory: %s/data\nhttp:\n  addr: 127.0.0.1:0\n%s", dir, auth)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker-registry", "serve", config)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // it takes REGISTRY_… for its configuration
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(stderr)
	listening := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	var log strings.Builder
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			go io.Copy(io.Discard, stderr)
			return m[1]
		}
		fmt.Fprintln(&log, lines.Text())
	}
	t.Fatalf("docker-registry does not listen:\n%s", log.String())
	return ""
}

// sampleLayout packs an image of three layers with all kinds of files, for one
// platform or two.
func sampleLayout(t *testing.T, platforms ...string) string {
	t.Helper()
	base, middle, top := t.TempDir(), t.TempDir(), t.TempDir()
	old := time.Unix(1234567890, 0)
	check := func(errs ...error) {
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	check(
		os.MkdirAll(base+"/etc/conf.d", 0o755), os.MkdirAll(base+"/bin", 0o755),
		os.MkdirAll(base+"/opt/old", 0o755), os.Mkdir(base+"/tmp", 0o1777),
		os.Chmod(base+"/tmp", 0o777|os.ModeSticky),
		os.WriteFile(base+"/etc/passwd",
			[]byte("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"), 0o644),
		os.WriteFile(base+"/etc/group", []byte("root:x:0:\napp:x:1000:\nextra:x:5:app\n"), 0o644),
		os.WriteFile(base+"/etc/conf.d/gone", []byte("gone"), 0o644),
		os.WriteFile(base+"/opt/old/file", nil, 0o644),
		os.WriteFile(base+"/bin/su", []byte("su"), 0o755), os.Chmod(base+"/bin/su",
			0o755|os.ModeSetuid),
		os.Link(base+"/bin/su", base+"/bin/sudo"), os.Symlink("/bin/su", base+"/etc/link"),
		os.Chtimes(base+"/etc/passwd", old, old),
		os.MkdirAll(middle+"/etc/conf.d", 0o750), os.MkdirAll(middle+"/opt", 0o755),
		os.WriteFile(middle+"/etc/conf.d/.wh.gone", nil, 0o644),
		os.WriteFile(middle+"/etc/conf.d/new", []byte("new"), 0o600),
		os.WriteFile(middle+"/opt/.wh..wh..opq", nil, 0o644),
		os.MkdirAll(top+"/var/lib", 0o755), os.WriteFile(top+"/var/lib/big",
			[]byte(strings.Repeat("0123456789", 300_000)), 0o644),
	)
	layout := filepath.Join(t.TempDir(), "layout")
	for i, platform := range platforms {
		p, err := image.ParsePlatform(platform)
		check(err)
		check(os.WriteFile(top+"/etc-platform", []byte(platform), 0o644))
		_, err = image.Pack(t.Context(), layout, []string{base, middle, top}, image.PackOptions{
			Name: "latest", Platform: p, Compression: image.Compression(i % 3),
			Owner: image.Owner{Keep: true},
			Config: specv1.ImageConfig{
				User: "app", Env: []string{"A=b"}, Cmd: []string{"/bin/su", "-x"},
				WorkingDir: "/var/lib",
				Volumes:    map[string]struct{}{"/data": {}}, Labels: map[string]string{"l": "v"},
			},
		})
		check(err)
	}
	return layout
}

// tree lists a root filesystem: what a container would see of it.
func tree(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		rel, _ := filepath.Rel(root, path)
		fmt.Fprintf(&b, "%v %d:%d %s", info.Mode(), st.Uid, st.Gid, rel)
		if !info.IsDir() {
			fmt.Fprintf(&b, " %d links, %v", st.Nlink, info.ModTime().UTC())
		}
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, ", %x", sha256.Sum256(content))
		}
		fmt.Fprintln(&b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// pull pulls into a new directory and returns it.
func pull(t *testing.T, name string, o image.Options) (string, error) {
	t.Helper()
	r, err := ref.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "bundle")
	o.Registry.Retry = quick
	_, err = image.Pull(t.Context(), r, dir, o)
	return dir, err
}

func mustPull(t *testing.T, name string, o image.Options) string {
	t.Helper()
	dir, err := pull(t, name, o)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// login writes a docker config.json for one registry, or an empty one, and
// makes it the current one.
func login(t *testing.T, host, user, password string) {
	t.Helper()
	dir := t.TempDir()
	auths := "{}"
	if user != "" {
		auths = fmt.Sprintf(`{%q:{"auth":%q}}`, host, base64.StdEncoding.EncodeToString([]byte(user+
			":"+password)))
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":`+auths+`}`),
		0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "config.json"))
}

func TestRealRegistries(t *testing.T) {
	need(t, "skopeo", "skopeo")
	layout := sampleLayout(t, image.FormatPlatform(image.Host()))
	login(t, "", "", "")
	want := tree(t, filepath.Join(mustPull(t, "oci:"+layout, image.Options{}), "rootfs"))
	tests := []struct {
		name  string
		start func(t *testing.T) (address string)
		auth  bool
	}{
		{"anonymous", func(t *testing.T) string { return dockerRegistry(t, "") }, false},
		{"basic", func(t *testing.T) string {
			need(t, "htpasswd", "apache2-utils")
			file := filepath.Join(t.TempDir(), "htpasswd")
			run(t, "htpasswd", "-Bbc", file, "jane", "s3cret")
			return dockerRegistry(t, fmt.Sprintf("auth:\n  htpasswd:\n    realm: r\n    path: %s\n",
				file))
		}, true},
		{"bearer", bearerRegistry, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := tt.start(t)
			login(t, "", "", "")
			if tt.auth {
				if _, err := pull(t, host+"/team/app:oci", image.Options{}); err == nil ||
					!strings.Contains(err.Error(), "docker login") {
					t.Errorf("without a login: got %v", err)
				}
				login(t, host, "jane", "other")
				if _, err := pull(t, host+"/team/app:oci", image.Options{}); err == nil ||
					!strings.Contains(err.Error(), "docker login") {
					t.Errorf("with a wrong password: got %v", err)
				}
				login(t, host, "jane", "s3cret")
			}
			for _, format := range []string{"oci", "v2s2"} {
				run(t, "skopeo", "copy", "--format", format, "--dest-tls-verify=false",
					"oci:"+layout+":latest", "docker://"+host+"/team/app:"+format)
				dir := mustPull(t, host+"/team/app:"+format, image.Options{})
				if got := tree(t, filepath.Join(dir, "rootfs")); got != want {
					t.Errorf("%s: got\n%s\nwant\n%s", format, got, want)
				}
				if _, err := bundle.Load(dir); err != nil {
					t.Errorf("%s: %v", format, err)
				}
			}
			if _, err := pull(t, host+"/team/app:none", image.Options{}); err == nil ||
				!strings.Contains(err.Error(), "app:none: not found") {
				t.Errorf("missing tag: got %v", err)
			}
		})
	}
}

// bearerRegistry starts docker-registry with a token server in this process,
// which knows one user.
func bearerRegistry(t *testing.T) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "certs.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		0o600); err != nil {
		t.Fatal(err)
	}
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "jane" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"token": token(t, key, cert,
			r.URL.Query()["scope"]), "expires_in": 300})
	}))
	t.Cleanup(tokens.Close)
	// By name: a registry may not send us to an address of this machine by
	// number, unless it is its own.
	realm := strings.Replace(tokens.URL, "127.0.0.1", "localhost", 1) + "/token"
	return dockerRegistry(t, fmt.Sprintf("auth:\n  token:\n    realm: %q\n    service: reg\n    "+
		"issuer: me\n    rootcertbundle: %s\n", realm, bundle))
}

// token signs what distribution's token specification asks for.
func token(t *testing.T, key *rsa.PrivateKey, cert []byte, scopes []string) string {
	access := []any{}
	for _, s := range scopes { // repository:team/app:pull,push
		if parts := strings.Split(s, ":"); len(parts) == 3 {
			access = append(access, map[string]any{"type": parts[0], "name": parts[1],
				"actions": strings.Split(parts[2], ",")})
		}
	}
	now := time.Now().Unix()
	encode := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	text := encode(map[string]any{"typ": "JWT", "alg": "RS256",
		"x5c": []string{base64.StdEncoding.EncodeToString(cert)}}) + "." +
		encode(map[string]any{"iss": "me", "sub": "jane", "aud": "reg", "iat": now, "nbf": now - 10,
			"exp": now + 300, "jti": fmt.Sprint(now), "access": access})
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Error(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// TestPlatforms pulls both images of an index that skopeo pushed, from
// docker-registry and from our own.
func TestPlatforms(t *testing.T) {
	need(t, "skopeo", "skopeo")
	login(t, "", "", "")
	layout := sampleLayout(t, "linux/amd64", "linux/arm64", "linux/arm/v7")
	registry, err := image.Serve(layout, image.ServeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	own := httptest.NewServer(registry)
	t.Cleanup(own.Close)
	host, copied := strings.TrimPrefix(own.URL, "http://"), dockerRegistry(t, "")
	run(t, "skopeo", "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false",
		"docker://"+host+"/layout:latest", "docker://"+copied+"/app:latest")
	for _, name := range []string{"oci:" + layout, host + "/layout", copied + "/app"} {
		for _, platform := range []string{"linux/amd64", "linux/arm64", "linux/arm/v7",
			"linux/arm"} {
			p, err := image.ParsePlatform(platform)
			if err != nil {
				t.Fatal(err)
			}
			dir := mustPull(t, name, image.Options{Platform: &p})
			got, err := os.ReadFile(filepath.Join(dir, "rootfs/etc-platform"))
			if err != nil || !strings.HasPrefix(string(got), platform) {
				t.Errorf("%s for %s: got %q, %v", name, platform, got, err)
			}
		}
		_, err := pull(t, name, image.Options{Platform: &specv1.Platform{OS: "linux",
			Architecture: "s390x"}})
		if err == nil || !strings.Contains(err.Error(), "not available for linux/s390x, only "+
			"for linux/amd64, linux/arm/v7, linux/arm64") {
			t.Errorf("%s for s390x: got %v", name, err)
		}
	}
}

// TestArchives pulls from the files that skopeo writes.
func TestArchives(t *testing.T) {
	need(t, "skopeo", "skopeo")
	login(t, "", "", "")
	layout, dir := sampleLayout(t, image.FormatPlatform(image.Host())), t.TempDir()
	want := tree(t, filepath.Join(mustPull(t, "oci:"+layout, image.Options{}), "rootfs"))
	for _, name := range []string{"oci-archive:" + dir + "/oci.tar:x", "docker-archive:" + dir +
		"/docker.tar:app:x"} {
		run(t, "skopeo", "copy", "oci:"+layout+":latest", name)
		for _, variant := range []string{name, strings.TrimSuffix(strings.TrimSuffix(name, ":x"),
			":app")} {
			if got := tree(t, filepath.Join(mustPull(t, variant, image.Options{}),
				"rootfs")); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", variant, got, want)
			}
		}
	}
}

func TestBundle(t *testing.T) {
	login(t, "", "", "")
	dir := mustPull(t, "oci:"+sampleLayout(t, image.FormatPlatform(image.Host())),
		image.Options{})
	b, err := bundle.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := b.Spec.Process
	if u := p.User; u.UID != 1000 || u.GID != 1000 || fmt.Sprint(u.AdditionalGids) != "[5]" {
		t.Errorf("got user %+v", u)
	}
	if strings.Join(p.Args, " ") != "/bin/su -x" || p.Cwd != "/var/lib" || p.Terminal ||
		b.Spec.Root.Readonly || b.Spec.Annotations["l"] != "v" {
		t.Errorf("got %+v", p)
	}
	if info, err := os.Stat(filepath.Join(dir, "rootfs/data")); err != nil || !info.IsDir() {
		t.Errorf("the volume does not exist: %v", err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the bundle is for everybody: %v, %v", info.Mode(), err)
	}
}

func TestPullRefusesExisting(t *testing.T) {
	dir := t.TempDir()
	r, err := ref.Parse("nowhere.invalid/app")
	if err != nil {
		t.Fatal(err)
	}
	_, err = image.Pull(t.Context(), r, dir, image.Options{})
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("got %v", err)
	}
	wantNothing(t, dir)
}
