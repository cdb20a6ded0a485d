package bundle

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// seccomp checks the form of a profile (config-linux.md#seccomp). The compiler
// looks at the names of system calls; unknown ones are allowed.
func (c *checker) seccomp(at string, s *specs.LinuxSeccomp) {
	c.oneOf(at+".defaultAction", string(s.DefaultAction), seccompActions[:])
	c.errnoRet(at+".defaultErrnoRet", at+".defaultAction", s.DefaultAction, s.DefaultErrnoRet)
	for i, a := range s.Architectures {
		c.oneOf(elem(at+".architectures", i), string(a), seccompArches[:])
	}
	for i, f := range s.Flags {
		c.oneOf(elem(at+".flags", i), string(f), seccompFlags[:])
	}
	notify := false
	for i := range s.Syscalls {
		c.seccompRule(at, i, &s.Syscalls[i])
		notify = notify || s.Syscalls[i].Action == specs.ActNotify
	}
	if s.DefaultAction == specs.ActNotify {
		c.bad(at+".defaultAction", "SCMP_ACT_NOTIFY cannot be the default action",
			"the runtime's own calls on the way to the listener would wait for it")
	}
	switch {
	case notify:
		c.absolute(at+".listenerPath", s.ListenerPath)
	case s.ListenerPath == "" && s.ListenerMetadata != "":
		c.conflict(at+".listenerMetadata", at, "there is no listenerPath to send it to", "")
	}
}

// seccompRule checks one entry of syscalls.
func (c *checker) seccompRule(seccomp string, i int, r *specs.LinuxSyscall) {
	at := func(field string) string { return elem(seccomp+".syscalls", i) + field }
	if len(r.Names) == 0 {
		c.bad(at(".names"), "missing", "must name at least one system call")
	}
	for j, name := range r.Names {
		if name == "" {
			c.bad(elem(at(".names"), j), "the name is empty", "")
		}
	}
	if !known(string(r.Action), seccompActions[:]) {
		c.oneOf(at(".action"), string(r.Action), seccompActions[:])
	}
	if r.ErrnoRet != nil {
		c.errnoRet(at(".errnoRet"), at(".action"), r.Action, r.ErrnoRet)
	}
	for j, a := range r.Args {
		if a.Index > 5 {
			c.bad(elem(at(".args"), j)+".index", fmt.Sprintf("%d is not between 0 and 5", a.Index),
				"")
		}
		if !known(string(a.Op), seccompOperators[:]) {
			c.oneOf(elem(at(".args"), j)+".op", string(a.Op), seccompOperators[:])
		}
	}
}

// errnoRet checks a return value: seccomp(2) has 16 bits for a tracer's
// message, and errors end at MAX_ERRNO. atAction is the path of the action.
func (c *checker) errnoRet(at, atAction string, action specs.LinuxSeccompAction, ret *uint) {
	if ret == nil {
		return
	}
	switch action {
	case specs.ActErrno:
		if *ret > 4095 {
			c.bad(at, fmt.Sprintf("%d is not an errno", *ret), "the largest is 4095")
		}
	case specs.ActTrace:
		if *ret > 0xffff {
			c.bad(at, fmt.Sprintf("%d is more than 65535", *ret), "")
		}
	default:
		c.conflict(at, atAction, fmt.Sprintf("%s returns no errno", action),
			`only "SCMP_ACT_ERRNO" and "SCMP_ACT_TRACE" do`)
	}
}
