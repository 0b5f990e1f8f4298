// The programs of one attachment: what is there, attaching what is missing, taking all of it off.
//
// Promises: a program is ours when it uses our maps and was loaded for the attachment's slot, whatever pins
// and names say; others' programs and qdiscs are left alone. What is attached here judges packets only once a
// generation enables its slot.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "engine/choose.h"
#include "engine/store.h"
#include "fwctl/abi/state.h"
#include "kernel/object.h"
#include "kernel/xdp.h"

namespace fwctl::engine {

// What is to be found at one hook.
struct HookState {
    fw_hook hook = FW_HOOK_XDP;
    // Ours; several only in libxdp's dispatcher, after an exchange that did not finish.
    std::vector<std::uint32_t> program_ids;
    kernel::XdpMode mode = kernel::XdpMode::kNone;  // XDP
    bool shared = false;                            // XDP: in libxdp's dispatcher
    bool by_link = false;                           // TC: by TCX, else by a filter on clsact
    bool overtaken = false;                         // TC: another program is asked first, and may decide

    [[nodiscard]] bool present() const { return !program_ids.empty(); }
};

// One for each hook of the record; with `everywhere`, for those that were not asked for as well.
Result<std::vector<HookState>> inspect_hooks(const Store& store, const Attachment& attachment,
                                             bool everywhere = false);

// Whether anything of the attachment is on its interface: what tells it from another device that got the same
// index.
Result<bool> has_any_hook(const Store& store, const Attachment& attachment);

// Where packets of that direction are judged first; 0: nowhere.
std::uint8_t hook_for(const Attachment& attachment, fw_direction direction);

bool all_present(const std::vector<HookState>& hooks);

// Attaches the hooks of the record that are missing, and writes the mode that XDP got into the record.
// `leave_foreign` leaves XDP out when another's program is in the way; without it that is an error with
// Exit::kConflict.
Status attach_missing(const Store& store, Attachment& attachment, WantedMode mode, bool leave_foreign);

// A foreign program that gave way to ours, kept so that it can be put back.
struct Replaced {
    int ifindex = 0;
    kernel::XdpMode mode = kernel::XdpMode::kNone;
    std::uint32_t ours = 0;
    Fd program;  // empty: there was none to replace
};

// Puts our XDP program in the place of a foreign one, if the record asks for XDP and there is one.
Result<Replaced> replace_foreign(const Store& store, Attachment& attachment);

// Exchanges programs of another build for those of this executable, without an instant between.
Status update_programs(const Store& store, Attachment& attachment);

// An attachment with XDP alone for what comes in, unless the user has named its hooks.
bool lacks_tc_in(const fw_attachment& record);

// Whether the programs of an attachment can do more than pass and drop, and TC ingress is there beside
// XDP.
bool is_ready_to_rewrite(const fw_attachment& record);
// Attaches TC ingress where it is missing, then exchanges the programs, of which the one at XDP hands on to
// it: for an instant between the two both judge. fw_attachment.build is 0 meanwhile, so that what was
// interrupted is not ready, and the next call does the rest.
Status make_ready_to_rewrite(const Store& store, Attachment& attachment);

// Takes everything of ours off the interface, and removes the pins of the attachment. Fine when parts are
// missing.
Status remove_hooks(const Store& store, const Attachment& attachment);

// The same of several, with their records. While an interface above another one, a VLAN or a bridge, has an
// XDP program, the kernel takes none off the lower one: so the order is whichever the kernel takes.
Status remove_attachments(const Store& store, std::vector<Attachment> leaving);

// The slots of programs that are loaded, be it on a device that was moved to another network namespace.
std::set<std::uint32_t> slots_in_use(const Store& store);

kernel::ProgramKind program_kind(fw_hook hook);
// The constants of the program at a hook: what an XDP program may not do itself it hands on to the one at TC
// ingress, where there is one (docs/forward.md).
kernel::ProgramConfig program_config(const Attachment& attachment, fw_hook hook, kernel::XdpMode mode);
const char* hook_name(fw_hook hook);        // "xdp", "tc-in", "tc-out"
std::string hook_list(std::uint8_t hooks);  // "xdp,tc-out"

}  // namespace fwctl::engine
