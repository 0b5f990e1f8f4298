// What the agent tells the service manager: sd_notify(3), whose protocol is a datagram.
//
// Written out here because libsystemd would bring five more libraries into every run of the command.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fwctl::agent {

class ServiceManager {
public:
    // `variables` is getenv() or what stands in for it: asked for NOTIFY_SOCKET, WATCHDOG_USEC and
    // WATCHDOG_PID. Without a socket nothing is told, which is no failure.
    explicit ServiceManager(const std::function<const char*(const char*)>& variables);

    [[nodiscard]] Status ready() const { return tell("READY=1"); }
    [[nodiscard]] Status stopping() const { return tell("STOPPING=1"); }
    [[nodiscard]] Status alive() const { return tell("WATCHDOG=1"); }

    // alive() is to be called more often than that, twice as often best; nullopt: not at all.
    [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

private:
    [[nodiscard]] Status tell(std::string_view state) const;

    std::string socket_;
    std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace fwctl::agent
