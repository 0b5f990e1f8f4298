#include "engine/detach.h"

#include <fmt/format.h>

#include <memory>

#include "cli/command.h"
#include "cli/output.h"

namespace fwctl::cli {
namespace {

struct DetachOptions {
    std::vector<std::string> interfaces;
    bool all = false;
};

Result<Exit> run_detach(const DetachOptions& options, const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    if (options.all == !options.interfaces.empty())
        return fail("detach takes either interfaces or --all", Exit::kUsage);
    auto outcome = engine::detach(options.interfaces);
    if (!outcome) return tl::unexpected(outcome.error());
    if (globals.json) {
        print_json({{"detached", outcome->interfaces},
                    {"forgotten_rules", outcome->forgotten_rules},
                    {"forgotten_edits", outcome->forgotten_edits}});
        return Exit::kDone;
    }
    for (const std::string& name : outcome->interfaces) fmt::print("{}: detached\n", name);
    for (const std::string& words : outcome->forgotten_rules)
        print_note(fmt::format("forgotten with the last attachment: fwctl {}", words), globals);
    if (!outcome->forgotten_edits.empty())
        print_note(
            "forgotten with the last attachment, live edits of vips: " + join(outcome->forgotten_edits, ", "),
            globals);
    if (outcome->forgotten_policy != 0)
        print_note("the policy no longer holds anywhere; fwctl apply puts it in force again", globals);
    return Exit::kDone;
}

}  // namespace

void add_detach(CLI::App& app, Command& command) {
    CLI::App* verb =
        app.add_subcommand("detach", "Take the filter off interfaces; with the last one, live rules go too");
    auto options = std::make_shared<DetachOptions>();
    verb->add_option("interface", options->interfaces, "Names; * and ? are wildcards")->option_text("IF...");
    verb->add_flag("--all", options->all, "All interfaces of this network namespace");
    verb->callback([options, &command] {
        command.run = [options, &command] { return run_detach(*options, command.globals); };
    });
}

}  // namespace fwctl::cli
