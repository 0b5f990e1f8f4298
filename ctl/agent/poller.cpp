#include "agent/poller.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace fwctl::agent {

Poller::Watch& Poller::Watch::operator=(Watch&& other) noexcept {
    if (this == &other) return *this;
    reset();
    poller_ = std::exchange(other.poller_, nullptr);
    fd_ = other.fd_;
    key_ = other.key_;
    return *this;
}

void Poller::Watch::reset() {
    if (poller_ == nullptr) return;
    epoll_ctl(poller_->fd(), EPOLL_CTL_DEL, fd_, nullptr);
    poller_->watches_.erase(key_);
    poller_ = nullptr;
}

Result<std::unique_ptr<Poller>> Poller::create() {
    Fd epoll(epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return fail(fmt::format("cannot make an epoll descriptor: {}", strerror(errno)));
    return std::unique_ptr<Poller>(new Poller(std::move(epoll)));
}

Result<Poller::Watch> Poller::watch(int fd, std::uint32_t events, Ready ready) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = ++last_key_;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        return fail(fmt::format("cannot wait for a descriptor: {}", strerror(errno)));
    watches_.emplace(last_key_, std::move(ready));
    return Watch(this, fd, last_key_);
}

bool Poller::wait(std::chrono::milliseconds timeout) {
    std::array<epoll_event, kBatch> events{};
    const auto limit = static_cast<int>(std::min<std::int64_t>(timeout.count(), INT_MAX));
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), limit);
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events.at(static_cast<std::size_t>(i));
        const auto found = watches_.find(event.data.u64);
        if (found == watches_.end()) continue;
        const Ready ready = found->second;  // a copy: it may end its own watch
        ready(event.events);
    }
    return count == static_cast<int>(events.size());
}

}  // namespace fwctl::agent
