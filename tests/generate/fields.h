// What rules say of services and of the numbers in field.h: values that real rules have, and their edges.
#pragma once

#include <cstdint>
#include <vector>

#include "generate/random.h"
#include "policy/model.h"

namespace fwctl::generate {

// A range of ports: a single one, one that rules often have, or any.
policy::Range random_ports(Random& random);

// Of a rule for packets of these families; `family_bound` as the protocol asks.
policy::Service random_service(policy::Family family, unsigned any_port, unsigned port_range, Random& random);

// A match that a packet of these services can meet; the services have to be of one kind.
policy::FieldMatch random_field(const std::vector<policy::Service>& services, Random& random);

}  // namespace fwctl::generate
