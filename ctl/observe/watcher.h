// What happens to the network namespace that is worth telling: who was banned, and which policy was applied.
//
// Promises: no lock is taken. What was there when it began is not told. Of one set and look at most kTold
// bans are told one by one, the others as their number. Of kFollowed members, of all sets together, is known
// that they are there; a set that goes beyond that is told of by its number of bans alone. What came and went
// between two looks is not told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/current_store.h"
#include "observe/news.h"
#include "policy/model.h"

namespace fwctl::observe {

// Of one dynamic set.
struct FollowedSet {
    static constexpr std::size_t kTold = 20;

    std::optional<std::vector<policy::Prefix>> members;  // sorted; nullopt: not known
    std::uint64_t banned = 0;                            // by rules, so far

    // What has come in since the last look. `now`, in any order, becomes `members`.
    std::vector<News> note(const std::string& name, std::vector<policy::Prefix> now);
};

class Watcher {
public:
    static constexpr std::uint64_t kFollowed = 65'536;

    // From the second one on; what cannot be read is looked at again.
    std::vector<News> look();

private:
    void look_at_sets(std::vector<News>& news);
    std::vector<News> look_at_set(const engine::DynamicSet& set, FollowedSet& followed, std::uint64_t& left);
    void look_at_history(std::vector<News>& news);

    engine::CurrentStore store_;
    std::map<std::string, FollowedSet> sets_;
    std::optional<std::uint64_t> told_;  // the number of the last line of the history
};

}  // namespace fwctl::observe
