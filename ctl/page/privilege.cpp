#include "page/privilege.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fwctl::page {

Status give_up_privilege(const std::string& socket) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (geteuid() != 0) return {};
    struct stat there {};
    if (stat(socket.c_str(), &there) != 0)
        return fail(fmt::format("no agent runs: {}: {}", socket, strerror(errno)));
    if (there.st_gid == 0 || (there.st_mode & S_IWGRP) == 0)
        return fail(fmt::format("{} is root's alone, and the page is not root; begin the agent with a group "
                                "that may use it: fwctl agent --group NAME",
                                socket),
                    Exit::kNoPrivilege);
    const passwd* nobody = getpwnam("nobody");
    if (nobody == nullptr) return fail("there is no user \"nobody\"");
    if (setgroups(0, nullptr) != 0 || setresgid(there.st_gid, there.st_gid, there.st_gid) != 0 ||
        setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) != 0)
        return fail(fmt::format("cannot give up root's privileges: {}", strerror(errno)));
    return {};
}

}  // namespace fwctl::page
