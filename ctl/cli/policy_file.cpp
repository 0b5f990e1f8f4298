#include "cli/policy_file.h"

#include <fmt/format.h>

#include <cstdio>
#include <numeric>
#include <vector>

#include "cli/output.h"
#include "policy/file_reader.h"

namespace fwctl::cli {

std::optional<policy::Loaded> read_policy_file(const std::string& path, const Globals& globals) {
    const policy::DiskReader disk;
    auto loaded = policy::load_policy(path, disk);
    if (!loaded) {
        const std::size_t mistakes = loaded.error().errors();
        fmt::print(stderr, "{}", loaded.error().render());
        print_error(fmt::format("{} mistake{} in {}; nothing changed", mistakes, mistakes == 1 ? "" : "s",
                                path == "-" ? "the policy" : path),
                    globals);
        return std::nullopt;
    }
    return std::move(*loaded);
}

std::optional<policy::Loaded> load_policy_file(const std::string& path, const Globals& globals) {
    auto loaded = read_policy_file(path, globals);
    if (loaded && !globals.quiet) fmt::print(stderr, "{}", loaded->warnings.render());
    return loaded;
}

std::string describe_size(const policy::Policy& policy) {
    const auto counted = [](std::size_t count, const char* what) {
        return fmt::format("{} {}{}", with_commas(count), what, count == 1 ? "" : "s");
    };
    std::vector<std::string> parts = {counted(policy.rules.size(), "rule")};
    if (!policy.sets.empty()) {
        const std::size_t elements = std::accumulate(
            policy.sets.begin(), policy.sets.end(), std::size_t{0},
            [](std::size_t sum, const policy::Set& set) { return sum + set.elements.size(); });
        parts.push_back(counted(policy.sets.size(), "set") + " with " + counted(elements, "element"));
    }
    if (!policy.routes.empty()) parts.push_back(counted(policy.routes.size(), "route"));
    if (!policy.vips.empty()) {
        const std::size_t backends = std::accumulate(
            policy.vips.begin(), policy.vips.end(), std::size_t{0},
            [](std::size_t sum, const policy::Vip& vip) { return sum + vip.backends.size(); });
        parts.push_back(counted(policy.vips.size(), "vip") + " with " + counted(backends, "backend"));
    }
    if (!policy.tests.empty()) parts.push_back(counted(policy.tests.size(), "test"));
    return join(parts, ", ");
}

}  // namespace fwctl::cli
