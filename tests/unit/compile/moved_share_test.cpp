#include "compile/moved_share.h"

#include <gtest/gtest.h>

#include "policy/prefix.h"

namespace fwctl::compile {
namespace {

policy::Vip vip(int backends, std::uint32_t ring = 65537) {
    policy::Vip made;
    made.name = "web";
    made.ring = ring;
    for (int i = 1; i <= backends; ++i) {
        policy::Backend backend;
        backend.name = "b" + std::to_string(i);
        backend.addresses = {*policy::parse_prefix("10.0.0." + std::to_string(i))};
        made.backends.push_back(backend);
    }
    return made;
}

TEST(MovedShare, NothingMovesWhereNothingChanges) {
    EXPECT_EQ(*moved_share(vip(3), vip(3)), 0);
    EXPECT_EQ(*moved_share(vip(0), vip(0)), 0);
}

TEST(MovedShare, ABackendThatComesTakesItsShare) {
    EXPECT_NEAR(*moved_share(vip(3), vip(4)), 0.25, 0.015);
    EXPECT_NEAR(*moved_share(vip(4), vip(3)), 0.25, 0.015);
    EXPECT_EQ(*moved_share(vip(0), vip(1)), 1);
}

TEST(MovedShare, OneThatDrainsGivesUpItsShare) {
    policy::Vip after = vip(4);
    after.backends[2].state = policy::BackendState::kDrain;
    EXPECT_NEAR(*moved_share(vip(4), after), 0.25, 0.015);
}

TEST(MovedShare, AnotherAddressIsAnotherBackend) {
    policy::Vip after = vip(4);
    after.backends[1].addresses = {*policy::parse_prefix("10.0.0.99")};
    EXPECT_NEAR(*moved_share(vip(4), after), 0.25, 0.01);
}

// Alone on its ring a backend has all of it, whatever the size.
TEST(MovedShare, RingsOfDifferentSizesAreComparedByTheHash) {
    EXPECT_EQ(*moved_share(vip(1, 101), vip(1, 103)), 0);
    EXPECT_NEAR(*moved_share(vip(4, 65537), vip(4, 131071)), 0.75, 0.02);
}

}  // namespace
}  // namespace fwctl::compile
