// history, export and save: what was applied, and what holds.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <memory>

#include "base/file.h"
#include "cli/command.h"
#include "cli/output.h"
#include "engine/library.h"
#include "engine/plan.h"
#include "engine/rules.h"
#include "engine/service_view.h"
#include "policy/print.h"

namespace fwctl::cli {
namespace {

std::string local_time(std::int64_t time) {
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(static_cast<std::time_t>(time)));
}

Result<Exit> history(const Globals& globals) {
    auto library = engine::Library::open();
    if (!library) return tl::unexpected(library.error());
    auto entries = library->history();
    if (!entries) return tl::unexpected(entries.error());
    if (globals.json) {
        Json all = Json::array();
        for (const engine::Applied& entry : *entries)
            all.push_back({{"number", entry.number},
                           {"time", entry.time},
                           {"who", entry.who},
                           {"what", entry.what},
                           {"rules", entry.rules},
                           {"file", entry.path}});
        print_json({{"history", all}});
        return Exit::kDone;
    }
    Table table({{"#", true}, {"WHEN"}, {"WHO"}, {"WHAT"}, {"RULES", true}, {"FILE"}});
    for (const engine::Applied& entry : *entries)
        table.add({std::to_string(entry.number), local_time(entry.time), entry.who, entry.what,
                   with_commas(entry.rules), entry.path});
    table.print(globals);
    return Exit::kDone;
}

Result<Exit> export_running(const Globals& globals) {
    auto exported = engine::export_policy();
    if (!exported) return tl::unexpected(exported.error());
    fmt::print("{}", policy::print_policy(exported->policy));
    if (exported->left_out > 0)
        print_note(fmt::format("note: {} live rule{} that will expire {} left out", exported->left_out,
                               exported->left_out == 1 ? "" : "s", exported->left_out == 1 ? "is" : "are"),
                   globals);
    return Exit::kDone;
}

// What a file of its own can say of what was edited live.
struct Lasting {
    policy::Policy policy;
    std::vector<std::string> left_out;  // edits of the policy's own vips
};

Result<Lasting> lasting_edits() {
    auto rules = engine::list_rules();
    if (!rules) return tl::unexpected(rules.error());
    auto services = engine::list_services();
    if (!services) return tl::unexpected(services.error());
    Lasting lasting;
    for (engine::RuleView& view : rules->rules)
        if (view.rule.origin == policy::Origin::kLive && view.rule.expires == 0 &&
            view.rule.name != engine::kPanicRule)
            lasting.policy.rules.push_back(std::move(view.rule));
    for (const std::string& name : services->removed) lasting.left_out.push_back(name + ": removed");
    for (engine::ServiceView& view : services->services) {
        if (view.place.empty()) {
            lasting.policy.vips.push_back(std::move(view.vip));
            continue;
        }
        const auto edits = policy::texts_of(view.live);
        lasting.left_out.insert(lasting.left_out.end(), edits.begin(), edits.end());
    }
    return lasting;
}

std::string counted(std::size_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

Result<Exit> save(const std::string& path, const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    auto lasting = lasting_edits();
    if (!lasting) return tl::unexpected(lasting.error());
    const policy::Policy& policy = lasting->policy;
    if (!lasting->left_out.empty())
        print_note(fmt::format("  not in it, as the policy's own file says otherwise: {}",
                               join(lasting->left_out, ", ")),
                   globals);
    if (policy.rules.empty() && policy.vips.empty()) return fail("there are no live rules or vips that last");
    if (access(path.c_str(), F_OK) == 0 && !globals.yes)
        return fail(fmt::format("{} exists; -y writes over it", path), Exit::kConflict);
    if (auto written = write_file(path, policy::print_policy(policy)); !written)
        return tl::unexpected(written.error());
    fmt::print("{}: {}{}\n", path, counted(policy.rules.size(), "rule"),
               policy.vips.empty() ? "" : ", " + counted(policy.vips.size(), "vip"));
    print_note("  they stay live until a policy that includes the file is applied", globals);
    return Exit::kDone;
}

}  // namespace

void add_history(CLI::App& app, Command& command) {
    app.add_subcommand("history", "The policies that were applied: when, by whom, from where")
        ->callback([&command] { command.run = [&command] { return history(command.globals); }; });

    app.add_subcommand("export", "Print the policy that holds, live edits and all, as one file")
        ->callback([&command] { command.run = [&command] { return export_running(command.globals); }; });

    auto path = std::make_shared<std::string>();
    CLI::App* verb =
        app.add_subcommand("save", "Write the live rules and vips to a file that a policy can include");
    verb->add_option("file", *path, "A new file, *.toml, in the folder that the policy includes")
        ->required()
        ->option_text("FILE");
    verb->callback(
        [path, &command] { command.run = [path, &command] { return save(*path, command.globals); }; });
}

}  // namespace fwctl::cli
