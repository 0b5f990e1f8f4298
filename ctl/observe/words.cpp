#include "observe/words.h"

#include "policy/prefix.h"

namespace fwctl::observe {
std::string_view filtered_by(const engine::AttachmentStatus& status, fw_direction direction) {
    const engine::HookState* judge = status.judge_of(direction);
    if (judge == nullptr) return engine::hook_for(status.attachment, direction) != 0 ? "missing" : "none";
    return judge->hook == FW_HOOK_XDP ? kernel::mode_name(judge->mode) : "tc";
}

std::string addresses_of(const policy::Backend& backend) {
    std::string text;
    for (const policy::Prefix& address : backend.addresses)
        text += (text.empty() ? "" : ",") + policy::format_prefix(address);
    return text;
}

}  // namespace fwctl::observe
