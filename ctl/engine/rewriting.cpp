#include "engine/rewriting.h"

#include <algorithm>

#include "engine/hooks.h"
#include "policy/rule.h"

namespace fwctl::engine {

bool rewrites(const policy::Policy& policy) {
    return policy.defaults.forward != policy::Forwarding::kStack ||
           std::any_of(policy.rules.begin(), policy.rules.end(),
                       [](const policy::Rule& rule) { return policy::rewrites(rule); });
}

bool rewrites(const State& state) {
    return (state.main.tier.needs & FW_TIER_REWRITES) != 0 || rewrites(state.front) ||
           std::any_of(state.live.begin(), state.live.end(),
                       [](const CountedRule& counted) { return policy::rewrites(counted.rule); });
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
