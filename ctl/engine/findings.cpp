#include "engine/findings.h"

#include <fmt/format.h>

namespace fwctl::engine {

std::vector<Finding> findings_of(const Overview& overview) {
    std::vector<Finding> all;
    for (const AttachmentStatus& one : overview.attachments) {
        if (!one.broken.empty()) all.push_back({true, one.broken});
        for (const std::string& warning : one.warnings)
            all.push_back({false, fmt::format("{}: {}", one.attachment.name(), warning)});
    }
    for (const Absence& one : overview.unanswered)
        all.push_back({true, fmt::format("vip {}: {} is to be announced on {}, and is not there: {}", one.vip,
                                         one.address, one.device, one.why)});
    for (const Announced& one : overview.unattached)
        all.push_back(
            {false, fmt::format(
                        "vip {}: {} is announced on {}, where what comes in is not balanced: fwctl attach {}",
                        one.vip, one.address.text(), one.device, one.device)});
    for (const Way& way : overview.lost_ways)
        all.push_back({true, fmt::format("vip {}: backend {} is sent to from {}, which is no address of this "
                                         "host any more; fwctl agent mends that, or fwctl apply",
                                         way.vip, way.backend, source_text(way))});
    return all;
}

}  // namespace fwctl::engine
