// What is measured: fwctl's own program and maps, as an attachment has them, with a policy.
//
// Promises: the object is the installed one, with its counters on; nothing is attached, and the pins lie in a
// bpffs of this process alone. It is loaded several times over the same maps, as where the JIT places a
// program changes its time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "compile/tier.h"
#include "engine/store.h"
#include "kernel/object.h"
#include "policy/evaluate.h"
#include "policy/model.h"

namespace fwctl::bench {

inline constexpr const char* kInterface = "wan";  // one that generated policies speak of

inline constexpr std::uint32_t kSlot = 1;  // of the attachment

class Subject {
public:
    // `config`: what else an attachment may do.
    static Result<Subject> load(std::size_t times, kernel::ProgramConfig config = {});

    // Compiles the rules of the policy as the main tier. `counters` is filled.
    static Result<compile::TierImage> compile(const policy::Policy& policy,
                                              std::vector<std::uint32_t>& counters);
    // Switches to that policy, with these live rules before it; without a policy to none but those.
    Status publish(const policy::Policy& policy, compile::TierImage* image,
                   std::span<const std::uint32_t> counters, const std::vector<policy::Rule>& live);
    Status fill_sets(const policy::Context& context) const;

    // All rules in the order in which they are asked.
    [[nodiscard]] std::vector<policy::Rule> rules(const policy::Policy& policy) const;
    [[nodiscard]] std::vector<int> programs() const;
    // The same program once more, which notes what it compares, and counts nothing.
    [[nodiscard]] const kernel::Object& tracing() const { return objects_.back(); }
    [[nodiscard]] const engine::Store& store() const { return *store_; }

private:
    std::unique_ptr<engine::Store> store_;
    engine::State state_;
    std::vector<kernel::Object> objects_;  // the last one traces
};

}  // namespace fwctl::bench
