#include "policy/vip_edit.h"

#include <gtest/gtest.h>

#include "read_text.h"

namespace fwctl::policy {
namespace {

using Vips = std::vector<Vip>;

Vips web() {
    return policy_of(R"([vip.web]
address = "203.0.113.10"
service = "tcp/80"
forward = "l2-dsr"
[[vip.web.backend]]
name = "web1"
address = "10.0.0.11"
[[vip.web.backend]]
name = "web2"
address = ["10.0.0.12", "2001:db8::12"]
weight = 2
)")
        .vips;
}

template <typename Value>
std::string refusal(const Result<Value>& result, Exit exit = Exit::kUsage) {
    if (result) return "no error";
    EXPECT_EQ(result.error().exit, exit);
    return result.error().message;
}

std::string refusal_of_vip(const VipWords& words, Exit exit = Exit::kUsage) {
    return refusal(vip_from_words(words), exit);
}

TEST(VipEdit, WordsSayWhatAFileSays) {
    const auto vip = vip_from_words(
        {"web", {"203.0.113.10"}, {"tcp/80"}, "l2-dsr", {"web2=10.0.0.12,2001:db8::12*2", "web1=10.0.0.11"}});
    ASSERT_TRUE(vip.has_value());
    EXPECT_EQ(Vips{*vip}, web());
    const auto several =
        vip_from_words({"a", {"192.0.2.1,2001:db8::1", "192.0.2.9"}, {"tcp/80,udp/53"}, "gue", {}});
    ASSERT_TRUE(several.has_value());
    EXPECT_EQ(several->addresses.size(), 3U);
    EXPECT_EQ(several->services.size(), 2U);
    EXPECT_EQ(several->announce, "");
    const auto announced = vip_from_words({"a", {"192.0.2.1"}, {"tcp"}, "gue", {}, "eth0"});
    ASSERT_TRUE(announced.has_value());
    EXPECT_EQ(announced->announce, "eth0");
}

TEST(VipEdit, WordsThatSayNothingAreRefused) {
    const VipWords good = {"web", {"203.0.113.10"}, {"tcp/80"}, "ipip", {}};
    VipWords bad = good;
    bad.name = "Web";
    EXPECT_EQ(refusal_of_vip(bad), "\"Web\" is not a vip's name: 1 to 63 of a-z 0-9 _ -");
    bad = good;
    bad.services = {"icmp"};
    EXPECT_EQ(refusal_of_vip(bad), "icmp is not balanced: a vip's services are of tcp, udp or sctp");
    bad = good;
    bad.forward = "dnat";
    EXPECT_EQ(refusal_of_vip(bad),
              "\"dnat\" is not a way to backends; write l2-dsr, ipip, gue, nat or full-nat");
    bad = good;
    for (const char* word : {"10.0.0.11", "web1=10.0.0.11*1*2", "web1=10.0.0.11*"}) {
        bad.backends = {word};
        EXPECT_EQ(refusal_of_vip(bad), std::string("\"") + word +
                                           "\" is not a backend; write web1=10.0.0.11 or "
                                           "web1=10.0.0.11,2001:db8::11*2");
    }
    bad.announce = "eth*";
    EXPECT_EQ(refusal_of_vip(bad), "\"eth*\" is a pattern; name one interface");
    bad.announce = "eth0";
    bad.addresses = {"2001:db8::/127"};
    EXPECT_EQ(refusal_of_vip(bad),
              "\"announce\" goes with single addresses alone, and 2001:db8::/127 is a block");
    bad = good;
    bad.backends = {"web1=10.0.0.11*65536"};
    EXPECT_EQ(refusal_of_vip(bad), "\"weight\" is a number from 0 to 65535, not 65536");
    bad.backends = {"=10.0.0.11"};
    EXPECT_EQ(refusal_of_vip(bad), "\"\" is not a backend's name: 1 to 63 of A-Z a-z 0-9 . _ -");
    bad.backends = {"web1=10.0.0.11", "web2=10.0.0.11"};
    EXPECT_EQ(refusal_of_vip(bad, Exit::kConflict),
              "backend \"web2\" of vip \"web\" has the address 10.0.0.11, as \"web1\" does");
}

TEST(VipEdit, WhatCannotBeTranslatedIsRefused) {
    VipWords words = {"web", {"203.0.113.10,2001:db8::10"}, {"sctp/80"}, "nat", {"web1=10.0.0.11"}};
    EXPECT_EQ(
        refusal_of_vip(words),
        "backend \"web1\" of vip \"web\" has no IPv6 address, and nat does not change the IP version of "
        "what is for 2001:db8::10");
    words.backends = {"web1=10.0.0.11,2001:db8::11"};
    Vips vips = {*vip_from_words(words)};
    const BackendWords with_port = {"web3", {"10.0.0.12", "2001:db8::12"}, "", "8080"};
    EXPECT_EQ(refusal(add_backend(vips, "web", *backend_from_words(with_port))),
              "backend \"web3\" of vip \"web\": \"port\" is not for sctp, whose checksum would have to be "
              "made anew "
              "over the whole packet");
    vips = web();
    EXPECT_EQ(
        refusal(add_backend(vips, "web", *backend_from_words(with_port))),
        "backend \"web3\" of vip \"web\": \"port\" goes with forward nat or full-nat alone, not with l2-dsr");
}

TEST(VipEdit, AVipThatIsThereAlready) {
    Vips vips = web();
    EXPECT_FALSE(*add_vip(vips, web().front()));
    Vip other = web().front();
    other.forward = Transport::kGue;
    EXPECT_EQ(refusal(add_vip(vips, other), Exit::kConflict), "there is a vip \"web\" already, another one");
    other.name = "www";
    EXPECT_EQ(refusal(add_vip(vips, other), Exit::kConflict),
              "vip \"www\" balances tcp/80 of 203.0.113.10, as vip \"web\" does");
    EXPECT_EQ(vips, web());
}

TEST(VipEdit, VipsAndBackendsStandInTheOrderOfTheirNames) {
    Vips vips = web();
    for (const char* name : {"zzz", "abc"}) {
        Vip other = web().front();
        other.name = name;
        other.addresses.front().address[3] = static_cast<std::uint8_t>(name[0]);
        EXPECT_TRUE(*add_vip(vips, other));
    }
    EXPECT_EQ(vips[0].name + vips[1].name + vips[2].name, "abcwebzzz");
    EXPECT_TRUE(*add_backend(vips, "web", *backend_from_words({"a", {"10.0.0.1"}, "", ""})));
    EXPECT_EQ(vips[1].backends.front().name, "a");
}

TEST(VipEdit, AskingForWhatIsSoChangesNothing) {
    Vips vips = web();
    EXPECT_FALSE(*set_backend_state(vips, {"web", "web1"}, BackendState::kReady));
    EXPECT_TRUE(*set_backend_state(vips, {"web", "web1"}, BackendState::kDrain));
    EXPECT_FALSE(*set_backend_state(vips, {"web", "web1"}, BackendState::kDrain));
    EXPECT_FALSE(*set_backend_weight(vips, {"web", "web2"}, "2"));
    EXPECT_TRUE(*set_backend_weight(vips, {"web", "web2"}, "0"));
    EXPECT_FALSE(*enable_vip(vips, "web", true));
    EXPECT_TRUE(*enable_vip(vips, "web", false));
    EXPECT_FALSE(*add_backend(vips, "web", vips[0].backends[0]));
}

TEST(VipEdit, RemovingTakesAway) {
    Vips vips = web();
    EXPECT_TRUE(remove_backend(vips, {"web", "web1"}).has_value());
    ASSERT_EQ(vips[0].backends.size(), 1U);
    EXPECT_EQ(vips[0].backends[0].name, "web2");
    EXPECT_TRUE(remove_vip(vips, "web").has_value());
    EXPECT_TRUE(vips.empty());
}

TEST(VipEdit, WhatIsNotThereIsSaidWithTheNearestName) {
    Vips vips = web();
    EXPECT_EQ(refusal(remove_vip(vips, "wbe")), "there is no vip \"wbe\"; did you mean \"web\"?");
    EXPECT_EQ(refusal(enable_vip(vips, "mail", true)), "there is no vip \"mail\"; see: fwctl vip list");
    EXPECT_EQ(refusal(remove_backend(vips, {"web", "web3"})),
              "vip \"web\" has no backend \"web3\"; did you mean \"web1\"?");
    EXPECT_EQ(refusal(set_backend_weight(vips, {"web", "mail"}, "1")),
              "vip \"web\" has no backend \"mail\"; see: fwctl vip show web");
    EXPECT_EQ(refusal(set_backend_weight(vips, {"web", "web1"}, "-1")),
              "\"weight\" is a number from 0 to 65535, not -1");
    for (const char* path : {"web", "web/", "/web1", "web/web1/x"})
        EXPECT_EQ(refusal(parse_backend_path(path)),
                  std::string("\"") + path + "\" is not a backend; write VIP/NAME, as in web/web1");
    EXPECT_EQ(vips, web());
}

TEST(VipEdit, BackendsThatCannotBeTogether) {
    Vips vips = web();
    EXPECT_EQ(refusal(add_backend(vips, "web", *backend_from_words({"web1", {"10.0.0.13"}, "", ""})),
                      Exit::kConflict),
              "vip \"web\" has a backend \"web1\" already, another one");
    EXPECT_EQ(refusal(add_backend(vips, "web", *backend_from_words({"x", {"2001:db8::12"}, "", ""})),
                      Exit::kConflict),
              "backend \"x\" of vip \"web\" has the address 2001:db8::12, as \"web2\" does");
    EXPECT_EQ(vips, web());
}

}  // namespace
}  // namespace fwctl::policy
