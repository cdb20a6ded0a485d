#include "go_asm.h"
#include "textflag.h"

// The interpreter. It is copied out of this binary into the stage image and
// runs there alone, without a Go runtime, so it uses no stack, calls nothing
// and refers to nothing by address but the three fixed segments.
//
//	R12 scratch segment   R13 instruction table   R14 progress word   R15 number of the instruction   BX the instruction
//
// System calls on this architecture: number AX; arguments DI SI DX R10 R8 R9;
// result AX; CX and R11 are lost (syscall(2)).

#define LOAD(i, reg) \
	MOVLQSX (instr_args+4*i)(BX), reg; \
	BTL  $i, CX; \
	JCC  2(PC); \
	MOVQ (reg), reg

#define TOLERATE(i) \
	MOVL (instr_tol+4*i)(BX), CX; \
	MOVL CX, DX; \
	SHRL $const_errnoShift, DX; \
	CMPL AX, DX; \
	JEQ  tolerated

TEXT ·interpreter(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $const_scratchBase, R12
	MOVQ $const_programBase, R13
	MOVQ $const_progressBase, R14
	XORL R15, R15
	MOVQ R13, BX
	JMP  run // the first instruction maps the progress page
step:
	MOVL R15, (R14)
	MOVQ R15, BX
	IMULQ $instr__size, BX
	ADDQ R13, BX
run:
	MOVL instr_slots(BX), CX
	LOAD(0, DI)
	LOAD(1, SI)
	LOAD(2, DX)
	LOAD(3, R10)
	LOAD(4, R8)
	LOAD(5, R9)
	MOVL instr_nr(BX), AX
	CMPL AX, $const_opCheck
	JEQ  check
	SYSCALL
	CMPQ AX, $-4095
	JCC  failed // unsigned: -4095 … -1 are errors
done:
	MOVL instr_store(BX), CX
	TESTL CX, CX
	JEQ  2(PC)
	MOVQ AX, (CX)
	MOVL instr_next(BX), R15
	JMP  step
check:
	ANDQ SI, DI
	XORL AX, AX
	CMPQ DI, DX
	JEQ  done
	MOVQ R10, AX
	NEGQ AX
failed:
	NEGQ AX
	TOLERATE(0)
	TOLERATE(1)
	TOLERATE(2)
	TOLERATE(3)
	MOVL R15, const_recordAt(R12)
	MOVL AX, (const_recordAt+4)(R12)
	MOVQ const_statusFD(R12), DI
	LEAQ const_recordAt(R12), SI
	MOVQ $const_recordSize, DX
	MOVQ $const_sysWrite, AX
	SYSCALL
	JMP  exit
tolerated: // CX is the tolerance
	MOVL CX, R15
	ANDL $const_targetMask, R15
	JMP  step
exit:
	MOVQ $const_exitFailed, DI
	MOVQ $const_sysExitGroup, AX
	SYSCALL
	JMP  exit

// The handler of the signals that end the program; see endBySignals. It does
// not return, and needs nothing but the number in DI.
TEXT ·interpreterEnded(SB), NOSPLIT|NOFRAME, $0-0
	ADDL $const_signaled, DI
again:
	MOVQ $const_sysExitGroup, AX
	SYSCALL
	JMP  again

TEXT ·interpreterEnd(SB), NOSPLIT|NOFRAME, $0-0
	RET

// func interpreterBounds() (start, ended, end uintptr)
TEXT ·interpreterBounds(SB), NOSPLIT, $0-24
	LEAQ ·interpreter(SB), AX
	MOVQ AX, start+0(FP)
	LEAQ ·interpreterEnded(SB), AX
	MOVQ AX, ended+8(FP)
	LEAQ ·interpreterEnd(SB), AX
	MOVQ AX, end+16(FP)
	RET
