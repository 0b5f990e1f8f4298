#include "observe/words.h"

#include "policy/prefix.h"

namespace fwctl::observe {
namespace {

using engine::AttachmentStatus;

const char* xdp_mode_name(kernel::XdpMode mode) {
    switch (mode) {
        case kernel::XdpMode::kNative:
            return "native";
        case kernel::XdpMode::kGeneric:
            return "generic";
        case kernel::XdpMode::kOffload:
            return "offload";
        case kernel::XdpMode::kNone:
            break;
    }
    return "missing";
}

// How what passes these hooks is filtered.
std::string_view mode_of(const AttachmentStatus& status, int hooks) {
    for (const engine::HookState& hook : status.hooks) {
        if ((hook.hook & hooks) == 0) continue;
        if (!hook.present()) return "missing";
        return hook.hook == FW_HOOK_XDP ? xdp_mode_name(hook.mode) : "tc";
    }
    return (status.attachment.record.hooks & hooks) != 0 ? "missing" : "none";
}

}  // namespace

std::string_view ingress_words(const AttachmentStatus& status) {
    return mode_of(status, FW_HOOK_XDP | FW_HOOK_TC_IN);
}

std::string_view egress_words(const AttachmentStatus& status) {
    return mode_of(status, FW_HOOK_TC_OUT);
}

const char* direction_name(std::size_t direction) {
    return direction == FW_IN ? "in" : "out";
}

std::string addresses_of(const policy::Backend& backend) {
    std::string text;
    for (const policy::Prefix& address : backend.addresses)
        text += (text.empty() ? "" : ",") + policy::format_prefix(address);
    return text;
}

}  // namespace fwctl::observe
