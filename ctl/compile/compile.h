// From the policy to the bytes that the programs read.
//
// Promises: pure and deterministic; the order of the rules is the order of the matches; an error when the
// policy is larger than the maps, never a part of it. What is written where is in include/fwctl/abi/policy.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "fwctl/abi/policy.h"
#include "policy/model.h"

namespace fwctl::compile {

// An attachment as the policy sees it.
struct Attachment {
    std::uint32_t slot = 0;
    std::string name;
};

// `rules` in the order in which they are asked, built-in ones first; `counters` holds the index in
// rule_counters of each.
struct Input {
    std::vector<policy::Rule> rules;
    std::vector<std::uint16_t> counters;
    std::vector<Attachment> attachments;
};

// An entry of the prefix trie; the half in the key is the writer's to set.
struct PrefixEntry {
    fw_prefix_key key{};
    fw_match_set matches{};
};

struct Image {
    std::unique_ptr<fw_generation> generation;
    std::vector<PrefixEntry> prefixes;
};

Result<Image> compile(const Input& input);

}  // namespace fwctl::compile
