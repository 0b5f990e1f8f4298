#include <fmt/chrono.h>

#include "cli/show.h"

namespace fwctl::cli {

std::string describe_last_hit(const LastHit& time) {
    if (!time) return "never";
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(std::chrono::system_clock::to_time_t(*time)));
}

Json last_hit_json(const LastHit& time) {
    if (!time) return nullptr;
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(*time)));
}

}  // namespace fwctl::cli
