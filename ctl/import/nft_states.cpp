#include "import/nft_states.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "import/conditions.h"

namespace fwctl::importer {

namespace {

using policy::FlowState;

struct Bit {
    std::string_view name;
    FlowState state;
};
constexpr std::array kNftStateBits = {Bit{"invalid", FlowState::kInvalid},
                                      Bit{"established", FlowState::kEstablished},
                                      Bit{"related", FlowState::kRelated}, Bit{"new", FlowState::kNew},
                                      Bit{"untracked", FlowState::kUntracked}};

// nullopt: there is no such comparison.
std::optional<bool> holds(std::string_view op, unsigned value, unsigned wanted) {
    if (op == "in" || op == "!") {
        return ((value & wanted) != 0) == (op == "in");
    }
    if (op == "==" || op == "!=") {
        return (value == wanted) == (op == "==");
    }
    if (op == "<" || op == ">=") {
        return (value < wanted) == (op == "<");
    }
    if (op == ">" || op == "<=") {
        return (value > wanted) == (op == ">");
    }
    return std::nullopt;
}

bool is_set(const Json& right) {
    return right.contains("set") || (right.is_string() && right.get<std::string>().substr(0, 1) == "@");
}

// The values on the right, each with its bits.
Result<std::vector<unsigned>> wanted_bits(const NftQuestion& question) {
    const auto values = nft_values(question);
    if (!values) {
        return tl::unexpected<Error>(values.error());
    }
    std::vector<unsigned> list;
    for (const Json& value : *values) {
        const auto bits = nft_bits(NftType::kCtState, value);
        if (!bits) {
            return fail(fmt::format("`{}` is not understood", dump(value)));
        }
        list.push_back(*bits);
    }
    return list;
}

}  // namespace

Result<Condition> nft_states(const NftQuestion& question, const Json* mask) {
    const auto wanted = wanted_bits(question);
    const auto masked =
        mask == nullptr ? std::optional<std::uint8_t>(255) : nft_bits(NftType::kCtState, *mask);
    if (!wanted || !masked) {
        return wanted ? fail("the mask is not understood") : tl::unexpected<Error>(wanted.error());
    }
    const bool in_set = is_set(question.right());
    if (!holds(question.op, 0, 0) ||
        (in_set ? question.op != "==" && question.op != "!=" && question.op != "in" : wanted->size() != 1)) {
        return fail(fmt::format("the comparison `{}` is not understood", question.op));
    }
    Numbers states;
    for (const Bit& bit : kNftStateBits) {
        const unsigned value = static_cast<unsigned>(*nft_value(NftType::kCtState, bit.name)) & *masked;
        const bool is_there = std::find(wanted->begin(), wanted->end(), value) != wanted->end();
        if (in_set ? is_there != (question.op == "!=") : *holds(question.op, value, wanted->front())) {
            states = states.either(Numbers::one(static_cast<Number>(bit.state)));
        }
    }
    return Condition{of_ip_number(Axis::kState, states)};
}

}  // namespace fwctl::importer
