#include "analyze/addresses.h"

#include <algorithm>
#include <cstddef>

#include "policy/prefix.h"

namespace fwctl::analyze {

namespace {

Span span_of(const Prefix& prefix) {
    const unsigned bits = policy::address_bits(prefix.family);
    Number first = 0;
    for (std::size_t i = 0; i < bits / 8; ++i) {
        first = first << 8U | prefix.address[i];
    }
    const unsigned free = bits - prefix.length;
    const Number size_less_one = free == 128 ? ~Number{0} : (Number{1} << free) - 1;
    return {first, first | size_less_one};
}

void append(const std::vector<Prefix>& prefixes, Family family, std::vector<Span>& spans) {
    for (const Prefix& prefix : prefixes) {
        if (prefix.family == family) {
            spans.push_back(span_of(prefix));
        }
    }
}

}  // namespace

const Ranges& AddressBook::elements(const std::string& set, Family family) {
    const auto [row, is_new] = elements_.try_emplace({set, family});
    const Set* known = is_new ? policy_.find_set(set) : nullptr;
    if (known != nullptr) {
        std::vector<Span> spans;
        append(known->elements, family, spans);
        row->second = Ranges(std::move(spans));
    }
    return row->second;
}

bool AddressBook::is_dynamic(const std::string& set) const {
    const Set* known = policy_.find_set(set);
    return known != nullptr && known->dynamic;
}

Ranges AddressBook::joined(const std::vector<Prefix>& prefixes, const std::vector<std::string>& sets,
                           Family family) {
    if (prefixes.empty() && sets.size() == 1) {
        return elements(sets.front(), family);
    }
    std::vector<Span> spans;
    append(prefixes, family, spans);
    for (const std::string& set : sets) {
        const auto& of_set = elements(set, family).spans();
        spans.insert(spans.end(), of_set.begin(), of_set.end());
    }
    return Ranges(std::move(spans));
}

AddressesOfFamily AddressBook::work_out(const Addresses& addresses, Family family) {
    const auto kept_unless_empty = [this](Ranges ranges) {
        return ranges.empty() ? nullptr : space_.keep(std::move(ranges));
    };
    const Ranges& every = *space_.every_address(family);
    const Ranges excepted = joined(addresses.except, addresses.except_sets, family);
    const bool says_what = !addresses.prefixes.empty() || !addresses.sets.empty();
    Ranges named = says_what ? joined(addresses.prefixes, addresses.sets, family) : every;
    if (!excepted.empty()) {
        named = named.without(excepted);
    }
    return {kept_unless_empty(std::move(named)), kept_unless_empty(every.without(excepted))};
}

AddressesOfFamily AddressBook::of(const Addresses& addresses, Family family) {
    const bool is_block = addresses.prefixes.size() == 1 && addresses.sets.empty() &&
                          addresses.except.empty() && addresses.except_sets.empty();
    if (is_block) {
        return work_out(addresses, family);
    }
    const auto [row, is_new] = known_.try_emplace({addresses, family});
    if (is_new) {
        row->second = work_out(addresses, family);
    }
    return row->second;
}

}  // namespace fwctl::analyze
