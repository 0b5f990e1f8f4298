// Rules and packets drawn from so few values that they often meet, cover each other and say the same: for
// properties that hold for all rules.
//
// Promises: the same seed gives the same rules and packets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "generate/random.h"
#include "policy/evaluate.h"
#include "policy/model.h"

namespace fwctl::generate {

enum class Vocabulary {
    kLive,  // what a live rule can say: service, addresses, interfaces, direction; allow and deny
    kFile,  // what a rule of a file can say
};

class SmallWorld {
public:
    explicit SmallWorld(std::uint64_t seed, Vocabulary vocabulary = Vocabulary::kFile)
        : random_(seed), vocabulary_(vocabulary) {}

    // As written, not canonical.
    policy::Rule raw_rule();

    // Canonical, can match, with the name "rule 7".
    policy::Rule rule(std::size_t number);

    // Up to `most` rules, and the sets that they name.
    policy::Policy policy(std::size_t most = 12);

    // With `now` from 0 to 3. Times of members and rules are to be of the same few.
    policy::PacketView packet();

    std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
    bool chance(std::uint64_t in) { return random_.below(in) == 0; }

private:
    policy::Addresses addresses();
    std::vector<policy::Prefix> prefixes(std::uint64_t most);
    void add_file_words(policy::Rule& rule);

    Random random_;
    Vocabulary vocabulary_;
};

// The sets that rules of a small world name: one of elements, one that is filled live, one that is empty.
std::vector<policy::Set> small_sets();

// `sets` with members for the second, one of which ends at 2. They have to outlive it.
policy::Context small_context(const std::vector<policy::Set>& sets);

}  // namespace fwctl::generate
