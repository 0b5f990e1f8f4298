#include "analyze/sample.h"

#include <algorithm>

namespace fwctl::analyze {

Number any_of(const Ranges& values, Dice& dice) {
    const Span& span = values.spans()[dice() % values.size()];
    const std::uint64_t choice = dice();
    const Number size_less_one = span.last - span.first;
    if (choice % 4 < 2 || size_less_one == 0) {
        return choice % 4 == 0 ? span.first : span.last;
    }
    const Number number = Number{dice()} << 64U | dice();
    return span.first + (size_less_one == ~Number{0} ? number : number % (size_less_one + 1));
}

bool holds(const Box& box, const Packet& packet) {
    // From behind: the long lists are in front.
    return std::all_of(box.rbegin(), box.rend(),
                       [&](const Part& part) { return part.values->contains(packet[part.dimension]); });
}

Sampler::Sampler(const Space& space, const Box& box) : space_(space), box_(box) {
    for (const Box& kind : space.packets()) {
        if (intersect(kind, box)) {
            kinds_.push_back(&kind);
        }
    }
}

Packet Sampler::draw(Dice& dice) const {
    const Box& kind = *kinds_[dice() % kinds_.size()];
    Packet packet(space_.dimensions());
    auto of_box = box_.begin();
    auto of_kind = kind.begin();
    for (Dimension dimension = 0; dimension < packet.size(); ++dimension) {
        const bool in_box = of_box != box_.end() && of_box->dimension == dimension;
        const bool in_kind = of_kind != kind.end() && of_kind->dimension == dimension;
        if (in_box && in_kind) {
            packet[dimension] = any_of(of_box->values->intersected(*of_kind->values), dice);
        } else {
            packet[dimension] = any_of(in_box    ? *of_box->values
                                       : in_kind ? *of_kind->values
                                                 : *space_.everything(dimension),
                                       dice);
        }
        of_box += in_box ? 1 : 0;
        of_kind += in_kind ? 1 : 0;
    }
    return packet;
}

}  // namespace fwctl::analyze
