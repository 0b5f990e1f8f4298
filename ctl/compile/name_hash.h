// What a tier keeps of a rule's name.
#pragma once

#include <cstdint>
#include <string_view>

namespace fwctl::compile {

// FNV-1a, 64 bits (Fowler, Noll, Vo).
inline std::uint64_t name_hash(std::string_view name) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3U;
    return hash;
}

}  // namespace fwctl::compile
