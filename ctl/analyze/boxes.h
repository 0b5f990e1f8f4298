// Rules as boxes in the space of packets (space.h).
//
// Promises: boxes_of() gives all packets that the rule matches and no others, as policy::matches() has it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "analyze/addresses.h"
#include "analyze/names.h"
#include "analyze/space.h"
#include "policy/model.h"

namespace fwctl::analyze {

class Translator {
public:
    // All have to outlive it. Without `names` nothing is known of which patterns of `on` hold together.
    Translator(const std::optional<NameClasses>& names, AddressBook& addresses, Space& space)
        : names_(names), addresses_(addresses), space_(space) {}

    // Empty when no packet can match.
    std::vector<Box> boxes_of(const Rule& rule);

private:
    // A box that is being made. Its kinds become a part of it when it is done.
    struct Draft {
        Kinds kinds = kAllKinds;
        Box box;
    };
    using Drafts = std::vector<Draft>;

    Drafts of_services(const std::vector<Service>& services);
    void add_whole_protocols(const std::vector<Service>& services, Drafts& drafts);
    void add_selected(const std::vector<Service>& services, Drafts& drafts);
    Drafts with_addresses(const Drafts& drafts, Dimension side, const Addresses& addresses);
    void add_family(const Draft& draft, Dimension side, const Addresses& addresses, Family family,
                    Drafts& drafts);
    Drafts with_field(const Drafts& drafts, const FieldMatch& match);
    Drafts with_interfaces(const Drafts& drafts, const std::vector<std::string>& on);

    // Adds the part of the draft that is of those kinds and has those values, unless there is none.
    void add(Draft draft, Kinds kinds, Dimension dimension, const Ranges& values, Drafts& drafts);
    Dimension unknown_member(Dimension side, const std::string& set);
    Dimension unknown_of_rule();

    const std::optional<NameClasses>& names_;
    AddressBook& addresses_;
    Space& space_;
    std::size_t unknowns_of_rules_ = 0;
};

}  // namespace fwctl::analyze
