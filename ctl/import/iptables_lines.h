// The output of iptables-save in its parts: tables, chains with their policies, rules as words.
//
// Promises: reads what iptables-save, ip6tables-save and their -nft and -legacy forms write, several of them
// behind each other; anything else is an error with its place.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::importer {

struct IptablesRule {
    std::size_t line = 0;
    std::string chain;
    std::string text;                // without counters
    std::vector<std::string> words;  // behind the chain; quotes are taken off
};

struct IptablesChain {
    std::string name;
    std::optional<bool> drops;  // the policy of a built-in chain; absent: a user's chain
};

struct IptablesTable {
    std::string name;
    policy::Family family = policy::Family::kIpv4;
    std::vector<IptablesChain> chains;
    std::vector<IptablesRule> rules;
};

// `family`: of all tables; absent: see import.h.
Result<std::vector<IptablesTable>> read_iptables(std::string_view text, std::string_view file_name,
                                                 std::optional<policy::Family> family);

// The words of a line as iptables-save quotes them; an error when a quote does not end.
Result<std::vector<std::string>> split_words(std::string_view line);

}  // namespace fwctl::importer
