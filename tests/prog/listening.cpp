#include "listening.h"

#include <gtest/gtest.h>

#include <utility>

#include "policy/service.h"

namespace fwctl::testing {

std::unique_ptr<ProgramRunner> load_denying_udp(Hook hook, fw_link link) {
    auto loaded = ProgramRunner::load(hook, link);
    if (!loaded) {
        ADD_FAILURE() << loaded.error().message;
        return nullptr;
    }
    policy::Rule rule;
    rule.name = "deny-udp";
    rule.services = {policy::parse_service("udp").value()};
    EXPECT_TRUE(loaded->set_rules({rule}));
    return std::make_unique<ProgramRunner>(std::move(*loaded));
}

engine::Listener listen_to(const engine::Store& store, const engine::Wanted& wanted) {
    auto listener = engine::Listener::open(store, wanted);
    if (!listener) ADD_FAILURE() << listener.error().message;
    return std::move(*listener);
}

}  // namespace fwctl::testing
