#include "textflag.h"

// The handler. The kernel calls it with the signal's number in DI, on the
// alternate stack of whichever thread, with all signals blocked and all
// registers saved. It is no Go function: it uses no goroutine and no Go stack.
// System calls: number AX; arguments DI SI DX.
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

// The handler that does nothing.
TEXT ·idle(SB), NOSPLIT|NOFRAME, $0-0
	RET

// func handlerCode() (entries [2]uintptr, restorer uintptr)
TEXT ·handlerCode(SB), NOSPLIT, $0-24
	LEAQ ·handler(SB), AX
	MOVQ AX, entries_0+0(FP)
	LEAQ ·idle(SB), AX
	MOVQ AX, entries_1+8(FP)
	LEAQ ·restorer(SB), AX
	MOVQ AX, restorer+16(FP)
	RET
