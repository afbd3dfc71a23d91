/* x86-64: the system call that returns twice. */

	.text

/* long rsyscall_clone_call(number, a, b, c, d, e) */
	.globl rsyscall_clone_call
	.hidden rsyscall_clone_call
	.type rsyscall_clone_call, @function
rsyscall_clone_call:
	movq %rdi, %rax
	movq %rsi, %rdi
	movq %rdx, %rsi
	movq %rcx, %rdx
	movq %r8, %r10
	movq %r9, %r8
	syscall
	testq %rax, %rax
	je 1f
	ret
	/* The child. A return would need a stack with a past. */
1:	xorl %ebp, %ebp
	popq %rax
	popq %rdi
	call *%rax
	hlt
	.size rsyscall_clone_call, .-rsyscall_clone_call

	.section .note.GNU-stack, "", @progbits
