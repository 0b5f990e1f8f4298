// What several commands show in the same words.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cli/output.h"
#include "engine/service_edits.h"
#include "engine/status.h"
#include "policy/model.h"

namespace fwctl::cli {

// How packets of that direction are filtered: "XDP generic, alone", "TC (tcx)", "MISSING", "nothing".
std::string describe_filter(const engine::AttachmentStatus& status, fw_direction direction);
// Where a rule comes from: "built-in", "live", or its place in a file, "policy.toml:12".
std::string describe_origin(const policy::Rule& rule, const std::string& place);
// "what no rule names passes"
std::string describe_defaults(const policy::Defaults& defaults);
Json attachment_json(const engine::AttachmentStatus& status);

// When a packet met a rule last: "2026-01-31 12:34:56" in local time, "never".
using LastHit = std::optional<std::chrono::system_clock::time_point>;
std::string describe_last_hit(const LastHit& time);
Json last_hit_json(const LastHit& time);  // "2026-01-31T12:34:56Z", or null

// "12.5 % of new flows move"
std::string describe_moved(double share);
// What a live edit of services has done. `subject`: "web" or "web/web1"; `done`: what it is now, "drained".
void print_service_edit(const engine::ServiceEdit& edit, const std::string& subject, const std::string& done,
                        const Globals& globals);
Json service_edit_json(const engine::ServiceEdit& edit, const std::string& subject, const std::string& done,
                       const Globals& globals);

}  // namespace fwctl::cli
