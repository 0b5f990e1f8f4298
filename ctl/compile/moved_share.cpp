#include "compile/moved_share.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "compile/services.h"

namespace fwctl::compile {
namespace {

// By slot the backend; nullptr: nobody.
using Owners = std::vector<const policy::Backend*>;

Result<Owners> owners_of(const policy::Vip& vip) {
    Numbers numbers;
    if (auto assigned = numbers.assign({&vip, 1}); !assigned) return tl::unexpected(assigned.error());
    std::map<std::uint16_t, const policy::Backend*> by_number = {{0, nullptr}};
    for (const policy::Backend& backend : vip.backends)
        by_number[numbers.backend(vip.name, backend.name)] = &backend;
    Owners owners;
    for (const std::uint16_t number : ring_of(vip, numbers)) owners.push_back(by_number[number]);
    return owners;
}

bool is_same(const policy::Backend* one, const policy::Backend* other) {
    if (one == nullptr || other == nullptr) return one == other;
    return one->name == other->name && one->addresses == other->addresses;
}

}  // namespace

// A flow's slot is its hash times the number of slots, without the lower half: slot s of n has the hashes
// from s/n to (s+1)/n. Counted in parts of 1/(n*m), so that both rings have whole numbers of them.
Result<double> moved_share(const policy::Vip& before, const policy::Vip& after) {
    auto one = owners_of(before);
    if (!one) return tl::unexpected(one.error());
    auto other = owners_of(after);
    if (!other) return tl::unexpected(other.error());
    const std::uint64_t n = one->size();
    const std::uint64_t m = other->size();
    std::uint64_t moved = 0;
    for (std::uint64_t at = 0; at < n * m;) {
        const std::uint64_t slot = at / m;
        const std::uint64_t other_slot = at / n;
        const std::uint64_t end = std::min((slot + 1) * m, (other_slot + 1) * n);
        if (!is_same((*one)[slot], (*other)[other_slot])) moved += end - at;
        at = end;
    }
    return static_cast<double>(moved) / (static_cast<double>(n) * static_cast<double>(m));
}

}  // namespace fwctl::compile
