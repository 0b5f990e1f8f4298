// Live edits of balanced services and a policy that is applied: a merge of three.
//
// Promises: pure. What nobody edited live is as the new policy says it. A live edit stays, unless the new
// policy says the same, or something else than the one before: then the new one holds. Edits are told apart
// by what they are of: a vip or a backend that is there or not, whether a vip is enabled, the address, weight
// and state of a backend, all other settings of a vip together.
#pragma once

#include <string>
#include <vector>

#include "policy/model.h"

namespace fwctl::policy {

// A live edit: of a vip, or of a backend of it.
struct VipEdit {
    std::string vip;
    std::string backend;  // empty: of the vip itself
    std::string what;     // "added", "removed", "state drain", "disabled" …
    bool operator==(const VipEdit&) const = default;

    [[nodiscard]] std::string text() const;  // "web/web1: state drain"
};

std::vector<std::string> texts_of(const std::vector<VipEdit>& edits);

struct MergedVips {
    std::vector<Vip> vips;
    std::vector<VipEdit> kept;
    std::vector<VipEdit> absorbed;   // the new policy says the same
    std::vector<VipEdit> overruled;  // it says something else than before
};

// All are sorted by name, as is the result. `before`: of the policy that was applied; `live`: as they run.
// What merged vips cannot be together is the caller's to ask: check_together().
MergedVips merge_vips(const std::vector<Vip>& before, const std::vector<Vip>& live,
                      const std::vector<Vip>& after);

}  // namespace fwctl::policy
