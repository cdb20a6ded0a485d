package cgroup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// device makes an entry of linux.resources.devices.
func device(allow bool, kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
	d := specs.LinuxDeviceCgroup{Allow: allow, Type: kind, Access: access}
	if major != any32 {
		d.Major = &major
	}
	if minor != any32 {
		d.Minor = &minor
	}
	return d
}

func TestNewRuleSet(t *testing.T) {
	const defaults = "c *:* m, b *:* m, c 1:3 rwm, c 1:5 rwm, c 1:7 rwm, c 1:8 rwm, c 1:9 rwm, " +
		"c 5:0 rwm, c 5:2 rwm, c 136:* rwm"
	tests := []struct {
		name string
		list []specs.LinuxDeviceCgroup
		want string
	}{
		{"none", nil, "deny: " + defaults},
		{"all denied", []specs.LinuxDeviceCgroup{{Access: "rwm"}}, "deny: " + defaults},
		{"all allowed", []specs.LinuxDeviceCgroup{{Allow: true, Access: "mrw"}}, "allow: "},
		{"what is before all", []specs.LinuxDeviceCgroup{device(true, "c", 10, 1, "r"),
			{Access: "rwm"}}, "deny: " + defaults},
		{"some", []specs.LinuxDeviceCgroup{device(true, "c", 10, 229, "wr"), device(true, "b", 8,
			any32, "r"), device(true, "u", any32, 1, "m")},
			"deny: c 10:229 rw, b 8:* r, c *:1 m, " + defaults},
		{"denied", []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}, device(false, "c", 1, 3,
			"w")},
			"allow: -c 1:3 w, " + defaults},
		{"every kind", []specs.LinuxDeviceCgroup{device(true, "a", 1, any32, "r")},
			"deny: a 1:* r, " + defaults},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := newRuleSet(tt.list)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(s); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// describe writes a rule set in a line.
func describe(s *ruleSet) string {
	var list []string
	for _, r := range s.rules {
		sign := ""
		if !r.allow {
			sign = "-"
		}
		list = append(list, sign+r.String())
	}
	word := map[bool]string{true: "allow", false: "deny"}[s.allow]
	return word + ": " + strings.Join(list, ", ")
}

