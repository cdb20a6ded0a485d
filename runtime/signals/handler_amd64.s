#include "textflag.h"

// The handler. The kernel calls it with the signal's number in DI, on the alternate stack of whichever thread, with all signals blocked
// and all registers saved. It is no Go function: it uses no goroutine and no Go stack. System calls: number AX; arguments DI SI DX.
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0-0
	SUBQ $16, SP
	MOVB DI, (SP)
	MOVL ·output(SB), DI
	MOVQ SP, SI
	MOVL $1, DX
	MOVL $1, AX // write
	SYSCALL
	ADDQ $16, SP
	RET

// restorer is where the handler returns to.
TEXT ·restorer(SB), NOSPLIT|NOFRAME, $0-0
	MOVL $15, AX // rt_sigreturn, which does not return
	SYSCALL
	INT  $3

// func handlerCode() (handler, restorer uintptr)
TEXT ·handlerCode(SB), NOSPLIT, $0-16
	LEAQ ·handler(SB), AX
	MOVQ AX, handler+0(FP)
	LEAQ ·restorer(SB), AX
	MOVQ AX, restorer+8(FP)
	RET
