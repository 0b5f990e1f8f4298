// What several commands show in the same words.
#pragma once

#include <string>

#include "cli/output.h"
#include "engine/status.h"
#include "policy/model.h"

namespace fwctl::cli {

std::string describe_ingress(const engine::AttachmentStatus& status);  // "XDP generic, alone", "nothing"
std::string describe_egress(const engine::AttachmentStatus& status);   // "TC (tcx)"
// "what no rule names passes"
std::string describe_defaults(const policy::Defaults& defaults);
Json attachment_json(const engine::AttachmentStatus& status);

}  // namespace fwctl::cli
