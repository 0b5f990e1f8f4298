// One rule after the other for generate_policy().
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "generate/networks.h"
#include "generate/policy.h"
#include "generate/random.h"
#include "policy/model.h"

namespace fwctl::generate {

// How many rules in a hundred are so.
struct Habits {
    unsigned any_source = 0;
    unsigned any_destination = 0;
    unsigned hosts = 0;  // of the blocks
    unsigned any_service = 0;
    unsigned any_port = 0;    // of the services
    unsigned port_range = 0;  // of those with a port
    unsigned source_port = 0;
    unsigned fields = 0;
};
Habits habits_of(Mix mix);

class RuleMaker {
public:
    // For a policy of `count` rules.
    RuleMaker(Mix mix, Detail detail, std::size_t count, const Networks& networks,
              std::vector<std::string> sets, Random& random);

    // Canonical, can match, without a name.
    policy::Rule make();

    // Like that one, and not quite: the same with another action, wider, narrower, or moved a little.
    policy::Rule vary(const policy::Rule& rule);

private:
    // What one rule's addresses are of.
    enum class Families { kIpv4, kIpv6, kBoth };

    policy::Rule draw();
    policy::Rule draw_variation(policy::Rule rule);
    void draw_action(policy::Rule& rule);
    policy::Action draw_file_action();
    policy::Addresses addresses(Families families, unsigned any);
    std::vector<policy::Prefix> blocks(Families families);
    std::vector<policy::Service> services(Families families);
    std::vector<policy::FieldMatch> fields(const policy::Rule& rule);
    policy::Family family(Families families);

    Habits habits_;
    Detail detail_;
    std::size_t count_;
    const Networks& networks_;
    std::vector<std::string> sets_;
    Random& random_;
    bool opens_;  // whether there are rules that hold for all packets of a protocol
};

}  // namespace fwctl::generate
