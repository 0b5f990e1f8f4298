#include "engine/rewriting.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/hooks.h"
#include "kernel/probe.h"
#include "net/interface.h"
#include "policy/rule.h"

namespace fwctl::engine {

bool rewrites(const policy::Policy& policy) {
    return policy.defaults.forward != policy::Forwarding::kStack || !policy.vips.empty() ||
           !policy.decapsulate.from.empty() ||
           std::any_of(policy.rules.begin(), policy.rules.end(),
                       [](const policy::Rule& rule) { return policy::rewrites(rule); });
}

bool rewrites_in_front(const State& state) {
    return rewrites(state.front) ||
           std::any_of(state.live.begin(), state.live.end(),
                       [](const CountedRule& counted) { return policy::rewrites(counted.rule); });
}

bool rewrites(const State& state) {
    return (state.main.tier.needs & FW_TIER_REWRITES) != 0 || rewrites_in_front(state);
}

Status check_synproxy(const policy::Policy& policy, const State& state) {
    constexpr std::uint8_t kBoth = FW_HOOK_TC_IN | FW_HOOK_TC_OUT;
    for (const policy::Rule& rule : policy.rules) {
        if (rule.action != policy::Action::kSynproxy) continue;
        if (!kernel::has_syn_cookies())
            return fail(
                fmt::format("rule \"{}\" has action synproxy: this kernel ({}) makes no SYN cookies for "
                            "programs (Linux 6.0 or later with CONFIG_SYN_COOKIES)",
                            rule.name, kernel::kernel_release()));
        for (const Attachment& attachment : state.attachments) {
            const std::vector<std::string> names = attachment.names();
            const bool is_for = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
                return policy::any_matches(rule.on, name);
            });
            std::uint8_t hooks = attachment.record.hooks;
            if (lacks_tc_in(attachment.record)) hooks |= FW_HOOK_TC_IN;
            if (!attachment.enabled || !is_for || (hooks & kBoth) == kBoth) continue;
            return fail(
                fmt::format("rule \"{}\" has action synproxy, and {} has the hooks {} alone: synproxy "
                            "needs tc-in and tc-out; attach it with them, or say where with \"on\"",
                            rule.name, attachment.name(), hook_list(attachment.record.hooks)));
        }
    }
    return {};
}

Status make_ready_to_rewrite(const Store& store, State& state) {
    for (Attachment& attachment : state.attachments) {
        if (is_ready_to_rewrite(attachment.record)) continue;
        // What is gone is made ready when it comes back. Its index may be another device's by now.
        if (net::find_interface(state.interfaces, attachment.ifindex()) == nullptr) continue;
        auto there = has_any_hook(store, attachment);
        if (!there) return context(attachment.name(), there.error());
        if (!*there) continue;
        if (auto ready = make_ready_to_rewrite(store, attachment); !ready)
            return context(attachment.name(), ready.error());
    }
    return {};
}

}  // namespace fwctl::engine
