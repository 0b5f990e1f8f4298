#include "engine/requests.h"

#include <cstdint>
#include <string>
#include <utility>

#include "engine/hooks.h"
#include "engine/rewriting.h"

namespace fwctl::engine {
namespace {

WantedMode mode_of(policy::AttachMode mode) {
    switch (mode) {
        case policy::AttachMode::kNative:
            return WantedMode::kNative;
        case policy::AttachMode::kGeneric:
            return WantedMode::kGeneric;
        case policy::AttachMode::kAuto:
        case policy::AttachMode::kTc:
            break;
    }
    return WantedMode::kAuto;
}

std::uint8_t hooks_of(const policy::Attach& attach) {
    if (attach.hooks.empty())
        return attach.mode == policy::AttachMode::kTc ? FW_HOOK_TC_IN | FW_HOOK_TC_OUT : 0;
    unsigned hooks = 0;
    for (const std::string& name : attach.hooks)
        for (const fw_hook hook : {FW_HOOK_XDP, FW_HOOK_TC_IN, FW_HOOK_TC_OUT})
            if (name == hook_name(hook)) hooks |= hook;
    return static_cast<std::uint8_t>(hooks);
}

}  // namespace

std::vector<AttachRequest> requests_of(const policy::Policy& policy) {
    std::vector<AttachRequest> requests;
    for (const policy::Attach& attach : policy.attachments) {
        AttachRequest request;
        request.interfaces = {attach.device};
        request.mode = mode_of(attach.mode);
        request.hooks = hooks_of(attach);
        request.isolate_peers = attach.isolate_peers;
        request.rewrites = rewrites(policy);
        request.label = attach.name;
        requests.push_back(std::move(request));
    }
    return requests;
}

}  // namespace fwctl::engine
