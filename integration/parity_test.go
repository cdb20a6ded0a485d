package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
)

// probe prints what a process can see of its own container.
const probe = `
echo "== status"; grep -E '^(Uid|Gid|Groups|Umask|Cap|NoNewPrivs|Seccomp|SigBlk)' /proc/self/status
echo "== limits"; cat /proc/self/limits
echo "== env"; env | sort
echo "== cwd"; pwd; hostname
echo "== dev"; cd /dev; for n in *; do
	if [ -L $n ]; then echo "$n -> $(readlink $n)"; else stat -c '%n %F %a %u:%g %t,%T' $n; fi; done
echo "== modes"; stat -c '%n %F %a %u:%g' / /proc /sys /dev /dev/shm /dev/pts /dev/mqueue /vol /tmp /m/*
echo "== cgroup"; cat /proc/self/cgroup
echo "== fds"; ls /proc/self/fd
echo "== sysctl"; cat /proc/sys/kernel/hostname; cat /proc/self/oom_score_adj
echo "== mountinfo"; cat /proc/self/mountinfo
echo "== namespaces"; for n in pid mnt uts ipc net cgroup user time; do echo $n $(readlink /proc/self/ns/$n); done
`

// TestParity runs the same bundle with Debian's runc and with ours and
// compares everything that the container can observe.
func TestParity(t *testing.T) {
	oracle, err := exec.LookPath("runc")
	if err != nil {
		t.Fatalf("the oracle is missing: %v", err)
	}
	for _, tt := range parityCases {
		t.Run(tt.name, func(t *testing.T) {
			b := testBox(t)
			dir := b.bundle(t, "b", nil, "true")
			// The first of the two makes the missing directory, with another
			// mode.
			for _, target := range []string{"ro", "strict"} {
				if err := os.MkdirAll(filepath.Join(dir, "rootfs/m", target), 0o750); err != nil {
					t.Fatal(err)
				}
			}
			runcSpec(t, oracle, dir, b.cgroup+"/b")
			c, err := loadConfig(dir)
			if err != nil {
				t.Fatal(err)
			}
			c.set("process.args", []string{"sh", "-c", probe})
			if tt.edit != nil {
				tt.edit(c)
			}
			if err := c.save(dir); err != nil {
				t.Fatal(err)
			}
			want := finish(t, exec.Command(oracle, "--root", b.state, "run", "--bundle", dir,
				"parity"))
			if want.code != 0 {
				t.Fatalf("runc: status %d\n%s", want.code, want.stderr)
			}
			got := b.try(t, "run", "--bundle", dir, "parity")
			if got.code != 0 {
				t.Fatalf("ours: status %d\n%s", got.code, got.stderr)
			}
			compareProbes(t, normal(got.stdout), normal(want.stdout))
		})
	}
}

