#include "textflag.h"

// The handler; see handler_amd64.s. The signal's number is in R0; it returns to
// the kernel's own code by LR. System calls: number R8; arguments R0 R1 R2.
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0-0
	SUB  $16, RSP
	MOVB R0, (RSP)
	MOVW ·output(SB), R0
	MOVD RSP, R1
	MOVD $1, R2
	MOVD $64, R8 // write
	SVC
	ADD  $16, RSP
	RET

// The handler that does nothing.
TEXT ·idle(SB), NOSPLIT|NOFRAME, $0-0
	RET

// func handlerCode() (entries [2]uintptr, restorer uintptr)
TEXT ·handlerCode(SB), NOSPLIT, $0-24
	MOVD $·handler(SB), R0
	MOVD R0, entries_0+0(FP)
	MOVD $·idle(SB), R0
	MOVD R0, entries_1+8(FP)
	MOVD ZR, restorer+16(FP)
	RET
