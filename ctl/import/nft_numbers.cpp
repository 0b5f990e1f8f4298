#include "import/nft_numbers.h"

#include <fmt/format.h>

namespace fwctl::importer {

namespace {

Result<Numbers> span_of(const Json& value, NftType type) {
    const Json* range = member(value, "range");
    const bool is_range = range != nullptr && range->is_array() && range->size() == 2;
    const auto first = word_of(is_range ? (*range)[0] : value);
    const auto last = word_of(is_range ? (*range)[1] : value);
    if (!first || !last) {
        return fail(fmt::format("`{}` is not understood", dump(value)));
    }
    const auto from = nft_value(type, *first);
    const auto to = nft_value(type, *last);
    if (!from || !to) {
        return tl::unexpected<Error>(from ? to.error() : from.error());
    }
    return *from <= *to ? Numbers::between(*from, *to) : Numbers();
}

}  // namespace

Result<std::vector<Json>> nft_values(const NftQuestion& question) {
    const Json& right = question.right();
    const Json* list = member(right, "set");
    const std::string word = right.is_string() ? right.get<std::string>() : "";
    if (word.substr(0, 1) == "@") {
        const NftSet* set = question.sets.find(question.table.family, question.table.name, word.substr(1));
        if (set == nullptr || set->is_filled_live) {
            return fail(
                fmt::format("the set {} is not one of addresses, and is filled live", word.substr(1)));
        }
        list = set->elements;
    }
    if (list == nullptr || !list->is_array()) {
        return std::vector<Json>{right};
    }
    std::vector<Json> values;
    for (const Json& element : *list) {
        values.push_back(nft_element(element));
    }
    return values;
}

Result<Numbers> nft_compare(const std::string& op, const Numbers& values, Number largest) {
    if (op == "==" || op == "in") {
        return values.both(Numbers::between(0, largest));
    }
    if (op == "!=") {
        return values.outside(largest);
    }
    if (values.spans().size() != 1) {
        return fail(fmt::format("the comparison `{}` is not understood", op));
    }
    const Number value = values.spans().front().first;
    const Numbers below = value == 0 ? Numbers() : Numbers::between(0, value - 1);
    if (op == "<" || op == ">=") {
        return op == "<" ? below.both(Numbers::between(0, largest)) : below.outside(largest);
    }
    if (op == "<=" || op == ">") {
        const Numbers upto = Numbers::between(0, value);
        return op == "<=" ? upto.both(Numbers::between(0, largest)) : upto.outside(largest);
    }
    return fail(fmt::format("the comparison `{}` is not understood", op));
}

Result<Numbers> nft_numbers(const NftQuestion& question, NftType type, Number largest) {
    const auto values = nft_values(question);
    if (!values) {
        return tl::unexpected<Error>(values.error());
    }
    Numbers numbers;
    for (const Json& value : *values) {
        auto span = span_of(value, type);
        if (!span) {
            return span;
        }
        numbers = numbers.either(*span);
    }
    return nft_compare(question.op, numbers, largest);
}

std::optional<std::uint8_t> nft_bits(NftType type, const Json& value) {
    const Json* list = member(value, "|");
    list = list == nullptr && value.is_array() ? &value : list;
    std::uint64_t bits = 0;
    for (const Json& flag : list == nullptr ? Json::array({value}) : *list) {
        const auto word = word_of(flag);
        const auto bit = word ? nft_value(type, *word) : fail("");
        const auto inner = bit || list == nullptr ? std::nullopt : nft_bits(type, flag);
        if ((!bit && !inner) || (bit && *bit > 255)) {
            return std::nullopt;
        }
        bits |= bit ? *bit : *inner;
    }
    return static_cast<std::uint8_t>(bits);
}

}  // namespace fwctl::importer
