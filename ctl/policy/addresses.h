// What `from` and `to` say: read, written, compared.
//
//     192.0.2.1  192.0.2.0/24  2001:db8::/32      an address or a block
//     192.0.2.10-192.0.2.20                       a range, kept as the blocks that make it
//     @admins                                     the members of a set
//     !192.0.2.1  !@partners                      but not these
//
// Promises: words and add_address() are each other's inverse for reduced Addresses. covers() never says true
// wrongly.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

// Set names are 1 to 63 of a-z 0-9 _ -.
Status check_set_name(std::string_view name);

// Appends the blocks that an address, block or range names.
Status append_prefixes(std::vector<Prefix>& prefixes, std::string_view word);

// Reads one word.
Status add_address(Addresses& addresses, std::string_view word);

std::vector<std::string> prefix_words(const std::vector<Prefix>& prefixes);
std::vector<std::string> address_words(const Addresses& addresses);

// Each list sorted, without duplicates and what another entry covers.
void reduce(Addresses& addresses);

// Whether some address of that family can match, as far as can be told without knowing the sets.
bool admits(const Addresses& addresses, Family family);

// Whether every packet that `inner` matches is matched by `outer`; both reduced.
bool covers(const Addresses& outer, const Addresses& inner);

}  // namespace fwctl::policy
