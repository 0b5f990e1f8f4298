// The file system on which the kernel keeps our state, and the paths in it.
//
//     /sys/fs/bpf/fwctl/net-COOKIE/abi-HASH/{control,policy,pages,sets,members,rule_counters,attachments …}
//                                          /counters-SLOT  link-SLOT-tc-in  link-SLOT-tc-out
//                                          /set-program-BUILD  set-program-BUILD-requests
//
// COOKIE is the network namespace's, which no other namespace has or will have until the next boot, when the
// bpffs is empty again. HASH is of the ABI's headers.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace fwctl::kernel {

inline constexpr const char* kBpffs = "/sys/fs/bpf";

bool bpffs_mounted();

// An error where pins cannot be seen and one that is mounted would not last: in the mount namespace of `ip
// netns exec`.
Status check_bpffs();

// Mounts the bpffs where it is missing.
Status ensure_bpffs();

// Where the state of one network namespace lies.
struct StatePaths {
    std::string root;       // /sys/fs/bpf/fwctl
    std::string network;    // …/net-COOKIE
    std::string directory;  // …/abi-HASH

    [[nodiscard]] std::string map(const char* name) const;
    [[nodiscard]] std::string counters(std::uint32_t slot) const;
    [[nodiscard]] std::string link(std::uint32_t slot, bool egress) const;
};

StatePaths state_paths(std::uint64_t network_cookie);

// Tells a directory from one that was made later in its place; nullopt: there is none.
std::optional<ino_t> inode_of(const std::string& path);

// The names in a directory, sorted; empty when it does not exist.
std::vector<std::string> list_directory(const std::string& path);

}  // namespace fwctl::kernel
