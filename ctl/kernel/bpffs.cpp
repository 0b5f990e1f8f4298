#include "kernel/bpffs.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace fwctl::kernel {

bool bpffs_mounted() {
    struct statfs info {};
    return statfs(kBpffs, &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

namespace {

// `ip netns exec` and containers have mounts of their own: what is mounted there goes when they end.
bool mounts_last() {
    struct stat own {};
    struct stat first {};
    return stat("/proc/self/ns/mnt", &own) == 0 && stat("/proc/1/ns/mnt", &first) == 0 &&
           own.st_ino == first.st_ino;
}

}  // namespace

Status check_bpffs() {
    if (bpffs_mounted() || mounts_last()) return {};
    return fail(
        fmt::format("there is no BPF file system at {} in this mount namespace, and one that is mounted here "
                    "would end with it; instead of `ip netns exec NAME`: fwctl --netns NAME",
                    kBpffs));
}

Status ensure_bpffs() {
    if (bpffs_mounted()) return {};
    if (auto lasting = check_bpffs(); !lasting) return lasting;
    if (mount("bpf", kBpffs, "bpf", 0, "mode=0700") != 0)
        return fail(fmt::format("cannot mount the BPF file system at {}: {}", kBpffs, strerror(errno)));
    return {};
}

std::string StatePaths::map(const char* name) const {
    return directory + "/" + name;
}

std::string StatePaths::counters(std::uint32_t slot) const {
    return fmt::format("{}/counters-{}", directory, slot);
}

std::string StatePaths::link(std::uint32_t slot, bool egress) const {
    return fmt::format("{}/link-{}-{}", directory, slot, egress ? "tc-out" : "tc-in");
}

StatePaths state_paths(std::uint64_t network_cookie) {
    StatePaths paths;
    paths.root = fmt::format("{}/fwctl", kBpffs);
    paths.network = fmt::format("{}/net-{}", paths.root, network_cookie);
    paths.directory = fmt::format("{}/abi-{}", paths.network, FWCTL_ABI_HASH);
    return paths;
}

std::optional<ino_t> inode_of(const std::string& path) {
    struct stat found {};
    if (stat(path.c_str(), &found) != 0) return std::nullopt;
    return found.st_ino;
}

std::vector<std::string> list_directory(const std::string& path) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path, error))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace fwctl::kernel
