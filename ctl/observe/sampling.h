// Which packets are shown of those that come faster than anybody reads: a few in each second, of every kind.
//
// Promises: pure. Of one kind there are never more than leave as much room for the others, so that a flood
// does not hide what is rare. What is not shown is counted, or estimated where programs tell of a part alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace fwctl::observe {

class Sampling {
public:
    static constexpr std::size_t kShown = 20;      // in a second, at most
    static constexpr std::uint64_t kHeard = 5000;  // in a second, if packets come evenly

    // Of so many packets programs tell of one.
    explicit Sampling(std::uint32_t one_of = 1) : one_of_(one_of) {}

    // Whether this one is shown; `kind`: what is told apart.
    bool takes(std::uint64_t kind);

    [[nodiscard]] std::uint32_t one_of() const { return one_of_; }
    // Packets that were told of, or were `lost` on the way, but for those shown.
    [[nodiscard]] std::uint64_t more(std::uint64_t lost) const;
    // For the next second, if that is like this one.
    [[nodiscard]] Sampling next(std::uint64_t lost) const;

private:
    std::uint32_t one_of_;
    std::uint64_t heard_ = 0;
    std::size_t shown_ = 0;
    std::map<std::uint64_t, std::size_t> by_kind_;  // kShown at most
};

}  // namespace fwctl::observe
