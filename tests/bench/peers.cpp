#include "peers.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "skeleton/fwctl_bench_peers.skel.h"

namespace fwctl::bench {
namespace {

struct Ipv4Key {
    std::uint32_t length;
    std::uint8_t address[4];
};
struct Ipv6Key {
    std::uint32_t length;
    std::uint8_t address[16];
};

template <typename Key>
Status fill(const bpf_map* trie, const std::vector<policy::Prefix>& prefixes) {
    const std::uint32_t value = 1;
    for (const policy::Prefix& prefix : prefixes) {
        Key key{prefix.length, {}};
        std::memcpy(key.address, prefix.address.data(), sizeof(key.address));
        if (bpf_map_update_elem(bpf_map__fd(trie), &key, &value, BPF_ANY) != 0)
            return fail(fmt::format("cannot fill the LPM_TRIE: {}", strerror(errno)));
    }
    return {};
}

}  // namespace

void Peers::Destroy::operator()(fwctl_bench_peers* skeleton) const {
    fwctl_bench_peers::destroy(skeleton);
}

Result<Peers> Peers::load(std::size_t times) {
    Peers peers;
    peers.times_ = times;
    if (auto loaded = peers.load_again(); !loaded) return tl::unexpected(loaded.error());
    return peers;
}

Status Peers::load_again() {
    loaded_.clear();
    for (std::size_t i = 0; i < times_; ++i) {
        Loaded one(fwctl_bench_peers::open());
        if (one && i > 0) {
            const auto& first = loaded_.front()->maps;
            bpf_map__reuse_fd(one->maps.ipv4_trie, bpf_map__fd(first.ipv4_trie));
            bpf_map__reuse_fd(one->maps.ipv6_trie, bpf_map__fd(first.ipv6_trie));
            bpf_map__reuse_fd(one->maps.lines, bpf_map__fd(first.lines));
        }
        if (!one || fwctl_bench_peers::load(one.get()) != 0)
            return fail(fmt::format("the peers cannot be loaded: {}", strerror(errno)));
        loaded_.push_back(std::move(one));
    }
    return {};
}

Status Peers::fill_trie(const std::vector<policy::Prefix>& prefixes) {
    if (auto loaded = load_again(); !loaded) return loaded;
    const auto& maps = loaded_.front()->maps;
    return prefixes.front().family == policy::Family::kIpv4 ? fill<Ipv4Key>(maps.ipv4_trie, prefixes)
                                                            : fill<Ipv6Key>(maps.ipv6_trie, prefixes);
}

std::vector<int> Peers::programs(const char* name) const {
    std::vector<int> programs;
    for (const Loaded& one : loaded_)
        programs.push_back(bpf_program__fd(bpf_object__find_program_by_name(one->obj, name)));
    return programs;
}

std::vector<int> Peers::lookup(policy::Family family) const {
    return programs(family == policy::Family::kIpv4 ? "lookup_ipv4" : "lookup_ipv6");
}

}  // namespace fwctl::bench
