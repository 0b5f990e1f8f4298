// How attachments take part in a generation: which of the places that rules name each of them is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compile/bank.h"
#include "compile/places.h"
#include "fwctl/abi/policy.h"

namespace fwctl::compile {

// An attachment as the policy sees it.
struct Attachment {
    std::uint32_t slot = 0;
    std::vector<std::string> names;  // of the attachment and of its device
};

// Enables the attachments in `generation`. The bits of all tiers go to the bank of the front, so that an
// interface can come or go without a change to the main one.
void put_attachments(Bank& front, const std::vector<Attachment>& attachments, const Places& front_places,
                     const Places& main_places, fw_generation& generation);

}  // namespace fwctl::compile
