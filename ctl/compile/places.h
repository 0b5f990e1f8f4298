// Where rules hold: each different pair of direction and interfaces once, as a bit of `where`.
//
// Promises: number 0 is everywhere. text() and parse() are each other's inverse, so that fwctl can tell for
// an interface that is attached later which bits it has, without the policy's own text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fwctl/abi/packet.h"
#include "policy/model.h"

namespace fwctl::compile {

class Places {
public:
    static Places parse(std::string_view text);

    std::uint32_t number_of(policy::Direction direction, const std::vector<std::string>& on);

    [[nodiscard]] std::size_t size() const { return places_.size() + 1; }
    [[nodiscard]] std::string text() const;

    // The bits that hold at an attachment that goes by these names, 32 in a word.
    [[nodiscard]] std::vector<std::uint32_t> bits(const std::vector<std::string>& names,
                                                  fw_direction direction) const;

private:
    using Place = std::pair<policy::Direction, std::vector<std::string>>;

    std::map<Place, std::uint32_t> numbers_;
    std::vector<Place> places_;
};

}  // namespace fwctl::compile
