package bundle

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/internal/nearest"
	"github.com/ocikit/ocikit/internal/strictjson"
)

// process checks a process object (config.md#process). at is the path of the
// object and a dot, or empty.
func (c *checker) process(at string, p *specs.Process) {
	if len(p.Args) == 0 {
		c.bad(at+"args", "missing", "must be the program to run and its arguments")
	} else if p.Args[0] == "" {
		c.bad(elem(at+"args", 0), "the name of the program is empty", "")
	}
	c.absolute(at+"cwd", p.Cwd)
	for i, e := range p.Env {
		if key, _, ok := strings.Cut(e, "="); !ok || key == "" {
			c.bad(elem(at+"env", i), fmt.Sprintf("%q is not of the form KEY=VALUE", e), "")
		}
	}
	if p.Terminal && p.ConsoleSize != nil { // to be ignored without a terminal
		c.consoleSide(at+"consoleSize.height", p.ConsoleSize.Height)
		c.consoleSide(at+"consoleSize.width", p.ConsoleSize.Width)
	}
	c.user(at+"user", &p.User)
	c.rlimits(at+"rlimits", p.Rlimits)
	if p.Capabilities != nil {
		c.capabilities(at+"capabilities", p.Capabilities)
	}
	if p.OOMScoreAdj != nil {
		c.between(at+"oomScoreAdj", int64(*p.OOMScoreAdj), -1000, 1000) // proc_pid_oom_score_adj(5)
	}
	if p.Scheduler != nil {
		c.scheduler(at+"scheduler", p.Scheduler)
	}
	if p.IOPriority != nil {
		c.oneOf(at+"ioPriority.class", string(p.IOPriority.Class),
			[]string{"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"})
		c.between(at+"ioPriority.priority", int64(p.IOPriority.Priority), 0, 7) // ioprio_set(2)
	}
	if a := p.ExecCPUAffinity; a != nil {
		c.numberList(at+"execCPUAffinity.initial", a.Initial)
		c.numberList(at+"execCPUAffinity.final", a.Final)
	}
}

// consoleSide checks a member of struct winsize (TIOCSWINSZ(2const)).
func (c *checker) consoleSide(at string, n uint) {
	if n > math.MaxUint16 {
		c.bad(at, fmt.Sprintf("%d is more than %d", n, math.MaxUint16), "")
	}
}

// user checks ids and umask (config.md#posix-platform-user).
func (c *checker) user(at string, u *specs.User) {
	c.id(at+".uid", u.UID)
	c.id(at+".gid", u.GID)
	for i, g := range u.AdditionalGids {
		c.id(elem(at+".additionalGids", i), g)
	}
	if u.Umask != nil && *u.Umask > 0o777 {
		c.bad(at+".umask", fmt.Sprintf("%d (octal %o) is more than 511 (octal 777)", *u.Umask,
			*u.Umask),
			"the number is decimal: 18 is octal 022")
	}
}

// id checks a user or group id: -1 means "no change" to setuid(2) and chown(2).
func (c *checker) id(at string, id uint32) {
	if id == math.MaxUint32 {
		c.bad(at, fmt.Sprintf("%d is not an id, the kernel reserves it", id), "")
	}
}

// rlimits checks limits (getrlimit(2)).
func (c *checker) rlimits(at string, limits []specs.POSIXRlimit) {
	for i, l := range limits {
		if !known(l.Type, rlimitNames[:]) {
			c.oneOf(elem(at, i)+".type", l.Type, rlimitNames[:])
			continue
		}
		same := func(other specs.POSIXRlimit) bool { return other.Type == l.Type }
		if j := slices.IndexFunc(limits, same); j < i {
			c.bad(elem(at, i)+".type", fmt.Sprintf("%s is already in %s", l.Type, elem(at, j)),
				"remove one")
		}
		if l.Soft > l.Hard {
			c.conflict(elem(at, i)+".soft", elem(at, i), fmt.Sprintf("%d is more than the hard "+
				"limit, %d", l.Soft, l.Hard), "")
		}
	}
}

