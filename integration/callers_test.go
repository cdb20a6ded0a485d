package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCallers has the programs that people use call the runtime, and Debian's
// runc in its place: what they print and how they exit is the same. They take
// their exit codes from the runtime's words, among other things.
func TestCallers(t *testing.T) {
	oracle, err := exec.LookPath("runc")
	if err != nil {
		t.Fatalf("the oracle is missing: %v", err)
	}
	for _, c := range []struct {
		name string
		// the variables of the session for a runtime
		prepare func(*testing.T, *box, string) map[string]string
		session string
	}{
		{"podman", preparePodman, podmanSession},
		{"buildah", prepareBuildah, buildahSession},
		{"containerd", prepareContainerd, containerdSession},
		{"docker", prepareDocker, dockerSession},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := callerBox(t)
			want := converse(t, c.prepare(t, b, oracle), c.session)
			prove(t, want)
			got := converse(t, c.prepare(t, b, os.Getenv(rtVar)), c.session)
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("got:\n%s\nwant, as with runc:\n%s", got[i], want[i])
				}
			}
			if t.Failed() {
				t.Logf("all that it said:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

// preparePodman makes podman's stores, with an image called bb.
func preparePodman(t *testing.T, b *box, runtime string) map[string]string {
	dir := filepath.Join(b.dir, "podman-"+filepath.Base(runtime))
	podman := fmt.Sprintf("env CONTAINERS_CONF=/dev/null podman --root %[1]s/root --runroot "+
		"%[1]s/run --tmpdir %[1]s/tmp --storage-driver vfs "+
		"--cgroup-manager cgroupfs --events-backend none --runtime %[2]s", dir, runtime)
	must(t, podman+" import "+tarRootfs(t, b)+" bb")
	return map[string]string{"podman": podman, "opts": "--network none --ulimit " +
		"nofile=1000:1000 --ulimit nproc=5000:5000 --cgroup-parent " + b.cgroup}
}

const podmanSession = `
$podman run --rm $opts bb /bin/echo hello
$podman run --rm $opts bb /bin/sh -c 'exit 7'
$podman run --rm $opts bb /bin/nosuch
$podman run --rm $opts bb nosuch
$podman run --rm $opts bb /etc/passwd
echo in | $podman run --rm -i $opts bb /bin/cat
$podman run --rm -t $opts bb /bin/tty
$podman run --rm $opts --read-only bb /bin/touch /x
$podman run --rm $opts --user 1000 --cap-drop all --security-opt no-new-privileges bb /bin/grep -E 'Cap|NoNew|Seccomp' /proc/self/status
$podman run --rm $opts --tmpfs /foo:size=1m bb /bin/sh -c 'mount | grep /foo'
$podman run --rm $opts --pid host --ipc host --uts host bb /bin/hostname
$podman run --rm $opts --network host bb /bin/true
$podman run --rm $opts --sysctl net.ipv4.ip_forward=1 bb /bin/cat /proc/sys/net/ipv4/ip_forward
$podman run --rm $opts --pids-limit 0 bb /bin/sh -c 'sleep 0 & wait && echo forked'
$podman run --rm $opts --preserve-fds 1 bb /bin/sh -c 'echo fd >&3' 3>&1
$podman run -d --name c $opts bb /bin/sleep 1000
$podman exec c /bin/echo exec
$podman exec -t c /bin/tty
$podman exec c /bin/sh -c 'exit 9'
$podman exec c /bin/nosuch
$podman exec c nosuch
$podman exec --user 1000:1000 c /bin/id
$podman exec -d c /bin/sleep 500
$podman top c comm
$podman pause c
$podman inspect c --format '{{.State.Status}}'
$podman exec c /bin/true
$podman unpause c
$podman inspect c --format '{{.State.Status}}'
$podman restart -t 0 c
$podman kill c
$podman wait c
$podman start c
$podman stop -t 0 c
$podman inspect c --format '{{.State.Status}} {{.State.ExitCode}}'
$podman rm c
$podman create --name d $opts bb /bin/sleep 1000
$podman rm -f -t 0 d
`

// prepareBuildah makes buildah's stores.
func prepareBuildah(t *testing.T, b *box, runtime string) map[string]string {
	dir := filepath.Join(b.dir, "buildah-"+filepath.Base(runtime))
	return map[string]string{
		"buildah": fmt.Sprintf("env CONTAINERS_CONF=/dev/null buildah --root %[1]s/root "+
			"--runroot %[1]s/run --storage-driver vfs", dir),
		"opts":   "--isolation oci --network none --runtime " + runtime,
		"cgroup": b.cgroup, "rootfs": tarRootfs(t, b),
	}
}

const buildahSession = `
$buildah from --name c --cgroup-parent $cgroup scratch
$buildah add c $rootfs / >/dev/null
$buildah run $opts c /bin/echo hello
$buildah run $opts c -- /bin/sh -c 'exit 7'
$buildah run $opts c /bin/nosuch
echo in | $buildah run $opts c /bin/cat
$buildah run -t $opts c /bin/tty
$buildah run $opts --user 1000 --cap-drop all c /bin/grep -E 'Cap|NoNew|Seccomp' /proc/self/status
$buildah run $opts -v /usr:/mnt:ro c /bin/touch /mnt/x
$buildah rm c >/dev/null
`

// prepareContainerd starts containerd, once for both runtimes, with an image
// called bb:latest.
func prepareContainerd(t *testing.T, b *box, runtime string) map[string]string {
	ctr := "ctr --address " + startContainerd(t, b)
	return map[string]string{
		"ctr": ctr,
		"opts": fmt.Sprintf("--snapshotter native --runc-binary %s --runc-root %s --cgroup %s/c",
			runtime,
			filepath.Join(b.dir, "rt-"+filepath.Base(runtime)), b.cgroup),
		// A task is known as stopped a moment after its end.
		"stopped": fmt.Sprintf("timeout %d sh -c 'until %s task ls | grep -q STOPPED; do :; done'",
			int(patience.Seconds()), ctr),
	}
}

const containerdSession = `
$ctr run --rm $opts docker.io/library/bb:latest c /bin/echo hello
$ctr run --rm $opts docker.io/library/bb:latest c /bin/sh -c 'exit 7'
$ctr run --rm $opts docker.io/library/bb:latest c /bin/nosuch
$ctr run --rm $opts docker.io/library/bb:latest c /etc/passwd
$ctr run --rm $opts --read-only docker.io/library/bb:latest c /bin/touch /x
$ctr run --rm $opts --seccomp docker.io/library/bb:latest c /bin/grep Seccomp: /proc/self/status
$ctr run --rm $opts --net-host docker.io/library/bb:latest c /bin/true
$ctr run --rm $opts --env A=b docker.io/library/bb:latest c /bin/env
$ctr run -d $opts docker.io/library/bb:latest c /bin/sleep 1000
$ctr task exec --exec-id e c /bin/echo exec
$ctr task exec --exec-id e c /bin/sh -c 'exit 9'
$ctr task exec --exec-id e c /bin/nosuch
$ctr task exec --exec-id e --user 1000:1000 c /bin/id
$ctr task pause c
$ctr task ls | grep -o PAUSED
$ctr task resume c
$ctr task ls | grep -o RUNNING
$ctr task ps c | wc -l
$ctr task metrics c >/dev/null
$ctr task kill -s SIGKILL c
$stopped
$ctr task kill -s SIGKILL c
$ctr task delete c
$ctr container delete c
`

// prepareDocker starts dockerd, once for both runtimes, with an image called
// bb.
func prepareDocker(t *testing.T, b *box, runtime string) map[string]string {
	docker := "env DOCKER_CONFIG=" + b.dir + " docker --host unix://" + startDocker(t, b)
	return map[string]string{"docker": docker, "opts": "--network none --runtime " +
		filepath.Base(runtime)}
}

const dockerSession = `
$docker run --rm $opts bb /bin/echo hello
$docker run --rm $opts bb /bin/sh -c 'exit 7'
$docker run --rm $opts bb /bin/nosuch
$docker run --rm $opts bb nosuch
$docker run --rm $opts bb /etc/passwd
$docker run --rm -w /none $opts bb /bin/pwd
echo in | $docker run --rm -i $opts bb /bin/cat
$docker run --rm -t $opts bb /bin/tty
$docker run --rm $opts --read-only bb /bin/touch /x
$docker run --rm $opts --user 1000 --cap-drop all --security-opt no-new-privileges bb /bin/grep -E 'Cap|NoNew|Seccomp' /proc/self/status
$docker run --rm $opts --tmpfs /foo:size=1m bb /bin/sh -c 'mount | grep /foo'
$docker run --rm $opts --pid host --ipc host --uts host bb /bin/hostname
$docker run --rm $opts --network host bb /bin/true
$docker run --rm $opts --sysctl net.ipv4.ip_forward=1 bb /bin/cat /proc/sys/net/ipv4/ip_forward
$docker run --rm $opts --oom-score-adj 500 bb /bin/cat /proc/self/oom_score_adj
$docker run --rm $opts --device /dev/zero:/dev/other bb /bin/stat -c '%t:%T %a' /dev/other
$docker run -d --name cc $opts bb /bin/sleep 1000
$docker exec cc /bin/echo exec
$docker exec -t cc /bin/tty
$docker exec cc /bin/sh -c 'exit 9'
$docker exec cc /bin/nosuch >/dev/null
$docker exec -u 1000 cc /bin/id
$docker exec -d cc /bin/sleep 500
$docker top cc -o comm
$docker pause cc
$docker inspect cc --format '{{.State.Status}}'
$docker unpause cc
$docker inspect cc --format '{{.State.Status}}'
$docker restart -t 0 cc
$docker kill cc
$docker wait cc
$docker start cc
$docker stop -t 0 cc
$docker inspect cc --format '{{.State.Status}} {{.State.ExitCode}}'
$docker rm cc
`

// startContainerd starts containerd and returns its socket. It ends with the
// test.
func startContainerd(t *testing.T, b *box) (socket string) {
	t.Helper()
	dir := filepath.Join(b.dir, "containerd")
	socket = filepath.Join(dir, "socket")
	if err := os.Mkdir(dir, 0o700); errors.Is(err, os.ErrExist) {
		return socket // it runs
	} else if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = "+
		"[\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		filepath.Join(dir, "root"), filepath.Join(dir, "state"), socket)
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	startDaemon(t, dir, exec.Command("containerd", "--config", file))
	layout := filepath.Join(dir, "layout")
	image := filepath.Join(os.Getenv(binVar), "image")
	must(t, fmt.Sprintf("%s pack --cmd /bin/sh %s %s", image, layout, rootfs(t, b)))
	must(t, fmt.Sprintf("tar -C %[1]s -cf %[1]s.tar . && ctr --address %[2]s images import "+
		"--snapshotter native --base-name docker.io/library/bb %[1]s.tar",
		layout, socket))
	return socket
}

// startDocker starts dockerd and returns its socket. It ends with the test.
func startDocker(t *testing.T, b *box) (socket string) {
	t.Helper()
	containerd := startContainerd(t, b)
	dir := filepath.Join(b.dir, "docker")
	socket = filepath.Join(dir, "socket")
	if err := os.Mkdir(dir, 0o700); errors.Is(err, os.ErrExist) {
		return socket // it runs
	} else if err != nil {
		t.Fatal(err)
	}
	ours := os.Getenv(rtVar)
	cmd := exec.Command("dockerd", "--host", "unix://"+socket, "--containerd", containerd,
		"--data-root", filepath.Join(dir, "data"),
		"--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"),
		"--storage-driver", "vfs",
		"--bridge", "none", "--iptables=false", "--ip-forward=false", "--exec-opt",
		"native.cgroupdriver=cgroupfs",
		"--cgroup-parent", b.cgroup, "--add-runtime", filepath.Base(ours)+"="+ours)
	keepKey(t)
	unmountAfter(t, dir)
	startDaemon(t, dir, cmd)
	must(t, "docker --host unix://"+socket+" import "+tarRootfs(t, b)+" bb")
	return socket
}

// unmountAfter removes the mounts below dir when what is to be cleaned up later
// is: dockerd leaves one of its data on a host whose mounts are not shared.
func unmountAfter(t *testing.T, dir string) {
	t.Helper()
	t.Cleanup(func() {
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Error(err)
		}
		lines := strings.Split(string(mounts), "\n")
		for _, line := range slices.Backward(lines) { // the last one mounted goes first
			fields := strings.Fields(line)
			if len(fields) < 5 || !strings.HasPrefix(fields[4], dir+"/") {
				continue
			}
			if err := unix.Unmount(fields[4], unix.UMOUNT_NOFOLLOW); err != nil {
				t.Errorf("unmount %s: %v", fields[4], err)
			}
		}
	})
}

