#include "kernel/event_ring.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace fwctl::kernel {
namespace {

constexpr int kBetweenLooks = 20;  // milliseconds

int hand_over(void* use, void* data, std::size_t size) {
    if (size != sizeof(fw_event)) return -EPROTO;
    return (*static_cast<const EventRing::Use*>(use))(*static_cast<const fw_event*>(data)) ? 0 : -ECANCELED;
}

}  // namespace

void EventRing::Free::operator()(ring_buffer* reader) const {
    ring_buffer__free(reader);
}

Result<EventRing> EventRing::make(std::size_t bytes) {
    EventRing ring;
    ring.map_ = Fd(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "fwctl_events", 0, 0,
                                  static_cast<std::uint32_t>(bytes), nullptr));
    if (!ring.map_) return fail(fmt::format("cannot make a ring buffer: {}", strerror(errno)));
    ring.use_ = std::make_unique<Use>();
    ring.reader_.reset(ring_buffer__new(ring.map_.get(), hand_over, ring.use_.get(), nullptr));
    if (!ring.reader_) return fail(fmt::format("cannot read a ring buffer: {}", strerror(errno)));
    return ring;
}

Status EventRing::read(std::chrono::milliseconds wait, const Use& use) {
    *use_ = use;
    const auto end = std::chrono::steady_clock::now() + wait;
    int read = ring_buffer__consume(reader_.get());
    while (read == 0 && std::chrono::steady_clock::now() < end) {
        if (poll(nullptr, 0, kBetweenLooks) != 0) return {};
        read = ring_buffer__consume(reader_.get());
    }
    if (read >= 0 || read == -ECANCELED) return {};
    return fail(fmt::format("cannot read events: {}", strerror(-read)));
}

}  // namespace fwctl::kernel
