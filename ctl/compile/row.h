// From a rule to its rows: one for each service, with the conditions that it asks beside.
//
// Promises: a row says everything of the rule but its addresses, which the caller fills in.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "compile/bank.h"
#include "fwctl/abi/image.h"
#include "policy/model.h"

namespace fwctl::compile {

// What has to hold of a dynamic set.
struct Membership {
    std::uint8_t side = 0;  // enum fw_side
    std::uint32_t set = 0;
    bool negated = false;
};

// Lists of conditions, each different one written once.
class Conditions {
public:
    explicit Conditions(Bank& bank) : bank_(bank) {}

    // 0: the rule asks nothing of the kind.
    Result<Address> put(const policy::Rule& rule, const policy::Service& service,
                        const std::vector<Membership>& memberships);

private:
    Bank& bank_;
    std::map<std::string, Address> known_;  // by their bytes
};

// The row of one service; priority, counters and addresses are not set.
fw_row row_of(const policy::Rule& rule, const policy::Service& service);

}  // namespace fwctl::compile