var parityCases = []struct {
	name string
	edit func(config)
}{
	{"default", nil},
	{"user and groups", func(c config) {
		c.set("process.user", map[string]any{"uid": 1000, "gid": 1001, "additionalGids": []int{5,
			6}, "umask": 0o27})
	}},
	{"capabilities for a user", func(c config) {
		c.set("process.user", map[string]any{"uid": 1000, "gid": 1000})
		for _, set := range []string{"bounding", "effective", "permitted", "inheritable",
			"ambient"} {
			c.set("process.capabilities."+set, []string{"CAP_NET_BIND_SERVICE", "CAP_KILL",
				"CAP_CHOWN"})
		}
	}},
	{"no capabilities", func(c config) {
		c.set("process.capabilities", map[string]any{})
	}},
	{"all capabilities dropped but bounding", func(c config) {
		c.set("process.capabilities", map[string]any{"bounding": []string{"CAP_SYS_ADMIN",
			"CAP_CHOWN"}})
	}},
	{"rlimits", func(c config) {
		c.set("process.rlimits", []map[string]any{
			// Debian's runc now and then loses a soft limit that is below the
			// hard one.
			{"type": "RLIMIT_NOFILE", "soft": 200, "hard": 200},
			{"type": "RLIMIT_NPROC", "soft": 300, "hard": 400},
			{"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
			{"type": "RLIMIT_STACK", "soft": 1 << 20, "hard": 1 << 23},
			{"type": "RLIMIT_AS", "soft": 1 << 30, "hard": 1 << 31},
		})
	}},
	{"environment and directory", func(c config) {
		c.set("process.env", []string{"PATH=/bin", "A=1", "A=2", "EMPTY=", "HOME=/tmp",
			"SPACE=a b"})
		c.set("process.cwd", "/tmp")
		c.set("hostname", "parity")
	}},
	{"new privileges allowed, writable root", func(c config) {
		c.set("process.noNewPrivileges", false)
		c.set("root.readonly", false)
	}},
	{"mount options", func(c config) {
		for _, m := range []map[string]any{
			{"destination": "/vol", "type": "tmpfs", "source": "tmpfs",
				"options": []string{"size=128k", "mode=0755", "uid=3", "gid=4", "nodev", "noexec",
					"nosuid", "noatime"}},
			{"destination": "/m/ro", "type": "tmpfs", "source": "tmpfs", "options": []string{"ro",
				"nodiratime", "size=4k"}},
			{"destination": "/m/strict", "type": "tmpfs", "source": "x",
				"options": []string{"strictatime", "sync", "dirsync"}},
			bind("/usr/share", "/m/usr", "ro", "nosuid", "nodev", "noexec"),
			bind("/usr/share", "/m/rec", "rbind", "rprivate"),
			bind("/etc/passwd", "/m/file", "ro"),
			bind("/usr/share", "/m/slave", "rbind", "rslave"),
			bind("/usr/share", "/m/shared", "rbind", "shared"),
		} {
			c.set("mounts.+", m)
		}
	}},
	{"shared propagation", func(c config) { c.set("linux.rootfsPropagation", "rslave") }},
	{"host namespaces", func(c config) {
		c.set("linux.namespaces", []map[string]any{{"type": "pid"}, {"type": "mount"}})
		c.unset("hostname")
	}},
	{"cgroup namespace", withCgroupNamespace},
	{"cgroup mount", func(c config) {
		withCgroupNamespace(c)
		c.dropMount("/sys/fs/cgroup")
		c.set("mounts.+", map[string]any{"destination": "/sys/fs/cgroup", "type": "cgroup",
			"source":  "cgroup",
			"options": []string{"nosuid", "noexec", "nodev", "relatime", "ro"}})
	}},
	{"devices", func(c config) {
		c.set("linux.devices", []map[string]any{
			{"path": "/dev/one", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 1,
				"gid": 2},
			{"path": "/dev/sub/fifo", "type": "p", "fileMode": 0o600},
			{"path": "/dev/blk", "type": "b", "major": 7, "minor": 200, "fileMode": 0o660},
		})
	}},
	{"paths", func(c config) {
		c.set("linux.maskedPaths", []string{"/proc/kcore", "/sys/firmware", "/tmp", "/etc/group",
			"/no/such"})
		c.set("linux.readonlyPaths", []string{"/proc/sys", "/proc/bus", "/vol", "/no/such"})
	}},
	{"oom score", func(c config) { c.set("process.oomScoreAdj", 123) }},
	{"pids limit", func(c config) {
		if ok, _ := condition("pids"); ok {
			c.set("linux.resources.pids", map[string]any{"limit": 77})
		}
	}},
	{"memory and cpu limits", func(c config) {
		if ok, _ := condition("memory"); ok {
			c.set("linux.resources.memory", map[string]any{"limit": 64 << 20,
				"reservation": 32 << 20, "swap": 128 << 20})
		}
		if ok, _ := condition("cpu"); ok {
			c.set("linux.resources.cpu", map[string]any{"shares": 300, "quota": 20000,
				"period": 50000})
		}
		if ok, _ := condition("cpuset"); ok {
			c.set("linux.resources.cpu.cpus", "0")
		}
	}},
}

// withCgroupNamespace adds the namespace unless the default has it, as that
// of `runc spec` does on cgroup v2.
func withCgroupNamespace(c config) {
	for _, n := range c["linux"].(map[string]any)["namespaces"].([]any) {
		if n.(map[string]any)["type"] == "cgroup" {
			return
		}
	}
	c.set("linux.namespaces.+", map[string]any{"type": "cgroup"})
}

// TestParityExec compares what a process of exec sees.
func TestParityExec(t *testing.T) {
	oracle, err := exec.LookPath("runc")
	if err != nil {
		t.Fatalf("the oracle is missing: %v", err)
	}
	b := testBox(t)
	dir := b.bundle(t, "b", nil, "sleep", "100")
	runcSpec(t, oracle, dir, b.cgroup+"/b")
	c, err := loadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.set("process.args", []string{"sleep", "100"})
	if err := c.save(dir); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name  string
		flags []string
	}{
		{"default", nil},
		{"user", []string{"-u", "1000:1001"}},
		{"more groups", []string{"-u", "1000", "-g", "7", "-g", "8"}},
		{"environment and directory", []string{"-e", "A=1", "-e", "PATH=/bin", "--cwd", "/tmp"}},
		{"capability", []string{"--cap", "CAP_CHOWN"}},
		{"no new privileges", []string{"--no-new-privs"}},
	}
	// The container is made by each runtime in turn, since states differ.
	want := map[string]map[string][]string{}
	runcState := filepath.Join(b.dir, "runc-state")
	run := exec.Command(oracle, "--root", runcState, "run", "-d", "--bundle", dir, "parity")
	if err := run.Run(); err != nil {
		t.Fatalf("runc run: %v", err)
	}
	for _, tt := range cases {
		args := append(append([]string{"--root", runcState, "exec"}, tt.flags...), "parity", "sh",
			"-c", probe)
		o := finish(t, exec.Command(oracle, args...))
		if o.code != 0 {
			t.Errorf("runc exec, %s: %s", tt.name, o.stderr)
		}
		want[tt.name] = normal(o.stdout)
	}
	if out, err := exec.Command(oracle, "--root", runcState, "delete", "--force",
		"parity").CombinedOutput(); err != nil {
		t.Fatalf("runc delete: %v\n%s", err, out)
	}
	b.start(t, dir, "parity")
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			args := append(append([]string{"exec"}, tt.flags...), "parity", "sh", "-c", probe)
			compareProbes(t, normal(b.must(t, args...)), want[tt.name])
		})
	}
}

