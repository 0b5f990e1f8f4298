#include "engine/verdict.h"

#include <algorithm>
#include <array>

#include "policy/schema.h"

namespace fwctl::engine {
namespace {

constexpr std::array kReasons = {
#define X(id, verdict, name, text) Reason{name, text, verdict, FW_REASON_##id},
    FW_REASONS(X)
#undef X
};

constexpr Reason kUnknown = {"unknown", "a reason of another version of fwctl", FW_PASS};

}  // namespace

const Reason& reason_of(std::uint8_t number) {
    return number < kReasons.size() ? kReasons[number] : kUnknown;
}

bool is_reason_name(std::string_view name) {
    return std::any_of(kReasons.begin(), kReasons.end(),
                       [name](const Reason& reason) { return reason.name == name; });
}

std::string_view verdict_of(const Reason& reason, const policy::Rule* rule) {
    using policy::Action;
    if (reason.number == FW_REASON_SYN_COOKIE) return policy::action_name(Action::kSynproxy);
    const bool says_more =
        rule != nullptr && (rule->action == Action::kReject || rule->action == Action::kRedirect);
    if (says_more) return policy::action_name(rule->action);
    return policy::action_name(reason.verdict == FW_DROP ? Action::kDeny : Action::kAllow);
}

}  // namespace fwctl::engine
