#ifndef RSYSCALL_RIGHTS_H
#define RSYSCALL_RIGHTS_H

#include "hello.h"

/* Fails if the file of this program gives rights to its callers: set-user-ID, set-group-ID or capabilities. This
 * program does what a server tells it, so it would give these rights to the server. */
void refuse_rights_of_file(const struct launch *launch);

/* Whether a server may have the rights of this process. `fd` is our end of the connection to it. The server's user
 * must be root or this process's effective user. If the caller has rights that its own user lacks (is_secure), a
 * server of that user is refused: that user may have led the caller to it. */
int may_trust_server(int fd, const struct launch *launch);

#endif
