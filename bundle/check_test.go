package bundle

import (
	"errors"
	"strings"
	"testing"
)

// checkTest is a valid configuration with members added, and what is to be
// found wrong with it: a problem per line, without file and position.
type checkTest struct {
	name, members, want string
}

// texts lists problems without their positions.
func texts(problems []Problem) string {
	var lines []string
	for _, p := range problems {
		p.File, p.Line = "", 0
		lines = append(lines, strings.TrimPrefix(p.Error(), ": "))
	}
	return strings.Join(lines, "\n")
}

// check runs the tests; frame puts the members into a whole configuration.
func check(t *testing.T, frame string, tests []checkTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := Parse(ConfigFile, []byte(strings.ReplaceAll(frame, "MEMBERS", tt.members)))
			var got string
			if err == nil {
				for _, w := range b.Warnings {
					got += "warning: " + texts([]Problem{w}) + "\n"
				}
				got = strings.TrimSuffix(got, "\n")
			} else {
				var problems Problems
				if !errors.As(err, &problems) {
					t.Fatalf("not Problems: %v", err)
				}
				for _, p := range problems {
					if p.Line == 0 || p.Column == 0 {
						t.Errorf("no position: %v", p)
					}
				}
				got = texts(problems)
			}
			if got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestCheckSpec(t *testing.T) {
	check(t, `{MEMBERS}`, []checkTest{
		{"minimal", `"ociVersion":"1.0.0","root":{"path":"r"}`, ""},
		{"nothing", ``, "ociVersion: missing (must be a version such as \"1.3.0\")\n" +
			"root: missing (must name the root filesystem, as in {\"path\": \"rootfs\"})"},
		{"no root path", `"ociVersion":"1.0.0","root":{}`,
			`root.path: missing (must be a directory, by convention "rootfs")`},
	})
	check(t, `{"root":{"path":"r"},"ociVersion":"MEMBERS"}`, []checkTest{
		{"version of Debian's runc", "1.0.2-dev", ""},
		{"version with everything", "1.2.3-rc.1.x-y+build.001", ""},
		{"version 1.3", "1.3.0", ""},
		{"newer minor version", "1.4.0", "warning: ociVersion: version 1.4.0 is newer than " +
			"1.3.0, and what is new in it is ignored"},
		{"old major version", "0.5.0", "ociVersion: version 0.5.0 is not supported (1.0.0 and " +
			"later 1.x versions are)"},
		{"new major version", "2.0.0", "ociVersion: version 2.0.0 is not supported (1.0.0 and " +
			"later 1.x versions are)"},
		{"two numbers", "1.0",
			`ociVersion: "1.0" is not a semantic version (must be a version such as "1.3.0")`},
		{"four numbers", "1.0.0.0",
			`ociVersion: "1.0.0.0" is not a semantic version (must be a version such as "1.3.0")`},
		{"leading zero", "1.00.0",
			`ociVersion: "1.00.0" is not a semantic version (must be a version such as "1.3.0")`},
		{"leading zero in a pre-release", "1.0.0-01",
			`ociVersion: "1.0.0-01" is not a semantic version (must be a version such as "1.3.0")`},
		{"empty pre-release", "1.0.0-",
			`ociVersion: "1.0.0-" is not a semantic version (must be a version such as "1.3.0")`},
		{"empty build", "1.0.0+",
			`ociVersion: "1.0.0+" is not a semantic version (must be a version such as "1.3.0")`},
		{"bad character", "1.0.0-a_b",
			`ociVersion: "1.0.0-a_b" is not a semantic version (must be a version such as "1.3.0")`},
		{"huge number", "1.99999999999.0",
			`ociVersion: "1.99999999999.0" is not a semantic version (must be a version such as "1.3.0")`},
		{"sign", "1.+0.0",
			`ociVersion: "1.+0.0" is not a semantic version (must be a version such as "1.3.0")`},
	})
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},MEMBERS}`, []checkTest{
		{"hostname", `"hostname":"h","linux":{"namespaces":[{"type":"uts"}]}`, ""},
		{"hostname in a joined namespace",
			`"hostname":"h","linux":{"namespaces":[{"type":"uts","path":"/n"}]}`, ""},
		{"hostname without a namespace", `"hostname":"h","domainname":"d"`,
			"hostname: a hostname needs a namespace of type \"uts\", and linux.namespaces has " +
				"none (add {\"type\": \"uts\"} to linux.namespaces)\n" +
				"domainname: a domainname needs a namespace of type \"uts\", and " +
				"linux.namespaces has none (add {\"type\": \"uts\"} to linux.namespaces)"},
		{"hostname of 64 bytes", `"hostname":"` + strings.Repeat("h", 64) +
			`","linux":{"namespaces":[{"type":"uts"}]}`, ""},
		{"hostname of 65 bytes", `"hostname":"` + strings.Repeat("h", 65) +
			`","linux":{"namespaces":[{"type":"uts"}]}`,
			"hostname: 65 bytes long, and the kernel allows 64"},
		{"annotations", `"annotations":{"a.b":"c","d":""}`, ""},
		{"empty annotation key", `"annotations":{"":"c"}`, `annotations[""]: the key is empty`},
		{"annotation that is no string", `"annotations":{"a.b":1}`,
			`annotations["a.b"]: must be a string, and is a number`},
		{"hooks",
			`"hooks":{"prestart":[{"path":"/a","args":["a"],"env":["A=b"],"timeout":1}],"poststop":[{"path":"/a"}]}`, ""},
		{"bad hooks", `"hooks":{"prestart":[{"path":"a"}],"createRuntime":[{}],"createContainer":[{"path":"/a","timeout":0}],
			"startContainer":[{"path":"./a"}],"poststart":[{"path":"/a"},{"path":"b"}],"poststop":[{"path":"/a","timeout":-5}]}`,
			"hooks.prestart[0].path: \"a\" is not an absolute path (begin it with a slash)\n" +
				"hooks.createRuntime[0].path: missing (must be an absolute path)\n" +
				"hooks.createContainer[0].timeout: 0 is not greater than 0 (leave it out for no " +
				"timeout)\n" +
				"hooks.startContainer[0].path: \"./a\" is not an absolute path (begin it with a " +
				"slash)\n" +
				"hooks.poststart[1].path: \"b\" is not an absolute path (begin it with a slash)\n" +
				"hooks.poststop[0].timeout: -5 is not greater than 0 (leave it out for no timeout)"},
		{"key twice", `"hostname":"a","hostname":""`,
			"warning: hostname: the key is there twice, and what the last one says counts " +
				"(remove one)"},
	})
}

