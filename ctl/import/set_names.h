// Names of sets: the kernel takes any letters, policies a-z 0-9 _ and - alone.
//
// Promises: the same name is spelt alike wherever it is imported from, so that rules of iptables find the
// sets of ipset.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fwctl::importer {

class SetNames {
public:
    // How the policy calls it. An error when it calls another one so already.
    Result<std::string> take(std::string_view original);

    // What take() has given, with the original names.
    [[nodiscard]] const std::map<std::string, std::string>& all() const { return originals_; }

private:
    std::map<std::string, std::string> originals_;
};

}  // namespace fwctl::importer
