// The files of the page, which the program carries.
#pragma once

#include <span>
#include <string_view>

namespace fwctl::page {

struct Asset {
    std::string_view path;
    std::string_view type;
    std::string_view text;
};

std::span<const Asset> assets();

}  // namespace fwctl::page
