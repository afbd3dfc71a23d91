#include "start.h"
#include "kernel.h"
#include "rights.h"

#define USUAL_PAGE_SIZE 4096

void rsyscall_start(u64 *start)
{
	struct launch launch = {.argv = (char **)(start + 1), .page_size = USUAL_PAGE_SIZE};
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
