// Policies from texts in tests.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "policy/parse.h"

namespace fwctl::policy {

inline LoadResult load(const std::string& text) {
    return load_policy("p.toml", SnapshotReader({Source{"p.toml", text}}));
}

// `version` is written before it, in line 1.
inline std::string errors_of(const std::string& text) {
    const LoadResult loaded = load("version = 1\n" + text);
    return loaded ? "no error" : loaded.error().render();
}

inline Policy policy_of(const std::string& text) {
    const LoadResult loaded = load("version = 1\n" + text);
    EXPECT_TRUE(loaded.has_value()) << loaded.error().render();
    return loaded->policy;
}

}  // namespace fwctl::policy
