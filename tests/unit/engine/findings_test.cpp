#include "engine/findings.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>

#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

AttachmentStatus attached(const char* name) {
    AttachmentStatus status;
    std::strncpy(status.attachment.record.name, name, sizeof(status.attachment.record.name) - 1);
    return status;
}

TEST(FindingsTest, NothingIsWrongWithNothing) {
    Overview overview;
    overview.attachments = {attached("eth0")};
    EXPECT_TRUE(findings_of(overview).empty());
}

TEST(FindingsTest, WhatIsBadAndWhatIsWorthANote) {
    Overview overview;
    overview.attachments = {attached("eth0"), attached("eth1")};
    overview.attachments[0].warnings = {"what goes out is not filtered"};
    overview.attachments[1].broken = "eth1 is gone";
    overview.unanswered = {{"web", "eth2", "203.0.113.1", "there is no such interface"}};
    overview.unattached = {{"dns", "eth3", {3, false, {203, 0, 113, 53}}}};
    overview.lost_ways = {{"web", "b1", policy::parse_prefix("10.2.0.1").value(), {1, {10, 2, 0, 9}}}};
    std::vector<std::pair<bool, std::string>> found;
    for (const Finding& one : findings_of(overview)) found.emplace_back(one.is_bad, one.text);
    const std::vector<std::pair<bool, std::string>> expected = {
        {false, "eth0: what goes out is not filtered"},
        {true, "eth1 is gone"},
        {true,
         "vip web: 203.0.113.1 is to be announced on eth2, and is not there: there is no such interface"},
        {false,
         "vip dns: 203.0.113.53 is announced on eth3, where what comes in is not balanced: fwctl attach "
         "eth3"},
        {true,
         "vip web: backend b1 is sent to from 10.2.0.9, which is no address of this host any more; "
         "fwctl agent mends that, or fwctl apply"}};
    EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace fwctl::engine
