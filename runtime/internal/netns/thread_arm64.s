#include "go_asm.h"
#include "textflag.h"

// func clone(flags uintptr, alive *uint32, first *call, count int) (tid int)
//
// See thread_amd64.s. The thread's call is in R19, and how many are left in
// R20. System calls on this architecture: number R8; arguments R0 R1 R2 R3 R4;
// result R0 (syscall(2)).
TEXT ·clone(SB), NOSPLIT, $16-40
	MOVD $-1, R0 // every signal
	MOVD R0, mask-16(SP)
	MOVD $const_setMask, R0
	MOVD $mask-16(SP), R1
	MOVD $before-8(SP), R2
	MOVD $8, R3
	MOVD $135, R8 // rt_sigprocmask
	SVC

	MOVD flags+0(FP), R0
	MOVD ZR, R1 // the stack: the same
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD alive+8(FP), R4
	MOVD first+16(FP), R19
	MOVD count+24(FP), R20
	MOVD $220, R8 // clone
	SVC
	CBZ  R0, next
	MOVD R0, tid+32(FP)

	MOVD $const_setMask, R0
	MOVD $before-8(SP), R1
	MOVD ZR, R2
	MOVD $8, R3
	MOVD $135, R8
	SVC
	RET

next: // from here on in the thread
	MOVD call_number(R19), R8
	MOVD (call_args+0)(R19), R0
	MOVD (call_args+8)(R19), R1
	MOVD (call_args+16)(R19), R2
	MOVD (call_args+24)(R19), R3
	SVC
	MOVD R0, call_result(R19)
	TBNZ $63, R0, end
	ADD  $call__size, R19
	SUBS $1, R20
	BNE  next

end:
	MOVD ZR, R0
	MOVD $93, R8 // exit, of the thread
	SVC
	UNDEF
