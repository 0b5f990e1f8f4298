// The programs of one attachment: what is there, attaching what is missing, taking all of it off.
//
// Promises: a program is ours when it reads our maps, whatever pins and names say; others' programs and
// qdiscs are left alone. What is attached here judges packets only once a generation enables its slot.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "engine/choose.h"
#include "engine/store.h"
#include "fwctl/abi/state.h"
#include "kernel/xdp.h"

namespace fwctl::engine {

// What is to be found at one hook that was asked for.
struct HookState {
    fw_hook hook = FW_HOOK_XDP;
    bool present = false;
    std::uint32_t program_id = 0;
    kernel::XdpMode mode = kernel::XdpMode::kNone;  // XDP
    bool shared = false;                            // XDP: in libxdp's dispatcher
    bool by_link = false;                           // TC: by TCX, else by a filter on clsact
};

// One for each hook of the record.
Result<std::vector<HookState>> inspect_hooks(const Store& store, const Attachment& attachment);

bool all_present(const std::vector<HookState>& hooks);

// Attaches the hooks of the record that are missing, and writes the mode that XDP got into the record.
// `skip_occupied` leaves XDP out when another's program is in the way; without it that is an error with
// Exit::kConflict.
Status attach_missing(const Store& store, Attachment& attachment, WantedMode mode, bool skip_occupied);

// Puts our XDP program in the place of a foreign one.
Status replace_foreign(const Store& store, Attachment& attachment);

// Exchanges programs of another build for those of this executable, without an instant between.
Status update_programs(const Store& store, Attachment& attachment);

// Takes everything of ours off the interface, and removes the pins of the attachment. Fine when parts are
// missing.
Status remove_hooks(const Store& store, const Attachment& attachment);

const char* hook_name(fw_hook hook);  // "xdp", "tc-in", "tc-out"

}  // namespace fwctl::engine
