// backend: live edits of the backends of balanced services.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/show.h"
#include "engine/service_edits.h"
#include "policy/schema.h"

namespace fwctl::cli {
namespace {

using policy::BackendPath;
using policy::BackendState;
using std::chrono::steady_clock;
using Vips = std::vector<policy::Vip>;
using Edit = std::function<Result<bool>(Vips&, const BackendPath&)>;

struct Options {
    std::string path;
    std::vector<std::string> addresses;
    std::string weight;
    std::string port;
    bool waits = false;
    std::string deadline;
};

Result<engine::ServiceEdit> edit(const std::string& path, const Edit& how, const Globals& globals) {
    auto parsed = policy::parse_backend_path(path);
    if (!parsed) return tl::unexpected(parsed.error());
    return engine::edit_service(parsed->vip, globals.dry_run, [&](Vips& vips) { return how(vips, *parsed); });
}

Result<Exit> carry_out(const std::string& path, const std::string& what, const Edit& how,
                       const Globals& globals) {
    auto edited = edit(path, how, globals);
    if (!edited) return tl::unexpected(edited.error());
    if (globals.json)
        print_json(service_edit_json(*edited, path, what, globals));
    else
        print_service_edit(*edited, path, what, globals);
    return Exit::kDone;
}

Result<Exit> add(const Options& options, const Globals& globals) {
    const auto how = [&](Vips& vips, const BackendPath& path) -> Result<bool> {
        auto backend = policy::backend_from_words({.name = path.backend,
                                                   .addresses = options.addresses,
                                                   .weight = options.weight,
                                                   .port = options.port});
        if (!backend) return tl::unexpected(backend.error());
        return policy::add_backend(vips, path.vip, std::move(*backend));
    };
    return carry_out(options.path, "added", how, globals);
}

Result<Exit> remove(const Options& options, const Globals& globals) {
    const auto how = [](Vips& vips, const BackendPath& path) -> Result<bool> {
        if (auto removed = policy::remove_backend(vips, path); !removed)
            return tl::unexpected(removed.error());
        return true;
    };
    return carry_out(options.path, "removed", how, globals);
}

Result<Exit> weigh(const Options& options, const Globals& globals) {
    const auto how = [&](Vips& vips, const BackendPath& path) {
        return policy::set_backend_weight(vips, path, options.weight);
    };
    return carry_out(options.path, "weight " + options.weight, how, globals);
}

Edit to_state(BackendState state) {
    return
        [state](Vips& vips, const BackendPath& path) { return policy::set_backend_state(vips, path, state); };
}

Result<Exit> make_ready(const Options& options, const Globals& globals) {
    return carry_out(options.path, "ready", to_state(BackendState::kReady), globals);
}

Result<Exit> maintain(const Options& options, const Globals& globals) {
    return carry_out(options.path, "in maintenance", to_state(BackendState::kMaint), globals);
}

// How many flows are left: none, or those that are at the deadline.
Result<std::uint64_t> wait_until_drained(const std::string& path,
                                         const std::optional<std::chrono::seconds>& longest,
                                         const Globals& globals) {
    const auto start = steady_clock::now();
    auto parsed = policy::parse_backend_path(path);
    if (!parsed) return tl::unexpected(parsed.error());
    for (bool is_first = true;; is_first = false) {
        auto left = engine::flows_of_drained(*parsed);
        if (!left || *left == 0 || (longest && steady_clock::now() - start >= *longest)) return left;
        if (is_first && !globals.json)
            print_note(
                fmt::format("  waiting for {} placed flow{}", with_commas(*left), *left == 1 ? "" : "s"),
                globals);
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
}

Result<Exit> drain(const Options& options, const Globals& globals) {
    std::optional<std::chrono::seconds> longest;
    if (!options.deadline.empty()) {
        auto duration = parse_duration(options.deadline);
        if (!duration) return fail("--deadline: " + duration.error().message, Exit::kUsage);
        longest = *duration;
    }
    if (!options.waits || globals.dry_run)
        return carry_out(options.path, "drained", to_state(BackendState::kDrain), globals);
    auto edited = edit(options.path, to_state(BackendState::kDrain), globals);
    if (!edited) return tl::unexpected(edited.error());
    if (!globals.json) {
        print_service_edit(*edited, options.path, "drained", globals);
        std::fflush(stdout);
    }
    auto left = wait_until_drained(options.path, longest, globals);
    if (!left) return tl::unexpected(left.error());
    if (globals.json) {
        Json entry = service_edit_json(*edited, options.path, "drained", globals);
        entry["flows_left"] = *left;
        print_json(entry);
    } else if (*left == 0) {
        fmt::print("{}: no placed flow is left\n", options.path);
    }
    if (*left == 0) return Exit::kDone;
    return fail(fmt::format("{}: {} placed flow{} left after {}", options.path, with_commas(*left),
                            *left == 1 ? " is" : "s are", options.deadline),
                Exit::kInPart);
}

using Run = Result<Exit> (*)(const Options&, const Globals&);

CLI::App* add_verb(CLI::App& app, Command& command, const char* name, const char* help, Run run,
                   const std::shared_ptr<Options>& options) {
    CLI::App* verb = app.add_subcommand(name, help);
    verb->add_option("backend", options->path, "Its vip and its name: web/web1")
        ->required()
        ->option_text("VIP/NAME");
    verb->callback([options, run, &command] {
        command.run = [options, run, &command] { return run(*options, command.globals); };
    });
    return verb;
}

}  // namespace

void add_backend(CLI::App& app, Command& command) {
    CLI::App* backend = app.add_subcommand("backend", "Edit the backends of balanced services");
    backend->require_subcommand(1);
    const auto options = std::make_shared<Options>();

    CLI::App* verb = add_verb(*backend, command, "add", "Add a backend, live", add, options);
    verb->add_option("address", options->addresses, "Its address, or one of IPv4 and one of IPv6")
        ->required()
        ->option_text("ADDRESS...");
    verb->add_option("--weight", options->weight,
                     "Its share of new flows beside the other backends', 0 to 65535; else 1")
        ->option_text("N");
    verb->add_option("--port", options->port,
                     "The port that packets are translated to, with nat and full-nat; else the one that they "
                     "are for")
        ->option_text("PORT");

    add_verb(*backend, command, "remove", "Take a backend away, live; its flows go to others", remove,
             options);

    verb = add_verb(*backend, command, "weight", "Give a backend another share of new flows", weigh, options);
    verb->add_option("weight", options->weight, "0 to 65535, beside the other backends'; 0: none")
        ->required()
        ->option_text("N");

    verb = add_verb(*backend, command, "drain", "Send a backend no new flows; those that it has stay", drain,
                    options);
    CLI::Option* wait =
        verb->add_flag("--wait", options->waits, "Until no flow is known any more that it has");
    verb->add_option("--deadline", options->deadline,
                     "Wait no longer than 90s, 5m, 1h: exit status 13 when flows are left")
        ->needs(wait)
        ->option_text("TIME");

    add_verb(*backend, command, "ready", "Send a backend new flows again", make_ready, options);
    add_verb(*backend, command, "maint", "Send a backend nothing; its flows go to others", maintain, options);
}

}  // namespace fwctl::cli
