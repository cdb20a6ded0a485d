package bundle

import "testing"

const resourcesFrame = `{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{"resources":{MEMBERS}}}`

func TestCheckResources(t *testing.T) {
	check(t, resourcesFrame, []checkTest{
		{"device rules",
			`"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":-1,"access":"r"},{"type":"a","access":"m"},{"type":"b","access":"w"}]`, ""},
		{"bad device rules",
			`"devices":[{"allow":true},{"type":"x","access":"rx","major":-2,"minor":4294967296},{"type":"cb","access":"r"}]`,
			"linux.resources.devices[0].access: \"\" is not made of r, w and m (for all access " +
				"write \"rwm\")\n" +
				"linux.resources.devices[1].type: unknown value \"x\" (must be \"a\", \"c\" or " +
				"\"b\")\n" +
				"linux.resources.devices[1].access: \"rx\" is not made of r, w and m (for all " +
				"access write \"rwm\")\n" +
				"linux.resources.devices[1].major: -2 is not between -1 and 4294967295\n" +
				"linux.resources.devices[1].minor: 4294967296 is not between -1 and 4294967295\n" +
				"linux.resources.devices[2].type: unknown value \"cb\" (did you mean \"c\"?)"},
		{"pids", `"pids":{"limit":0}`, ""},
		{"pids without limit", `"pids":{}`, ""},
		{"bad pids", `"pids":{"limit":-2}`, "linux.resources.pids.limit: -2 is less than -1"},
		{"block io", `"blockIO":{"weight":10,"leafWeight":1000,"weightDevice":[{"major":8,"minor":0,"weight":0},{"major":8,"minor":1,"leafWeight":500}],
			"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":600}]}`, ""},
		{"bad block io", `"blockIO":{"weight":9,"leafWeight":1001,"weightDevice":[{"major":8,"minor":0}],
			"throttleReadBpsDevice":[{"major":-1,"rate":1}],"throttleWriteBpsDevice":[{"minor":-1}],
			"throttleReadIOPSDevice":[{"major":4096}],"throttleWriteIOPSDevice":[{"minor":1048576}]}`,
			"linux.resources.blockIO.weight: 9 is not between 10 and 1000\n" +
				"linux.resources.blockIO.leafWeight: 1001 is not between 10 and 1000\n" +
				"linux.resources.blockIO.weightDevice[0]: sets no weight (add \"weight\" or " +
				"\"leafWeight\")\n" +
				"linux.resources.blockIO.throttleReadBpsDevice[0].major: -1 is not between 0 " +
				"and 4095\n" +
				"linux.resources.blockIO.throttleWriteBpsDevice[0].minor: -1 is not between 0 " +
				"and 1048575\n" +
				"linux.resources.blockIO.throttleReadIOPSDevice[0].major: 4096 is not between 0 " +
				"and 4095\n" +
				"linux.resources.blockIO.throttleWriteIOPSDevice[0].minor: 1048576 is not " +
				"between 0 and 1048575"},
		{"huge pages",
			`"hugepageLimits":[{"pageSize":"2MB","limit":9223372036854772000},{"pageSize":"64KB","limit":0},{"pageSize":"1GB"}]`, ""},
		{"bad huge pages",
			`"hugepageLimits":[{"pageSize":"64kB"},{},{"pageSize":"B"},{"pageSize":"MB"},{"pageSize":"02MB"}]`,
			"linux.resources.hugepageLimits[0].pageSize: \"64kB\" is not a size of huge pages " +
				"(write it as \"2MB\")\n" +
				"linux.resources.hugepageLimits[1].pageSize: \"\" is not a size of huge pages " +
				"(write it as \"2MB\")\n" +
				"linux.resources.hugepageLimits[2].pageSize: \"B\" is not a size of huge pages " +
				"(write it as \"2MB\")\n" +
				"linux.resources.hugepageLimits[3].pageSize: \"MB\" is not a size of huge pages " +
				"(write it as \"2MB\")\n" +
				"linux.resources.hugepageLimits[4].pageSize: \"02MB\" is not a size of huge " +
				"pages (write it as \"2MB\")"},
		{"network", `"network":{"classID":1,"priorities":[{"name":"eth0","priority":1}]}`, ""},
		{"bad network", `"network":{"priorities":[{}]}`,
			`linux.resources.network.priorities[0].name: "" is not the name of a network device`},
		{"rdma", `"rdma":{"mlx5_1":{"hcaHandles":3},"mlx4_0":{"hcaObjects":0}}`, ""},
		{"bad rdma", `"rdma":{"mlx5_1":{}}`,
			`linux.resources.rdma.mlx5_1: sets no limit (add "hcaHandles" or "hcaObjects")`},
		{"unified", `"unified":{"io.max":"259:0 rbps=1","hugetlb.1GB.max":"1"}`, ""},
		{"bad unified", `"unified":{"":"1","memory":"1","../memory.max":"1","..":"1",".x":"1"}`,
			"linux.resources.unified[\"\"]: not the name of a file in a cgroup (write it as " +
				"\"memory.high\")\n" +
				"linux.resources.unified.memory: not the name of a file in a cgroup (write it " +
				"as \"memory.high\")\n" +
				"linux.resources.unified[\"../memory.max\"]: not the name of a file in a cgroup " +
				"(write it as \"memory.high\")\n" +
				"linux.resources.unified[\"..\"]: not the name of a file in a cgroup (write it " +
				"as \"memory.high\")\n" +
				"linux.resources.unified[\".x\"]: not the name of a file in a cgroup (write it " +
				"as \"memory.high\")"},
	})
}

