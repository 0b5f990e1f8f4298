// agent: becomes fwctl-agent, which lies beside this program.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/settings.h"
#include "cli/command.h"
#include "cli/output.h"
#include "http/host.h"
#include "net/listen.h"

namespace fwctl::cli {
namespace {

constexpr const char* kAgent = "fwctl-agent";

Status check_settings(const agent::Settings& settings) {
    for (const std::string& one : settings.listen)
        if (auto endpoint = net::parse_endpoint(one); !endpoint) return tl::unexpected(endpoint.error());
    for (const std::string& one : settings.hosts)
        if (!http::is_host_name(one))
            return refuse(
                fmt::format("\"{}\" is no name of a host; --host takes letters, digits, dots and "
                            "hyphens",
                            one));
    if (!settings.socket.empty())
        if (auto path = net::check_path(settings.socket); !path) return path;
    return net::check_group(settings.group);
}

// Does not come back unless it fails.
Result<Exit> become_agent(const agent::Settings& settings, const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    if (auto good = check_settings(settings); !good) return tl::unexpected(good.error());
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return fail("cannot find the agent's program: " + error.message());
    const std::string path = self.parent_path() / kAgent;
    std::vector<std::string> words = agent::words_of(settings);
    words.insert(words.begin(), kAgent);
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    execv(path.c_str(), pointers.data());
    return fail(fmt::format("cannot run {}: {}", path, strerror(errno)));
}

}  // namespace

void add_agent(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand(
        "agent",
        "Check backends, attach interfaces that appear, keep addresses announced, tell metrics, until it is "
        "ended");
    auto settings = std::make_shared<agent::Settings>();
    verb->add_option("--listen", settings->listen, "Tell metrics by TCP, too: 127.0.0.1:9105, [::1]:9105")
        ->allow_extra_args(false)
        ->option_text("ADDRESS:PORT");
    verb->add_option("--host", settings->hosts,
                     "What a request by TCP may call this host, beside its address")
        ->allow_extra_args(false)
        ->option_text("NAME");
    verb->add_option("--socket", settings->socket,
                     "Where the socket for metrics is; without it "
                     "/run/fwctl/agent.sock")
        ->option_text("PATH");
    verb->add_option("--group", settings->group, "The group that may use the socket, beside root")
        ->option_text("NAME");
    verb->callback([settings, &command] {
        command.run = [settings, &command] { return become_agent(*settings, command.globals); };
    });
}

}  // namespace fwctl::cli
