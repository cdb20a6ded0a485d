package bundle

import (
	"fmt"
	"strings"
	"testing"
)

func TestCheckMounts(t *testing.T) {
	const uts = `"linux":{"namespaces":[]},`
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},`+uts+`"mounts":[{MEMBERS}]}`, []checkTest{
		{"tmpfs",
			`"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755","tmpcopyup"]`, ""},
		{"bind by option", `"destination":"/a","source":"b","options":["rbind","ro","rprivate"]`,
			""},
		{"bind by type", `"destination":"/a","type":"bind","source":"b"`, ""},
		{"remount", `"destination":"/a","options":["remount","ro"]`, ""},
		{"unknown option of a file system",
			`"destination":"/a","type":"ext4","options":["nosuidd"]`,
			`warning: mounts[0].options[0]: unknown option "nosuidd", passed to the file system (did you mean "nosuid"?)`},
		{"empty", ``, "mounts[0].destination: missing (must be an absolute path)\n" +
			"mounts[0].type: missing (must be a file system, unless the options hold \"bind\" " +
			"or \"rbind\")"},
		{"relative destination", `"destination":"a","type":"tmpfs"`,
			`warning: mounts[0].destination: "a" is not an absolute path, which is deprecated (begin it with a slash)`},
		{"bind without source", `"destination":"/a","options":["bind"]`,
			"mounts[0].source: missing (a bind mount needs the file or directory to bind)"},
		{"misspelt options of a bind mount",
			`"destination":"/a","source":"/b","options":["rbind","nosuidd","zzzzzz","ro,nosuid"]`,
			"mounts[0].options[1]: unknown option \"nosuidd\" (did you mean \"nosuid\"?)\n" +
				"mounts[0].options[2]: unknown option \"zzzzzz\" (a bind mount has no file " +
				"system to pass it to)\n" +
				"mounts[0].options[3]: unknown option \"ro,nosuid\" (write each option as a " +
				"string of its own)"},
		{"options for a file system too long",
			`"destination":"/a","type":"overlay","options":["lowerdir=` + strings.Repeat("a",
				4096) + `"]`,
			"mounts[0].options: 4105 bytes of options for the file system, and the kernel takes " +
				"4095"},
		{"tmpcopyup elsewhere", `"destination":"/a","type":"proc","options":["tmpcopyup"]`,
			`mounts[0].options: "tmpcopyup" is for mounts of type tmpfs`},
		{"proc", `"destination":"/proc","type":"proc"`, ""},
		{"bind on proc", `"destination":"/proc","type":"bind","source":"/proc"`, ""},
		{"lxcfs",
			`"destination":"/proc/meminfo","type":"bind","source":"/var/lib/lxcfs/proc/meminfo"`,
			""},
		{"not proc on proc", `"destination":"//proc/","type":"tmpfs"`,
			`mounts[0].destination: a file system of type "tmpfs" cannot be mounted on /proc (the type must be "proc")`},
		{"inside proc", `"destination":"/x/../proc/self","type":"bind","source":"/a"`,
			"mounts[0].destination: /proc/self cannot be mounted over, because it is inside " +
				"/proc (the exceptions are " +
				"/proc/cpuinfo, /proc/diskstats, /proc/loadavg, /proc/meminfo, /proc/net/dev, " +
				"/proc/slabinfo, /proc/stat, " +
				"/proc/swaps, /proc/sys/crypto/fips_enabled, /proc/sys/kernel/ns_last_pid, " +
				"/proc/uptime)"},
		{"elsewhere with the same name", `"destination":"/processes","type":"tmpfs"`, ""},
		{"cgroup",
			`"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]`,
			""},
		{"idmap",
			`"destination":"/a","source":"/b","options":["bind","idmap"],"uidMappings":[{"containerID":0,"hostID":1,"size":1}],"gidMappings":[{"containerID":0,"hostID":1,"size":1}]`, ""},
		{"idmap without mappings", `"destination":"/a","source":"/b","options":["bind","ridmap"]`,
			"mounts[0].options: an id-mapped mount needs mappings, and there are none (add " +
				"uidMappings and gidMappings to the mount)"},
		{"mappings without idmap",
			`"destination":"/a","source":"/b","options":["bind"],"uidMappings":[{"size":1}],"gidMappings":[{"size":1}]`,
			`warning: mounts[0].options: there are id mappings, but neither "idmap" nor "ridmap" (add "idmap")`},
		{"only uid mappings",
			`"destination":"/a","source":"/b","options":["bind","idmap"],"uidMappings":[{"size":1}]`,
			"mounts[0].gidMappings: missing, and uidMappings is there (give both or none)"},
		{"only gid mappings",
			`"destination":"/a","source":"/b","options":["bind","idmap"],"gidMappings":[{"size":1}]`,
			"mounts[0].uidMappings: missing, and gidMappings is there (give both or none)"},
	})
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"mounts":[
		{"destination":"/a","source":"/b","options":["bind","idmap"]}],"linux":{MEMBERS}}`, []checkTest{
		{"idmap with the container's mappings",
			`"namespaces":[{"type":"user"}],"uidMappings":[{"size":1}],"gidMappings":[{"size":1}]`,
			""},
		{"idmap with an unknown namespace", `"namespaces":[{"type":"usr"}]`,
			`linux.namespaces[0].type: unknown value "usr" (did you mean "user"?)`},
	})
}

func TestCheckMappings(t *testing.T) {
	var many []string
	for i := range maxMappings + 1 {
		many = append(many, fmt.Sprintf(`{"containerID":%d,"hostID":%d,"size":1}`, i, i))
	}
	ranges := func(n int) string { return strings.Join(many[:n], ",") }
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{"namespaces":[{"type":"user"}],
		"gidMappings":[{"containerID":0,"hostID":0,"size":1}],"uidMappings":[MEMBERS]}}`, []checkTest{
		{"as many as possible", ranges(maxMappings), ""},
		{"too many", ranges(maxMappings + 1), "linux.uidMappings: 341 mappings, and the kernel " +
			"allows 340"},
		{"all ids", `{"containerID":0,"hostID":0,"size":4294967295}`, ""},
		{"beyond the last id", `{"containerID":1,"hostID":0,"size":4294967295}`,
			"linux.uidMappings[0].containerID: the range goes beyond the largest id"},
		{"beyond the last id of the host", `{"containerID":0,"hostID":4294967295,"size":1}`,
			"linux.uidMappings[0].hostID: the range goes beyond the largest id"},
		{"no size", `{"containerID":0,"hostID":0}`,
			"linux.uidMappings[0].size: must be at least 1"},
		{"neighbours",
			`{"containerID":0,"hostID":10,"size":10},{"containerID":10,"hostID":0,"size":10}`, ""},
		{"overlaps",
			`{"containerID":0,"hostID":100,"size":10},{"containerID":9,"hostID":91,"size":10}`,
			"linux.uidMappings[1].containerID: the range overlaps with that of " +
				"linux.uidMappings[0]\n" +
				"linux.uidMappings[1].hostID: the range overlaps with that of linux.uidMappings[0]"},
	})
}
