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
    static Result<std::unique_ptr<ProgramJudge>> make();

    Status load(const policy::Policy& policy, const policy::Context& context) override;
    Result<Judgement> judge(const Attachment& attachment, const Bytes& frame) override;
    Result<std::map<std::string, std::uint64_t>> counters() override;

private:
    Status fill(const policy::Context& context);

    std::unique_ptr<engine::Store> store_;
    engine::State state_;
    std::vector<kernel::Object> programs_;        // of each attachment
    std::map<std::uint32_t, std::string> rules_;  // by counter
};

}  // namespace fwctl::testing