// capabilities warns of capabilities that cannot be granted. They are never an
// error (config.md#linux-process).
func (c *checker) capabilities(at string, caps *specs.LinuxCapabilities) {
	c.capabilitySet(at+".bounding", caps.Bounding)
	c.capabilitySet(at+".effective", caps.Effective)
	c.capabilitySet(at+".inheritable", caps.Inheritable)
	c.capabilitySet(at+".permitted", caps.Permitted)
	c.capabilitySet(at+".ambient", caps.Ambient)
	if lost := without(caps.Effective, caps.Permitted); len(lost) > 0 {
		c.warn(at+".effective", "cannot be granted, because not in the permitted set: "+
			strings.Join(lost, ", "), "")
	}
	lost := append(without(caps.Ambient, caps.Permitted),
		without(caps.Ambient, caps.Inheritable)...)
	if len(lost) > 0 {
		c.warn(at+".ambient", "can't raise ambient capability "+
			strings.Join(without(lost, nil), ", ")+
			": it is not among those that are permitted and inheritable",
			"remove it, or add it to both")
	}
}

func (c *checker) capabilitySet(at string, set []string) {
	for i, name := range set {
		if known(name, capabilityNames[:]) {
			continue
		}
		if len(c.warnings) >= strictjson.MaxProblems {
			return // a suggestion takes a while
		}
		c.warn(elem(at, i), fmt.Sprintf("unknown capability %q, ignored", name),
			suggestCapability(name))
	}
}

// suggestCapability returns the cure for an unknown name. Most often CAP_ is
// missing.
func suggestCapability(name string) string {
	near := "CAP_" + strings.ToUpper(name)
	if !known(near, capabilityNames[:]) {
		near = nearest.To(name, capabilityNames[:])
	}
	if near == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", near)
}

// without returns the known capabilities in set that are not in others, each
// once. The kernel refuses those that it wants in both (capabilities(7)).
func without(set, others []string) (lost []string) {
	if len(set) == 0 {
		return nil
	}
	seen := make(map[string]bool, len(others))
	for _, name := range others {
		seen[name] = true
	}
	for _, name := range set {
		if known(name, capabilityNames[:]) && !seen[name] {
			seen[name] = true
			lost = append(lost, name)
		}
	}
	return lost
}

// scheduler checks attributes for sched_setattr(2).
func (c *checker) scheduler(at string, s *specs.Scheduler) {
	policy := string(s.Policy)
	c.oneOf(at+".policy", policy, schedulerPolicies[:])
	switch s.Policy {
	case specs.SchedISO:
		c.bad(at+".policy", "no version of Linux has SCHED_ISO", "")
	case specs.SchedFIFO, specs.SchedRR:
		if s.Priority < 1 || s.Priority > 99 {
			c.conflict(at+".priority", at, fmt.Sprintf("%s needs a priority between 1 and 99",
				policy), "")
		}
	default:
		if s.Priority != 0 {
			c.conflict(at+".priority", at, "only SCHED_FIFO and SCHED_RR have a priority", "")
		}
	}
	if s.Nice != 0 && s.Policy != specs.SchedOther && s.Policy != specs.SchedBatch {
		c.warn(at+".nice", policy+" has no nice value", "")
	}
	c.between(at+".nice", int64(s.Nice), -20, 19)
	for i, f := range s.Flags {
		c.oneOf(elem(at+".flags", i), string(f), schedulerFlags[:])
	}
	c.deadline(at, s)
}

// deadline checks the three times of SCHED_DEADLINE (sched(7)).
func (c *checker) deadline(at string, s *specs.Scheduler) {
	if s.Policy != specs.SchedDeadline {
		if s.Runtime != 0 || s.Deadline != 0 || s.Period != 0 {
			c.conflict(at, at, "only SCHED_DEADLINE has runtime, deadline and period", "")
		}
		return
	}
	switch {
	case s.Runtime < 1024:
		c.conflict(at+".runtime", at, "SCHED_DEADLINE needs a runtime of at least 1024 nanoseconds",
			"")
	case s.Runtime > s.Deadline:
		c.conflict(at+".deadline", at, fmt.Sprintf("%d is less than the runtime, %d", s.Deadline,
			s.Runtime), "")
	case s.Period != 0 && s.Deadline > s.Period:
		c.conflict(at+".period", at, fmt.Sprintf("%d is less than the deadline, %d", s.Period,
			s.Deadline), "")
	}
}

// numberList checks a list of CPUs or memory nodes such as "0-3,7". An empty
// list means that there is none.
func (c *checker) numberList(at, list string) {
	if list == "" {
		return
	}
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseUint(first, 10, 31)
		if err == nil && isRange {
			var b uint64
			if b, err = strconv.ParseUint(last, 10, 31); err == nil && b < a {
				c.bad(at, fmt.Sprintf("the range %s in %q goes backwards", part, list), "")
				return
			}
		}
		if err != nil {
			c.bad(at, fmt.Sprintf("%q is not a list of numbers and ranges", list),
				`write it as "0-3,7"`)
			return
		}
	}
}
