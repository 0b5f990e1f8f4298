// What `from` and `to` hold for, as sets of numbers.
//
// Promises: each set of the policy and each list is worked out once; a block alone is sooner than it is
// found. A set holds what the policy and its files say; what was added to it live is not seen. A set that the
// policy does not have is empty.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "analyze/space.h"
#include "policy/model.h"

namespace fwctl::analyze {

// In one family. Null: nothing.
struct AddressesOfFamily {
    const Ranges* named = nullptr;    // what is said to match, but for dynamic sets
    const Ranges* allowed = nullptr;  // what is not excepted: where a member of a dynamic set matches
};

class AddressBook {
public:
    // Both have to outlive it.
    AddressBook(const Policy& policy, Space& space) : policy_(policy), space_(space) {}

    AddressesOfFamily of(const Addresses& addresses, Family family);
    // None of a dynamic set.
    const Ranges& elements(const std::string& set, Family family);
    [[nodiscard]] bool is_dynamic(const std::string& set) const;

private:
    Ranges joined(const std::vector<Prefix>& prefixes, const std::vector<std::string>& sets, Family family);
    AddressesOfFamily work_out(const Addresses& addresses, Family family);

    const Policy& policy_;
    Space& space_;
    std::map<std::pair<std::string, Family>, Ranges> elements_;
    std::map<std::pair<Addresses, Family>, AddressesOfFamily> known_;
};

}  // namespace fwctl::analyze
