#include "policy/vip_merge.h"

#include <gtest/gtest.h>

#include "policy/prefix.h"

namespace fwctl::policy {
namespace {

using Vips = std::vector<Vip>;
using Texts = std::vector<std::string>;

Backend backend(const std::string& name, std::uint16_t weight = 1,
                BackendState state = BackendState::kReady) {
    Backend made;
    made.name = name;
    made.addresses = {*parse_prefix("10.0.0." + name.substr(1))};
    made.weight = weight;
    made.state = state;
    return made;
}

Vip vip(const std::string& name, std::vector<Backend> backends) {
    Vip made;
    made.name = name;
    made.addresses = {*parse_prefix("203.0.113.10")};
    made.backends = std::move(backends);
    return made;
}

Vip disabled(Vip vip) {
    vip.enabled = false;
    return vip;
}

Vip by_ipip(Vip vip) {
    vip.forward = Transport::kIpip;
    return vip;
}

// What holds then, and what became of each live edit.
void expect_merge(const Vips& before, const Vips& live, const Vips& after, const Vips& merged,
                  const Texts& kept, const Texts& absorbed, const Texts& overruled) {
    const MergedVips done = merge_vips(before, live, after);
    EXPECT_EQ(done.vips, merged);
    EXPECT_EQ(texts_of(done.kept), kept);
    EXPECT_EQ(texts_of(done.absorbed), absorbed);
    EXPECT_EQ(texts_of(done.overruled), overruled);
}

// One thing in three versions that all differ.
void expect_each_way(const Vips& before, const Vips& live, const Vips& other, const std::string& edit) {
    expect_merge(before, before, before, before, {}, {}, {});
    expect_merge(before, before, other, other, {}, {}, {});
    expect_merge(before, live, before, live, {edit}, {}, {});
    expect_merge(before, live, live, live, {}, {edit}, {});
    expect_merge(before, live, other, other, {}, {}, {edit});
}

TEST(VipMerge, WeightOfABackend) {
    expect_each_way({vip("web", {backend("b1")})}, {vip("web", {backend("b1", 2)})},
                    {vip("web", {backend("b1", 3)})}, "web/b1: weight 2");
}

TEST(VipMerge, StateOfABackend) {
    expect_each_way({vip("web", {backend("b1")})}, {vip("web", {backend("b1", 1, BackendState::kDrain)})},
                    {vip("web", {backend("b1", 1, BackendState::kMaint)})}, "web/b1: state drain");
}

TEST(VipMerge, AddressOfABackend) {
    Backend moved = backend("b1");
    moved.addresses = {*parse_prefix("10.0.0.8")};
    Backend other = backend("b1");
    other.addresses = {*parse_prefix("10.0.0.9")};
    expect_each_way({vip("web", {backend("b1")})}, {vip("web", {moved})}, {vip("web", {other})},
                    "web/b1: address 10.0.0.8");
}

TEST(VipMerge, ABackendThatWasAdded) {
    expect_each_way({vip("web", {})}, {vip("web", {backend("b1")})}, {vip("web", {backend("b1", 2)})},
                    "web/b1: added");
}

TEST(VipMerge, ABackendThatWasRemoved) {
    expect_each_way({vip("web", {backend("b1")})}, {vip("web", {})}, {vip("web", {backend("b1", 2)})},
                    "web/b1: removed");
}

TEST(VipMerge, ABackendThatThePolicyHasNoMore) {
    const Vips gone = {vip("web", {})};
    expect_merge({vip("web", {backend("b1")})}, {vip("web", {backend("b1", 2)})}, gone, gone, {}, {},
                 {"web/b1: changed"});
}

TEST(VipMerge, AVipThatWasAdded) {
    expect_each_way({}, {vip("web", {backend("b1")})}, {vip("web", {backend("b2")})}, "web: added");
}

TEST(VipMerge, AVipThatWasRemoved) {
    expect_each_way({vip("web", {backend("b1")})}, {}, {vip("web", {backend("b2")})}, "web: removed");
}

TEST(VipMerge, AVipThatThePolicyHasNoMore) {
    expect_merge({vip("web", {})}, {disabled(vip("web", {}))}, {}, {}, {}, {}, {"web: changed"});
}

TEST(VipMerge, AVipThatWasDisabledOrEnabled) {
    const Vips enabled = {vip("web", {})};
    const Vips off = {disabled(vip("web", {}))};
    expect_merge(enabled, off, enabled, off, {"web: disabled"}, {}, {});
    expect_merge(enabled, off, off, off, {}, {"web: disabled"}, {});
    expect_merge(off, enabled, off, enabled, {"web: enabled"}, {}, {});
}

// Another vip of the name: removed, and added.
TEST(VipMerge, SettingsOfAVip) {
    Vip other = vip("web", {});
    other.forward = Transport::kGue;
    expect_each_way({vip("web", {})}, {by_ipip(vip("web", {}))}, {other}, "web: settings");
}

// A vip that was made anew live asks for no connection ids, and its backends have no server ids then: the
// text of both has to be read again.
TEST(VipMerge, ServerIdsStayWithWhatAsksForThem) {
    const auto quic = [](std::uint8_t id, bool asks = true) {
        Vip made = vip("web", {backend("b1")});
        if (asks) {
            made.quic = {{0}, 1};
            made.backends[0].server_ids = {{id}};
        }
        return Vips{made};
    };
    const Vips none = quic(0, false);
    expect_merge(quic(1), none, quic(2), none, {"web: settings"}, {}, {});
    expect_merge(quic(1), quic(1), quic(2), quic(2), {}, {}, {});
    Vips heavier = quic(1);
    heavier[0].backends[0].weight = 2;
    Vips renamed = quic(2);
    renamed[0].backends[0].weight = 2;
    expect_merge(quic(1), heavier, quic(2), renamed, {"web/b1: weight 2"}, {}, {});
}

TEST(VipMerge, WhereAVipIsAnnounced) {
    Vip announced = vip("web", {});
    announced.announce = "eth0";
    Vip elsewhere = announced;
    elsewhere.announce = "eth1";
    expect_each_way({vip("web", {})}, {announced}, {elsewhere}, "web: settings");
    expect_merge({announced}, {disabled(announced)}, {elsewhere}, {disabled(elsewhere)}, {"web: disabled"},
                 {}, {});
}

TEST(VipMerge, EditsOfDifferentThingsMeetInOneVip) {
    const Vips before = {vip("web", {backend("b1"), backend("b2"), backend("b3")})};
    const Vips live = {
        disabled(vip("web", {backend("b1", 5), backend("b2", 1, BackendState::kDrain), backend("b4")}))};
    const Vips after = {by_ipip(vip(
        "web", {backend("b1", 1, BackendState::kMaint), backend("b2", 7), backend("b3"), backend("b5")}))};
    const Vips merged = {disabled(
        by_ipip(vip("web", {backend("b1", 5, BackendState::kMaint), backend("b2", 7, BackendState::kDrain),
                            backend("b4"), backend("b5")})))};
    expect_merge(
        before, live, after, merged,
        {"web: disabled", "web/b1: weight 5", "web/b2: state drain", "web/b3: removed", "web/b4: added"}, {},
        {});
}

TEST(VipMerge, OtherVipsAreAsThePolicySays) {
    const Vips before = {vip("a", {}), vip("b", {backend("b1")}), vip("c", {})};
    const Vips live = {vip("a", {}), vip("b", {backend("b1", 2)}), vip("c", {}), vip("e", {})};
    const Vips after = {vip("b", {backend("b1")}), vip("c", {backend("b3")}), vip("d", {})};
    expect_merge(before, live, after,
                 {vip("b", {backend("b1", 2)}), vip("c", {backend("b3")}), vip("d", {}), vip("e", {})},
                 {"b/b1: weight 2", "e: added"}, {}, {});
}

// What is exported is what runs: applied, it takes all edits in.
TEST(VipMerge, WhatRunsIsWhatComesOfApplyingIt) {
    const Vips before = {vip("a", {}), vip("b", {backend("b1"), backend("b2")})};
    const Vips live = {vip("b", {backend("b1", 2)}), vip("c", {})};
    expect_merge(before, live, live, live, {}, {"a: removed", "b/b1: weight 2", "b/b2: removed", "c: added"},
                 {});
}

}  // namespace
}  // namespace fwctl::policy