// keepKey removes the key that old versions of dockerd make, if there is none.
func keepKey(t *testing.T) {
	t.Helper()
	const dir, key = "/etc/docker", "/etc/docker/key.json"
	if _, err := os.Stat(key); err == nil {
		return
	}
	_, err := os.Stat(dir)
	made := errors.Is(err, os.ErrNotExist)
	t.Cleanup(func() {
		err := os.Remove(key)
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		if made {
			err = errors.Join(err, os.Remove(dir))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
}

// startDaemon starts a daemon, waits until it says that it is ready, and ends
// it with the test.
func startDaemon(t *testing.T, dir string, cmd *exec.Cmd) {
	t.Helper()
	address := &net.UnixAddr{Name: filepath.Join(dir, "ready"), Net: "unixgram"}
	ready, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+address.Name, "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (missing? hack/test root installs it)", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			text, err := os.ReadFile(log.Name())
			t.Logf("%s, %v, in the end:\n%s", cmd, err, text[max(0, len(text)-4096):])
		}
		if err := errors.Join(cmd.Process.Signal(unix.SIGTERM), cmd.Wait()); err != nil {
			t.Errorf("%s: %v", cmd, err)
		}
	})
	if err := ready.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for said := make([]byte, 4096); ; {
		n, err := ready.Read(said)
		if err != nil {
			t.Fatalf("%s is not ready: %v", cmd, err)
		}
		if strings.Contains(string(said[:n]), "READY=1") {
			return
		}
	}
}

