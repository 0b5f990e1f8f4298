// Whether a request may be answered that names this host: a page of somebody else's, whose name leads here
// (DNS rebinding), must not read what is told here through the browser of someone who may.
//
// Promises: pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace fwctl::http {

// `host`: as the request has it, with or without a port. `own`: the address that the client has connected to,
// a literal one. Names are compared without regard to case; "localhost" is always one.
bool is_own_host(std::string_view host, std::string_view own, std::span<const std::string> names);

// What may stand in `names`: letters, digits, dots, hyphens.
bool is_host_name(std::string_view name);

}  // namespace fwctl::http
