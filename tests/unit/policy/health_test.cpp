#include "policy/health.h"

#include <gtest/gtest.h>

#include <string>

#include "policy/schema.h"
#include "policy/service.h"

namespace fwctl::policy {
namespace {

using Names = std::vector<std::string_view>;
using std::chrono::milliseconds;

TEST(Health, KnowsWhichKeysAKindHas) {
    EXPECT_EQ(kinds_with("http"), Names{"http"});
    EXPECT_EQ(kinds_with("status"), (Names{"http", "https"}));
    EXPECT_EQ(kinds_with("host"), (Names{"http", "https"}));
    EXPECT_EQ(kinds_with("body"), (Names{"http", "https"}));
    EXPECT_EQ(kinds_with("answer"), Names{"udp"});
    EXPECT_EQ(kinds_with("port"), (Names{"tcp", "http", "https", "udp", "exec"}));
    for (const char* key : {"every", "timeout", "rise", "fall"}) {
        EXPECT_EQ(kinds_with(key).size(), health_kinds().size()) << key;
    }
}

TEST(Health, HasARowInTheSchemaForEachKind) {
    for (const auto& [name, kind] : health_kinds()) {
        EXPECT_NE(find_key(health_keys(), name), nullptr) << name;
        EXPECT_NE(kind, HealthKind::kNone) << name;
    }
}

std::uint16_t port_of(const std::vector<std::string>& services, std::uint16_t port) {
    Vip vip;
    vip.health.port = port;
    for (const std::string& service : services) vip.services.push_back(parse_service(service).value());
    return checked_port(vip, {});
}

TEST(Health, AsksItsOwnPortOrTheLowestOfTheServices) {
    EXPECT_EQ(port_of({"tcp/443", "udp/80-90"}, 8080), 8080);
    EXPECT_EQ(port_of({"tcp", "tcp/443", "udp/80-90"}, 0), 80);
    EXPECT_EQ(port_of({"tcp", "sctp"}, 0), 0);
}

TEST(Health, HasOneFormForAllThatSayTheSame) {
    Health health;
    health.kind = HealthKind::kHttp;
    health.statuses = {{301, 302}, {200, 200}, {204, 299}, {201, 203}, {250, 260}};
    health.every = milliseconds(400);
    health.timeout = milliseconds(1000);
    const Health one = canonical(health);
    EXPECT_EQ(one.statuses, (std::vector<Range>{{200, 299}, {301, 302}}));
    EXPECT_EQ(one.timeout, milliseconds(400));
    EXPECT_EQ(canonical(one), one);
    health.statuses.clear();
    EXPECT_EQ(canonical(health).statuses, (std::vector<Range>{{200, 399}}));
    health.kind = HealthKind::kNone;
    EXPECT_EQ(canonical(health), Health{});
}

}  // namespace
}  // namespace fwctl::policy
