/* arm64: a call that can be left from within. */

	.text

/* long rsyscall_enter(place, function, argument) */
	.globl rsyscall_enter
	.hidden rsyscall_enter
	.type rsyscall_enter, %function
rsyscall_enter:
	stp x29, x30, [sp, #-160]!
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	stp x23, x24, [sp, #48]
	stp x25, x26, [sp, #64]
	stp x27, x28, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	mov x29, sp
	str x29, [x0]
	mov x0, x2
	blr x1
1:	ldp x19, x20, [sp, #16]
	ldp x21, x22, [sp, #32]
	ldp x23, x24, [sp, #48]
	ldp x25, x26, [sp, #64]
	ldp x27, x28, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	ldp x29, x30, [sp], #160
	ret
	.size rsyscall_enter, .-rsyscall_enter

/* void rsyscall_leave(place, result) */
	.globl rsyscall_leave
	.hidden rsyscall_leave
	.type rsyscall_leave, %function
rsyscall_leave:
	ldr x9, [x0]
	mov sp, x9
	mov x0, x1
	b 1b
	.size rsyscall_leave, .-rsyscall_leave

	.section .note.GNU-stack, "", @progbits
