// A translated policy read back from its text.
#pragma once

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "policy/file_reader.h"
#include "policy/parse.h"

namespace fwctl::importer {

// Fails the test when the text is no policy.
inline policy::Policy read_back(const std::string& toml) {
    const policy::SnapshotReader reader({{"translated.toml", toml}});
    auto loaded = policy::load_policy("translated.toml", reader);
    if (!loaded) {
        ADD_FAILURE() << loaded.error().render() << toml;
        return {};
    }
    return std::move(loaded->policy);
}

}  // namespace fwctl::importer
