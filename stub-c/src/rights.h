#ifndef RSYSCALL_RIGHTS_H
#define RSYSCALL_RIGHTS_H

#include "hello.h"

/* Fails if the file of this program gives rights to its callers: set-user-ID, set-group-ID or
 * capabilities. A program that does what others tell it would hand them on. */
void refuse_rights_of_file(const struct launch *launch);

/* Whether a server, known by our end of the connection, may have the rights of this process: it is root's, or of
 * the user as whom this process acts. A caller that has rights which its own user has not (is_secure) may have
 * been led to a server of that user's. */
int may_obey(int fd, const struct launch *launch);

#endif
