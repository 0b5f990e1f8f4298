// Tells when the interfaces of this network namespace are others than before.
//
// Promises: nothing blocks. Only what makes another interface counts, its index, name and master: not that
// programs were attached to it, nor that its cable was pulled.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "base/result.h"

struct nl_sock;  // of libnl, whose headers are not for those who include this one

namespace fwctl::net {

class LinkMonitor {
public:
    // Begins with the interfaces that there are.
    static Result<LinkMonitor> open();

    // Readable when the kernel has told something.
    [[nodiscard]] int fd() const;

    // Takes what the kernel has told.
    Result<bool> changed();

private:
    using Known = std::set<std::tuple<int, std::string, int>>;

    struct Free {
        void operator()(nl_sock* socket) const;
    };
    using Socket = std::unique_ptr<nl_sock, Free>;

    LinkMonitor(Socket socket, Known known) : socket_(std::move(socket)), known_(std::move(known)) {}
    static Result<Known> look();

    Socket socket_;
    Known known_;
};

}  // namespace fwctl::net
