#include "engine/verdict.h"

#include <algorithm>
#include <array>

#include "fwctl/abi/flow.h"
#include "policy/schema.h"

namespace fwctl::engine {
namespace {

constexpr std::array kReasons = {
#define X(id, verdict, name, text) Reason{name, text, verdict, FW_REASON_##id},
    FW_REASONS(X)
#undef X
};

constexpr std::array kHappenings = {
    Happening{"flow-opened", "flow", FW_HAPPENED_OPENED},
    Happening{"flow-confirmed", "flow", FW_HAPPENED_CONFIRMED},
    Happening{"flow-closed", "flow", FW_HAPPENED_CLOSED},
    Happening{"flow-pushed-out", "flow", FW_HAPPENED_PUSHED_OUT},
    Happening{"flow-placed", "flow", FW_HAPPENED_PLACED},
    Happening{"rule-log", "log", FW_RULE_LOGGED},
};

constexpr Reason kUnknown = {"unknown", "a reason of another version of fwctl", FW_PASS};

}  // namespace

std::string_view verdict_name(fw_verdict verdict) {
    if (verdict == FW_DROP) return "drop";
    return verdict == FW_PASS ? "pass" : "redirect";
}

std::uint64_t reasons_of(fw_verdict verdict) {
    std::uint64_t bits = 0;
    for (const Reason& reason : kReasons)
        if (reason.verdict == verdict) bits |= std::uint64_t{1} << reason.number;
    return bits;
}

std::string_view direction_name(fw_direction direction) {
    return policy::direction_name(direction == FW_OUT ? policy::Direction::kOut : policy::Direction::kIn);
}

fw_direction direction_of(policy::Direction direction) {
    return direction == policy::Direction::kOut ? FW_OUT : FW_IN;
}

const Happening* happening_of(std::uint8_t number) {
    const auto* found = std::find_if(kHappenings.begin(), kHappenings.end(),
                                     [number](const Happening& one) { return one.number == number; });
    return found == kHappenings.end() ? nullptr : found;
}

bool is_of_flow(const Happening& happening) {
    return happening.number != FW_RULE_LOGGED;
}

const Reason& reason_of(std::uint8_t number) {
    return number < kReasons.size() ? kReasons[number] : kUnknown;
}

bool is_reason_name(std::string_view name) {
    return std::any_of(kReasons.begin(), kReasons.end(),
                       [name](const Reason& reason) { return reason.name == name; });
}

std::string_view verdict_of(const Reason& reason, const policy::Rule* rule, std::uint8_t state,
                            bool is_for_service) {
    using policy::Action;
    // Also where TC sends it in place of the program that was asked.
    const bool is_balanced =
        is_for_service &&
        (reason.verdict == FW_PASS || reason.number == FW_REASON_BALANCED ||
         reason.number == FW_REASON_ECHO_ANSWERED || reason.number == FW_REASON_ANSWER_TRANSLATED);
    if (is_balanced) return "balance";
    // Also where TC answers in place of the program that was asked: an ACK that is no part of its flow goes
    // there too, where that was not answered yet.
    const bool answers =
        reason.number == FW_REASON_SYN_COOKIE || reason.number == FW_REASON_SYNPROXY_FAILED ||
        (reason.number == FW_REASON_RULE_SYNPROXY && (state == FW_STATE_NEW || state == FW_STATE_INVALID));
    const bool says_more =
        rule != nullptr && (rule->action == Action::kReject || rule->action == Action::kRedirect ||
                            (rule->action == Action::kSynproxy && answers));
    if (says_more) return policy::action_name(rule->action);
    return policy::action_name(reason.verdict == FW_DROP ? Action::kDeny : Action::kAllow);
}

}  // namespace fwctl::engine
