// Programs that drop UDP and let pass all else, and who listens to them.
#pragma once

#include <memory>

#include "engine/listener.h"
#include "program_runner.h"

namespace fwctl::testing {

// By the rule "deny-udp". nullptr, and the test fails: they cannot be loaded.
std::unique_ptr<ProgramRunner> load_denying_udp(Hook hook, fw_link link);

// The test fails where it is refused.
engine::Listener listen_to(const engine::Store& store, const engine::Wanted& wanted);

}  // namespace fwctl::testing