func TestCheckProcess(t *testing.T) {
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"process":{MEMBERS}}`, []checkTest{
		{"empty", ``, "process.args: missing (must be the program to run and its arguments)\n" +
			"process.cwd: missing (must be an absolute path)"},
		{"empty program", `"cwd":"/","args":[""]`, "process.args[0]: the name of the program is " +
			"empty"},
		{"relative cwd", `"cwd":"a/b","args":["a"]`,
			`process.cwd: "a/b" is not an absolute path (begin it with a slash)`},
		{"wrong types hide nothing else", `"cwd":1,"args":"sh","env":["A"]`,
			"process.cwd: must be a string, and is a number\n" +
				"process.args: must be an array, and is a string\n" +
				"process.env[0]: \"A\" is not of the form KEY=VALUE"},
		{"NUL", `"cwd":"/\u0000","args":["a\u0000"]`,
			"process.cwd: holds a NUL character, which the kernel cannot take\n" +
				"process.args[0]: holds a NUL character, which the kernel cannot take"},
	})
	members := `{"ociVersion":"1.0.0","root":{"path":"r"},"process":{"cwd":"/","args":["a"],MEMBERS}}`
	check(t, members, []checkTest{
		{"environment", `"env":["A=","B=c=d"]`, ""},
		{"bad environment", `"env":["A","=b",""]`, "process.env[0]: \"A\" is not of the form " +
			"KEY=VALUE\n" +
			"process.env[1]: \"=b\" is not of the form KEY=VALUE\n" +
			"process.env[2]: \"\" is not of the form KEY=VALUE"},
		{"console size", `"terminal":true,"consoleSize":{"height":65535,"width":0}`, ""},
		{"console size too large", `"terminal":true,"consoleSize":{"height":65536,"width":70000}`,
			"process.consoleSize.height: 65536 is more than 65535\nprocess.consoleSize.width: " +
				"70000 is more than 65535"},
		{"console size without terminal", `"consoleSize":{"height":65536,"width":1}`, ""},
		{"user", `"user":{"uid":4294967294,"gid":0,"umask":511,"additionalGids":[0,1]}`, ""},
		{"reserved ids",
			`"user":{"uid":4294967295,"gid":4294967295,"additionalGids":[1,4294967295]}`,
			"process.user.uid: 4294967295 is not an id, the kernel reserves it\n" +
				"process.user.gid: 4294967295 is not an id, the kernel reserves it\n" +
				"process.user.additionalGids[1]: 4294967295 is not an id, the kernel reserves it"},
		{"ids out of range", `"user":{"uid":-1,"gid":4294967296}`,
			"process.user.uid: -1 is not between 0 and 4294967295\nprocess.user.gid: 4294967296 " +
				"is not between 0 and 4294967295"},
		{"umask", `"user":{"umask":512}`,
			"process.user.umask: 512 (octal 1000) is more than 511 (octal 777) (the number is " +
				"decimal: 18 is octal 022)"},
		{"rlimits",
			`"rlimits":[{"type":"RLIMIT_CORE","hard":18446744073709551615,"soft":0},{"type":"RLIMIT_AS","hard":1,"soft":1}]`, ""},
		{"bad rlimits",
			`"rlimits":[{"type":"RLIMIT_NOFILES","hard":1,"soft":1},{"type":"RLIMIT_AS","hard":1,"soft":2},{"type":"RLIMIT_AS"},{}]`,
			"process.rlimits[0].type: unknown value \"RLIMIT_NOFILES\" (did you mean " +
				"\"RLIMIT_NOFILE\"?)\n" +
				"process.rlimits[1].soft: 2 is more than the hard limit, 1\n" +
				"process.rlimits[2].type: RLIMIT_AS is already in process.rlimits[1] (remove one)\n" +
				"process.rlimits[3].type: missing (must be \"RLIMIT_AS\", \"RLIMIT_CORE\", " +
				"\"RLIMIT_CPU\", \"RLIMIT_DATA\", " +
				"\"RLIMIT_FSIZE\", \"RLIMIT_LOCKS\", \"RLIMIT_MEMLOCK\", \"RLIMIT_MSGQUEUE\", " +
				"\"RLIMIT_NICE\", \"RLIMIT_NOFILE\", " +
				"\"RLIMIT_NPROC\", \"RLIMIT_RSS\", \"RLIMIT_RTPRIO\", \"RLIMIT_RTTIME\", " +
				"\"RLIMIT_SIGPENDING\" or \"RLIMIT_STACK\")"},
		{"oom score", `"oomScoreAdj":-1000`, ""},
		{"oom score out of range", `"oomScoreAdj":1001`, "process.oomScoreAdj: 1001 is not " +
			"between -1000 and 1000"},
		{"capabilities", `"capabilities":{"bounding":["CAP_CHECKPOINT_RESTORE"],"permitted":["CAP_KILL"],"effective":["CAP_KILL"],
			"inheritable":["CAP_KILL"],"ambient":["CAP_KILL"]}`, ""},
		{"capabilities that cannot be granted",
			`"capabilities":{"bounding":["CAP_KILLL","cap_chown","CAP_NEW_ONE"],"effective":["CAP_KILL"],"ambient":["CAP_KILL"]}`,
			"warning: process.capabilities.bounding[0]: unknown capability \"CAP_KILLL\", " +
				"ignored (did you mean \"CAP_KILL\"?)\n" +
				"warning: process.capabilities.bounding[1]: unknown capability \"cap_chown\", " +
				"ignored (did you mean \"CAP_CHOWN\"?)\n" +
				"warning: process.capabilities.bounding[2]: unknown capability \"CAP_NEW_ONE\", " +
				"ignored\n" +
				"warning: process.capabilities.effective: cannot be granted, because not in the " +
				"permitted set: CAP_KILL\n" +
				"warning: process.capabilities.ambient: can't raise ambient capability CAP_KILL: " +
				"it is not among those that are permitted and inheritable (remove it, or add it " +
				"to both)"},
		{"ambient capabilities that cannot be raised",
			`"capabilities":{"permitted":["CAP_KILL","CAP_CHOWN"],"inheritable":["CAP_KILL","CAP_FOWNER"],` +
				`"ambient":["CAP_KILL","CAP_CHOWN","CAP_FOWNER","CAP_CHOWN","CAP_SETUID"]}`,
			"warning: process.capabilities.ambient: can't raise ambient capability CAP_FOWNER, " +
				"CAP_SETUID, CAP_CHOWN: " +
				"it is not among those that are permitted and inheritable (remove it, or add it " +
				"to both)"},
		{"io priority", `"ioPriority":{"class":"IOPRIO_CLASS_RT","priority":7}`, ""},
		{"bad io priority", `"ioPriority":{"class":"IOPRIO_CLASS_XX","priority":8}`,
			"process.ioPriority.class: unknown value \"IOPRIO_CLASS_XX\" (did you mean " +
				"\"IOPRIO_CLASS_RT\"?)\n" +
				"process.ioPriority.priority: 8 is not between 0 and 7"},
		{"affinity", `"execCPUAffinity":{"initial":"7","final":"0-3,7"}`, ""},
		{"bad affinity", `"execCPUAffinity":{"initial":"3-1","final":"0-3, 7"}`,
			"process.execCPUAffinity.initial: the range 3-1 in \"3-1\" goes backwards\n" +
				"process.execCPUAffinity.final: \"0-3, 7\" is not a list of numbers and ranges " +
				"(write it as \"0-3,7\")"},
	})
}

func TestCheckScheduler(t *testing.T) {
	check(t, `{"ociVersion":"1.0.0","root":{"path":"r"},"process":{"cwd":"/","args":["a"],"scheduler":{MEMBERS}}}`, []checkTest{
		{"nice", `"policy":"SCHED_BATCH","nice":-20,"flags":["SCHED_FLAG_RESET_ON_FORK"]`, ""},
		{"fifo", `"policy":"SCHED_FIFO","priority":99`, ""},
		{"deadline", `"policy":"SCHED_DEADLINE","runtime":1024,"deadline":1024,"period":1024`, ""},
		{"deadline without period", `"policy":"SCHED_DEADLINE","runtime":2048,"deadline":4096`, ""},
		{"no policy", `"nice":1`,
			"process.scheduler.policy: missing (must be \"SCHED_OTHER\", \"SCHED_FIFO\", " +
				"\"SCHED_RR\", \"SCHED_BATCH\", \"SCHED_ISO\", \"SCHED_IDLE\" or " +
				"\"SCHED_DEADLINE\")"},
		{"unknown words", `"policy":"SCHED_FIFA","flags":["SCHED_FLAG_RECLAIMS"]`,
			"process.scheduler.policy: unknown value \"SCHED_FIFA\" (did you mean " +
				"\"SCHED_FIFO\"?)\n" +
				"process.scheduler.flags[0]: unknown value \"SCHED_FLAG_RECLAIMS\" (did you " +
				"mean \"SCHED_FLAG_RECLAIM\"?)"},
		{"iso", `"policy":"SCHED_ISO"`, "process.scheduler.policy: no version of Linux has " +
			"SCHED_ISO"},
		{"nice out of range", `"policy":"SCHED_OTHER","nice":20`,
			"process.scheduler.nice: 20 is not between -20 and 19"},
		{"nice without meaning", `"policy":"SCHED_IDLE","nice":1`,
			"warning: process.scheduler.nice: SCHED_IDLE has no nice value"},
		{"priority missing", `"policy":"SCHED_RR"`, "process.scheduler.priority: SCHED_RR needs " +
			"a priority between 1 and 99"},
		{"priority without meaning", `"policy":"SCHED_OTHER","priority":1`,
			"process.scheduler.priority: only SCHED_FIFO and SCHED_RR have a priority"},
		{"deadline of another policy", `"policy":"SCHED_OTHER","period":1`,
			"process.scheduler: only SCHED_DEADLINE has runtime, deadline and period"},
		{"runtime too short", `"policy":"SCHED_DEADLINE"`,
			"process.scheduler.runtime: SCHED_DEADLINE needs a runtime of at least 1024 nanoseconds"},
		{"deadline too short", `"policy":"SCHED_DEADLINE","runtime":2000,"deadline":1999`,
			"process.scheduler.deadline: 1999 is less than the runtime, 2000"},
		{"period too short",
			`"policy":"SCHED_DEADLINE","runtime":2000,"deadline":2000,"period":1999`,
			"process.scheduler.period: 1999 is less than the deadline, 2000"},
	})
}
