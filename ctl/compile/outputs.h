// The interfaces that rules and routes send to: each name once, as a number of fw_generation.outputs.
//
// Promises: number 0 is none. text() and parse() are each other's inverse, so that fwctl can look the names
// up anew when interfaces come and go, without the policy's own text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fwctl::compile {

class Outputs {
public:
    static Outputs parse(std::string_view text);

    std::uint32_t number_of(const std::string& interface);

    // Name i has number i + 1.
    [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
    [[nodiscard]] std::string text() const;

private:
    std::vector<std::string> names_;
};

}  // namespace fwctl::compile
