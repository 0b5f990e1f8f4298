#include "compile/outputs.h"

#include <algorithm>

namespace fwctl::compile {

Outputs Outputs::parse(std::string_view text) {
    Outputs outputs;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (!line.empty()) outputs.names_.emplace_back(line);
    }
    return outputs;
}

std::uint32_t Outputs::number_of(const std::string& interface) {
    if (interface.empty()) return 0;
    auto found = std::find(names_.begin(), names_.end(), interface);
    if (found == names_.end()) found = names_.insert(found, interface);
    return static_cast<std::uint32_t>(found - names_.begin()) + 1;
}

// A line for each. Interface names have no blanks.
std::string Outputs::text() const {
    std::string text;
    for (const std::string& name : names_) text += name + '\n';
    return text;
}

}  // namespace fwctl::compile
