#include "cli/reason_words.h"

#include "engine/verdict.h"

namespace fwctl::cli {

const Bits& bits_of_reasons() {
    static const Bits bits = [] {
        Bits all;
        for (std::uint8_t i = 0; i < FW_REASON_COUNT; ++i)
            all[std::string(engine::reason_of(i).name)] = std::uint64_t{1} << i;
        return all;
    }();
    return bits;
}

const Bits& bits_of_verdicts() {
    static const Bits bits = [] {
        Bits all{{"any", std::uint64_t{FW_REASONS_MASK}}};
        for (const fw_verdict verdict : {FW_PASS, FW_DROP, FW_REDIRECT})
            all[std::string(engine::verdict_name(verdict))] = engine::reasons_of(verdict);
        return all;
    }();
    return bits;
}

std::vector<std::string> names_of(const Bits& bits) {
    std::vector<std::string> names;
    for (const auto& one : bits) names.push_back(one.first);
    return names;
}

}  // namespace fwctl::cli
