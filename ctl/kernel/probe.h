// What this kernel and this process can do.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace fwctl::kernel {

// What all of our programs need and this kernel lacks, as a sentence; nullopt when nothing is missing.
std::optional<std::string> missing_feature();

// Why the kernel refused a map or program with this errno: what all of them lack, if that is the cause; else
// what it answered.
std::string why_refused(int error);

// An error with Exit::kNoPrivilege that names the capabilities which the process lacks.
Status check_privilege(const std::string& command);

// Links of TC programs without a qdisc: Linux 6.6.
bool has_tcx();

// Programs that extend others, which libxdp's dispatcher is made of. Some kernels are built or guarded so
// that they refuse them.
bool has_extensions();

// Whether programs are compiled; true where the setting cannot be read (it is shown in the first network
// namespace alone).
bool jit_enabled();

// SYN cookies made and checked by programs: CONFIG_SYN_COOKIES, which all distributions set.
bool has_syn_cookies();

std::string kernel_release();

}  // namespace fwctl::kernel