// converse runs the lines of a session by the shell, and returns each with its
// exit code and output.
func converse(t *testing.T, variables map[string]string, session string) (said []string) {
	t.Helper()
	for line := range strings.Lines(strings.TrimSpace(session)) {
		o := shell(t, os.Expand(line, func(name string) string {
			value, ok := variables[name]
			if !ok {
				t.Fatalf("%s: unknown variable %q", line, name)
			}
			return value
		}))
		said = append(said, fmt.Sprintf("%s=> %d\n%s", line, o.code,
			hexID.ReplaceAllString(o.stdout, "ID")))
	}
	return said
}

// prove fails the test if what runc was given to do did not work: equal
// failures would prove nothing.
func prove(t *testing.T, said []string) {
	t.Helper()
	proofs := 0
	for _, s := range said {
		line, result, _ := strings.Cut(s, "\n")
		want := ""
		if m := echoes.FindStringSubmatch(line); m != nil {
			want = "=> 0\n" + m[1] + "\n"
		} else if m := exits.FindStringSubmatch(line); m != nil {
			want = "=> " + m[1] + "\n"
		} else {
			continue
		}
		proofs++
		if result != want {
			t.Errorf("runc: %s\ngot  %q\nwant %q", line, result, want)
		}
	}
	if proofs < 2 {
		t.Errorf("only %d lines prove that runc works", proofs)
	}
}

