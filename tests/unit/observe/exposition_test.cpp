#include "observe/exposition.h"

#include <gtest/gtest.h>

namespace fwctl::observe {
namespace {

TEST(ExpositionTest, AMetricHasItsHeadOnceAndItsSamplesBehindIt) {
    Exposition text;
    text.metric("fwctl_packets_total", MetricKind::kCounter, "Packets.");
    text.sample(18'446'744'073'709'551'615U, {{"interface", "eth0"}, {"reason", "rule-deny"}});
    text.sample(0, {{"interface", "eth1"}, {"reason", "rule-deny"}});
    text.metric("fwctl_attached", MetricKind::kGauge, "Whether.");
    text.sample(1);
    EXPECT_EQ(text.take(),
              "# HELP fwctl_packets_total Packets.\n"
              "# TYPE fwctl_packets_total counter\n"
              "fwctl_packets_total{interface=\"eth0\",reason=\"rule-deny\"} 18446744073709551615\n"
              "fwctl_packets_total{interface=\"eth1\",reason=\"rule-deny\"} 0\n"
              "# HELP fwctl_attached Whether.\n"
              "# TYPE fwctl_attached gauge\n"
              "fwctl_attached 1\n");
}

TEST(ExpositionTest, AMetricWithoutSamplesIsLeftOut) {
    Exposition text;
    text.metric("fwctl_backend_up", MetricKind::kGauge, "Up.");
    text.metric("fwctl_attached", MetricKind::kGauge, "Whether.");
    text.sample(0);
    EXPECT_EQ(text.take(), "# HELP fwctl_attached Whether.\n# TYPE fwctl_attached gauge\nfwctl_attached 0\n");
}

TEST(ExpositionTest, NoNameEndsItsLine) {
    Exposition text;
    text.metric("fwctl_rule_packets_total", MetricKind::kCounter, "A \"quoted\" \\ and\na second line.");
    text.sample(1, {{"rule", "a\"} 7\nfwctl_attached 1 \\"}});
    EXPECT_EQ(text.take(),
              "# HELP fwctl_rule_packets_total A \"quoted\" \\\\ and\\na second line.\n"
              "# TYPE fwctl_rule_packets_total counter\n"
              "fwctl_rule_packets_total{rule=\"a\\\"} 7\\nfwctl_attached 1 \\\\\"} 1\n");
}

TEST(ExpositionTest, AHistogramHasItsParts) {
    Exposition text;
    text.metric("fwctl_health_check_duration_seconds", MetricKind::kHistogram, "How long.");
    text.part("_bucket", 1, {{"le", "0.1"}});
    text.part("_bucket", 2, {{"le", "+Inf"}});
    text.part_seconds("_sum", 1.25);
    text.part("_count", 2);
    EXPECT_EQ(text.take(),
              "# HELP fwctl_health_check_duration_seconds How long.\n"
              "# TYPE fwctl_health_check_duration_seconds histogram\n"
              "fwctl_health_check_duration_seconds_bucket{le=\"0.1\"} 1\n"
              "fwctl_health_check_duration_seconds_bucket{le=\"+Inf\"} 2\n"
              "fwctl_health_check_duration_seconds_sum 1.25\n"
              "fwctl_health_check_duration_seconds_count 2\n");
}

}  // namespace
}  // namespace fwctl::observe
