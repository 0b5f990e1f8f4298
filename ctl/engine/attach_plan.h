// What `attach` has to do for each interface, decided before anything is touched.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/attach.h"
#include "engine/choose.h"
#include "engine/session.h"
#include "net/interface.h"

namespace fwctl::engine {

struct Target {
    net::Interface interface;
    int peer_of = 0;  // ifindex of the bridge
};

// One interface that a command works on.
struct Work {
    Target target;
    Attachment attachment;
    AttachChange change = AttachChange::kAttached;
    WantedMode mode = WantedMode::kAuto;
    bool gets_ready = false;                 // as the policy rewrites: make_ready_to_rewrite()
    bool is_new = false;                     // undone when another interface fails
    std::string renamed_from = {};           // not empty: the attachment takes its device's new name
    std::optional<Attachment> retired = {};  // gives way to this one, as its device is gone
};

// The interfaces that the request names, each once.
Result<std::vector<Target>> find_targets(const std::vector<net::Interface>& all,
                                         const AttachRequest& request);

// What there is to do for one interface: nothing, a repair or a new attachment. `before`: what is planned
// already.
Result<Work> plan(const Writing& writing, const AttachRequest& request, const Target& target,
                  const std::vector<Work>& before);

void set_name(fw_attachment& record, const std::string& name);
void set_label(fw_attachment& record, const std::string& label);

}  // namespace fwctl::engine
