// fwctl-agent: what `fwctl agent` becomes. A program of its own, as libcurl takes as long to load as all of
// fwctl, and no other command needs it.
#include <fmt/format.h>

#include <cstddef>
#include <span>

#include "agent/agent.h"
#include "agent/log.h"
#include "base/server_settings.h"

int main(int argc, char** argv) {
    const std::span words(argv + 1, static_cast<std::size_t>(argc - 1));
    auto agent = fwctl::agent::Agent::create(fwctl::ServerSettings::of(words));
    if (!agent) {
        fwctl::agent::log("fwctl agent: {}", agent.error().message);
        return static_cast<int>(agent.error().exit);
    }
    if (auto ended = (*agent)->run(); !ended) {
        fwctl::agent::log("fwctl agent: {}", ended.error().message);
        return static_cast<int>(ended.error().exit);
    }
    return 0;
}
