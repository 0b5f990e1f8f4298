// XDP programs on an interface, through libxdp.
//
// Promises: where the kernel can load extension programs, ours joins libxdp's dispatcher and shares the
// interface; elsewhere it is attached alone ("bare"). exchange never leaves an instant without a program:
// bare by one atomic exchange, in the dispatcher by adding the new one before the old one goes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/object.h"

namespace fwctl::kernel {

// The values are those of fw_attachment.xdp_mode.
enum class XdpMode : std::uint8_t { kNone = 0, kGeneric = 1, kNative = 2, kOffload = 4 };
const char* mode_name(XdpMode mode);  // "none", "generic", "native", "offload"

struct XdpProgram {
    std::uint32_t id = 0;
    std::string name;
};

// What runs on an interface now; no programs: nothing.
struct XdpState {
    XdpMode mode = XdpMode::kNone;
    bool dispatcher = false;  // libxdp's, so that others can join
    std::vector<XdpProgram> programs;
};

Result<XdpState> query_xdp(int ifindex);

// Attaches and answers the id of the program. The object must not be loaded. An error with Exit::kConflict:
// the interface has a program that cannot be shared with.
Result<std::uint32_t> attach_xdp(Object& object, int ifindex, XdpMode mode);

// Puts ours in the place of the program `old`, which need not be ours.
Result<std::uint32_t> exchange_xdp(Object& object, int ifindex, const XdpState& now, std::uint32_t old);

// Puts another's program, attached alone, back in the place of ours.
Status put_back_xdp(int ifindex, XdpMode mode, std::uint32_t ours, int program_fd);

// Takes the program with that id off; fine when it is not there.
Status detach_xdp(int ifindex, std::uint32_t id);

}  // namespace fwctl::kernel
