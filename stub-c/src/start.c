/* Where a program of ours begins. */
#include "start.h"
#include "rights.h"

#define AT_NULL 0
#define AT_PAGESZ 6
#define AT_SECURE 23
#define AT_EXECFN 31

/* start: what the kernel left on the stack, which is argc, argv, 0, environment, 0, and the
 * auxiliary vector of pairs. */
__attribute__((noreturn, used)) void rsyscall_start(u64 *start)
{
	struct launch launch = {.argv = (char **)(start + 1), .page_size = 4096};
	launch.environment = launch.argv + start[0] + 1;
	char **end = launch.environment;
	while (*end)
		end++;
	for (u64 *aux = (u64 *)(end + 1); aux[0] != AT_NULL; aux += 2) {
		if (aux[0] == AT_PAGESZ)
			launch.page_size = (u32)aux[1];
		if (aux[0] == AT_SECURE)
			launch.is_secure = aux[1] != 0;
		if (aux[0] == AT_EXECFN)
			launch.execfn = (const char *)aux[1];
	}
	refuse_rights_of_file(&launch);
	run(&launch);
}
