#include "engine/set_changes.h"

#include <fmt/format.h>

namespace fwctl::engine {

Result<std::map<std::string, std::size_t>> lost_members(const Store& store, const policy::Policy& next) {
    std::map<std::string, std::size_t> lost;
    for (const DynamicSet& set : store.dynamic_sets()) {
        const policy::Set* stays = next.find_set(set.name);
        if (stays != nullptr && stays->dynamic) continue;
        auto count = store.members(set).count();
        if (!count) return tl::unexpected(count.error());
        lost[set.name] = *count;
    }
    return lost;
}

Status check_sizes(const Store& store, const policy::Policy& next) {
    for (const DynamicSet& set : store.dynamic_sets()) {
        const policy::Set* stays = next.find_set(set.name);
        if (stays == nullptr || !stays->dynamic || stays->size >= set.size) continue;
        // What is over may still stand there: only then is it worth the while to look.
        if (store.members(set).most() <= stays->size) continue;
        auto count = store.members(set).count();
        if (!count) return tl::unexpected(count.error());
        if (*count > stays->size)
            return fail(
                fmt::format("the set \"{0}\" has {1} members, and its size is to be {2}: each new one would "
                            "push another one out; raise the size, take members out (fwctl set del, fwctl "
                            "set flush), or add --force",
                            set.name, *count, stays->size),
                Exit::kConflict);
    }
    return {};
}

}  // namespace fwctl::engine
