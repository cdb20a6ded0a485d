package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/testmain"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMain is also the image program itself, so that tests see what users see.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_IS_IMAGE") != "" {
		stamp = "test"
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(testmain.Run(m))
}

// command runs image in a directory, without the credentials of whoever runs
// the tests.
func command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = []string{"TEST_IS_IMAGE=1", "HOME=" + dir, "PATH=" + os.Getenv("PATH"),
		"SOURCE_DATE_EPOCH=1700000000", "FROM_HERE=here"}
	return cmd
}

// runImage returns the output and the exit code.
func runImage(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(dir, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// sample makes DIR/app, a layout of two layers.
func sample(t *testing.T, flags ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "base/etc"), 0o755),
		os.MkdirAll(filepath.Join(dir, "top/etc"), 0o755),
		os.WriteFile(filepath.Join(dir, "base/etc/passwd"),
			[]byte("root:x:0:0:root:/root:/bin/sh\napp:x:7:8::/home/app:\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "base/etc/gone"), []byte("gone"), 0o644),
		os.WriteFile(filepath.Join(dir, "top/etc/.wh.gone"), nil, 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	args := append([]string{"pack", "--platform", "linux/amd64", "--cmd", "/bin/app -v"}, flags...)
	_, stderr, code := runImage(t, dir, append(args, "app", "base", "top")...)
	if code != 0 {
		t.Fatal(stderr)
	}
	return dir
}

// golden compares with testdata/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (rewrite it with -update):\n%s", file, got)
	}
}

func TestHelp(t *testing.T) {
	for _, name := range []string{"", "pull", "serve", "pack", "inspect"} {
		stdout, stderr, code := runImage(t, t.TempDir(), strings.Fields(name+" --help")...)
		if code != 0 || stderr != "" {
			t.Errorf("%s --help: %d %s", name, code, stderr)
		}
		golden(t, "help"+strings.TrimRight("-"+name, "-")+".txt", stdout)
	}
	if stdout, _, _ := runImage(t, t.TempDir(), "--version"); stdout != "image version test\n" {
		t.Errorf("got %q", stdout)
	}
}

func TestPullOutput(t *testing.T) {
	dir := sample(t, "--user", "app")
	stdout, stderr, code := runImage(t, dir, "pull", "--platform", "linux/amd64", "oci:app",
		"bundle")
	if code != 0 || stdout != "" {
		t.Errorf("got %d and %q on stdout", code, stdout)
	}
	golden(t, "pull.txt", regexp.MustCompile(`\d+\.\d s`).ReplaceAllString(stderr, "N.N s"))
	stdout, stderr, code = runImage(t, dir, "pull", "-q", "--platform", "linux/amd64", "oci:app",
		"quiet")
	if code != 0 || stdout+stderr != "" {
		t.Errorf("quiet: got %d, %q", code, stdout+stderr)
	}
	_, stderr, code = runImage(t, dir, "pull", "--platform", "linux/amd64", "oci:app")
	if want := "image: " + filepath.Join(dir, "app") + ": exists already; remove it or choose " +
		"another name\n"; code != 1 || stderr != want {
		t.Errorf("existing bundle: got %d, %q", code, stderr)
	}
}

// TestPullFlags checks that each flag gets to config.json.
func TestPullFlags(t *testing.T) {
	dir := sample(t, "--volume", "/data")
	_, stderr, code := runImage(t, dir, "pull", "-q", "--platform", "linux/amd64", "-e", "A=1",
		"-e", "FROM_HERE", "-e", "NOT_SET", "-u", "app:5", "-w", "/tmp", "-t",
		"-m", "64m", "--cpus", "1.5", "--pids-limit", "99", "--hostname", "h", "-v",
		"./base:/mnt:ro", "--mount", "type=tmpfs,target=/scratch",
		"--read-only", "--entrypoint", "/bin/other", "oci:app", "b", "--", "-x", "--flag")
	if code != 0 {
		t.Fatal(stderr)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "b/config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s specs.Spec
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	mounts := map[string]string{}
	for _, m := range s.Mounts {
		mounts[m.Destination] = m.Type + " " + strings.ReplaceAll(m.Source, dir, "DIR") + " " +
			strings.Join(m.Options, ",")
	}
	r := s.Linux.Resources
	checks := []struct{ what, got, want string }{
		{"args", strings.Join(s.Process.Args, " "), "/bin/other -x --flag"},
		{"env", strings.Join(s.Process.Env[:2], " "), "A=1 FROM_HERE=here"},
		{"no env", fmt.Sprint(strings.Contains(strings.Join(s.Process.Env, " "), "NOT_SET")),
			"false"},
		{"user", fmt.Sprint(s.Process.User.UID, s.Process.User.GID), "7 5"},
		{"cwd", s.Process.Cwd, "/tmp"},
		{"terminal", fmt.Sprint(s.Process.Terminal), "true"},
		{"memory", fmt.Sprint(*r.Memory.Limit), fmt.Sprint(64 << 20)},
		{"cpus", fmt.Sprint(*r.CPU.Quota, *r.CPU.Period), "150000 100000"},
		{"pids", fmt.Sprint(*r.Pids.Limit), "99"},
		{"hostname", s.Hostname, "h"},
		{"read-only", fmt.Sprint(s.Root.Readonly), "true"},
		{"volume", mounts["/mnt"], "bind DIR/base rbind,ro,rprivate"},
		{"tmpfs", mounts["/scratch"], "tmpfs tmpfs nosuid,nodev"},
		{"image's volume", mounts["/data"], "tmpfs tmpfs nosuid,nodev,tmpcopyup"},
	}
	for _, c := range checks {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
}

// TestErrors: one line on stderr, nothing on stdout, exit code 1.
func TestErrors(t *testing.T) {
	dir := sample(t)
	tests := []struct {
		args string
		want string
	}{
		{"pull", "pull needs the name of an image"},
		{"pull a b c", `the command to run comes after "--"`},
		{"pull Alpine", `image name "Alpine": repository "Alpine": must be lower case`},
		{"pull ./app", "write oci:PATH for an image layout"},
		{"pull oci:nowhere", "nowhere: no such file"},
		{"pull oci:app:v9 b", `app: holds no image called "v9" (there are latest)`},
		{"pull --platform linux/s390x oci:app b", "not available for linux/s390x, only for " +
			"linux/amd64"},
		{"pull --platform x/y/z/w oci:app", `platform "x/y/z/w": must be OS/ARCH`},
		{"pull --creds jane oci:app", "--creds: must be USER:PASSWORD"},
		{"pull --memory lots oci:app", `--memory: "lots": must be a number and a unit`},
		{"pull --cpus many oci:app", "--cpus"},
		{"pull -v x:/y oci:app", `--volume "x:/y": source "x"`},
		{"pull --mount type=x oci:app", `--mount "type=x": type "x"`},
		{"pull --entrypoint [ oci:app", "--entrypoint [: is not a JSON array"},
		{"pull -u nobody oci:app b", `user "nobody": is not in /etc/passwd of the image`},
		{"pull --max-entries 1 oci:app b", "entries"},
		{"pull oci:app no/such/directory", "no/such"},
		{"pull --nonsense", "unknown flag: --nonsense"},
		{"serve", "serve needs a layout"},
		{"serve base", "is not an image layout"},
		{"serve --basic-auth jane app", "--basic-auth: must be USER:PASSWORD"},
		{"serve --listen nonsense app", "nonsense"},
		{"pack x", "pack needs a layout and at least one directory"},
		{"pack base top", "is not an OCI image layout"},
		{"pack new nowhere", "nowhere: no such file"},
		{"pack --compression xz new base", `compression "xz"`},
		{"pack --owner me new base", `--owner "me"`},
		{"pack --env x new base", `--env "x"`},
		{"pack --label x new base", `--label "x"`},
		{"pack --expose x new base", `--expose "x"`},
		{"pack --volume x new base", `--volume "x"`},
		{"pack --workdir x new base", `--workdir "x"`},
		{"pack --cmd [1] new base", "--cmd [1]: is not a JSON array"},
		{"inspect", "inspect needs the name of an image, and nothing else"},
		{"inspect oci:base", "base: is not an OCI image layout"},
		{"nonsense", `unknown command "nonsense"`},
	}
	before := list(t, dir)
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			stdout, stderr, code := runImage(t, dir, strings.Fields(strings.Replace(tt.args,
				"pull ", "pull --platform linux/amd64 ", 1))...)
			if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "image: ") &&
				!strings.Contains(stderr, "\nimage: ") || !strings.Contains(stderr, tt.want) {
				t.Errorf("got %d, %q, %q, want %q", code, stdout, stderr, tt.want)
			}
		})
	}
	if after := list(t, dir); after != before {
		t.Errorf("there was %s, now there is %s", before, after)
	}
}

