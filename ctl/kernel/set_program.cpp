#include "kernel/set_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <unistd.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "kernel/bpffs.h"
#include "kernel/helper_program.h"
#include "skeleton/fwctl_sets.skel.h"

namespace fwctl::kernel {

namespace {

constexpr const char* kRequests = "set_requests";
constexpr std::string_view kPin = "set-program-";
constexpr std::string_view kSetProgram = "the program of sets";

std::string_view elf() {
    std::size_t size = 0;
    const void* bytes = fwctl_sets__elf_bytes(&size);
    return {static_cast<const char*>(bytes), size};
}

// Tells one build of the program from another.
std::uint32_t build() {
    std::uint32_t hash = 2166136261U;  // FNV-1a
    for (const char byte : elf()) hash = (hash ^ static_cast<unsigned char>(byte)) * 16777619U;
    return hash;
}

Result<ObjectPointer> load_object(const Map& sets, const Map& set_pages) {
    const std::array shared = {SharedMap{"sets", &sets}, SharedMap{"set_pages", &set_pages}};
    return load_helper(elf(), shared, kSetProgram);
}

void remove_pins(const std::string& directory) {
    for (const std::string& name : list_directory(directory))
        if (name.starts_with(kPin)) unlink((directory + "/" + name).c_str());
}

}  // namespace

Result<SetProgram> SetProgram::of(Fd program, Fd requests) {
    auto map = Map::of(std::move(requests));
    if (!map) return tl::unexpected(map.error());
    auto mapping = Mapping::of(*map, FW_MAX_SET_REQUESTS * sizeof(fw_set_request));
    if (!mapping) return tl::unexpected(mapping.error());
    SetProgram made;
    made.requests_ = std::move(*mapping);
    made.program_ = std::move(program);
    return made;
}

Result<SetProgram> SetProgram::load(const Map& sets, const Map& set_pages) {
    auto object = load_object(sets, set_pages);
    if (!object) return tl::unexpected(object.error());
    const bpf_program* program = bpf_object__find_program_by_name(object->get(), "fwctl_sets");
    return of(duplicate(bpf_program__fd(program)),
              duplicate(bpf_object__find_map_fd_by_name(object->get(), kRequests)));
}

// The program is pinned last: where it is, its requests are.
Result<SetProgram> SetProgram::open(const Map& sets, const Map& set_pages, const std::string& directory) {
    const std::string program_pin = fmt::format("{}/{}{:08x}", directory, kPin, build());
    const std::string requests_pin = program_pin + "-requests";
    Fd program(bpf_obj_get(program_pin.c_str()));
    Fd requests(bpf_obj_get(requests_pin.c_str()));
    if (program && requests) return of(std::move(program), std::move(requests));
    remove_pins(directory);
    auto object = load_object(sets, set_pages);
    if (!object) return tl::unexpected(object.error());
    program = duplicate(bpf_program__fd(bpf_object__find_program_by_name(object->get(), "fwctl_sets")));
    requests = duplicate(bpf_object__find_map_fd_by_name(object->get(), kRequests));
    // Without pins it works as well, and is loaded again.
    if (bpf_obj_pin(requests.get(), requests_pin.c_str()) == 0)
        (void)bpf_obj_pin(program.get(), program_pin.c_str());
    return of(std::move(program), std::move(requests));
}

std::span<fw_set_request> SetProgram::requests() const {
    return {reinterpret_cast<fw_set_request*>(requests_.data()), FW_MAX_SET_REQUESTS};
}

Result<fw_set_job> SetProgram::run(fw_set_job job) const {
    if (auto run = run_helper(program_, job, kSetProgram); !run) return tl::unexpected(run.error());
    return job;
}

}  // namespace fwctl::kernel
