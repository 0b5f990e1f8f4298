#include "audience.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <utility>

namespace fwctl::bench {
namespace {

// Whoever measures has taken one processor for itself.
void take_the_others() {
    cpu_set_t others;
    CPU_ZERO(&others);
    for (int i = 0; i < sysconf(_SC_NPROCESSORS_ONLN); ++i) CPU_SET(i, &others);
    cpu_set_t taken;
    if (pthread_getaffinity_np(pthread_self(), sizeof(taken), &taken) == 0) CPU_XOR(&others, &others, &taken);
    (void)pthread_setaffinity_np(pthread_self(), sizeof(others), &others);
}

}  // namespace

Audience::Audience(std::unique_ptr<engine::Listener> listener)
    : listener_(std::move(listener)), reader_(read, std::ref(*listener_)) {}

Result<Audience> Audience::of(const engine::Store& store, const engine::Wanted& wanted) {
    auto listener = engine::Listener::open(store, wanted);
    if (!listener) return tl::unexpected(listener.error());
    return Audience(std::make_unique<engine::Listener>(std::move(*listener)));
}

void Audience::read(const std::stop_token& ends, engine::Listener& listener) {
    take_the_others();
    while (!ends.stop_requested())
        if (!listener.read(std::chrono::milliseconds(100),
                           [](const fw_event&, const kernel::Frame&) { return true; }))
            return;
}

}  // namespace fwctl::bench
