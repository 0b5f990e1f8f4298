// Loaded programs, as the kernel describes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace fwctl::kernel {

struct ProgramInfo {
    std::uint32_t id = 0;
    std::string name;
    std::vector<std::uint32_t> map_ids;

    // A program is of one state when it reads that state's map: pins and names may lie, this does not.
    [[nodiscard]] bool uses_map(std::uint32_t map_id) const;
};

Result<Fd> open_program(std::uint32_t id);
Result<ProgramInfo> program_info(int fd);
Result<ProgramInfo> program_info_of(std::uint32_t id);

// Every loaded program that uses the map, attached or not.
std::vector<ProgramInfo> programs_using(std::uint32_t map_id);

}  // namespace fwctl::kernel
