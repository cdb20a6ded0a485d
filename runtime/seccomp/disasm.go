package seccomp

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"

	"golang.org/x/sys/unix"
)

// Disassemble writes the instructions of f, one on a line: the index, the
// instruction in the notation of the kernel's bpf_asm with indexes as jump
// targets, and the meaning, with names of architectures, system calls,
// arguments and verdicts.
func Disassemble(w io.Writer, f *Filter) error {
	b := bufio.NewWriter(w)
	state := make([]known, len(f.Instructions)+1)
	for pc, i := range f.Instructions {
		s := state[pc]
		s.reached = true
		text, meaning := s.print(pc, i)
		line := fmt.Sprintf("%4d  %s", pc, text)
		if meaning != "" {
			line = fmt.Sprintf("%-40s ; %s", line, meaning)
		}
		fmt.Fprintln(b, line)
		s.flow(state, pc, i)
	}
	return b.Flush()
}

// known is what is certain before an instruction runs.
type known struct {
	reached bool
	// load is the offset that the accumulator was loaded from, or none.
	load int
	mask uint32
	// audit is the architecture of the call, if audited says that the program
	// has found it out.
	audit   uint32
	audited bool
}

const none = -1

// flow joins what is certain after i to the state of the instructions that may
// follow it.
func (s known) flow(state []known, pc int, i Instruction) {
	switch i.Op {
	case insnRet:
	case insnLoad:
		s.load, s.mask = int(i.K), math.MaxUint32
		s.join(state, pc+1)
	case insnAnd:
		s.mask &= i.K
		s.join(state, pc+1)
	case insnJA:
		s.join(state, pc+1+int(i.K))
	default:
		t := s
		if s.load == offsetArch && i.Op == insnJEQ {
			t.audit, t.audited = i.K, true
		}
		t.join(state, pc+1+int(i.Jt))
		s.join(state, pc+1+int(i.Jf))
	}
}

// join merges s into what is certain before instruction pc.
func (s known) join(state []known, pc int) {
	if pc >= len(state) {
		return
	}
	have := &state[pc]
	if !have.reached {
		*have = s
		return
	}
	if have.load != s.load || have.mask != s.mask {
		have.load = none
	}
	if have.audit != s.audit {
		have.audited = false
	}
}

// print returns an instruction and its meaning.
func (s known) print(pc int, i Instruction) (text, meaning string) {
	jump := func(mnemonic string) string {
		return fmt.Sprintf("%-4s #%#x, %d, %d", mnemonic, i.K, pc+1+int(i.Jt), pc+1+int(i.Jf))
	}
	switch i.Op {
	case insnLoad:
		return fmt.Sprintf("ld   [%d]", i.K), s.wordName(int(i.K))
	case insnAnd:
		return fmt.Sprintf("and  #%#x", i.K), ""
	case insnJA:
		return fmt.Sprintf("ja   %d", pc+1+int(i.K)), ""
	case insnRet:
		return fmt.Sprintf("ret  #%#x", i.K), verdictName(i.K)
	case insnJEQ:
		return jump("jeq"), s.comparison("==", i.K)
	case insnJGT:
		return jump("jgt"), s.comparison(">", i.K)
	case insnJGE:
		return jump("jge"), s.comparison(">=", i.K)
	case insnJSET:
		return jump("jset"), s.comparison("&", i.K)
	}
	return fmt.Sprintf("%#x jt %d jf %d k %#x", i.Op, i.Jt, i.Jf, i.K), "unknown"
}

// comparison returns what a comparison with k means.
func (s known) comparison(op string, k uint32) string {
	switch {
	case s.load == none:
		return ""
	case s.load == offsetArch:
		return "is it " + s.archNames(k)
	case s.load == offsetNr:
		name := s.callName(k)
		if name == "" {
			return ""
		}
		if op == "==" {
			return "is it " + name
		}
		return fmt.Sprintf("%s %s", op, name)
	}
	left := s.wordName(s.load)
	if s.mask != math.MaxUint32 {
		left = fmt.Sprintf("(%s & %#x)", left, s.mask)
	}
	return fmt.Sprintf("%s %s %#x", left, op, k)
}

// archNames returns the architectures with an audit number.
func (s known) archNames(audit uint32) string {
	var names []string
	for i := range archs {
		if archs[i].audit == audit {
			names = append(names, strings.ToLower(strings.TrimPrefix(string(archs[i].name),
				"SCMP_ARCH_")))
		}
	}
	if len(names) == 0 {
		return "unknown"
	}
	return strings.Join(names, " or ")
}

// callName returns the name of call nr where the architecture is certain.
func (s known) callName(nr uint32) string {
	if !s.audited {
		return ""
	}
	for i := range archs {
		if archs[i].audit == s.audit {
			if name := archs[i].callName(nr); name != "" {
				return name
			}
		}
	}
	return ""
}

// wordName returns what is at an offset of struct seccomp_data.
func (s known) wordName(offset int) string {
	switch {
	case offset == offsetNr:
		return "system call"
	case offset == offsetArch:
		return "architecture"
	case offset < offsetArgs:
		return "instruction pointer"
	}
	big := false
	for i := range archs {
		if s.audited && archs[i].audit == s.audit {
			big = archs[i].big
		}
	}
	half := "low"
	if (offset%8 == 4) != big {
		half = "high"
	}
	return fmt.Sprintf("args[%d] %s", (offset-offsetArgs)/8, half)
}

// verdictName returns a verdict in words.
func verdictName(v uint32) string {
	data := v & retDataMask
	switch v & retActionMask {
	case retKillProcess:
		return "kill the process"
	case retKillThread:
		return "kill the thread"
	case retTrap:
		return "trap: SIGSYS"
	case retErrno:
		if name := unix.ErrnoName(unix.Errno(data)); name != "" {
			return "errno " + name
		}
		return fmt.Sprintf("errno %d", data)
	case retUserNotif:
		return "notify the agent"
	case retTrace:
		return fmt.Sprintf("trace: %d for the tracer", data)
	case retLog:
		return "allow and log"
	case retAllow:
		return "allow"
	}
	return "unknown"
}
