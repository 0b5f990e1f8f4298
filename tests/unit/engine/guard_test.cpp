#include "engine/guard.h"

#include <gtest/gtest.h>

#include <cstring>

namespace fwctl::engine {
namespace {

net::Interface interface(int ifindex, const char* name, int master = 0) {
    net::Interface made;
    made.ifindex = ifindex;
    made.name = name;
    made.master = master;
    return made;
}

Attachment attachment(std::uint32_t slot, int ifindex, const char* name, bool enabled = true) {
    Attachment made;
    made.slot = slot;
    made.enabled = enabled;
    made.record.ifindex = static_cast<std::uint32_t>(ifindex);
    std::strcpy(made.record.name, name);
    return made;
}

std::string names(const State& state, int route, const std::string& local) {
    const std::vector<net::Interface> all = {interface(1, "lo"), interface(2, "eth0", 5),
                                             interface(3, "eth1"), interface(5, "bond0", 6),
                                             interface(6, "br0")};
    std::string text;
    for (const Attachment* found : attachments_of_session(state, all, route, local))
        text += found->name() + " ";
    return text;
}

TEST(GuardTest, ASessionPassesTheInterfaceOfItsRouteAndThePortsBelow) {
    State state;
    state.attachments = {attachment(0, 2, "eth0"), attachment(1, 3, "eth1"), attachment(2, 6, "br0"),
                         attachment(3, 1, "lo", false)};
    EXPECT_EQ(names(state, 6, ""), "eth0 br0 ");
    EXPECT_EQ(names(state, 3, "br0"), "eth1 ");
    EXPECT_EQ(names(state, 0, "br0"), "eth0 br0 ") << "no route: where the local address is";
    EXPECT_EQ(names(state, 0, ""), "");
    EXPECT_EQ(names(state, 1, ""), "") << "not enabled";
    EXPECT_EQ(names(state, 99, ""), "");
}

}  // namespace
}  // namespace fwctl::engine
