#include "base/server_settings.h"

#include <gtest/gtest.h>

namespace fwctl {
namespace {

TEST(ServerSettingsTest, WhatIsHandedOverIsWhatWasMeant) {
    const ServerSettings settings = {
        "/run/a=b.sock", "prometheus", {"127.0.0.1:9105", "[::1]:9105"}, {"fw1"}};
    const auto words = settings.words();
    std::vector<const char*> pointers;
    for (const std::string& word : words) pointers.push_back(word.c_str());
    EXPECT_EQ(ServerSettings::of(pointers), settings);
    EXPECT_EQ(ServerSettings::of({}), ServerSettings());
}

}  // namespace
}  // namespace fwctl
