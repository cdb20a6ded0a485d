package seccomp

import (
	"math/rand/v2"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A generator makes random profiles. With conflicts, rules about one system
// call may have different actions.
type generator struct {
	*rand.Rand
	names     []string
	archs     []specs.Arch
	conflicts bool
	each      bool // try each value of interest, not only random ones: slower
}

func (g *generator) action() (specs.LinuxSeccompAction, *uint) {
	switch g.IntN(9) {
	case 0:
		return specs.ActAllow, nil
	case 1:
		return specs.ActLog, nil
	case 2:
		return specs.ActTrap, nil
	case 3:
		return specs.ActKillProcess, nil
	case 4:
		return specs.ActKill, nil
	case 5:
		errno := uint(g.IntN(300))
		return specs.ActTrace, &errno
	case 6:
		return specs.ActErrno, nil
	default:
		errno := uint(1 + g.IntN(120))
		return specs.ActErrno, &errno
	}
}

// value returns a number of the kind that profiles compare with.
func (g *generator) value() uint64 {
	switch g.IntN(8) {
	case 0:
		return g.Uint64()
	case 1:
		return 1 << g.IntN(64)
	case 2:
		return uint64(g.Uint32())
	case 3:
		return ^uint64(0) << g.IntN(64)
	case 4:
		return g.Uint64() & g.Uint64() & g.Uint64()
	case 5:
		return uint64(g.IntN(4)) << 32
	default:
		return uint64(g.IntN(12))
	}
}

func (g *generator) args() []specs.LinuxSeccompArg {
	var args []specs.LinuxSeccompArg
	for i := range uint(maxArgs) {
		if g.IntN(4) != 0 {
			continue
		}
		a := specs.LinuxSeccompArg{Index: i, Value: g.value(),
			Op: operators[g.IntN(len(operators))]}
		if a.Op == specs.OpMaskedEqual {
			a.ValueTwo = g.value() & (a.Value | uint64(g.IntN(2)))
		}
		args = append(args, a)
	}
	if len(args) > 0 && g.IntN(10) == 0 { // two conditions on one argument
		again := args[g.IntN(len(args))]
		again.Value = g.value()
		args = append(args, again)
	}
	g.Shuffle(len(args), func(i, j int) { args[i], args[j] = args[j], args[i] })
	return args
}

func (g *generator) profile() *specs.LinuxSeccomp {
	spec := &specs.LinuxSeccomp{Architectures: g.archs, Flags: []specs.LinuxSeccompFlag{}}
	spec.DefaultAction, spec.DefaultErrnoRet = g.action()
	few := make([]string, 1+g.IntN(8)) // names that have many rules
	for i := range few {
		few[i] = g.names[g.IntN(len(g.names))]
	}
	action, errno := g.action()
	// A rule without arguments: see defectNoLoad.
	spec.Syscalls = append(spec.Syscalls, specs.LinuxSyscall{Names: []string{"exit_group"},
		Action: action, ErrnoRet: errno})
	for range g.IntN(20) {
		call := specs.LinuxSyscall{Args: g.args()}
		if g.conflicts {
			action, errno = g.action()
		}
		call.Action, call.ErrnoRet = action, errno
		for range 1 + g.IntN(10) {
			call.Names = append(call.Names, g.names[g.IntN(len(g.names))])
		}
		if g.IntN(2) == 0 {
			call.Names = append(call.Names[:0], few[g.IntN(len(few))])
		}
		spec.Syscalls = append(spec.Syscalls, call)
	}
	return spec
}

// inputs returns calls to try on a filter of spec: every number of interest of
// every architecture, with each value of interest of every argument that a
// rule compares if g.each, and with random combinations of them.
func (g *generator) inputs(spec *specs.LinuxSeccomp, native *arch, combinations int) []data {
	values := [maxArgs][]uint64{}
	for i := range values {
		values[i] = []uint64{0, 1, ^uint64(0)}
	}
	for _, call := range spec.Syscalls {
		for _, a := range call.Args {
			v := a.Value
			more := []uint64{v, v + 1, v - 1, v ^ 1<<32, v + 1<<32, v - 1<<32, v & 0xffffffff,
				v >> 32, v << 32}
			if a.Op == specs.OpMaskedEqual {
				more = append(more, a.ValueTwo, a.ValueTwo|^v, a.ValueTwo^v, a.ValueTwo^1,
					a.ValueTwo&v|g.Uint64()&^v)
			}
			values[a.Index] = append(values[a.Index], more...)
		}
	}
	var out []data
	for _, a := range archsOf(spec, native) {
		for _, nr := range numbersOf(a) {
			call := func() *data {
				d := data{nr: nr, audit: a.audit}
				for i := range d.args {
					d.args[i] = values[i][g.IntN(len(values[i]))]
				}
				out = append(out, d)
				return &out[len(out)-1]
			}
			if !argsOf(spec, a, nr) {
				call()
				continue
			}
			for i := range values {
				for _, v := range values[i] {
					if g.each {
						call().args[i] = v
					}
				}
			}
			for range combinations {
				call()
			}
		}
	}
	return append(out, data{nr: 1, audit: 0x12345678})
}

// archsOf returns the architectures that a filter of spec knows.
func archsOf(spec *specs.LinuxSeccomp, native *arch) []*arch {
	out := []*arch{native}
	for _, name := range spec.Architectures {
		if name != native.name {
			out = append(out, findArch(name))
		}
	}
	return out
}

// numbersOf returns every number of a, those around, and odd ones.
func numbersOf(a *arch) []uint32 {
	out := []uint32{
		0, x32Bit - 1, x32Bit, x32Bit + 1, 1<<31 - 1, 1 << 31, 1<<31 | x32Bit, 1<<32 - 2, 1<<32 - 1,
		armPrivate, armPrivate + 1, armPrivate + 5, armPrivate + 16,
	}
	for i := range uint32(620) {
		out = append(out, a.base+i)
	}
	return out
}

// argsOf reports whether spec has a rule with arguments for call nr of a.
func argsOf(spec *specs.LinuxSeccomp, a *arch, nr uint32) bool {
	name := a.callName(nr)
	for _, call := range spec.Syscalls {
		for _, n := range call.Names {
			if len(call.Args) > 0 && (n == name || name == "socketcall" || name == "ipc") {
				return true
			}
		}
	}
	return false
}