func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestInspect(t *testing.T) {
	dir := sample(t, "--label", "k=v", "--expose", "80", "--env", "A=<b>", "--author", "Jane",
		"--stop-signal", "SIGQUIT", "--tag", "v1", "--compression", "none")
	stdout, stderr, code := runImage(t, dir, "inspect", "--platform", "linux/amd64", "oci:app:v1")
	if code != 0 || stderr != "" {
		t.Errorf("got %d, %s", code, stderr)
	}
	golden(t, "inspect.json", stdout)
	raw, _, _ := runImage(t, dir, "inspect", "--raw", "--platform", "linux/amd64", "oci:app:v1")
	if !json.Valid([]byte(raw)) || !strings.Contains(raw, `"schemaVersion":2`) {
		t.Errorf("got %q", raw)
	}
}

// TestServe pulls from `image serve`, with a password, and ends it as service
// managers do.
func TestServe(t *testing.T) {
	dir := sample(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := command(dir, "serve", "--basic-auth", "jane:s3cret", "app")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Scan()
		address := lines.Text()
		lines.Scan()
		if want := address + "/app:latest"; lines.Text() != want {
			t.Errorf("got %q, want %q", lines.Text(), want)
		}
		bundle := "from-" + strconv.Itoa(int(sig))
		_, stderr, code := runImage(t, dir, "pull", "-q", "--platform", "linux/amd64", "--creds",
			"jane:s3cret", address+"/app", bundle)
		if code != 0 {
			t.Errorf("pull: %s", stderr)
		}
		_, stderr, code = runImage(t, dir, "pull", "--platform", "linux/amd64", address+"/app",
			"none")
		if code != 1 || !strings.Contains(stderr, "docker login") {
			t.Errorf("without a password: got %d, %s", code, stderr)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(out)
		if err := errors.Join(err, cmd.Wait()); err != nil || len(rest) > 0 {
			t.Errorf("%v: %v, %q", sig, err, rest)
		}
	}
}

// stuck serves the layout DIR/app, except that no layer ever comes. It sends on
// the channel when one is asked for.
func stuck(t *testing.T, dir string) (address string, asked chan bool) {
	t.Helper()
	var index struct {
		Manifests []struct{ Digest string }
	}
	raw, err := os.ReadFile(filepath.Join(dir, "app/index.json"))
	if err == nil {
		err = json.Unmarshal(raw, &index)
	}
	if err != nil {
		t.Fatal(err)
	}
	asked = make(chan bool, 10)
	var blobs atomic.Int32
	files := http.FileServer(http.Dir(filepath.Join(dir, "app/blobs/sha256")))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		switch {
		case r.URL.Path == "/v2/":
			return
		case name == "latest":
			name = index.Manifests[0].Digest
		case strings.Contains(r.URL.Path, "/blobs/") && blobs.Add(1) > 1: // the first is the config
			asked <- true
			<-r.Context().Done()
			return
		}
		r.URL.Path = "/" + strings.TrimPrefix(name, "sha256:")
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), asked
}

