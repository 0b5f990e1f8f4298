// Who has sent most since the last look: include/fwctl/abi/talkers.h, added up over the processors.
//
// Promises: packets pay for it only while there is a Talkers. Of every source that is listed it has sent at
// least `packets`, and at most `packets + more`; one that is not listed has sent at most `unlisted`. Several
// look at a time without knowing of each other.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "engine/listener.h"
#include "fwctl/abi/talkers.h"
#include "policy/model.h"

namespace fwctl::engine {

struct Talker {
    policy::Prefix source;
    std::uint64_t packets = 0;  // at least
    std::uint64_t more = 0;     // so many more, at most
    std::uint64_t bytes = 0;    // at least
    std::uint64_t dropped = 0;  // packets, at least
};

struct TalkerList {
    std::vector<Talker> talkers;  // most packets first
    std::uint64_t packets = 0;    // of all sources
    std::uint64_t unlisted = 0;
};

// One bucket of one table, as each processor has it.
using TalkerBuckets = std::vector<fw_talker_bucket>;
void add_talkers(const TalkerBuckets& by_processor, TalkerList& list);

class Talkers {
public:
    // As Listener::open(). The store has to outlive it.
    static Result<Talkers> open(const Store& store);

    // Waits for the packets that are under way.
    Result<TalkerList> look();

private:
    explicit Talkers(Listener listener, kernel::Map tables)
        : listener_(std::move(listener)), tables_(std::move(tables)) {}
    [[nodiscard]] Status clear(std::uint32_t table) const;

    Listener listener_;
    kernel::Map tables_;
    std::uint32_t table_ = 0;  // that packets fill
};

}  // namespace fwctl::engine
