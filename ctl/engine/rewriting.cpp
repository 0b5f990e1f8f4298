#include "engine/rewriting.h"

#include <algorithm>

#include "engine/hooks.h"

namespace fwctl::engine {
namespace {

bool does_more(const policy::Rule& rule) {
    return rule.action == policy::Action::kReject || rule.action == policy::Action::kRedirect ||
           rule.action == policy::Action::kSynproxy;
}

}  // namespace

bool rewrites(const policy::Policy& policy) {
    return policy.defaults.forward != policy::Forwarding::kStack ||
           std::any_of(policy.rules.begin(), policy.rules.end(), does_more);
}

bool rewrites(const State& state) {
    return (state.main.tier.words != 0 && state.main.tier.actions != 0) || rewrites(state.front) ||
           std::any_of(state.live.begin(), state.live.end(),
                       [](const CountedRule& counted) { return does_more(counted.rule); });
}

bool lacks_tc_in(const fw_attachment& record) {
    return (record.flags & FW_ATTACHMENT_HOOKS_NAMED) == 0 && (record.hooks & FW_HOOK_XDP) != 0 &&
           (record.hooks & FW_HOOK_TC_IN) == 0;
}

Status complete_hooks(const Store& store, State& state) {
    for (Attachment& attachment : state.attachments) {
        if (!lacks_tc_in(attachment.record)) continue;
        if (auto added = add_tc_in(store, attachment); !added)
            return context(attachment.name(), added.error());
    }
    return {};
}

}  // namespace fwctl::engine
