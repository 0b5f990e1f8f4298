// The options by which a rule of iptables says which packets it is about.
//
// Promises: what they mean to the kernel: a port or an ICMP type is never that of a later fragment, negated
// or not.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "import/match.h"
#include "import/set_names.h"
#include "policy/model.h"

namespace fwctl::importer {

class IptablesMatch {
public:
    IptablesMatch(policy::Family family, SetNames& sets);

    // Reads the option at words[index], with ! in front and what it takes behind, and gives the number of
    // words used.
    Result<std::size_t> read(const std::vector<std::string>& words, std::size_t index);

    // What all options that were read ask.
    [[nodiscard]] Result<Condition> finish() const;

private:
    policy::Family family_;
    SetNames& sets_;
    Condition condition_;
};

}  // namespace fwctl::importer
