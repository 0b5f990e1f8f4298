// What the agent says: a line on stderr for each thing that has changed. The journal adds when.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace fwctl::agent {

template <typename... Arguments>
void log(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    fmt::print(stderr, "{}\n", fmt::format(text, std::forward<Arguments>(arguments)...));
}

}  // namespace fwctl::agent
