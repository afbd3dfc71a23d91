/* arm64: where the kernel enters a program, and where a signal handler leaves. */

	.text

/* The stack pointer holds argc, argv, envp and the auxiliary vector, and is aligned to 16 bytes. */
	.globl _start
	.type _start, %function
_start:
	mov x29, #0
	mov x30, #0
	mov x0, sp
	bl rsyscall_start
	brk #0
	.size _start, .-_start

	.globl rsyscall_sigreturn
	.type rsyscall_sigreturn, %function
rsyscall_sigreturn:
	mov x8, #139 /* SYS_rt_sigreturn */
	svc #0
	brk #0
	.size rsyscall_sigreturn, .-rsyscall_sigreturn

	.section .note.GNU-stack, "", %progbits
