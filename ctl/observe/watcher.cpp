#include "observe/watcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/library.h"
#include "policy/prefix.h"

namespace fwctl::observe {
namespace {

News ban_of(const std::string& set, const std::string& member) {
    return {Priority::kNotice,
            "ban",
            fmt::format("set {}: {} is a member now", set, member),
            {{"SET", set}, {"MEMBER", member}}};
}

News bans_of(const std::string& set, std::uint64_t count, const char* more) {
    return {Priority::kNotice,
            "bans",
            fmt::format("set {}: {} {}members are new", set, count, more),
            {{"SET", set}, {"COUNT", std::to_string(count)}}};
}

News applied(const engine::Applied& line) {
    return {Priority::kNotice,
            "policy",
            fmt::format("{} of {} by {}: {} rules, number {} of the history", line.what, line.path, line.who,
                        line.rules, line.number),
            {{"WHAT", line.what},
             {"PATH", line.path},
             {"WHO", line.who},
             {"HISTORY", std::to_string(line.number)},
             {"POLICY", line.snapshot}}};
}

}  // namespace

std::vector<News> FollowedSet::note(const std::string& name, std::vector<policy::Prefix> now) {
    std::sort(now.begin(), now.end());
    // While a set is moved to another table, some are met twice.
    now.erase(std::unique(now.begin(), now.end()), now.end());
    std::vector<policy::Prefix> fresh;
    if (members)
        std::set_difference(now.begin(), now.end(), members->begin(), members->end(),
                            std::back_inserter(fresh));
    std::vector<News> news;
    for (std::size_t i = 0; i < std::min(kTold, fresh.size()); ++i)
        news.push_back(ban_of(name, policy::format_prefix(fresh[i])));
    if (fresh.size() > kTold) news.push_back(bans_of(name, fresh.size() - kTold, "more "));
    members = std::move(now);
    return news;
}

// `left`: how many members may still be known of.
std::vector<News> Watcher::look_at_set(const engine::DynamicSet& set, FollowedSet& followed,
                                       std::uint64_t& left) {
    const engine::SetMembers members = store_->members(set);
    const std::uint64_t banned_before =
        std::exchange(followed.banned, store_->set_tables().set(set.number).put);
    const std::uint64_t most = members.most();
    if (most > left) {
        followed.members.reset();
        if (followed.banned == banned_before) return {};
        return {bans_of(set.name, followed.banned - banned_before, "")};
    }
    left -= most;
    std::vector<policy::Prefix> now;
    if (most > 0) {
        const auto listed = members.list();
        if (!listed) return {};
        now.reserve(listed->size());
        for (const engine::Member& member : *listed) now.push_back(member.prefix);
    }
    return followed.note(set.name, std::move(now));
}

void Watcher::look_at_sets(std::vector<News>& news) {
    std::map<std::string, FollowedSet> before = std::exchange(sets_, {});
    std::uint64_t left = kFollowed;
    for (const engine::DynamicSet& set : store_->dynamic_sets()) {
        auto known = before.extract(set.name);
        const bool is_new = known.empty();
        FollowedSet followed = is_new ? FollowedSet() : std::move(known.mapped());
        std::vector<News> fresh = look_at_set(set, followed, left);
        if (!is_new) std::move(fresh.begin(), fresh.end(), std::back_inserter(news));
        sets_.emplace(set.name, std::move(followed));
    }
}

void Watcher::look_at_history(std::vector<News>& news) {
    const auto library = engine::Library::open();
    if (!library) return;
    const auto history = library->history();
    if (!history) return;
    if (told_)
        for (const engine::Applied& line : *history)
            if (line.number > *told_) news.push_back(applied(line));
    told_ = history->empty() ? 0 : history->back().number;
}

std::vector<News> Watcher::look() {
    std::vector<News> news;
    const auto found = store_.find();
    if (!found || *found) sets_.clear();
    look_at_history(news);
    if (found) look_at_sets(news);
    return news;
}

}  // namespace fwctl::observe
