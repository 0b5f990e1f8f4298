#include "agent/probe.h"

#include <fmt/format.h>

#include <cctype>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace fwctl::agent {
namespace {

// Errors of our own side: of descriptors, memory, local ports, privilege.
bool is_ours(int error) {
    switch (error) {
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
        case EAGAIN:
        case EADDRNOTAVAIL:
        case EACCES:
        case EPERM:
            return true;
        default:
            return false;
    }
}

}  // namespace

Outcome silence(const policy::Health& health) {
    const std::string timeout = format_duration(health.timeout);
    if (health.kind == policy::HealthKind::kExec)
        return {Finding::kBad, fmt::format("still running after {}", timeout)};
    if (health.kind == policy::HealthKind::kUdp && !health.answer)
        return {Finding::kGood, fmt::format("not refused within {}", timeout)};
    return {Finding::kBad, fmt::format("no answer within {}", timeout)};
}

Outcome failure(int error) {
    return {is_ours(error) ? Finding::kUnable : Finding::kBad, uncapitalized(strerror(error))};
}

std::string uncapitalized(std::string text) {
    // "SSL …" and the like stay as they are.
    const bool word = text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0;
    if (word) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

}  // namespace fwctl::agent
