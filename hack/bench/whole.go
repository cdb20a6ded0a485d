package main

import (
	"errors"
	"fmt"
	"path/filepath"
)

// wholeWay is the way from a registry to the end of a program, from nothing.
func wholeWay() scenario {
	return scenario{Name: "pull-and-run", measure: func(l *lab) ([]result, error) {
		var notes []string
		t := timing{
			parts: []part{{"pull-and-run", "pull and run of the small image, stores empty, " +
				"cgroups as this machine has them"}},
			cgroups: hostCgroups, share: 5, disk: pictures[0].space,
			notes: func() []string { return notes },
		}
		t.subjects = func(l *lab) (list []subject, err error) {
			list, notes, err = wholeSubjects(l)
			return list, err
		}
		return t.measure(l)
	}}
}

func wholeSubjects(l *lab) ([]subject, []string, error) {
	r, err := l.serve(pictures[0])
	if err != nil {
		return nil, nil, err
	}
	ours := l.tools[0]
	list := []subject{l.whole(tool{Name: "ours", Version: l.version}, func(dir string) (sample,
		error) {
		return l.shell(`"$1" pull --quiet "$2" "$3/bundle" && `+place+
			` && "$5" --root "$3/state" run --bundle "$3/bundle" "$6"`,
			l.imageTool(), r.ref(), dir, filepath.Join(l.cgroup, "whole-ours"), ours.path,
			"whole-ours")
	})}
	list[0].done = r.stop
	var notes []string
	runc, err := l.find("runc")
	if err != nil {
		return list, []string{err.Error()}, nil
	}
	if t, err := l.pullTool(puller{name: "skopeo + umoci + runc", needs: []string{"skopeo",
		"umoci"}}); err != nil {
		notes = append(notes, err.Error())
	} else {
		t.Version = fmt.Sprintf("%s, %s", t.Version, runc.Version)
		list = append(list, l.whole(t, func(dir string) (sample, error) {
			return l.shell(
				`skopeo copy --quiet --src-tls-verify=false "docker://$2" "oci:$3/store:image" && umoci unpack --image "$3/store:image" "$3/bundle" && `+place+
					` && "$5" --root "$3/state" run --bundle "$3/bundle" "$6"`,
				"", r.ref(), dir, filepath.Join(l.cgroup, "whole-runc"), runc.path, "whole-runc")
		}))
	}
	if t, err := l.pullTool(puller{name: "podman + runc", needs: []string{"podman"}}); err != nil {
		notes = append(notes, err.Error())
	} else {
		podman, _ := l.find("podman")
		t.Version = fmt.Sprintf("%s, %s", t.Version, runc.Version)
		list = append(list, l.whole(t, func(dir string) (sample, error) {
			before := children()
			s, err := onceWith(l.podman(podman, dir, "overlay", runc.path, "run", "--rm", "--quiet",
				"--tls-verify=false",
				"--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
				"--cgroup-parent", l.cgroup, r.ref()))
			reapNew(before) // conmon
			return s, err
		}))
	}
	return list, notes, nil
}

// place puts the container of the bundle $3/bundle into the cgroup $4, and
// takes the terminal away that umoci asks for.
const place = `sed -i -e 's|"linux": *{|"linux": {"cgroupsPath": "'"$4"'",|' -e 's|"terminal": *true|"terminal": false|' "$3/bundle/config.json"`

// whole is a subject that works in a new directory each time.
func (l *lab) whole(t tool, do func(dir string) (sample, error)) subject {
	return subject{tool: t, do: func() ([]sample, error) {
		dir, err := l.directory("whole")
		if err != nil {
			return nil, err
		}
		s, err := do(dir)
		return []sample{s}, errors.Join(err, settle(dir))
	}}
}
