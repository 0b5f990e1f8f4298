// wire INTERFACE: has fwctl take an attached veth for hardware, so that its native XDP program answers and
// sends on by itself. Only right while the other end plays a wire: without checksum and segmentation offload.
#include <fmt/format.h>

#include "engine/hooks.h"
#include "engine/session.h"

int main(int argc, char** argv) {
    using namespace fwctl;
    if (argc != 2) return 2;
    auto writing = engine::open_to_write();
    Status done;
    const engine::Attachment* there = writing ? writing->state.find(argv[1]) : nullptr;
    if (there != nullptr) {
        engine::Attachment attachment = *there;
        attachment.record.flags |= FW_ATTACHMENT_WIRE;
        writing->store.write_record(attachment);
        done = engine::update_programs(writing->store, attachment);
    }
    if (there != nullptr && done) return 0;
    fmt::print(stderr, "wire {}: {}\n", argv[1], done ? "not attached" : done.error().message);
    return 1;
}
