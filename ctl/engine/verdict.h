// What the programs decided, in words.
#pragma once

#include <cstdint>
#include <string_view>

#include "fwctl/abi/event.h"
#include "fwctl/abi/reason.h"
#include "policy/model.h"

namespace fwctl::engine {

struct Reason {
    std::string_view name;  // "rule-deny"
    std::string_view text;  // what it means to a person
    fw_verdict verdict = FW_PASS;
    fw_reason number = FW_REASON_COUNT;
};

// What is told of beside verdicts.
struct Happening {
    std::string_view name;  // "rule-log"
    std::string_view kind;  // "log" or "flow"
    fw_happening number = FW_FIRST_HAPPENING;
};
// nullptr: the number of an event is that of a reason.
const Happening* happening_of(std::uint8_t number);
// Then of the packet the ends alone count.
bool is_of_flow(const Happening& happening);

// "pass", "drop" or "redirect": what counters and events say. A person's word is verdict_of()'s.
std::string_view verdict_name(fw_verdict verdict);

// Bit i: reason i has the verdict.
std::uint64_t reasons_of(fw_verdict verdict);

// "in" or "out".
std::string_view direction_name(fw_direction direction);
// Of a packet, whose direction is one of the two.
fw_direction direction_of(policy::Direction direction);

// `number` is one of enum fw_reason.
const Reason& reason_of(std::uint8_t number);
bool is_reason_name(std::string_view name);

// "allow", "deny", "reject", "redirect", "synproxy" or "balance"; `rule` is the one that decided, nullptr:
// none did. `state` is an enum fw_flow_state: what the packet is to its flow.
std::string_view verdict_of(const Reason& reason, const policy::Rule* rule, std::uint8_t state,
                            bool is_for_service);

}  // namespace fwctl::engine
