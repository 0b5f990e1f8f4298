#include "observe/ears.h"

#include <utility>

#include "engine/session.h"

namespace fwctl::observe {

Result<TalkerEars> TalkerEars::open() {
    auto peeked = engine::open_to_peek();
    if (!peeked) return tl::unexpected(peeked.error());
    if (!*peeked) return fail("nothing is attached; start with: fwctl attach IF", Exit::kNotAttached);
    auto store = std::make_unique<engine::Store>(std::move(**peeked));
    const auto directory = kernel::inode_of(store->paths().directory);
    if (!directory) return fail("nothing is attached any more", Exit::kNotAttached);
    auto talkers = engine::Talkers::open(*store);
    if (!talkers) return tl::unexpected(talkers.error());
    return TalkerEars(std::move(store), *directory, std::move(*talkers));
}

// The wait for packets that are under way belongs to the next time.
Result<TalkerRates> TalkerEars::look() {
    const Clock::time_point now = Clock::now();
    if (kernel::inode_of(store_->paths().directory) != directory_)
        return fail("nothing is attached any more", Exit::kNotAttached);
    auto list = talkers_->look();
    if (!list) return tl::unexpected(list.error());
    const std::chrono::duration<double> time = now - std::exchange(since_, now);
    return TalkerRates{std::move(*list), time.count()};
}

}  // namespace fwctl::observe
