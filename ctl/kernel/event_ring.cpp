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
    const auto& hand = *static_cast<const EventRing::Use*>(use);
    if (size == sizeof(fw_event)) return hand(*static_cast<const fw_event*>(data), {}) ? 0 : -ECANCELED;
    const auto* about = static_cast<const fw_capture*>(data);
    if (size < sizeof(*about) || size != sizeof(*about) + about->captured) return -EPROTO;
    const Frame frame{about, {reinterpret_cast<const std::uint8_t*>(about + 1), about->captured}};
    return hand(about->event, frame) ? 0 : -ECANCELED;
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

Result<Fd> make_capture_room() {
    const int processors = libbpf_num_possible_cpus();
    if (processors < 0) return fail(fmt::format("cannot count the processors: {}", strerror(-processors)));
    bpf_map_create_opts options{};
    options.sz = sizeof(options);
    options.map_flags = BPF_F_INNER_MAP;
    Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "fwctl_room", sizeof(std::uint32_t), sizeof(fw_capture_room),
                          static_cast<std::uint32_t>(processors), &options));
    if (!map) return fail(fmt::format("cannot make room for packets: {}", strerror(errno)));
    return map;
}

}  // namespace fwctl::kernel
