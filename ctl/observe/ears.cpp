#include "observe/ears.h"

#include <utility>

namespace fwctl::observe {

Result<TalkerEars> TalkerEars::open() {
    engine::CurrentStore store;
    if (auto found = store.find(); !found) return tl::unexpected(found.error());
    auto talkers = engine::Talkers::open(*store);
    if (!talkers) return tl::unexpected(talkers.error());
    return TalkerEars(std::move(store), std::move(*talkers));
}

// The wait for packets that are under way belongs to the next time.
Result<TalkerRates> TalkerEars::look() {
    const Clock::time_point now = Clock::now();
    if (!store_.is_there()) return fail("nothing is attached any more", Exit::kNotAttached);
    auto list = talkers_->look();
    if (!list) return tl::unexpected(list.error());
    const std::chrono::duration<double> time = now - std::exchange(since_, now);
    return TalkerRates{std::move(*list), time.count()};
}

}  // namespace fwctl::observe
