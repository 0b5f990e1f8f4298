// The maps that all attachments of a network namespace share: ARCHITECTURE.md says what is in each.
//
// Promises: pinned ones stay until their pins and programs are gone; those of make() are gone with their last
// descriptor, however the process ends.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "base/result.h"
#include "kernel/bpffs.h"
#include "kernel/map.h"

struct bpf_map;

namespace fwctl::kernel {

struct SharedMaps {
    static constexpr std::array kNames = {
        "control",       "policy",         "pages",          "sets",       "set_pages",   "members",
        "routes",        "devices",        "answers",        "flow_pages", "flow_counts", "placed_pages",
        "nat_flows",     "service_states", "backend_counts", "conditions", "checks",      "fragment_ways",
        "rule_counters", "rule_bases",     "buckets",        "listeners",  "event_rings", "capture_rooms",
        "talker_tables", "events_lost",    "attachments"};
    // By the names above, in their order.
    using Descriptors = std::array<std::pair<const char*, int>, kNames.size()>;

    // By their pins, all of which are there.
    static Result<SharedMaps> open(const StatePaths& paths);
    // New ones without pins.
    static Result<SharedMaps> make();

    Map control;
    Map policy;
    Map pages;
    Map sets;
    Map set_pages;
    Map members;
    Map routes;
    Map devices;
    Map answers;
    Map flow_pages;
    Map flow_counts;
    Map placed_pages;
    Map nat_flows;
    Map service_states;
    Map backend_counts;
    Map conditions;
    Map checks;
    Map fragment_ways;
    Map rule_counters;
    Map rule_bases;
    Map buckets;
    Map listeners;
    Map event_rings;
    Map capture_rooms;
    Map talker_tables;
    Map events_lost;
    Map attachments;
};

// Gives a map of an object its pin, whether that is there or is to be made.
Status set_pin(bpf_map* map, const std::string& path);

// Makes the maps and their pins; those that exist stay.
Status create_shared_maps(const StatePaths& paths);

}  // namespace fwctl::kernel
