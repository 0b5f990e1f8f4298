#include "kernel/talker_tables.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "fwctl/abi/talkers.h"

namespace fwctl::kernel {

Result<Map> make_talker_tables() {
    constexpr std::uint32_t kBuckets = +FW_TALKER_BUCKETS * +FW_TALKER_TABLES;
    Fd map(bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "fwctl_talkers", sizeof(std::uint32_t),
                          sizeof(fw_talker_bucket), kBuckets, nullptr));
    if (!map) return fail(fmt::format("cannot make a table of talkers: {}", strerror(errno)));
    return Map::of(std::move(map));
}

}  // namespace fwctl::kernel