func TestCheckMemoryAndCPU(t *testing.T) {
	check(t, resourcesFrame, []checkTest{
		{"memory",
			`"memory":{"limit":536870912,"reservation":536870912,"swap":536870912,"kernel":-1,"kernelTCP":-1,"swappiness":100}`, ""},
		{"unlimited", `"memory":{"limit":-1,"swap":-1}`, ""},
		{"zero is not set", `"memory":{"limit":0,"swap":0,"reservation":0}`, ""},
		{"swappiness not set", `"memory":{"swappiness":18446744073709551615}`, ""},
		{"below minus one",
			`"memory":{"limit":-2,"reservation":-2,"swap":-2,"kernel":-2,"kernelTCP":-2,"swappiness":101}`,
			"linux.resources.memory.limit: -2 is less than -1\n" +
				"linux.resources.memory.reservation: -2 is less than -1\n" +
				"linux.resources.memory.swap: -2 is less than -1\n" +
				"linux.resources.memory.kernel: -2 is less than -1\n" +
				"linux.resources.memory.kernelTCP: -2 is less than -1\n" +
				"linux.resources.memory.swappiness: 101 is not between 0 and 100"},
		{"swap alone", `"memory":{"swap":1000}`, "linux.resources.memory.swap: a limit of " +
			"memory and swap needs one of memory (set limit, too)"},
		{"swap too small", `"memory":{"limit":1000,"swap":999}`,
			"linux.resources.memory.swap: 999 is less than the limit of memory, 1000 (swap is " +
				"the sum of memory and swap space)"},
		{"reservation too large", `"memory":{"limit":1000,"reservation":2000}`,
			"warning: linux.resources.memory.reservation: 2000 is more than the limit, 1000, " +
				"and has no effect"},
		{"cpu", `"cpu":{"shares":1024,"quota":1000000,"burst":1000000,"period":500000,"realtimeRuntime":950000,"realtimePeriod":1000000,"cpus":"2-3","mems":"0-7","idle":1}`, ""},
		{"cpu unlimited", `"cpu":{"quota":-1,"period":0,"realtimeRuntime":-1}`, ""},
		{"bad cpu",
			`"cpu":{"quota":999,"period":999,"burst":1000,"realtimeRuntime":-2,"idle":2,"cpus":"a;b","mems":"0\n"}`,
			"linux.resources.cpu.quota: 999 microseconds is less than 1000\n" +
				"linux.resources.cpu.period: 999 microseconds is not between 1000 and 1000000\n" +
				"linux.resources.cpu.burst: 1000 is more than the quota, 999\n" +
				"linux.resources.cpu.realtimeRuntime: -2 is less than -1\n" +
				"linux.resources.cpu.idle: 2 is not between 0 and 1\n" +
				"linux.resources.cpu.cpus: \"a;b\" is not a list of numbers and ranges (write " +
				"it as \"0-3,7\")\n" +
				"linux.resources.cpu.mems: \"0\\n\" is not a list of numbers and ranges (write " +
				"it as \"0-3,7\")"},
		{"long period", `"cpu":{"period":1000001}`, "linux.resources.cpu.period: 1000001 " +
			"microseconds is not between 1000 and 1000000"},
		{"realtime", `"cpu":{"realtimeRuntime":2,"realtimePeriod":1}`,
			"linux.resources.cpu.realtimeRuntime: 2 is more than the period, 1"},
	})
}

