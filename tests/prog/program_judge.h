// The shipped programs as a judge: four attachments on one set of maps, as the engine makes them.
#pragma once

#include <memory>
#include <vector>

#include "engine/store.h"
#include "judge.h"
#include "kernel/object.h"

namespace fwctl::testing {

class ProgramJudge : public Judge {
public:
    // With a clock: buckets go by what set_clock() says, not by CLOCK_MONOTONIC.
    static Result<std::unique_ptr<ProgramJudge>> make(bool has_clock = false);

    // Rules of the front tier, which hold from the next load() on; of the file by their origin.
    void set_live(std::vector<policy::Rule> rules) { live_ = std::move(rules); }
    void set_clock(std::uint64_t nanoseconds) { clock_ = nanoseconds; }

    Status load(const policy::Policy& policy, const policy::Context& context) override;
    Result<Judgement> judge(const Attachment& attachment, const Bytes& frame,
                            std::optional<policy::FlowState> state) override;
    Result<std::map<std::string, std::uint64_t>> counters() override;

    // The dynamic sets have these members from now on, while the policy stays.
    Status fill(const policy::Context& context);

    const engine::Store& store() const { return *store_; }
    const std::string& rule_name(std::uint32_t counter) const { return rules_.at(counter); }
    // What the program has noted of the last packet.
    const fw_trace& last() const { return last_; }

private:
    std::unique_ptr<engine::Store> store_;
    engine::State state_;
    std::uint64_t clock_ = 0;
    fw_trace last_{};
    std::vector<policy::Rule> live_;
    std::vector<kernel::Object> programs_;        // of each attachment
    std::map<std::uint32_t, std::string> rules_;  // by counter
};

}  // namespace fwctl::testing
