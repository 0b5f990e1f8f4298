// How an attachment reads, shared by `attach` and `status`.
#pragma once

#include <string>

#include "cli/output.h"
#include "engine/status.h"

namespace fwctl::cli {

std::string describe_ingress(const engine::AttachmentStatus& status);  // "XDP generic, alone", "nothing"
std::string describe_egress(const engine::AttachmentStatus& status);   // "TC (tcx)"
Json attachment_json(const engine::AttachmentStatus& status);

}  // namespace fwctl::cli
