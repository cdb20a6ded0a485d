#include "go_asm.h"
#include "textflag.h"

// The interpreter; see interpreter_amd64.s, which it follows line by line.
//
//	R19 scratch segment   R20 instruction table   R21 progress word   R22 number of the instruction   R23 the instruction
//	R24 slots   R25 scratch   R26 a copy of the result
//
// System calls on this architecture: number R8; arguments R0 … R5; result R0
// (syscall(2)).

#define LOAD(i, reg) \
	MOVW (instr_args+4*i)(R23), reg; \
	TBZ  $i, R24, 2(PC); \
	MOVD (reg), reg

#define TOLERATE(i) \
	MOVWU (instr_tol+4*i)(R23), R24; \
	LSRW $const_errnoShift, R24, R25; \
	CMPW R25, R26; \
	BEQ  tolerated

TEXT ·interpreter(SB), NOSPLIT|NOFRAME, $0-0
	MOVD $const_scratchBase, R19
	MOVD $const_programBase, R20
	MOVD $const_progressBase, R21
	MOVD ZR, R22
	MOVD R20, R23
	B    run // the first instruction maps the progress page
step:
	MOVW R22, (R21)
	MOVD $instr__size, R25
	MUL  R22, R25, R23
	ADD  R20, R23
run:
	MOVWU instr_slots(R23), R24
	LOAD(0, R0)
	LOAD(1, R1)
	LOAD(2, R2)
	LOAD(3, R3)
	LOAD(4, R4)
	LOAD(5, R5)
	MOVWU instr_nr(R23), R8
	MOVD $const_opCheck, R25
	CMP  R25, R8
	BEQ  check
	SVC
	CMN  $4095, R0
	BCS  failed // unsigned: -4095 … -1 are errors
done:
	MOVWU instr_store(R23), R25
	CBZ  R25, 2(PC)
	MOVD R0, (R25)
	MOVWU instr_next(R23), R22
	B    step
check:
	AND  R1, R0, R25
	MOVD ZR, R0
	CMP  R2, R25
	BEQ  done
	NEG  R3, R0
failed:
	NEG  R0, R26
	TOLERATE(0)
	TOLERATE(1)
	TOLERATE(2)
	TOLERATE(3)
	MOVW R22, const_recordAt(R19)
	MOVW R26, (const_recordAt+4)(R19)
	MOVD const_statusFD(R19), R0
	ADD  $const_recordAt, R19, R1
	MOVD $const_recordSize, R2
	MOVD $const_sysWrite, R8
	SVC
	B    exit
tolerated: // R24 is the tolerance
	AND  $const_targetMask, R24, R22
	B    step
exit:
	MOVD $const_exitFailed, R0
	MOVD $const_sysExitGroup, R8
	SVC
	B    exit

// The handler of the signals that end the program; see endBySignals. It does
// not return, and needs nothing but the number in R0.
TEXT ·interpreterEnded(SB), NOSPLIT|NOFRAME, $0-0
	ADD  $const_signaled, R0, R19
again:
	MOVD R19, R0
	MOVD $const_sysExitGroup, R8
	SVC
	B    again

TEXT ·interpreterEnd(SB), NOSPLIT|NOFRAME, $0-0
	RET

// func interpreterBounds() (start, ended, end uintptr)
TEXT ·interpreterBounds(SB), NOSPLIT, $0-24
	MOVD $·interpreter(SB), R0
	MOVD R0, start+0(FP)
	MOVD $·interpreterEnded(SB), R0
	MOVD R0, ended+8(FP)
	MOVD $·interpreterEnd(SB), R0
	MOVD R0, end+16(FP)
	RET
