package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// imageScenarios are a pull of each image, with empty stores and again, and
// the way from a registry to a program's end.
func imageScenarios() []scenario {
	var list []scenario
	for _, p := range pictures {
		cold := pulls{picture: p}
		warm := pulls{picture: p, again: true}
		list = append(list,
			cold.scenario("pull-"+p.name, "pull of a "+p.title+", stores empty", p.share),
			warm.scenario("pull-"+p.name+"-again", "pull of the same image again", p.share*2))
	}
	return append(list, wholeWay())
}

// pulls is the pull of one image by all tools.
type pulls struct {
	picture
	again bool // into stores that have the image
}

func (p pulls) scenario(name, title string, share int) scenario {
	return scenario{Name: name, measure: func(l *lab) ([]result, error) {
		var notes []string
		t := timing{parts: []part{{name, title}}, cgroups: hostCgroups, share: share, unit: "s",
			peaks: true}
		if p.again {
			t.disk = 3 * p.space // the stores stay until the end
		}
		t.subjects = func(l *lab) (list []subject, err error) {
			list, notes, err = p.subjects(l)
			return list, err
		}
		t.notes = func() []string { return notes }
		return t.measure(l)
	}}
}

// subjects starts the registry, which the first subject stops at the end.
func (p pulls) subjects(l *lab) ([]subject, []string, error) {
	r, err := l.serve(p.picture)
	if err != nil {
		return nil, nil, err
	}
	notes := []string{r.describe() + " " + gzipHelpers()}
	var list []subject
	for i, c := range l.pullers() {
		if p.again && i > 0 && !c.store {
			continue
		}
		t, err := l.pullTool(c)
		if err != nil {
			notes = append(notes, err.Error())
			continue
		}
		list = append(list, p.subject(l, r, c, t))
	}
	list[0].done = r.stop
	return list, notes, nil
}

// subject is the pulls of one tool.
func (p pulls) subject(l *lab, r *registry, c puller, t tool) subject {
	do := func() (s sample, err error) {
		err = l.onDisk(p.space, func() error {
			s, err = p.pull(l, r, c, "")
			return err
		})
		return s, err
	}
	if p.again {
		var store string
		do = func() (sample, error) {
			if c.store && store == "" {
				dir, err := l.directory("first")
				if err != nil {
					return sample{}, err
				}
				store = filepath.Join(dir, "store")
				if _, err := c.pull(l, r, store, filepath.Join(dir, "target")); err != nil {
					return sample{}, err
				}
			}
			return p.pull(l, r, c, store)
		}
	}
	return subject{tool: t, do: func() ([]sample, error) {
		s, err := do()
		return []sample{s}, err
	}}
}

// pull pulls once, into a new directory, and into a new store if none is given.
func (p pulls) pull(l *lab, r *registry, c puller, store string) (sample, error) {
	dir, err := l.directory("pull")
	if err != nil {
		return sample{}, err
	}
	if store == "" {
		store = filepath.Join(dir, "store")
	}
	if err := settle(dir); err != nil {
		return sample{}, err
	}
	return c.pull(l, r, store, filepath.Join(dir, "target"))
}

// puller is a way to get an image. What it keeps between pulls is in store,
// what it unpacks in target, a directory that does not exist; podman and
// containerd unpack into their store.
type puller struct {
	name  string
	store bool     // keeps what it pulled
	needs []string // commands; versions are theirs
	pull  func(l *lab, r *registry, store, target string) (sample, error)
}

// pullers lists all, ours first.
func (l *lab) pullers() []puller {
	return []puller{
		{"ours", false, nil, func(l *lab, r *registry, _, target string) (sample, error) {
			return once(l.imageTool(), "pull", "--quiet", r.ref(), target)
		}},
		{"skopeo + umoci", true, []string{"skopeo", "umoci"}, func(l *lab, r *registry, store,
			target string) (sample, error) {
			return l.shell(
				`skopeo copy --quiet --src-tls-verify=false "docker://$1" "oci:$2:image" && umoci unpack --image "$2:image" "$3"`, r.ref(), store, target)
		}},
		{"podman", true, []string{"podman"}, func(l *lab, r *registry, store, _ string) (sample,
			error) {
			podman, err := l.find("podman")
			if err != nil {
				return sample{}, err
			}
			return onceWith(l.podman(podman, store, "overlay", l.tools[0].path, "pull", "--quiet",
				"--tls-verify=false", r.ref()))
		}},
		{"containerd", true, []string{"containerd", "ctr"}, pullContainerd},
		{"crane + tar", false, []string{"crane"}, func(l *lab, r *registry, _,
			target string) (sample, error) {
			return l.shell(`mkdir "$2" && crane export --insecure "$1" - | tar -x -C "$2"`, r.ref(),
				target)
		}},
		{"curl + tar", false, []string{"curl"}, func(l *lab, r *registry, _, target string) (sample,
			error) {
			args := []string{"http://" + r.host + "/v2/" + r.name + "/blobs/", target}
			for _, d := range r.layers {
				args = append(args, d.Digest.String())
			}
			return l.shell(
				`url=$1 into=$2; shift 2; mkdir "$into"; for d; do curl -sSf "$url$d" | tar -xz -C "$into"; done`, args...)
		}},
	}
}

// shell runs a script in which the peers that were built come first.
func (l *lab) shell(script string, args ...string) (sample, error) {
	cmd := exec.Command("bash", append([]string{"-c", "set -e -o pipefail; " + script, "bench"},
		args...)...)
	cmd.Env = append(os.Environ(), "PATH="+l.peers+":"+os.Getenv("PATH"))
	return onceWith(cmd)
}

// pullTool tells the version of a puller, or that it is missing.
func (l *lab) pullTool(c puller) (tool, error) {
	if c.needs == nil {
		return tool{Name: c.name, Version: l.version}, nil
	}
	t := tool{Name: c.name}
	for i, name := range c.needs {
		found, err := l.find(name)
		if err != nil {
			return t, fmt.Errorf("%s is left out: %w", c.name, err)
		}
		switch {
		case i == 0:
			t.Version = found.Version
		case found.Version != t.Version:
			t.Version += ", " + found.Version
		}
	}
	return t, nil
}

// gzipHelpers says which programs decompress for the peers that look for one.
func gzipHelpers() string {
	for _, name := range []string{"igzip", "unpigz"} {
		if _, err := exec.LookPath(name); err == nil {
			return "containerd decompresses with " + name + ", `tar -z` with gzip."
		}
	}
	return "Neither igzip nor unpigz is installed: containerd decompresses by itself; `tar -z` " +
		"with gzip."
}

// ticks is the CPU time of a process and of those children that it waited for,
// in milliseconds; the kernel counts in hundredths of a second.
func ticks(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseTicks(string(text))
}

// parseTicks adds fields 14 to 17 of /proc/PID/stat, proc_pid_stat(5). Field 2
// is a name in parentheses that may hold anything.
func parseTicks(stat string) (float64, error) {
	fields := afterName(stat)
	if len(fields) < 15 {
		return 0, fmt.Errorf("%q is no line of /proc/PID/stat", stat)
	}
	total := 0.0
	for _, f := range fields[11:15] {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, err
		}
		total += 10 * n
	}
	return total, nil
}

// afterName are the fields of /proc/PID/stat after the name, from the third.
func afterName(stat string) []string {
	return strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
}
