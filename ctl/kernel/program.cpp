#include "kernel/program.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fwctl::kernel {

bool ProgramInfo::uses_map(std::uint32_t map_id) const {
    return std::find(map_ids.begin(), map_ids.end(), map_id) != map_ids.end();
}

Result<Fd> open_program(std::uint32_t id) {
    Fd fd(bpf_prog_get_fd_by_id(id));
    if (!fd) return fail(fmt::format("cannot open the program with id {}: {}", id, strerror(errno)));
    return fd;
}

Result<ProgramInfo> program_info(int fd) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0)
        return fail(fmt::format("cannot ask about a program: {}", strerror(errno)));
    ProgramInfo program;
    program.id = info.id;
    program.name = info.name;
    program.map_ids.resize(info.nr_map_ids);

    bpf_prog_info again{};
    again.nr_map_ids = info.nr_map_ids;
    again.map_ids = reinterpret_cast<std::uint64_t>(program.map_ids.data());
    if (bpf_obj_get_info_by_fd(fd, &again, &size) != 0)
        return fail(fmt::format("cannot ask about a program's maps: {}", strerror(errno)));
    return program;
}

Result<ProgramInfo> program_info_of(std::uint32_t id) {
    auto fd = open_program(id);
    if (!fd) return tl::unexpected(fd.error());
    return program_info(fd->get());
}

std::vector<ProgramInfo> programs_using(std::uint32_t map_id) {
    std::vector<ProgramInfo> programs;
    for (std::uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
        auto info = program_info_of(id);  // gone meanwhile: not of interest
        if (info && info->uses_map(map_id)) programs.push_back(std::move(*info));
    }
    return programs;
}

}  // namespace fwctl::kernel
