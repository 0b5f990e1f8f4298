// The rows of the table: a policy, the packets that meet it, and what the design wants of them.
//
// Promises: the same scenario each time; a policy is made when its row's turn comes, as some are large.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/listener.h"
#include "flows.h"
#include "policy/evaluate.h"
#include "policy/model.h"

namespace fwctl::bench {

inline constexpr std::array<std::uint32_t, 4> kFlowCounts = {1, 1024, 65536, 1048576};
inline constexpr std::array<const char*, 4> kFlowNames = {"hot", "1k", "64k", "1M"};

// Nanoseconds over a trivial program, by the number of flows.
using Targets = std::array<std::optional<double>, kFlowCounts.size()>;

// What the packets are to flows, where the policy asks.
enum class Traffic {
    kAny,          // nothing is asked
    kEstablished,  // of flows whose both ends have sent
    kFresh,        // each the first of its flow
};

// What a row is measured with. The makers of packets point into it.
struct World {
    policy::Policy policy;  // of the main tier; without rules there is none
    policy::Context context;
    std::vector<policy::Rule> live;
    Maker flows;
    std::optional<std::size_t> packets;  // that there are, before the first comes again
    Traffic traffic = Traffic::kAny;
    std::uint64_t seed = 7;               // of the packets
    std::optional<engine::Wanted> heard;  // somebody listens meanwhile, and reads on another processor
    // Measured beside the kernel's trie with the same prefixes.
    const std::vector<policy::Prefix>* trie = nullptr;
};

// Rows with the same `of` are points of one curve.
struct Growth {
    std::string of;  // "ACL-like rules"
    std::size_t size = 0;
};

struct Scenario {
    std::string name;
    Targets targets;
    bool quick = false;  // part of --quick
    std::function<std::unique_ptr<World>()> make;
    std::optional<Growth> growth = std::nullopt;
};

std::vector<Scenario> scenarios();

// A rule that denies what comes from a set of that many prefixes, as `scenarios` has it.
policy::Policy blocklist(policy::Family family, std::size_t count);
// "1k", "100k", "1M".
std::string short_number(std::size_t count);

}  // namespace fwctl::bench
