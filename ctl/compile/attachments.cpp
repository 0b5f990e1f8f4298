#include "compile/attachments.h"

#include <array>
#include <map>

namespace fwctl::compile {

void put_attachments(Bank& front, const std::vector<Attachment>& attachments, const Places& front_places,
                     const Places& main_places, fw_generation& generation) {
    const std::array<const Places*, FW_TIERS> places = {&front_places, &main_places};
    std::map<std::vector<std::uint32_t>, Address> known;
    for (const Attachment& attachment : attachments) {
        fw_attachment_policy& here = generation.attachments[attachment.slot];
        here.enabled = 1;
        for (std::size_t tier = 0; tier < FW_TIERS; ++tier) {
            for (const fw_direction direction : {FW_IN, FW_OUT}) {
                const std::vector<std::uint32_t> bits = places[tier]->bits(attachment.names, direction);
                const auto [entry, is_new] = known.try_emplace(bits, 0);
                if (is_new) {
                    entry->second = front.reserve(bits.size(), 1);
                    for (std::size_t i = 0; i < bits.size(); ++i)
                        front[entry->second + static_cast<Address>(i)] = bits[i];
                }
                here.where[tier][direction] = entry->second;
            }
        }
    }
}

}  // namespace fwctl::compile
