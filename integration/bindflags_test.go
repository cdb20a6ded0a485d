package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// flagSources are options of the mounts that are bound.
var flagSources = []string{"rw", "ro,nosuid,noexec,noatime", "nodev,nodiratime,strictatime",
	"nosymfollow,noatime,nodiratime"}

// flagSets are the option words that are tried: those that turn something on,
// off, and recursively on or off. runc takes two ways of keeping access times
// for a mistake of the kernel's to choose from; here the later one counts.
var (
	setWords = strings.Fields("ro nosuid nodev noexec nosymfollow nodiratime sync dirsync mand " +
		"lazytime silent iversion")
	offWords = strings.Fields("rw suid dev exec symfollow diratime atime norelatime " +
		"nostrictatime async nomand loud")
	recWords = strings.Fields("rro rrw rnosuid rnodev rdev rexec")
	times    = strings.Fields("relatime noatime strictatime")
	recTimes = strings.Fields("rrelatime rnoatime rstrictatime")
)

// flagLists makes lists of options: each word, and some of them together.
func flagLists(t *testing.T) [][]string {
	lists := [][]string{{}, {"rbind"}, {"rprivate"}, {"defaults"}}
	words := slices.Concat(setWords, offWords, recWords)
	for _, w := range slices.Concat(words, times, recTimes) {
		lists = append(lists, []string{w})
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		list := slices.Clone(words[:1+r.IntN(3)])
		if r.IntN(2) == 0 {
			list = append(list, times[r.IntN(3)])
		}
		if r.IntN(4) == 0 {
			list = append(list, recTimes[r.IntN(3)])
		}
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		lists = append(lists, list)
	}
	return lists
}

// turnsOff says that an option of the list turns something off.
func turnsOff(list []string) bool {
	return slices.ContainsFunc(list, func(w string) bool { return slices.Contains(offWords, w) })
}

// mountSources makes a tmpfs with each of flagSources.
func mountSources(t *testing.T) (dirs []string) {
	t.Helper()
	for _, options := range flagSources {
		dir := t.TempDir()
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs",
			dir).CombinedOutput(); err != nil {
			t.Fatalf("mount: %v\n%s", err, out)
		}
		t.Cleanup(func() {
			if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
				t.Errorf("umount: %v\n%s", err, out)
			}
		})
		dirs = append(dirs, dir)
	}
	return dirs
}

// mountFlags runs cat on /proc/self/mountinfo and returns the flags of the
// mounts below /m.
func mountFlags(t *testing.T, cmd *exec.Cmd) map[string]string {
	t.Helper()
	got := finish(t, cmd)
	if got.code != 0 {
		t.Fatalf("%s: status %d\n%s", cmd.Path, got.code, got.stderr)
	}
	flags := make(map[string]string)
	for line := range strings.Lines(got.stdout) {
		if f := strings.Fields(line); strings.HasPrefix(f[4], "/m/") {
			flags[f[4]] = f[5]
		}
	}
	return flags
}

// TestBindFlags binds sources with all kinds of flags with all kinds of
// options, and compares with runc. OCIKIT_RUNC names another one than the
// PATH's.
func TestBindFlags(t *testing.T) {
	oracle := os.Getenv("OCIKIT_RUNC")
	if oracle == "" {
		oracle = "runc"
	}
	version, err := exec.Command(oracle, "--version").Output()
	if err != nil {
		t.Fatalf("the oracle is missing: %v", err)
	}
	old := strings.HasPrefix(string(version), "runc version 1.1.")
	lists := flagLists(t)
	for i, source := range mountSources(t) {
		t.Run(flagSources[i], func(t *testing.T) {
			b := testBox(t)
			dir := b.bundle(t, "b", func(c config) {
				// Another one is in the rootfs, where it is known only once it
				// is made.
				c.set("mounts.+", map[string]any{"destination": "/inside", "source": "tmpfs",
					"type":    "tmpfs",
					"options": strings.Split(flagSources[i], ",")})
				for n, list := range lists {
					c.set("mounts.+", bind(source, fmt.Sprintf("/m/%d", n), list...))
					if n < 40 {
						c.set("mounts.+", bind(filepath.Join(b.dir, "b/rootfs/inside"),
							fmt.Sprintf("/m/inside%d", n), list...))
					}
				}
			}, "cat", "/proc/self/mountinfo")
			want := mountFlags(t, exec.Command(oracle, "--root", b.state, "run", "--bundle", dir,
				"flags"))
			got := mountFlags(t, b.rt("run", "--bundle", dir, "flags"))
			if len(got) != len(lists)+40 {
				t.Errorf("%d mounts", len(got))
			}
			for n, list := range lists {
				for _, at := range []string{fmt.Sprintf("/m/%d", n), fmt.Sprintf("/m/inside%d",
					n)} {
					if old && turnsOff(list) {
						continue // it had no words to ask for that
					}
					if got[at] != want[at] {
						t.Errorf("%s %q: got %s, want %s", at, list, got[at], want[at])
					}
				}
			}
		})
	}
}

