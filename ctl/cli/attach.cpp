#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/show.h"
#include "engine/attach.h"
#include "engine/status.h"
#include "net/interface.h"
#include "policy/rule.h"

namespace fwctl::cli {
namespace {

struct AttachOptions {
    engine::AttachRequest request;
    std::string mode = "auto";
    std::string hooks;
};

const char* change_name(engine::AttachChange change) {
    switch (change) {
        case engine::AttachChange::kAttached:
            return "attached";
        case engine::AttachChange::kUnchanged:
            return "already attached";
        case engine::AttachChange::kRepaired:
            return "repaired";
        case engine::AttachChange::kUpdated:
            return "programs updated";
    }
    return "";
}

engine::WantedMode wanted_mode(const std::string& word) {
    if (word == "native") return engine::WantedMode::kNative;
    if (word == "generic") return engine::WantedMode::kGeneric;
    return engine::WantedMode::kAuto;
}

// "tc-in,tc-out"; the empty word stands for what suits the interface.
Result<std::uint8_t> wanted_hooks(const std::string& words) {
    unsigned hooks = 0;
    std::istringstream stream(words);
    for (std::string word; std::getline(stream, word, ',');) {
        unsigned found = 0;
        for (const fw_hook hook : {FW_HOOK_XDP, FW_HOOK_TC_IN, FW_HOOK_TC_OUT})
            if (word == engine::hook_name(hook)) found = hook;
        if (found == 0)
            return fail(fmt::format("--hook: {} not in {{xdp,tc-in,tc-out}}; see: fwctl attach --help", word),
                        Exit::kUsage);
        hooks |= found;
    }
    return static_cast<std::uint8_t>(hooks);
}

// The hardware interface that carries the SSH session which runs this command, when it is among those to be
// attached: many drivers take the link down and up again for a native program.
std::string session_interface(const engine::AttachRequest& request) {
    const char* connection = std::getenv("SSH_CONNECTION");  // client, its port, server, its port
    if (connection == nullptr || request.mode == engine::WantedMode::kGeneric) return {};
    std::istringstream words(connection);
    std::string client, port, server;
    words >> client >> port >> server;
    const std::string name = net::interface_with_address(server);
    const auto all = net::list_interfaces();
    const net::Interface* interface = all ? net::find_interface(*all, name) : nullptr;
    if (interface == nullptr || !interface->kind.empty() || interface->loopback) return {};
    for (const std::string& wanted : request.interfaces)
        if (policy::interface_matches(wanted, name)) return name;
    return {};
}

// False when the user, asked at a terminal, does not want to go on.
bool may_reset_session(const engine::AttachRequest& request, const Globals& globals) {
    const std::string name = session_interface(request);
    if (name.empty() || globals.yes) return true;
    print_note(
        fmt::format("{} carries this SSH session: its driver may reset the link for some seconds", name),
        globals);
    if (isatty(STDIN_FILENO) == 0) return true;
    fmt::print(stderr, "go on? [y/N] ");
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "yes";
}

Result<Exit> run_attach(const AttachOptions& options, const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    engine::AttachRequest request = options.request;
    request.mode = wanted_mode(options.mode);
    auto hooks = wanted_hooks(options.hooks);
    if (!hooks) return tl::unexpected(hooks.error());
    request.hooks = *hooks;
    if (!may_reset_session(request, globals)) return fail("not attached");
    auto outcomes = engine::attach(request);
    if (!outcomes) return tl::unexpected(outcomes.error());

    auto status = engine::read_status();
    if (!status) return tl::unexpected(status.error());
    Json list = Json::array();
    for (const engine::AttachOutcome& outcome : *outcomes) {
        if (!*status) break;
        for (const engine::AttachmentStatus& one : (*status)->attachments) {
            if (!one.is_one_of({outcome.interface})) continue;
            if (globals.json) {
                Json entry{{"interface", outcome.interface}, {"result", change_name(outcome.change)}};
                entry.update(attachment_json(one));
                list.push_back(entry);
                continue;
            }
            fmt::print("{}: {}, in by {}, out by {}\n", outcome.interface, change_name(outcome.change),
                       describe_filter(one, FW_IN), describe_filter(one, FW_OUT));
            if (!outcome.renamed_from.empty())
                print_note(fmt::format("  note: it was called {0}: rules on {0} do not hold here any more",
                                       outcome.renamed_from),
                           globals);
            for (const std::string& warning : one.warnings) print_note("  note: " + warning, globals);
        }
    }
    if (globals.json) print_json({{"attachments", list}});
    return Exit::kDone;
}

}  // namespace

void add_attach(CLI::App& app, Command& command) {
    CLI::App* verb =
        app.add_subcommand("attach", "Attach the filter to interfaces; repairs what has gone missing");
    auto options = std::make_shared<AttachOptions>();
    verb->add_option("interface", options->request.interfaces, "Names; * and ? are wildcards ('veth*')")
        ->required()
        ->option_text("IF...");
    verb->add_option("--mode", options->mode,
                     "XDP mode: auto takes native, else generic, and TC where that is better (veth, tun, "
                     "WireGuard, ppp)")
        ->check(CLI::IsMember({"auto", "native", "generic"}))
        ->option_text("MODE");
    verb->add_option("--hook", options->hooks, "Where: xdp or tc-in, and tc-out, separated by commas")
        ->option_text("HOOK,...");
    verb->add_flag("--replace", options->request.replace,
                   "Take the place of another's XDP program that cannot be shared with");
    verb->add_flag("--isolate-peers", options->request.isolate_peers,
                   "Filter between the ports of a bridge, too: attaches to those it has now");
    verb->callback([options, &command] {
        command.run = [options, &command] { return run_attach(*options, command.globals); };
    });
}

}  // namespace fwctl::cli
