#include "import/nft_addresses.h"

#include <fmt/format.h>

#include "import/conditions.h"

namespace fwctl::importer {

namespace {

Result<Block> read_block(const Json& value) {
    if (const Json* prefix = member(value, "prefix")) {
        const Json* length = member(*prefix, "len");
        const auto word = length == nullptr ? std::nullopt : word_of(*length);
        return parse_block(fmt::format("{}/{}", text_of(*prefix, "addr"), word.value_or("")));
    }
    const Json* range = member(value, "range");
    if (range != nullptr && range->is_array() && range->size() == 2) {
        return parse_span(word_of((*range)[0]).value_or(""), word_of((*range)[1]).value_or(""));
    }
    if (const auto word = word_of(value)) {
        return parse_block(*word);
    }
    return fail(fmt::format("`{}` is not an address", dump(value)));
}

}  // namespace

Result<Numbers> nft_block(const Json& value, policy::Family family) {
    auto block = read_block(value);
    if (!block) {
        return tl::unexpected<Error>(block.error());
    }
    if (block->family != family) {
        return fail(fmt::format("`{}` is of the other IP version", dump(value)));
    }
    return block->addresses;
}

}  // namespace fwctl::importer