// runcSpec replaces the bundle's config.json by the one of `runc spec`.
func runcSpec(t *testing.T, oracle, dir, cgroup string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(oracle, "spec", "--bundle", dir).CombinedOutput(); err != nil {
		t.Fatalf("runc spec: %v\n%s", err, out)
	}
	c, err := loadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.set("process.terminal", false)
	c.set("linux.cgroupsPath", cgroup)
	if err := c.save(dir); err != nil {
		t.Fatal(err)
	}
}

var (
	namespaceRE = regexp.MustCompile(`^(\w+) (\w+:\[\d+\])$`)
	// ids of mounts and devices, peer groups: they differ from run to run
	tmpfsModeRE = regexp.MustCompile(`,mode=[0-7]+`)
	peerRE      = regexp.MustCompile(`(shared|master|propagate_from):\d+`)
)

// normal turns a probe's output into sorted sections without what differs
// from one run of the same runtime to the next.
func normal(out string) map[string][]string {
	sections := map[string][]string{}
	name := ""
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if s, ok := strings.CutPrefix(line, "== "); ok {
			name = s
			continue
		}
		switch name {
		case "mountinfo":
			line = normalMount(line)
		case "namespaces":
			line = normalNamespace(line)
		}
		sections[name] = append(sections[name], line)
	}
	return sections
}

// normalMount keeps of a mountinfo line (proc_pid_mountinfo(5)): root, target,
// options, propagation, type, source, super options. Three things that differ
// on purpose are made equal: the source of a cgroup v1 mount is only a name;
// Debian's runc leaves the tmpfs that holds such mounts writable when a
// read-only one is asked for; and it sets the mode of a tmpfs after the mount,
// where newer ones and ours mount it with that mode. The probe shows the modes.
func normalMount(line string) string {
	f := strings.Fields(line)
	if len(f) < 10 {
		return line
	}
	dash := slices.Index(f, "-")
	if dash < 0 || dash+2 >= len(f) {
		return line
	}
	if f[dash+1] == "cgroup" {
		f[dash+2] = "cgroup"
	}
	if f[4] == "/sys/fs/cgroup" && f[dash+1] == "tmpfs" {
		f[5] = strings.Replace(f[5], "rw,", "ro,", 1)
	}
	if f[dash+1] == "tmpfs" {
		f[len(f)-1] = tmpfsModeRE.ReplaceAllString(f[len(f)-1], "")
	}
	return peerRE.ReplaceAllString(strings.Join(f[3:], " "), "$1")
}

// normalNamespace tells whether the namespace is the host's.
func normalNamespace(line string) string {
	m := namespaceRE.FindStringSubmatch(line)
	if m == nil {
		return line
	}
	host, err := os.Readlink("/proc/self/ns/" + m[1])
	if err == nil && host == m[2] {
		return m[1] + " is the host's"
	}
	return m[1] + " is its own"
}

// compareProbes reports each line that only one side has.
func compareProbes(t *testing.T, got, want map[string][]string) {
	t.Helper()
	names := map[string]bool{}
	for n := range got {
		names[n] = true
	}
	for n := range want {
		names[n] = true
	}
	for n := range names {
		for _, d := range diff(got[n], want[n]) {
			t.Errorf("%s: %s", n, d)
		}
	}
}

// diff compares two lists as sets of lines.
func diff(got, want []string) []string {
	count := map[string]int{}
	for _, l := range want {
		count[l]++
	}
	for _, l := range got {
		count[l]--
	}
	var out []string
	for l, n := range count {
		switch {
		case n > 0:
			out = append(out, fmt.Sprintf("runc only: %s", l))
		case n < 0:
			out = append(out, fmt.Sprintf("ours only: %s", l))
		}
	}
	sort.Strings(out)
	return out
}
