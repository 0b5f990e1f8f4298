// Tells when the interfaces of this network namespace are others than before, or have come up, and when
// addresses of ours came or went.
//
// Promises: nothing blocks. Only what makes another interface counts, its index, name and master: not that
// programs were attached to it, nor that its cable was pulled; and of addresses those that are ours.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "base/result.h"
#include "net/address.h"

struct nl_sock;  // of libnl, whose headers are not for those who include this one

namespace fwctl::net {

struct LinkChange {
    bool others = false;  // interfaces, or addresses of ours, are others than before
    std::set<int> risen;  // interfaces that have come up, or have another MAC address
};

class LinkMonitor {
public:
    // Begins with the interfaces that there are.
    static Result<LinkMonitor> open();

    // Readable when the kernel has told something.
    [[nodiscard]] int fd() const;

    // Takes what the kernel has told.
    Result<LinkChange> changed();

private:
    struct Known {
        std::set<std::tuple<int, std::string, int>> interfaces;
        std::set<LocalAddress> ours;
        // Also told apart by how often its cable was pulled: it may have been between two looks.
        std::set<std::tuple<int, std::array<std::uint8_t, 6>, std::uint32_t>> running;
    };

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
