#include "go_asm.h"
#include "textflag.h"

// func clone(flags uintptr, alive *uint32, first *call, count int) (tid int)
//
// The thread has the caller's stack pointer and does not use it: all that it
// has is the call in R12, and how many are left in R13. System calls on this
// architecture: number AX; arguments DI SI DX R10 R8; result AX; CX and R11 are
// lost (syscall(2)).
TEXT ·clone(SB), NOSPLIT, $16-40
	MOVQ $-1, mask-16(SP) // every signal
	MOVL $const_setMask, DI
	LEAQ mask-16(SP), SI
	LEAQ before-8(SP), DX
	MOVL $8, R10
	MOVL $14, AX // rt_sigprocmask
	SYSCALL

	MOVQ  flags+0(FP), DI
	XORL  SI, SI // the stack: the same
	XORL  DX, DX
	MOVQ  alive+8(FP), R10
	XORL  R8, R8
	MOVQ  first+16(FP), R12
	MOVQ  count+24(FP), R13
	MOVL  $56, AX // clone
	SYSCALL
	TESTQ AX, AX
	JEQ   next
	MOVQ  AX, tid+32(FP)

	MOVL $const_setMask, DI
	LEAQ before-8(SP), SI
	XORL DX, DX
	MOVL $8, R10
	MOVL $14, AX
	SYSCALL
	RET

next: // from here on in the thread
	MOVQ  call_number(R12), AX
	MOVQ  (call_args+0)(R12), DI
	MOVQ  (call_args+8)(R12), SI
	MOVQ  (call_args+16)(R12), DX
	MOVQ  (call_args+24)(R12), R10
	SYSCALL
	MOVQ  AX, call_result(R12)
	TESTQ AX, AX
	JLT   end
	ADDQ  $call__size, R12
	DECQ  R13
	JNE   next

end:
	XORL DI, DI
	MOVL $60, AX // exit, of the thread
	SYSCALL
	INT  $3
