/* x86-64: a call that can be left from within. */

	.text

/* long rsyscall_enter(place, function, argument) */
	.globl rsyscall_enter
	.hidden rsyscall_enter
	.type rsyscall_enter, @function
rsyscall_enter:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	subq $8, %rsp
	movq %rsp, (%rdi)
	movq %rdx, %rdi
	call *%rsi
1:	addq $8, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.size rsyscall_enter, .-rsyscall_enter

/* void rsyscall_leave(place, result) */
	.globl rsyscall_leave
	.hidden rsyscall_leave
	.type rsyscall_leave, @function
rsyscall_leave:
	movq (%rdi), %rsp
	movq %rsi, %rax
	jmp 1b
	.size rsyscall_leave, .-rsyscall_leave

	.section .note.GNU-stack, "", @progbits
