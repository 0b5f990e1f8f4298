// The programs' tests run in a mount namespace of their own, with a bpffs of their own: what they pin
// vanishes with the process.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "kernel/bpffs.h"
#include "kernel/log.h"

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    fwctl::kernel::show_library_log(false);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("bpf", fwctl::kernel::kBpffs, "bpf", 0, nullptr) != 0) {
        std::fprintf(stderr, "these tests need root: %s\n", strerror(errno));
        return 1;
    }
    return RUN_ALL_TESTS();
}
