#include "agent/conditions.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "fwctl/abi/service.h"
#include "policy/prefix.h"

namespace fwctl::agent {
namespace {

using namespace std::chrono_literals;
using Kind = Event::Kind;

constexpr std::uint32_t kUp = FW_CONDITION_KNOWN;
constexpr std::uint32_t kUsed = FW_CONDITION_KNOWN | FW_CONDITION_FAILS;  // in a panic
constexpr std::uint32_t kDown = kUsed | FW_CONDITION_DOWN;

policy::Prefix address(const std::string& text) {
    return *policy::parse_prefix(text);
}

policy::Backend backend(const std::string& name, const std::string& at, std::uint16_t weight = 1) {
    policy::Backend backend;
    backend.name = name;
    backend.addresses = {address(at)};
    backend.weight = weight;
    return backend;
}

struct ConditionsTest : ::testing::Test {
    ConditionsTest() {
        web.name = "web";
        web.health.kind = policy::HealthKind::kTcp;
        web.health.port = 80;
        web.backends = {backend("a", "10.0.0.1"), backend("b", "10.0.0.2"), backend("c", "10.0.0.3")};
    }

    void set() {
        conditions.set_vips(
            {web},
            [this](const std::string&, const std::string& name) {
                return former.contains(name) ? former.at(name) : 0U;
            },
            now);
    }

    bool event(const std::string& name, Kind kind, const std::string& at) {
        return conditions.note({{"web", name, address(at)}, kind, {}}, now);
    }

    std::map<std::string, std::uint32_t> all() const {
        std::map<std::string, std::uint32_t> found;
        for (const Conditions::Wanted& one : conditions.at(now)) found[one.backend] = one.condition;
        return found;
    }

    std::uint32_t withheld(const std::string& name) const {
        return all().at(name) >> FW_CONDITION_WITHHELD_SHIFT;
    }

    Conditions::Mode mode() const { return conditions.modes().at("web"); }