// What commands of a session do if they work at all.
var (
	echoes = regexp.MustCompile(`/bin/echo (\w+)$`)
	exits  = regexp.MustCompile(`'exit (\d+)'$`)
)

// hexID is how callers name containers.
var hexID = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// shell runs a command by the shell. One that does not end fails the test.
func shell(t *testing.T, command string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	o := finish(t, exec.CommandContext(ctx, "sh", "-c", command))
	if ctx.Err() != nil {
		t.Fatalf("%s: %v\n%s%s", command, ctx.Err(), o.stdout, o.stderr)
	}
	return o
}

// must runs a command by the shell, which must succeed.
func must(t *testing.T, command string) {
	t.Helper()
	if o := shell(t, command); o.code != 0 {
		t.Fatalf("%s: status %d\n%s%s", command, o.code, o.stdout, o.stderr)
	}
}

// rootfs returns the directory that the images are made of.
func rootfs(t *testing.T, b *box) string {
	t.Helper()
	dir := filepath.Join(b.dir, "rootfs")
	if err := makeRootfs(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tarRootfs returns the same as an archive.
func tarRootfs(t *testing.T, b *box) string {
	t.Helper()
	file := filepath.Join(b.dir, "rootfs.tar")
	must(t, "tar -C "+rootfs(t, b)+" -cf "+file+" .")
	return file
}
