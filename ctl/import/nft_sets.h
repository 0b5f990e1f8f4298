// The named sets of nftables: of addresses they become sets of the policy, of anything else they are written
// out where a rule asks for them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "import/nft_json.h"
#include "import/report.h"
#include "import/set_names.h"

namespace fwctl::importer {

struct NftSet {
    std::string type;                // "ipv4_addr", or "" when it is none that is known here
    bool is_filled_live = false;     // by rules, or with members that expire
    std::string policy_name;         // of addresses alone
    const Json* elements = nullptr;  // an array; nullptr: there are none
};

class NftSets {
public:
    // Points into `set`.
    void add(const Json& set);

    [[nodiscard]] const NftSet* find(std::string_view family, std::string_view table,
                                     std::string_view name) const;

    // Those that the policy gets.
    [[nodiscard]] std::vector<ImportedSet> sets() const { return imported_; }

private:
    std::map<std::string, NftSet> sets_;
    std::vector<ImportedSet> imported_;
    SetNames names_;
};

// What an element says beside its timeout, counter and comment.
const Json& nft_element(const Json& element);

}  // namespace fwctl::importer