// TestInterrupted ends a pull by signals while its layers do not come. Nothing
// may be left.
func TestInterrupted(t *testing.T) {
	dir := sample(t)
	before := list(t, dir)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		address, asked := stuck(t, dir)
		cmd := command(dir, "pull", "-q", "--platform", "linux/amd64", address+"/app", "bundle")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-asked
		if during := list(t, dir); !strings.Contains(during, ".bundle.partial-") ||
			strings.Contains(during, " bundle") {
			t.Errorf("while it pulls there is %s", during)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 128+int(sig) {
			t.Errorf("%v: got exit code %d, %v, %s", sig, code, err, stderr.String())
		}
		if want := "image: stopped by signal: " + sig.String() + "\n"; stderr.String() != want {
			t.Errorf("got %q, want %q", stderr.String(), want)
		}
		if after := list(t, dir); after != before {
			t.Errorf("%v: there was %s, now there is %s", sig, before, after)
		}
	}
}

// TestKilled: what a killed pull leaves is removed by the next one.
func TestKilled(t *testing.T) {
	dir := sample(t)
	address, asked := stuck(t, dir)
	cmd := command(dir, "pull", "-q", "--platform", "linux/amd64", address+"/app", "bundle")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if left := list(t, dir); !strings.Contains(left, ".bundle.partial-") {
		t.Errorf("there is %s", left)
	}
	if _, stderr, code := runImage(t, dir, "pull", "-q", "--platform", "linux/amd64", "oci:app",
		"bundle"); code != 0 {
		t.Error(stderr)
	}
	if left := list(t, dir); left != "app base bundle top" {
		t.Errorf("left %s", left)
	}
}

// TestBars pulls with a terminal for stderr.
func TestBars(t *testing.T) {
	dir := sample(t)
	ours, theirs := openPTY(t)
	cmd := command(dir, "pull", "--platform", "linux/amd64", "oci:app", "bundle")
	cmd.Stderr = theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	out, err := io.ReadAll(ours) // ends with EIO when the last writer is gone
	if err != nil && !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	text := string(out)
	if !strings.Contains(text, "[===") || strings.Contains(text, "layer 1 of") ||
		!strings.Contains(text, "bundle: ") {
		t.Errorf("got %q", text)
	}
}

// openPTY returns both ends of a pseudo-terminal, pts(4).
func openPTY(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24,
		Col: 100}); err != nil {
		t.Fatal(err)
	}
	if theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY,
		0); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}
