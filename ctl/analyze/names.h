// The patterns of `on`, told apart: which of them can hold for one packet together.
//
// A packet passes a device, and carries its name and that of its attachment. All the names that match the
// same patterns are one to a policy; there are few such classes, and each is numbered.
//
// Promises: every packet is in a class. A device's name is any of 1 to 15 letters (the kernel's IFNAMSIZ -
// 1). With `[attach.wan] device = "eth*"` the packets of eth0 are taken to be in the class of "eth0" alone,
// of "wan" alone or of both; other attachments have their device's name. nullopt when the patterns are so
// entangled that telling them apart is not worth it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analyze/ranges.h"
#include "policy/model.h"

namespace fwctl::analyze {

struct NameClasses {
    std::size_t count = 0;
    std::map<std::string, Ranges> of_pattern;  // the classes that each pattern of a rule matches
};

// Expects rules whose `on` passes check_interface().
std::optional<NameClasses> name_classes(const std::vector<const policy::Rule*>& rules,
                                        const std::vector<policy::Attach>& attachments);

}  // namespace fwctl::analyze