    policy::Vip web;
    std::map<std::string, std::uint32_t> former;
    Time now{1h};
    Conditions conditions;
};

TEST_F(ConditionsTest, NothingIsKnownOfABackendBeforeItsFirstResult) {
    set();
    EXPECT_EQ(all().at("a"), 0U);
    EXPECT_FALSE(event("a", Kind::kUp, "10.0.0.1"));
    EXPECT_EQ(all().at("a"), kUp);
}

TEST_F(ConditionsTest, ABackendThatFailsIsDown) {
    set();
    EXPECT_TRUE(event("a", Kind::kDown, "10.0.0.1"));
    EXPECT_EQ(all().at("a"), kDown);
    EXPECT_EQ(all().at("b"), 0U);
}

TEST_F(ConditionsTest, OneOfTwoAddressesIsEnoughToFail) {
    web.backends[0].addresses.push_back(address("fd00::1"));
    set();
    event("a", Kind::kUp, "10.0.0.1");
    EXPECT_EQ(all().at("a"), 0U) << "the other one is not known";
    event("a", Kind::kDown, "fd00::1");
    EXPECT_EQ(all().at("a"), kDown);
    event("a", Kind::kUp, "fd00::1");
    EXPECT_EQ(all().at("a"), kUp);
}

TEST_F(ConditionsTest, WhatTheKernelHasStaysUntilTheFirstResult) {
    former = {{"a", kDown}, {"b", kUp}};
    set();
    EXPECT_EQ(all().at("a"), kDown);
    EXPECT_EQ(all().at("b"), kUp);
    event("a", Kind::kUp, "10.0.0.1");
    EXPECT_EQ(all().at("a"), kUp);
}

TEST_F(ConditionsTest, AnUnableCheckChangesNothing) {
    former = {{"a", kDown}};
    set();
    EXPECT_FALSE(event("a", Kind::kUnable, "10.0.0.1"));
    EXPECT_EQ(all().at("a"), kDown);
}

TEST_F(ConditionsTest, InAPanicAllCountAsUp) {
    web.panic = 50;
    set();
    event("a", Kind::kDown, "10.0.0.1");
    EXPECT_EQ(all().at("a"), kDown) << "two of three are left";
    event("b", Kind::kDown, "10.0.0.2");
    EXPECT_EQ(all().at("a"), kUsed);
    EXPECT_EQ(all().at("b"), kUsed);
    EXPECT_EQ(mode(), Conditions::Mode::kPanic);
    event("b", Kind::kUp, "10.0.0.2");
    EXPECT_EQ(all().at("a"), kDown);
    EXPECT_EQ(mode(), Conditions::Mode::kNormal);
}

TEST_F(ConditionsTest, PanicGoesByTheWeightOfWhatIsReady) {
    web.panic = 50;
    web.backends[0].weight = 2;
    web.backends[2].state = policy::BackendState::kDrain;
    set();
    event("b", Kind::kDown, "10.0.0.2");
    EXPECT_EQ(mode(), Conditions::Mode::kNormal) << "two of three";
    event("b", Kind::kUp, "10.0.0.2");
    event("a", Kind::kDown, "10.0.0.1");
    EXPECT_EQ(mode(), Conditions::Mode::kPanic) << "one of three";
}

TEST_F(ConditionsTest, JustSoMuchIsNoPanic) {
    web.panic = 50;
    web.backends.pop_back();
    set();
    event("a", Kind::kDown, "10.0.0.1");
    EXPECT_EQ(mode(), Conditions::Mode::kNormal);
}

TEST_F(ConditionsTest, AFallbackBackendIsUsedWhenAllOthersFail) {
    web.backends[2].fallback = true;
    set();
    event("a", Kind::kDown, "10.0.0.1");
    EXPECT_EQ(mode(), Conditions::Mode::kNormal);
    event("b", Kind::kDown, "10.0.0.2");
    EXPECT_EQ(mode(), Conditions::Mode::kFallback);
    event("c", Kind::kDown, "10.0.0.3");
    EXPECT_EQ(mode(), Conditions::Mode::kNone);
    EXPECT_EQ(all().at("c"), kDown);
}

TEST_F(ConditionsTest, SlowStartGivesItsShareBackLittleByLittle) {
    web.slow_start = 100s;
    set();
    event("a", Kind::kDown, "10.0.0.1");
    event("a", Kind::kUp, "10.0.0.1");
    EXPECT_EQ(withheld("a"), 255U);
    now += 50s;
    EXPECT_EQ(withheld("a"), 127U);
    now += 40s;
    EXPECT_EQ(withheld("a"), 25U);
    now += 10s;
    EXPECT_EQ(withheld("a"), 0U);
    EXPECT_EQ(withheld("b"), 0U);
}

TEST_F(ConditionsTest, TheFirstResultIsNoSlowStart) {
    web.slow_start = 100s;
    set();
    event("a", Kind::kUp, "10.0.0.1");
    EXPECT_EQ(all().at("a"), kUp);
}

TEST_F(ConditionsTest, SlowStartGoesOnBehindAnotherAgent) {
    web.slow_start = 100s;
    former = {{"a", kUp | 51 << FW_CONDITION_WITHHELD_SHIFT}};
    set();
    EXPECT_EQ(withheld("a"), 51U);
    now += 10s;
    EXPECT_EQ(withheld("a"), 25U);
    set();
    EXPECT_EQ(withheld("a"), 25U) << "nor does another policy begin it anew";
}

TEST_F(ConditionsTest, WithoutACheckTheConditionIsNone) {
    set();
    event("a", Kind::kDown, "10.0.0.1");
    former = {{"a", kDown}};
    for (const bool disabled : {false, true}) {
        policy::Vip before = web;
        if (disabled)
            web.enabled = false;
        else
            web.health.kind = policy::HealthKind::kNone;
        set();
        EXPECT_EQ(all().at("a"), 0U);
        EXPECT_EQ(mode(), Conditions::Mode::kNormal);
        web = before;
    }
}

TEST_F(ConditionsTest, WhatIsKnownStaysWhenAnotherPolicyHasTheSameTargets) {
    set();
    event("a", Kind::kDown, "10.0.0.1");
    event("b", Kind::kUp, "10.0.0.2");
    web.backends[0].weight = 7;
    set();
    EXPECT_EQ(all().at("a"), kDown);
    EXPECT_EQ(all().at("b"), kUp);
    event("a", Kind::kUp, "10.0.0.1");
    EXPECT_EQ(all().at("a"), kUp);
}

TEST_F(ConditionsTest, OnAnotherPortABackendStaysWhatItWasUntilItsFirstResult) {
    set();
    event("a", Kind::kDown, "10.0.0.1");
    web.health.port = 81;
    set();
    EXPECT_EQ(all().at("a"), kDown);
    EXPECT_TRUE(event("a", Kind::kUp, "10.0.0.1"));
    EXPECT_EQ(all().at("a"), kUp);
}

TEST_F(ConditionsTest, AnEventOfATargetThatIsGoneIsLeftOut) {
    set();
    web.backends.erase(web.backends.begin());
    set();
    EXPECT_FALSE(event("a", Kind::kDown, "10.0.0.1"));
    EXPECT_FALSE(all().contains("a"));
}

}  // namespace
}  // namespace fwctl::agent
