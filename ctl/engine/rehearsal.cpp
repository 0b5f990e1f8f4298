#include "engine/rehearsal.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/candidate.h"
#include "engine/hooks.h"
#include "engine/running.h"
#include "net/interface.h"
#include "policy/rule.h"

namespace fwctl::engine {
namespace {

using policy::Policy;

constexpr std::uint8_t kBothWays = FW_HOOK_XDP | FW_HOOK_TC_OUT;

std::uint8_t hooks_judged(const policy::Attach& attach) {
    unsigned hooks = 0;
    for (const fw_hook hook : {FW_HOOK_XDP, FW_HOOK_TC_IN, FW_HOOK_TC_OUT})
        if (std::find(attach.hooks.begin(), attach.hooks.end(), hook_name(hook)) != attach.hooks.end())
            hooks |= hook;
    if (hooks != 0) return static_cast<std::uint8_t>(hooks);
    return attach.mode == policy::AttachMode::kTc ? FW_HOOK_TC_IN | FW_HOOK_TC_OUT : kBothWays;
}

template <std::size_t kSize>
void set_name(char (&to)[kSize], const std::string& name) {
    std::strncpy(to, name.c_str(), kSize - 1);
}

class Attachments {
public:
    Attachments(const Policy& policy, std::vector<net::Interface> here)
        : policy_(policy), here_(std::move(here)) {}

    void add(const std::string& interface) {
        if (policy_.attachments.empty()) {
            add(interface, {}, kBothWays);
            return;
        }
        for (const policy::Attach& attach : policy_.attachments) {
            if (attach.name == interface && policy::is_pattern(attach.device))
                add(interface, {}, hooks_judged(attach));
            else if (attach.name == interface || policy::interface_matches(attach.device, interface))
                add(attach.name == interface ? attach.device : interface, attach.name, hooks_judged(attach));
            else
                continue;
            return;
        }
    }

    std::vector<Attachment> take() { return std::move(all_); }

private:
    void add(const std::string& name, const std::string& label, std::uint8_t hooks) {
        const bool is_there =
            std::any_of(all_.begin(), all_.end(), [&](const Attachment& one) { return one.name() == name; });
        if (is_there || all_.size() == FW_MAX_ATTACHMENTS) return;
        Attachment attachment;
        attachment.slot = static_cast<std::uint32_t>(all_.size());
        attachment.enabled = true;
        attachment.record.hooks = hooks;
        const net::Interface* found = net::find_interface(here_, name);
        attachment.record.link =
            found != nullptr && found->link == net::LinkLayer::kIp ? FW_LINK_IP : FW_LINK_ETHERNET;
        set_name(attachment.record.name, name);
        set_name(attachment.record.label, label);
        all_.push_back(attachment);
    }

    const Policy& policy_;
    std::vector<net::Interface> here_;
    std::vector<Attachment> all_;
};

}  // namespace

Result<Rehearsal> rehearse(const Policy& policy, const std::vector<std::string>& interfaces) {
    auto here = net::list_interfaces();
    if (!here) return tl::unexpected(here.error());
    Attachments attachments(policy, std::move(*here));
    for (const policy::Attach& attach : policy.attachments) attachments.add(attach.name);
    for (const std::string& interface : interfaces) attachments.add(interface);

    State state;
    state.attachments = attachments.take();
    state.front.defaults = policy.defaults;
    state.front.conntrack = policy.conntrack;
    state.front.disabled_builtins = policy.disabled_builtins;
    state.front.vips = policy.vips;
    state.front.decapsulate = policy.decapsulate;
    if (auto chosen = choose_front_sets(state, policy); !chosen) return tl::unexpected(chosen.error());
    auto store = Store::create_private();
    if (!store) return tl::unexpected(store.error());
    auto image = compile_candidate(*store, State{}, Policy{}, policy, state);
    if (!image) return tl::unexpected(image.error());
    if (auto prepared = store->prepare(state, &*image); !prepared) return tl::unexpected(prepared.error());
    return Rehearsal{std::move(*store), std::move(state)};
}

}  // namespace fwctl::engine