// TestBindFlagsAlone is what runc 1.5 makes of single options, which Debian's
// does not all know.
func TestBindFlagsAlone(t *testing.T) {
	source := mountSources(t)[1]
	cases := []struct{ option, want string }{
		{"bind", "ro,nosuid,noexec,noatime"}, {"rslave", "ro,nosuid,noexec,noatime"},
		{"defaults", "ro,nosuid,noexec,noatime"},
		{"nodev", "rw,nodev,noatime"}, {"rw", "rw,noatime"}, {"suid", "rw,noatime"},
		{"exec", "rw,noatime"}, {"dev", "rw,noatime"},
		{"atime", "rw,noatime"}, {"async", "rw,noatime"}, {"ro", "ro,noatime"},
		{"relatime", "rw,relatime"}, {"strictatime", "rw"},
		{"rnosuid", "ro,nosuid,noexec,noatime"}, {"rexec", "ro,nosuid,noatime"},
	}
	b := testBox(t)
	dir := b.bundle(t, "b", func(c config) {
		for _, tt := range cases {
			c.set("mounts.+", bind(source, "/m/"+tt.option, tt.option))
		}
	}, "cat", "/proc/self/mountinfo")
	got := mountFlags(t, b.rt("run", "--bundle", dir, "flags"))
	for _, tt := range cases {
		if got["/m/"+tt.option] != tt.want {
			t.Errorf("%s: got %s, want %s", tt.option, got["/m/"+tt.option], tt.want)
		}
	}
}

// TestLockedFlags runs in a user namespace, which locks the flags of all mounts
// (mount_namespaces(7)): they stay, unless they were asked to go.
func TestLockedFlags(t *testing.T) {
	source := mountSources(t)[1]
	for _, tt := range []struct{ options, want string }{
		{"bind", "ro,nosuid,noexec,noatime"},
		{"nodev", "ro,nosuid,nodev,noexec,noatime"},
		{"noatime", "ro,nosuid,noexec,noatime"},
		{"nodev,rnosuid", "ro,nosuid,nodev,noexec,noatime"},
		{"rw", ""}, {"exec", ""}, {"relatime", ""}, {"nosuid,rexec", ""},
	} {
		t.Run(tt.options, func(t *testing.T) {
			b := testBox(t)
			dir := b.bundle(t, "b", func(c config) {
				// What a user namespace can't make is the host's.
				c.set("mounts", []any{bind("/proc", "/proc", "rbind"), bind("/dev", "/dev",
					"rbind"),
					bind(source, "/m/x", strings.Split(tt.options, ",")...), bind(source, "/lock"),
					bind(filepath.Join(b.dir, "b/rootfs/lock"), "/m/inside",
						strings.Split(tt.options, ",")...)})
				c.set("linux.namespaces", json.RawMessage(`[{"type":"mount"},{"type":"ipc"}]`))
				for _, path := range []string{"linux.maskedPaths", "linux.readonlyPaths",
					"linux.resources", "hostname"} {
					c.unset(path)
				}
			}, "cat", "/proc/self/mountinfo")
			cmd := b.rt("run", "--bundle", dir, "locked")
			ids := []syscall.SysProcIDMap{{HostID: 0, Size: 65536}}
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER |
				syscall.CLONE_NEWNS,
				UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true}
			if tt.want != "" {
				if got := mountFlags(t, cmd); got["/m/x"] != tt.want ||
					got["/m/inside"] != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				return
			}
			if got := finish(t, cmd); got.code != 1 || !strings.Contains(got.stderr, "mounts[2]") ||
				!strings.Contains(got.stderr, "operation not permitted") {
				t.Errorf("status %d\n%s", got.code, got.stderr)
			}
		})
	}
}
