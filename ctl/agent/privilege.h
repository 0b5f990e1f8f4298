// Gives up what telling of the network namespace does not need: it answers strangers.
#pragma once

#include <sys/capability.h>

#include <array>

#include "base/result.h"

namespace fwctl::agent {

// The kernel gives BPF maps by their ids to CAP_SYS_ADMIN alone, and has it stand for CAP_BPF, CAP_PERFMON
// and CAP_NET_ADMIN where programs and maps are made. Files are read as root, who owns them.
inline constexpr std::array<cap_value_t, 1> kReporterCapabilities = {CAP_SYS_ADMIN};

// The process has these capabilities at most from then on, and gets no other ones by any program that it
// begins. What it does not have it does not get.
Status keep_what_reporting_needs();

}  // namespace fwctl::agent
