/* x86-64: where the kernel enters a program, and where a signal handler leaves. */

	.text

/* The stack pointer holds argc, argv, envp and the auxiliary vector; nothing else is defined. */
	.globl _start
	.type _start, @function
_start:
	xorl %ebp, %ebp
	movq %rsp, %rdi
	andq $-16, %rsp
	call rsyscall_start
	hlt
	.size _start, .-_start

	.globl rsyscall_sigreturn
	.type rsyscall_sigreturn, @function
rsyscall_sigreturn:
	movl $15, %eax /* SYS_rt_sigreturn */
	syscall
	hlt
	.size rsyscall_sigreturn, .-rsyscall_sigreturn

	.section .note.GNU-stack, "", @progbits
