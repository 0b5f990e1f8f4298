// The programs that fwctl's are measured beside: a trivial one, and one look-up in the kernel's LPM_TRIE.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

struct fwctl_bench_peers;

namespace fwctl::bench {

class Peers {
public:
    static Result<Peers> load(std::size_t times);

    // The prefixes, all of one family, and no others.
    Status fill_trie(const std::vector<policy::Prefix>& prefixes);

    [[nodiscard]] std::vector<int> trivial() const { return programs("trivial"); }
    // The program of peers.bpf.c with that name, each time that it is loaded.
    [[nodiscard]] std::vector<int> programs(const char* name) const;
    // The one that looks up sources of that family.
    [[nodiscard]] std::vector<int> lookup(policy::Family family) const;

private:
    struct Destroy {
        void operator()(fwctl_bench_peers* skeleton) const;
    };
    using Loaded = std::unique_ptr<fwctl_bench_peers, Destroy>;

    Status load_again();

    std::size_t times_ = 0;
    std::vector<Loaded> loaded_;  // all with the tries of the first
};

}  // namespace fwctl::bench
