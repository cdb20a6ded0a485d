package bundle

import "testing"

func TestCheckNamespaces(t *testing.T) {
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"process":{"cwd":"/","args":["a"],"user":{"uid":5,"gid":6,"additionalGids":[5,7]}},"linux":{MEMBERS}}`, []checkTest{
		{"none", ``, ""},
		{"all but user",
			`"namespaces":[{"type":"pid"},{"type":"network","path":"/n"},{"type":"mount"},{"type":"ipc"},{"type":"uts"},{"type":"cgroup"},{"type":"time"}]`, ""},
		{"bad ones",
			`"namespaces":[{"type":"net"},{},{"type":"pid"},{"type":"pid","path":"x"},{"type":"network","path":"a"}]`,
			"linux.namespaces[0].type: unknown value \"net\" (must be \"pid\", \"network\", " +
				"\"mount\", \"ipc\", \"uts\", \"user\", \"cgroup\" or \"time\")\n" +
				"linux.namespaces[1].type: missing (must be \"pid\", \"network\", \"mount\", " +
				"\"ipc\", \"uts\", \"user\", \"cgroup\" or \"time\")\n" +
				"linux.namespaces[3].type: the pid namespace is already in linux.namespaces[2] " +
				"(remove one)\n" +
				"linux.namespaces[3].path: \"x\" is not an absolute path (begin it with a slash)\n" +
				"linux.namespaces[4].path: \"a\" is not an absolute path (begin it with a slash)"},
		{"user", `"namespaces":[{"type":"user"}],"uidMappings":[{"hostID":9,"size":6}],"gidMappings":[{"hostID":9,"size":8}]`, ""},
		{"user without mappings", `"namespaces":[{"type":"user"}]`,
			"linux.uidMappings: missing, and there is a user namespace (a new user namespace " +
				"needs at least one mapping)\n" +
				"linux.gidMappings: missing, and there is a user namespace (a new user " +
				"namespace needs at least one mapping)"},
		{"joined user namespace", `"namespaces":[{"type":"user","path":"/n"}]`, ""},
		{"joined user namespace with mappings",
			`"namespaces":[{"type":"user","path":"/n"}],"uidMappings":[{"size":1}],"gidMappings":[{"size":1}]`, ""},
		{"mappings without user", `"uidMappings":[{"size":1}],"gidMappings":[{"size":1}]`,
			`linux.uidMappings: a mapping of ids needs a namespace of type "user", and linux.namespaces has none (add {"type": "user"} to linux.namespaces)`},
		{"group mappings without user", `"gidMappings":[{"size":1}]`,
			`linux.gidMappings: a mapping of ids needs a namespace of type "user", and linux.namespaces has none (add {"type": "user"} to linux.namespaces)`},
		{"ids that are not mapped",
			`"namespaces":[{"type":"user"}],"uidMappings":[{"size":5}],"gidMappings":[{"containerID":5,"size":1}]`,
			"process.user.uid: 5 is not mapped by linux.uidMappings\n" +
				"process.user.gid: 6 is not mapped by linux.gidMappings\n" +
				"process.user.additionalGids[1]: 7 is not mapped by linux.gidMappings"},
		{"damaged mappings blame no one",
			`"namespaces":[{"type":"user"}],"uidMappings":[{"size":"5"}],"gidMappings":{}`,
			"linux.uidMappings[0].size: must be a whole number, and is a string (remove the " +
				"quotes)\n" +
				"linux.gidMappings: must be an array, and is an object"},
		{"damaged namespaces blame no one",
			`"namespaces":{},"maskedPaths":["/a"],"uidMappings":[{"size":1}]`,
			"linux.namespaces: must be an array, and is an object"},
	})
}

func TestCheckLinux(t *testing.T) {
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{"namespaces":[{"type":"mount"}],MEMBERS}}`, []checkTest{
		{"paths", `"maskedPaths":["/a"],"readonlyPaths":["/b"]`, ""},
		{"bad paths", `"maskedPaths":["a",""],"readonlyPaths":["./b"]`,
			"linux.maskedPaths[0]: \"a\" is not an absolute path (begin it with a slash)\n" +
				"linux.maskedPaths[1]: missing (must be an absolute path)\n" +
				"linux.readonlyPaths[0]: \"./b\" is not an absolute path (begin it with a slash)"},
		{"cgroups path", `"cgroupsPath":"/a/b..c"`, ""},
		{"systemd cgroups path", `"cgroupsPath":"machine.slice:libpod:1234"`, ""},
		{"cgroups path that leaves", `"cgroupsPath":"/a/../../b"`,
			`linux.cgroupsPath: "/a/../../b" has a component ".."`},
		{"propagation", `"rootfsPropagation":"rslave"`, ""},
		{"bad propagation", `"rootfsPropagation":"shard"`,
			`linux.rootfsPropagation: unknown value "shard" (did you mean "shared"?)`},
		{"personality", `"personality":{"domain":"LINUX32"}`, ""},
		{"bad personality", `"personality":{"domain":"BSD","flags":["X"]}`,
			"linux.personality.domain: unknown value \"BSD\" (must be \"LINUX\" or \"LINUX32\")\n" +
				"linux.personality.flags[0]: no flags are supported"},
		{"rdt", `"intelRdt":{"closID":"/","l3CacheSchema":"L3:0=1","memBwSchema":"MB:0=1","schemata":["L3:0=1"]}`, ""},
		{"bad rdt",
			`"intelRdt":{"closID":"a/b","l3CacheSchema":"L3:0=1\n","memBwSchema":"L3:0=1","schemata":["a\nb"]}`,
			"linux.intelRdt.closID: \"a/b\" is not the name of a directory\n" +
				"linux.intelRdt.l3CacheSchema: holds a line break (use schemata for several " +
				"lines)\n" +
				"linux.intelRdt.memBwSchema: does not begin with \"MB:\"\n" +
				"linux.intelRdt.schemata[0]: holds a line break (use schemata for several lines)"},
		{"odd rdt", `"intelRdt":{"l3CacheSchema":"L2:0=1"}`,
			`warning: linux.intelRdt.l3CacheSchema: does not begin with "L3:"`},
		{"rdt parent", `"intelRdt":{"closID":".."}`,
			`linux.intelRdt.closID: ".." is not the name of a directory`},
		{"memory policy",
			`"memoryPolicy":{"mode":"MPOL_BIND","nodes":"0-3,7","flags":["MPOL_F_STATIC_NODES"]}`,
			""},
		{"bad memory policy", `"memoryPolicy":{"mode":"MPOL_BLIND","nodes":"x","flags":["Y"]}`,
			"linux.memoryPolicy.mode: unknown value \"MPOL_BLIND\" (did you mean \"MPOL_BIND\"?)\n" +
				"linux.memoryPolicy.nodes: \"x\" is not a list of numbers and ranges (write it " +
				"as \"0-3,7\")\n" +
				"linux.memoryPolicy.flags[0]: unknown value \"Y\" (must be " +
				"\"MPOL_F_NUMA_BALANCING\", \"MPOL_F_RELATIVE_NODES\" or \"MPOL_F_STATIC_NODES\")"},
		{"memory policy without nodes", `"memoryPolicy":{"mode":"MPOL_INTERLEAVE"}`,
			"linux.memoryPolicy.nodes: missing, and MPOL_INTERLEAVE needs at least one node"},
		{"memory policy with nodes", `"memoryPolicy":{"mode":"MPOL_LOCAL","nodes":"1"}`,
			"linux.memoryPolicy.nodes: MPOL_LOCAL takes no nodes"},
	})
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{MEMBERS}}`, []checkTest{
		{"masked without a namespace", `"maskedPaths":["/a"]`,
			`linux.maskedPaths: restricting paths needs a namespace of type "mount", and linux.namespaces has none (add {"type": "mount"} to linux.namespaces)`},
		{"time offsets",
			`"namespaces":[{"type":"time"}],"timeOffsets":{"monotonic":{"secs":-5},"boottime":{"nanosecs":999999999}}`, ""},
		{"bad time offsets",
			`"namespaces":[{"type":"time"}],"timeOffsets":{"bootime":{},"monotonic":{"nanosecs":1000000000}}`,
			"linux.timeOffsets.bootime: unknown clock \"bootime\" (did you mean \"boottime\"?)\n" +
				"linux.timeOffsets.monotonic.nanosecs: 1000000000 is not less than a second"},
		{"time offsets of a joined namespace",
			`"namespaces":[{"type":"time","path":"/t"}],"timeOffsets":{"monotonic":{}}`,
			"linux.timeOffsets: the time namespace is an existing one, whose offsets cannot be " +
				"changed"},
		{"time offsets without a namespace", `"timeOffsets":{"monotonic":{}}`,
			`linux.timeOffsets: an offset needs a namespace of type "time", and linux.namespaces has none (add {"type": "time"} to linux.namespaces)`},
		{"net devices",
			`"namespaces":[{"type":"network"}],"netDevices":{"eth0":{},"eth1":{"name":"veth%d"}}`,
			""},
		{"bad net devices",
			`"namespaces":[{"type":"network"}],"netDevices":{"a/b":{},"eth1":{"name":"name-of-16-bytes"}}`,
			"linux.netDevices[\"a/b\"]: \"a/b\" is not the name of a network device\n" +
				"linux.netDevices.eth1.name: \"name-of-16-bytes\" is not the name of a network " +
				"device"},
		{"net devices without a namespace", `"netDevices":{"eth0":{}}`,
			`linux.netDevices: a network device needs a namespace of type "network", and linux.namespaces has none (add {"type": "network"} to linux.namespaces)`},
	})
}

func TestCheckSysctls(t *testing.T) {
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{"namespaces":[{"type":"network"},{"type":"ipc"},{"type":"uts"}],"sysctl":{MEMBERS}}}`, []checkTest{
		{"those of namespaces",
			`"net.ipv4.ip_forward":"1","kernel.shmmax":"1","fs.mqueue.msg_max":"1","kernel.domainname":"d"`, ""},
		{"with slashes in a name", `"net.ipv4.conf.eth0/1.forwarding":"1"`, ""},
		{"with slashes", `"net/ipv4/conf/eth0.1/forwarding":"1","kernel/shmmax":"1"`, ""},
		{"hostname", `"kernel.hostname":"h"`,
			`linux.sysctl["kernel.hostname"]: conflicts with the field hostname (set hostname instead)`},
		{"host-wide", `"kernel.panic":"1","vm/swappiness":"1","vm":"1"`,
			"linux.sysctl[\"kernel.panic\"]: the parameter belongs to no namespace, and would " +
				"change the host (set it on the host)\n" +
				"linux.sysctl[\"vm/swappiness\"]: the parameter belongs to no namespace, and " +
				"would change the host (set it on the host)\n" +
				"linux.sysctl.vm: the parameter belongs to no namespace, and would change the " +
				"host (set it on the host)"},
		{"not names",
			`"net..x":"1","":"1","net/../kernel/panic":"1","net.x.":"1","net./.x":"1","net.//.y":"1","/net/x":"1"`,
			"linux.sysctl[\"net..x\"]: not the name of a parameter\n" +
				"linux.sysctl[\"\"]: not the name of a parameter\n" +
				"linux.sysctl[\"net/../kernel/panic\"]: not the name of a parameter\n" +
				"linux.sysctl[\"net.x.\"]: not the name of a parameter\n" +
				"linux.sysctl[\"net./.x\"]: not the name of a parameter\n" +
				"linux.sysctl[\"net.//.y\"]: not the name of a parameter\n" +
				"linux.sysctl[\"/net/x\"]: not the name of a parameter"},
		{"user", `"user.max_pid_namespaces":"1"`,
			`linux.sysctl["user.max_pid_namespaces"]: this parameter needs a namespace of type "user", and linux.namespaces has none (add {"type": "user"} to linux.namespaces)`},
	})
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{"sysctl":{MEMBERS}}}`, []checkTest{
		{"without namespaces", `"net.x":"1","kernel.sem":"1","kernel.domainname":"d"`,
			"linux.sysctl[\"net.x\"]: this parameter needs a namespace of type \"network\", and " +
				"linux.namespaces has none (add {\"type\": \"network\"} to linux.namespaces)\n" +
				"linux.sysctl[\"kernel.sem\"]: this parameter needs a namespace of type " +
				"\"ipc\", and linux.namespaces has none (add {\"type\": \"ipc\"} to " +
				"linux.namespaces)\n" +
				"linux.sysctl[\"kernel.domainname\"]: this parameter needs a namespace of type " +
				"\"uts\", and linux.namespaces has none (add {\"type\": \"uts\"} to " +
				"linux.namespaces)"},
	})
}

func TestCheckDevices(t *testing.T) {
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{"devices":[MEMBERS]}}`,
		[]checkTest{
			{"each type", `{"path":"/dev/a","type":"c","major":4095,"minor":1048575,"fileMode":438,"uid":0,"gid":0},
			{"path":"/dev/b","type":"b","major":8,"minor":0},{"path":"/dev/u","type":"u","major":1,"minor":1},{"path":"/dev/p","type":"p"}`, ""},
			{"FIFO with numbers", `{"path":"/dev/p","type":"p","major":-1,"minor":9}`, ""},
			{"mode with the type in it",
				`{"path":"/dev/a","type":"c","major":1,"minor":3,"fileMode":8630}`, ""},
			{"bad ones",
				`{},{"path":"dev/a","type":"x","major":4096,"minor":-1},{"path":"/dev/../a","type":"cb","fileMode":65536}`,
				"linux.devices[0].type: missing (must be \"c\", \"b\", \"u\" or \"p\")\n" +
					"linux.devices[0].path: missing (must be an absolute path)\n" +
					"linux.devices[1].path: \"dev/a\" is not an absolute path (begin it with a " +
					"slash)\n" +
					"linux.devices[1].type: unknown value \"x\" (must be \"c\", \"b\", \"u\" or " +
					"\"p\")\n" +
					"linux.devices[1].major: 4096 is not between 0 and 4095\n" +
					"linux.devices[1].minor: -1 is not between 0 and 1048575\n" +
					"linux.devices[2].path: \"/dev/../a\" has a component \"..\"\n" +
					"linux.devices[2].type: unknown value \"cb\" (did you mean \"c\"?)\n" +
					"linux.devices[2].fileMode: 65536 is not a file mode (the number is decimal: " +
					"438 is octal 0666)"},
			{"the same twice",
				`{"path":"/dev/a","type":"c","major":1,"minor":3},{"path":"/dev/a","type":"c","major":1,"minor":3}`,
				"warning: linux.devices[1].path: /dev/a is already in linux.devices[0] (remove one)"},
			{"two at one path",
				`{"path":"/dev/a","type":"c","major":1,"minor":3},{"path":"/dev/a","type":"c","major":1,"minor":5}`,
				"linux.devices[1].path: /dev/a is another device in linux.devices[0] (remove one)"},
		})
}