func TestNewRuleSetErrors(t *testing.T) {
	tests := []struct {
		name string
		d    specs.LinuxDeviceCgroup
		want string
	}{
		{"type", device(true, "p", 1, 3, "r"), `type "p" is not one of a, b, c, u`},
		{"no access", device(true, "c", 1, 3, ""), `access is empty; give some of "rwm"`},
		{"bad access", device(true, "c", 1, 3, "rwx"), `access "rwx" is not made of r, w and m`},
		{"major", device(true, "c", -2, 3, "r"), "major -2 is not a device number"},
		{"minor", device(true, "c", 1, 1<<32, "r"), "minor 4294967296 is not a device number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newRuleSet([]specs.LinuxDeviceCgroup{{Access: "rwm"}, tt.d})
			var res *ResourceError
			if want := "linux.resources.devices[1]: " + tt.want; !errors.As(err, &res) ||
				err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestExceptions(t *testing.T) {
	tests := []struct {
		name string
		list []specs.LinuxDeviceCgroup
		want string // without the default rules
		err  string
	}{
		{"none", nil, "", ""},
		{"both kinds", []specs.LinuxDeviceCgroup{device(true, "a", 7, 1, "r")}, "b 7:1 r, c 7:1 r",
			""},
		{"joined", []specs.LinuxDeviceCgroup{device(true, "c", 7, 1, "r"), device(true, "c", 7, 1,
			"w")}, "c 7:1 rw", ""},
		{"taken away", []specs.LinuxDeviceCgroup{device(true, "c", 7, 1, "rw"), device(false, "c",
			7, 1, "w")}, "c 7:1 r", ""},
		{"taken away whole", []specs.LinuxDeviceCgroup{device(true, "c", 7, 1, "r"),
			device(false, "c", 7, 1, "rwm")}, "", ""},
		{"taken away, then a part", []specs.LinuxDeviceCgroup{device(true, "c", 7, any32, "r"),
			device(false, "c", 7, any32, "r"),
			device(false, "c", 7, 1, "r")}, "", ""},
		{"denied twice", []specs.LinuxDeviceCgroup{device(false, "c", 7, 1, "r")}, "", ""},
		{"a part", []specs.LinuxDeviceCgroup{device(true, "c", 7, any32, "rw"), device(false, "c",
			7, 1, "w")}, "",
			"linux.resources.devices[1]: is about a part of what devices[0] is about (c 7:* " +
				"rw), which cgroup v1 cannot keep apart; " +
				"name the devices one by one, or use cgroup v2"},
		{"another access", []specs.LinuxDeviceCgroup{device(true, "c", 7, any32, "r"),
			device(false, "c", 7, 1, "w")}, "c 7:* r", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := newRuleSet(tt.list)
			if err != nil {
				t.Fatal(err)
			}
			list, err := s.exceptions()
			if tt.err != "" || err != nil {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got  %v\nwant %s", err, tt.err)
				}
				return
			}
			var got []string
			for _, r := range list {
				if r.index >= 0 {
					got = append(got, r.String())
				}
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// allowed is what the rules mean: each kind of access by the last rule about
// it.
func (s *ruleSet) allowed(kind byte, major, minor int64, a access) bool {
	for bit := accessMknod; bit <= accessWrite; bit <<= 1 {
		if a&bit == 0 {
			continue
		}
		verdict := s.allow
		for _, r := range s.rules {
			if r.overlaps(rule{kind: kind, major: major, minor: minor, access: bit}) {
				verdict = r.allow
			}
		}
		if !verdict {
			return false
		}
	}
	return true
}

// randomRules makes rules about few devices, so that many overlap.
func randomRules(r *rand.Rand) *ruleSet {
	s := &ruleSet{allow: r.IntN(2) == 0}
	for range r.IntN(8) {
		s.add(rule{
			allow: r.IntN(2) == 0, kind: "abc"[r.IntN(3)], major: r.Int64N(3) - 1,
			minor:  r.Int64N(3) - 1,
			access: 1 + access(r.IntN(int(accessAll))),
		})
	}
	return s
}

// TestProgram runs filters of random rules and compares them with allowed.
func TestProgram(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		s := randomRules(random)
		program := s.program()
		if n := unreachable(program); n >= 0 {
			t.Fatalf("%s\ninstruction %d can't be reached, which the kernel's verifier refuses: %v",
				describe(s), n, program)
		}
		everyRequest(func(kind byte, major, minor int64, a access) {
			got, err := interpret(program, kind, major, minor, a)
			if want := s.allowed(kind, major, minor, a); err != nil || got != want {
				t.Fatalf("%s\n%c %d:%d %s: got %v, %v, want %v", describe(s), kind, major, minor, a,
					got, err, want)
			}
		})
	}
}

// unreachable returns an instruction that no path leads to, or -1.
func unreachable(program []instruction) int {
	seen := make([]bool, len(program))
	var walk func(int)
	walk = func(at int) {
		for at < len(program) && !seen[at] {
			seen[at] = true
			switch in := program[at]; in.code {
			case opExit:
				return
			case opJump:
				at += int(in.offset)
			case opIf, opIfNot, opIfBits:
				walk(at + 1 + int(in.offset))
			}
			at++
		}
	}
	walk(0)
	return slices.Index(seen, false)
}

// everyRequest calls f with each request about the devices of randomRules.
func everyRequest(f func(kind byte, major, minor int64, a access)) {
	for _, kind := range []byte("bc") {
		for major := range int64(3) {
			for minor := range int64(3) {
				for a := accessMknod; a <= accessAll; a++ {
					f(kind, major, minor, a)
				}
			}
		}
	}
}

// interpret runs a filter as the kernel does.
func interpret(program []instruction, kind byte, major, minor int64, a access) (bool, error) {
	context := [3]uint32{uint32(a) << 16, uint32(major), uint32(minor)}
	context[0] |= map[byte]uint32{'b': kindBlock, 'c': kindChar}[kind]
	var regs [11]uint32
	for pc := 0; pc >= 0 && pc < len(program); pc++ {
		in := program[pc]
		dst, src := &regs[in.registers&0xf], regs[in.registers>>4]
		switch in.code {
		case opLoadWord:
			*dst = context[in.offset/4]
		case opMove:
			*dst = src
		case opMoveImm:
			*dst = uint32(in.immediate)
		case opAnd:
			*dst &= uint32(in.immediate)
		case opShiftRight:
			*dst >>= uint32(in.immediate)
		case opJump:
			pc += int(in.offset)
		case opIf:
			if *dst == uint32(in.immediate) {
				pc += int(in.offset)
			}
		case opIfNot:
			if *dst != uint32(in.immediate) {
				pc += int(in.offset)
			}
		case opIfBits:
			if *dst&uint32(in.immediate) != 0 {
				pc += int(in.offset)
			}
		case opExit:
			return regs[regResult] == 1, nil
		default:
			return false, fmt.Errorf("unknown opcode %#x", in.code)
		}
	}
	return false, errors.New("ran out of the program")
}

// TestExceptionsMean compares what cgroup v1 makes of the exceptions with
// allowed. Version 1 wants one exception for all that is asked for at once, so
// it may allow less of several kinds of access.
func TestExceptionsMean(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	kept := 0
	for range 5000 {
		s := randomRules(random)
		list, err := s.exceptions()
		if err != nil {
			continue
		}
		kept++
		everyRequest(func(kind byte, major, minor int64, a access) {
			got, want := versionOne(s.allow, list, kind, major, minor, a), s.allowed(kind, major,
				minor, a)
			single := a&(a-1) == 0
			if got && !want || single && got != want {
				t.Fatalf("%s as %v\n%c %d:%d %s: got %v, want %v", describe(s), list, kind, major,
					minor, a, got, want)
			}
		})
	}
	if kept < 500 {
		t.Errorf("only %d sets of rules could be kept", kept)
	}
}

// versionOne decides as security/device_cgroup.c does.
func versionOne(allow bool, list []rule, kind byte, major, minor int64, a access) bool {
	for _, r := range list {
		request := rule{kind: kind, major: major, minor: minor, access: accessAll}
		if !r.overlaps(request) {
			continue
		}
		if allow && a&r.access != 0 {
			return false
		}
		if !allow && a&^r.access == 0 {
			return true
		}
	}
	return allow
}
