// Command attack is the attacker of the integration tests: a program that runs
// in a container and goes for whatever else can be seen there, above all for
// the runtime's own processes while they become processes of the container.
//
//	attack seize     traces every process that appears, from its first moment on
//	attack look      reads /proc/PID of every process that appears
//	attack hook      looks once at all processes, as a hook of the image does
//	attack shrink    cuts the memory short that a process shares with the host
//	attack lie       writes nonsense to where a process reports to the host
//	attack withhold  kills processes, and keeps their ends from the host
//	attack own       looks at the descriptors that it was given itself
//
// Flags say what processes of this container may show; all else is a hit. The
// log gets a line for each hit ("hit KIND: DETAIL"), for each process that the
// attack got hold of ("caught PID DETAIL"; "late PID DETAIL" for one that was
// the user's program by then) and for some of what it then did ("tried …"), and
// "ready" before the first.
// It ends when its container is deleted.
//
// It owns no victim: the tests of package integration start those.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
)

// programs are the attacks by their names.
var programs = map[string]func(*attacker) error{
	"seize":    seize,
	"look":     look,
	"hook":     hook,
	"shrink":   shrink,
	"lie":      lie,
	"withhold": withhold,
	"own":      own,
}

// attacker is what all attacks need.
type attacker struct {
	limits limits
	mkdir  string // a directory that no process of the container may make
	log    *os.File
}

func main() {
	runtime.LockOSThread() // a tracer is a thread
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 || programs[args[0]] == nil {
		return fmt.Errorf("the first argument is none of %q", slices.Sorted(maps.Keys(programs)))
	}
	var a attacker
	var uids, leaks, log string
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.Uint64Var(&a.limits.capabilities, "caps", 0, "`mask` of the capabilities that "+
		"processes may have")
	flags.BoolVar(&a.limits.filter, "filter", false, "every process has a seccomp filter")
	flags.BoolVar(&a.limits.noNewPrivileges, "no-new-privileges", false,
		"every process has no_new_privs")
	flags.StringVar(&uids, "uids", "0", "user `ids` that processes may have, with commas")
	flags.BoolVar(&a.limits.helper, "helper", false, "a process with CAP_SYS_ADMIN may open a "+
		"procfs, and do nothing else")
	flags.StringVar(&a.limits.canary, "canary", "", "absolute `path` of a file that only the "+
		"host has")
	flags.StringVar(&a.limits.mount, "mount", "", "`text` that only the host's mount table has")
	flags.StringVar(&a.limits.binary, "binary", "", "`path` of the runtime on the host")
	flags.StringVar(&leaks, "leaks", "", "what descriptors of the runtime's caller `link` to, "+
		"with commas")
	flags.StringVar(&a.mkdir, "mkdir", "", "`path` of a directory that no process may make")
	flags.StringVar(&log, "log", "", "`file` to append to")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	a.limits.uids = split(uids)
	a.limits.leaks = split(leaks)
	var err error
	if a.log, err = os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666); err != nil {
		return err
	}
	return programs[args[0]](&a)
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// say appends a line to the log, in one write: several attackers may share it.
func (a *attacker) say(word, format string, args ...any) error {
	line := word + " " + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", `\n`) + "\n"
	_, err := a.log.WriteString(line)
	return err
}

// accuse logs the hits of a process.
func (a *attacker) accuse(pid int, hits []string) error {
	for _, h := range hits {
		if err := a.say("hit", "%s (process %d)", h, pid); err != nil {
			return err
		}
	}
	return nil
}
