// Sockets that fwctl's servers listen on.
//
// Promises: an address is a literal one, never a name that would have to be looked up. A socket of the file
// system can be reached by its owner alone, and by one group, from its first moment on; a path where
// something else is, or where somebody listens, stays as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace fwctl::net {

struct Endpoint {
    std::string address;  // "127.0.0.1", "::1"
    std::uint16_t port = 0;
    bool operator==(const Endpoint&) const = default;
    // As parse_endpoint() reads it.
    [[nodiscard]] std::string text() const;
};

// "127.0.0.1:9105", "[::1]:9105".
Result<Endpoint> parse_endpoint(std::string_view text);

// Also of an address that is not there yet, as while the host starts.
Result<Fd> listen_tcp(const Endpoint& endpoint);

// `group`: the name of one; empty: none.
Result<Fd> listen_unix(const std::string& path, const std::string& group);
// The errors that listen_unix() would give of what it was told.
Status check_path(const std::string& path);
Status check_group(const std::string& group);

}  // namespace fwctl::net