func TestCheckSeccomp(t *testing.T) {
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{"seccomp":{MEMBERS}}}`,
		[]checkTest{
			{"everything", `"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_SHEB"],
			"flags":["SECCOMP_FILTER_FLAG_LOG"],"listenerPath":"/l","listenerMetadata":"m","syscalls":[
			{"names":["read","no_such_call"],"action":"SCMP_ACT_ALLOW","args":[{"index":5,"value":1,"valueTwo":2,"op":"SCMP_CMP_MASKED_EQ"}]},
			{"names":["write"],"action":"SCMP_ACT_TRACE","errnoRet":65535},{"names":["mount"],"action":"SCMP_ACT_NOTIFY"}]`, ""},
			{"empty", ``, "linux.seccomp.defaultAction: missing (must be \"SCMP_ACT_KILL\", " +
				"\"SCMP_ACT_KILL_PROCESS\", \"SCMP_ACT_KILL_THREAD\", " +
				"\"SCMP_ACT_TRAP\", \"SCMP_ACT_ERRNO\", \"SCMP_ACT_TRACE\", \"SCMP_ACT_ALLOW\", " +
				"\"SCMP_ACT_LOG\" or \"SCMP_ACT_NOTIFY\")"},
			{"unknown words", `"defaultAction":"SCMP_ACT_ALOW","architectures":["SCMP_ARCH_X86_65"],"flags":["SECCOMP_FILTER_FLAG_LOGG"],
			"syscalls":[{"names":["a"],"action":"ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQQ"}]}]`,
				"linux.seccomp.defaultAction: unknown value \"SCMP_ACT_ALOW\" (did you mean " +
					"\"SCMP_ACT_ALLOW\"?)\n" +
					"linux.seccomp.architectures[0]: unknown value \"SCMP_ARCH_X86_65\" (did you " +
					"mean \"SCMP_ARCH_X86_64\"?)\n" +
					"linux.seccomp.flags[0]: unknown value \"SECCOMP_FILTER_FLAG_LOGG\" (did you " +
					"mean \"SECCOMP_FILTER_FLAG_LOG\"?)\n" +
					"linux.seccomp.syscalls[0].action: unknown value \"ALLOW\" (must be " +
					"\"SCMP_ACT_KILL\", \"SCMP_ACT_KILL_PROCESS\", \"SCMP_ACT_KILL_THREAD\", " +
					"\"SCMP_ACT_TRAP\", \"SCMP_ACT_ERRNO\", \"SCMP_ACT_TRACE\", " +
					"\"SCMP_ACT_ALLOW\", " +
					"\"SCMP_ACT_LOG\" or \"SCMP_ACT_NOTIFY\")\n" +
					"linux.seccomp.syscalls[0].args[0].op: unknown value \"SCMP_CMP_EQQ\" (did you " +
					"mean \"SCMP_CMP_EQ\"?)"},
			{"bad rules", `"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_ALLOW"},{"names":[""],"action":"SCMP_ACT_ALLOW","errnoRet":1},
			{"names":["a"],"action":"SCMP_ACT_ERRNO","errnoRet":4096,"args":[{"index":6,"op":"SCMP_CMP_EQ"}]},{"names":["a"],"action":"SCMP_ACT_TRACE","errnoRet":65536}]`,
				"linux.seccomp.syscalls[0].names: missing (must name at least one system call)\n" +
					"linux.seccomp.syscalls[1].names[0]: the name is empty\n" +
					"linux.seccomp.syscalls[1].errnoRet: SCMP_ACT_ALLOW returns no errno (only " +
					"\"SCMP_ACT_ERRNO\" and \"SCMP_ACT_TRACE\" do)\n" +
					"linux.seccomp.syscalls[2].errnoRet: 4096 is not an errno (the largest is " +
					"4095)\n" +
					"linux.seccomp.syscalls[2].args[0].index: 6 is not between 0 and 5\n" +
					"linux.seccomp.syscalls[3].errnoRet: 65536 is more than 65535"},
			{"default errno of an action without",
				`"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1`,
				"linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW returns no errno (only " +
					"\"SCMP_ACT_ERRNO\" and \"SCMP_ACT_TRACE\" do)"},
			{"notify without listener",
				`"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_NOTIFY"}]`,
				"linux.seccomp.listenerPath: missing (must be an absolute path)"},
			{"notify by default", `"defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/l"`,
				"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default action (the " +
					"runtime's own calls on the way to the listener would wait for it)"},
			{"metadata without listener", `"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"m"`,
				"linux.seccomp.listenerMetadata: there is no listenerPath to send it to"},
		})
}
