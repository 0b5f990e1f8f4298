// Policies with the shape of real ones, of any size.
//
// Promises: the same arguments give the same policy; 100,000 rules in about a second. Rules are canonical,
// can match, have origin kFile and the names "rule 1" and so on; sets and attachments are those that they
// name. Narrow rules mostly stand before wide ones, as people write them, so that most rules have packets of
// their own to decide; duplicates, covered rules and overlaps are there on purpose.
#pragma once

#include <cstddef>
#include <cstdint>

#include "policy/evaluate.h"
#include "policy/model.h"

namespace fwctl::generate {

// After the filter sets of ClassBench (Taylor and Turner, INFOCOM 2005).
enum class Mix {
    kAcl,       // most rules name source and destination, blocks within blocks; few ports
    kFirewall,  // many wildcards; port ranges; more protocols
    kWildcard,  // hardly any addresses: ports and other fields decide
};

enum class Detail {
    kFiveTuple,  // one block, range and protocol each, allow and deny: what others' measurements have
    kStatic,     // the whole language, but for:
    kFull,       // sets that are filled live
};

policy::Policy generate_policy(Mix mix, std::size_t count, std::uint64_t seed, Detail detail = Detail::kFull);

// The policy's sets, with members for the dynamic ones. Times are around `now`: some
// are over. `now` is above 0; the policy has to outlive the result.
policy::Context generate_context(const policy::Policy& policy, std::uint64_t seed, std::uint64_t now);

}  // namespace fwctl::generate
