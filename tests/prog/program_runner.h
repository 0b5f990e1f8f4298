// The shipped programs under BPF_PROG_TEST_RUN.
//
// Promises: the programs and maps are those of an attachment, made by the same engine, but for the constant
// `fw_tracing`. The pins lie in a bpffs of this process alone (private_bpffs.h), so that nothing is left
// however it ends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/store.h"
#include "fwctl/abi/packet.h"
#include "fwctl/abi/trace.h"
#include "kernel/object.h"
#include "policy/model.h"

namespace fwctl::testing {

enum class Hook { kXdp, kTcIn, kTcOut };
std::string name_of(Hook hook);  // in names of tests: "Xdp", "TcIn", "TcOut"

struct RunResult {
    int action = 0;  // XDP_* or TC_ACT_*
    fw_trace trace{};
    std::vector<std::uint8_t> frame;  // as it came out, without what stands in front of it
    std::vector<std::uint8_t> meta;   // XDP: what stands in front of it
};

// What else an attachment may be.
struct Station {
    int ifindex = 0;           // 0: on no interface
    bool rewrites = false;     // what the next three imply
    bool may_rewrite = false;  // XDP
    bool hands_on = false;     // XDP
    bool behind_xdp = false;   // TC ingress
    bool rehearses = false;    // buckets go by set_clock()
    bool traces = true;        // else a result has no trace, and frames have to be for this host
};

class ProgramRunner {
public:
    // One enabled attachment of that name, without live rules.
    static Result<ProgramRunner> load(Hook hook, fw_link link, const std::string& interface = "eth0",
                                      const Station& station = {});

    // Switches to these live rules, behind the built-in ones. Rules that stay keep their counters.
    Status set_rules(const std::vector<policy::Rule>& rules);
    // Switches to the policy's rules, as live ones, its defaults, its routes and its services.
    Status set_policy(const policy::Policy& policy);

    Result<RunResult> run(std::span<const std::uint8_t> frame) const;
    // So often, whatever becomes of it.
    Status repeat(std::span<const std::uint8_t> frame, int times) const;
    Status set_clock(std::uint64_t nanoseconds) const { return object_->set_question(nanoseconds); }

    // The rule whose counter a trace names; nullopt: the default decided.
    [[nodiscard]] std::optional<std::string> rule_name(const fw_trace& trace) const;

    [[nodiscard]] int program_fd() const { return object_->program_fd(); }
    [[nodiscard]] const engine::Store& store() const { return *store_; }
    [[nodiscard]] const engine::State& state() const { return state_; }

private:
    std::unique_ptr<engine::Store> store_;
    engine::State state_;
    std::optional<kernel::Object> object_;
    Hook hook_ = Hook::kXdp;
    int ifindex_ = 0;
};

}  // namespace fwctl::testing
