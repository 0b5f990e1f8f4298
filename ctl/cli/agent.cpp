// agent and page: become fwctl-agent and fwctl-page, which lie beside this program.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/server_settings.h"
#include "cli/command.h"
#include "cli/output.h"
#include "engine/agent_lock.h"
#include "http/host.h"
#include "net/listen.h"

namespace fwctl::cli {
namespace {

constexpr const char* kAgent = "fwctl-agent";
constexpr const char* kPage = "fwctl-page";
constexpr const char* kPageAddress = "127.0.0.1:9180";

Status check_settings(const ServerSettings& settings) {
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
Result<Exit> become(const char* program, const ServerSettings& settings, const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    if (auto good = check_settings(settings); !good) return tl::unexpected(good.error());
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return fail("cannot find the program: " + error.message());
    const std::string path = self.parent_path() / program;
    std::vector<std::string> words = settings.words();
    words.insert(words.begin(), program);
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    execv(path.c_str(), pointers.data());
    return fail(fmt::format("cannot run {}: {}", path, strerror(errno)));
}

// The socket is looked up here, in the network namespace that was entered.
Result<Exit> become_page(ServerSettings settings, const Globals& globals) {
    if (settings.listen.empty()) settings.listen.emplace_back(kPageAddress);
    if (settings.socket.empty()) {
        auto socket = engine::agent_socket();
        if (!socket) return tl::unexpected(socket.error());
        settings.socket = std::move(*socket);
    }
    return become(kPage, settings, globals);
}

void add_page(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand(
        "page", "Serve a page for browsers that shows what the agent tells, until it is ended");
    auto settings = std::make_shared<ServerSettings>();
    verb->add_option("--listen", settings->listen, "Where; without it 127.0.0.1:9180")
        ->allow_extra_args(false)
        ->option_text("ADDRESS:PORT");
    verb->add_option("--host", settings->hosts, "What a request may call this host, beside its address")
        ->allow_extra_args(false)
        ->option_text("NAME");
    verb->add_option("--socket", settings->socket,
                     "Where the agent's socket is; without it /run/fwctl/agent.sock")
        ->option_text("PATH");
    verb->callback([settings, &command] {
        command.needs_privilege = false;
        command.run = [settings, &command] { return become_page(*settings, command.globals); };
    });
}

}  // namespace

void add_agent(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand(
        "agent",
        "Check backends, attach interfaces that appear, keep addresses announced, tell metrics, until it is "
        "ended");
    auto settings = std::make_shared<ServerSettings>();
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
        command.run = [settings, &command] { return become(kAgent, *settings, command.globals); };
    });
    add_page(app, command);
}

}  // namespace fwctl::cli
