#include "engine/listener.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <numeric>
#include <utility>

#include "engine/clock.h"

namespace fwctl::engine {
namespace {

constexpr std::size_t kRingSize = std::size_t{8} << 20;          // some 70,000 events
constexpr std::size_t kCaptureRingSize = std::size_t{32} << 20;  // some 20,000 long packets
// Of a listener that does not move it on. Longer than what a terminal or a pipe may be stuck for.
constexpr std::uint64_t kLease = 10'000'000'000;
// In a flood there is always one more. Far shorter than the lease, however slow who reads is.
constexpr std::uint64_t kAtATime = 500'000'000;
constexpr unsigned kBetweenClocks = 64;

// Of one that is ours: from the end on it is somebody else's.
void give_back(const Store& store, std::uint32_t slot) {
    (void)store.event_rings().erase(slot);
    (void)store.capture_rooms().erase(slot);
    (void)store.talker_tables().erase(slot);
    std::atomic_ref<__u64>(store.listener(slot).until).store(0);
}

std::size_t ring_size(const Wanted& wanted) {
    // Of one that gets no events: the smallest.
    if (wanted.talkers >= 0) return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return wanted.bytes == 0 ? kRingSize : kCaptureRingSize;
}

// What a listener has beside its ring, in its slot; `fd`: -1 where it has none, so that of one that was
// killed goes.
Status fit(const kernel::Map& map, std::uint32_t slot, int fd) {
    if (fd >= 0) return map.update(slot, fd);
    (void)map.erase(slot);
    return {};
}

}  // namespace

Listener::Listener(const Store& store, const Wanted& wanted, kernel::EventRing ring, Fd room)
    : store_(&store), wanted_(wanted), ring_(std::move(ring)), room_(std::move(room)) {
    wanted_.reasons &= ~FW_HEARD_BYTES;
}

Listener::Listener(Listener&& other) noexcept
    : store_(other.store_),
      wanted_(other.wanted_),
      ring_(std::move(other.ring_)),
      room_(std::move(other.room_)),
      slot_(other.slot_),
      filled_(other.filled_),
      until_(std::exchange(other.until_, 0)),
      lost_before_(other.lost_before_),
      lost_(other.lost_),
      stood_still_(other.stood_still_) {}

Result<Listener> Listener::open(const Store& store, const Wanted& wanted) {
    auto ring = kernel::EventRing::make(ring_size(wanted));
    if (!ring) return tl::unexpected(ring.error());
    auto room = wanted.bytes == 0 ? Result<Fd>(Fd()) : kernel::make_capture_room();
    if (!room) return tl::unexpected(room.error());
    Listener listener(store, wanted, std::move(*ring), std::move(*room));
    if (auto claimed = listener.claim(); !claimed) return tl::unexpected(claimed.error());
    return listener;
}

// Of fw_control.heard.
std::uint64_t Listener::heard_bits() const {
    return wanted_.reasons | (wanted_.bytes == 0 ? 0 : FW_HEARD_BYTES);
}

// Whoever moves the deadline of a free slot has it.
bool Listener::take(std::uint32_t slot) {
    const std::atomic_ref<__u64> until(store_->listener(slot).until);
    __u64 former = until.load();
    const std::uint64_t now = monotonic_now();
    until_ = now + kLease;
    return former < now && until.compare_exchange_strong(former, until_);
}

Status Listener::claim() {
    std::uint32_t slot = 0;
    while (slot < FW_MAX_LISTENERS && !take(slot)) ++slot;
    if (slot == FW_MAX_LISTENERS) {
        until_ = 0;
        return fail(fmt::format("{} others listen to events already, and there is no room for more", slot),
                    Exit::kConflict);
    }
    slot_ = slot;
    fw_listener& mine = store_->listener(slot);
    std::atomic_ref<__u64>(mine.reasons).store(wanted_.reasons);
    std::atomic_ref<__u32>(mine.one_of).store(wanted_.one_of);
    std::atomic_ref<__u32>(mine.points).store(wanted_.points);
    std::atomic_ref<__u32>(mine.bytes).store(wanted_.bytes);
    std::atomic_ref<__u32>(mine.talkers).store(wanted_.talkers < 0 ? 0 : filled_ + 1);
    // Who slept for so long that another one has it by now takes another one.
    if (std::atomic_ref<__u64>(mine.until).load() != until_) return claim();
    if (auto fitted = fit(store_->capture_rooms(), slot, room_ ? room_.get() : -1); !fitted) return fitted;
    if (auto fitted = fit(store_->talker_tables(), slot, wanted_.talkers); !fitted) return fitted;
    // Waits for a grace period: packets that saw the slot as it was are gone, and so is what they counted,
    // and the reasons that they found to be nobody's.
    if (auto put = store_->event_rings().update(slot, ring_.fd()); !put) return put;
    if (auto cleared = store_->events_lost().clear_per_cpu<std::uint64_t>(slot); !cleared) return cleared;
    std::atomic_ref<__u64>(store_->heard()).fetch_or(heard_bits());
    return {};
}

Listener::~Listener() {
    const std::atomic_ref<__u64> until(store_->listener(slot_).until);
    __u64 mine = until_;
    if (mine != 0 && until.compare_exchange_strong(mine, monotonic_now() + kLease)) give_back(*store_, slot_);
}

Status Listener::stay() {
    const std::uint64_t now = monotonic_now();
    const std::atomic_ref<__u64> until(store_->listener(slot_).until);
    const std::atomic_ref<__u64> heard(store_->heard());
    __u64 mine = until_;
    stood_still_ = stood_still_ || until_ < now || until.load() != mine;
    if (!until.compare_exchange_strong(mine, now + kLease)) {  // another one has it by now
        lost_before_ = lost_;
        return claim();
    }
    until_ = now + kLease;
    if ((heard.load() & heard_bits()) != heard_bits()) heard.fetch_or(heard_bits());
    return {};
}

Status Listener::fill(std::uint32_t table) {
    filled_ = table;
    if (auto stayed = stay(); !stayed) return stayed;
    std::atomic_ref<__u32>(store_->listener(slot_).talkers).store(table + 1);
    return {};
}

// Should the slot be another one's by now, stay() finds out.
void Listener::thin_to(std::uint32_t one_of) {
    if (std::exchange(wanted_.one_of, one_of) == one_of) return;
    if (std::atomic_ref<__u64>(store_->listener(slot_).until).load() == until_)
        std::atomic_ref<__u32>(store_->listener(slot_).one_of).store(one_of);
}

Status Listener::read(std::chrono::milliseconds wait, const kernel::EventRing::Use& use) {
    if (auto stayed = stay(); !stayed) return stayed;
    unsigned read = 0;
    std::uint64_t end = 0;  // from the first one on
    return ring_.read(wait, [&](const fw_event& event, const kernel::Frame& frame) {
        if (!use(event, frame)) return false;
        if (read++ % kBetweenClocks != 0) return true;
        const std::uint64_t now = monotonic_now();
        if (end == 0) end = now + kAtATime;
        return now < end;
    });
}

Result<std::uint64_t> Listener::lost() {
    auto counts = store_->events_lost().per_cpu<std::uint64_t>(slot_);
    if (!counts) return tl::unexpected(counts.error());
    return lost_ = std::accumulate(counts->begin(), counts->end(), lost_before_);
}

void forget_dead_listeners(const Store& store) {
    const std::uint64_t now = monotonic_now();
    for (std::uint32_t slot = 0; slot < FW_MAX_LISTENERS; ++slot) {
        const std::atomic_ref<__u64> until(store.listener(slot).until);
        __u64 former = until.load();
        if (former != 0 && former < now && until.compare_exchange_strong(former, now + kLease))
            give_back(store, slot);
    }
}

Result<std::map<std::uint32_t, std::uint64_t>> lost_by_listeners(const Store& store) {
    std::map<std::uint32_t, std::uint64_t> lost;
    for (std::uint32_t slot = 0; slot < FW_MAX_LISTENERS; ++slot) {
        if (std::atomic_ref<__u64>(store.listener(slot).until).load() < monotonic_now()) continue;
        auto counts = store.events_lost().per_cpu<std::uint64_t>(slot);
        if (!counts) return tl::unexpected(counts.error());
        lost[slot] = std::accumulate(counts->begin(), counts->end(), std::uint64_t{0});
    }
    return lost;
}

bool Listener::stood_still() {
    return std::exchange(stood_still_, false);
}

}  // namespace fwctl::engine
