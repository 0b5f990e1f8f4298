// epoll: who waits for a descriptor is told by a function of its own.
//
// Promises: nobody is told of a descriptor once its Watch has gone, not even of what was ready already; a
// function may end any Watch, its own too, and begin others. Descriptors are not owned; no Watch outlives its
// Poller. Not for several threads.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/fd.h"
#include "base/result.h"

namespace fwctl::agent {

class Poller {
public:
    using Ready = std::function<void(std::uint32_t events)>;

    // Ends the waiting when it goes, which has to be before the descriptor is closed.
    class Watch {
    public:
        Watch() = default;
        Watch(Watch&& other) noexcept { *this = std::move(other); }
        Watch& operator=(Watch&& other) noexcept;
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;
        ~Watch() { reset(); }

    private:
        friend class Poller;
        Watch(Poller* poller, int fd, std::uint64_t key) : poller_(poller), fd_(fd), key_(key) {}
        void reset();

        Poller* poller_ = nullptr;
        int fd_ = -1;
        std::uint64_t key_ = 0;
    };

    static Result<std::unique_ptr<Poller>> create();

    // Readable while wait() has something to tell.
    [[nodiscard]] int fd() const { return epoll_.get(); }

    // `events` as epoll_ctl(2) has them, level-triggered. Fails for want of memory alone, or beyond
    // fs.epoll.max_user_watches.
    Result<Watch> watch(int fd, std::uint32_t events, Ready ready);

    // Tells of what is ready, or becomes so within `timeout`: of kBatch at most. Returns whether there may be
    // more.
    static constexpr std::size_t kBatch = 256;
    bool wait(std::chrono::milliseconds timeout);

private:
    explicit Poller(Fd epoll) : epoll_(std::move(epoll)) {}

    Fd epoll_;
    std::uint64_t last_key_ = 0;
    std::unordered_map<std::uint64_t, Ready> watches_;
};

}  // namespace fwctl::agent
