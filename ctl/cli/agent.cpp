// agent: becomes fwctl-agent, which lies beside this program.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "cli/command.h"

namespace fwctl::cli {
namespace {

constexpr const char* kAgent = "fwctl-agent";

// Does not come back unless it fails.
Result<Exit> become_agent() {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return fail("cannot find the agent's program: " + error.message());
    const std::string path = self.parent_path() / kAgent;
    execl(path.c_str(), kAgent, nullptr);
    return fail(fmt::format("cannot run {}: {}", path, strerror(errno)));
}

}  // namespace

void add_agent(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand(
        "agent",
        "Check backends, attach interfaces that appear, keep addresses announced, until it is ended");
    verb->callback([&command] { command.run = become_agent; });
}

}  // namespace fwctl::cli
