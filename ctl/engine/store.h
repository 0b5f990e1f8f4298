// The running state of one network namespace: its pinned maps, read and written as a whole.
//
// Promises: read() is one consistent picture, also while another process writes. publish() switches to the
// new state with one store: a process that is killed before it has changed nothing. Only the holder of the
// Lock may publish or write records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "fwctl/abi/policy.h"
#include "fwctl/abi/state.h"
#include "kernel/bpffs.h"
#include "kernel/map.h"
#include "policy/model.h"

namespace fwctl::engine {

// A rule and the index of its counters.
struct CountedRule {
    policy::Rule rule;
    std::uint16_t counter = 0;
};

struct Attachment {
    std::uint32_t slot = 0;
    fw_attachment record{};
    bool enabled = false;  // false: left behind by a command that did not finish
    [[nodiscard]] std::string name() const { return record.name; }
    [[nodiscard]] int ifindex() const { return static_cast<int>(record.ifindex); }
};

struct State {
    std::uint64_t generation = 0;
    std::vector<CountedRule> live;
    std::vector<Attachment> attachments;  // by slot

    // The built-in rules, then the live ones.
    [[nodiscard]] std::vector<CountedRule> all_rules() const;
    [[nodiscard]] const Attachment* find(const std::string& name) const;
};

class Store {
public:
    // nullopt: this namespace has no state, so nothing is attached. An error with Exit::kConflict: another
    // version of fwctl keeps state of another layout here.
    static Result<std::optional<Store>> open(const kernel::StatePaths& paths);
    static Result<Store> create(const kernel::StatePaths& paths);

    [[nodiscard]] const kernel::StatePaths& paths() const { return paths_; }
    // The map that tells our programs from those of others.
    [[nodiscard]] std::uint32_t control_id() const { return control_.map().id(); }

    [[nodiscard]] Result<State> read() const;

    // Makes the live rules and the enabled attachments of `state` the running ones. Rules without counters
    // (kNoCounter) get some, which start at zero.
    [[nodiscard]] Status publish(State& state) const;

    void write_record(const Attachment& attachment) const;
    void erase_record(std::uint32_t slot) const;

    [[nodiscard]] Result<fw_count> rule_count(std::uint16_t counter) const;
    [[nodiscard]] Result<fw_counters> counters(std::uint32_t slot, fw_direction direction) const;

private:
    static Result<Store> open_pins(const kernel::StatePaths& paths);
    [[nodiscard]] Status write_half(std::uint64_t generation, const State& state) const;

    kernel::StatePaths paths_;
    kernel::MappedArray<fw_control> control_;
    kernel::MappedArray<fw_generation> policy_;
    kernel::MappedArray<fw_attachment> records_;
    kernel::Map prefixes_;
    kernel::Map rule_counters_;
};

// Removes every pin of a network namespace that has no attachment any more, and its directories.
void remove_state(const kernel::StatePaths& paths);

inline constexpr std::uint16_t kNoCounter = 0xffff;

// CLOCK_MONOTONIC, against which rules expire.
std::uint64_t monotonic_now();
bool is_over(const policy::Rule& rule, std::uint64_t now);

}  // namespace fwctl::engine
