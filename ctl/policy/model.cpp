#include "policy/model.h"

#include <algorithm>
#include <tuple>

namespace fwctl::policy {

bool Policy::operator==(const Policy& other) const {
    const auto content = [](const Policy& policy) {
        return std::tie(policy.defaults, policy.conntrack, policy.disabled_builtins, policy.attachments,
                        policy.sets, policy.rules, policy.routes, policy.vips, policy.decapsulate,
                        policy.tests);
    };
    return content(*this) == content(other);
}

const Set* Policy::find_set(const std::string& name) const {
    const auto row =
        std::lower_bound(sets.begin(), sets.end(), name,
                         [](const Set& set, const std::string& wanted) { return set.name < wanted; });
    return row == sets.end() || row->name != name ? nullptr : &*row;
}

}  // namespace fwctl::policy
