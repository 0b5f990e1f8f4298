// Tells when the routes or addresses of this network namespace may be others than before.
//
// Promises: nothing blocks. What has changed is not said, and some of it may be of no concern.
#pragma once

#include <memory>

#include "base/result.h"

struct nl_sock;  // of libnl, whose headers are not for those who include this one

namespace fwctl::net {

class RouteMonitor {
public:
    static Result<RouteMonitor> open();

    // Readable when the kernel has told something.
    [[nodiscard]] int fd() const;

    // Takes what the kernel has told.
    void clear() const;

private:
    struct Free {
        void operator()(nl_sock* socket) const;
    };
    using Socket = std::unique_ptr<nl_sock, Free>;

    explicit RouteMonitor(Socket socket) : socket_(std::move(socket)) {}

    Socket socket_;
};

}  // namespace fwctl::net
