#include "http/settings.h"

#include <gtest/gtest.h>

namespace fwctl::http {
namespace {

TEST(SettingsTest, WhatIsHandedOverIsWhatWasMeant) {
    const Settings settings = {"/run/a=b.sock", "prometheus", {"127.0.0.1:9105", "[::1]:9105"}, {"fw1"}};
    const auto words = words_of(settings);
    std::vector<const char*> pointers;
    for (const std::string& word : words) pointers.push_back(word.c_str());
    EXPECT_EQ(settings_of(pointers), settings);
    EXPECT_EQ(settings_of({}), Settings());
}

}  // namespace
}  // namespace fwctl::http
