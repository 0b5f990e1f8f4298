// vip: balanced services and live edits of them.
#include <fmt/format.h>

#include <iterator>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/show.h"
#include "cli/vip_show.h"
#include "engine/service_edits.h"
#include "policy/print.h"

namespace fwctl::cli {
namespace {

using policy::Vip;
using Vips = std::vector<Vip>;

Result<Exit> vip_done(const Result<engine::ServiceEdit>& edit, const std::string& name,
                      const std::string& what, const Globals& globals) {
    if (!edit) return tl::unexpected(edit.error());
    if (globals.json)
        print_json(service_edit_json(*edit, name, what, globals));
    else
        print_service_edit(*edit, name, what, globals);
    return Exit::kDone;
}

Result<Exit> add_new_vip(const policy::VipWords& words, const Globals& globals) {
    auto vip = policy::vip_from_words(words);
    if (!vip) return tl::unexpected(vip.error());
    const auto edit = engine::edit_service(words.name, globals.dry_run,
                                           [&](Vips& vips) { return policy::add_vip(vips, *vip); });
    auto exit = vip_done(edit, words.name, "added", globals);
    if (exit && vip->backends.empty())
        print_note(
            fmt::format("  note: it has no backends, so its packets are dropped; add one: fwctl backend "
                        "add {}/NAME ADDRESS",
                        words.name),
            globals);
    return exit;
}

Result<Exit> remove_vip(const std::string& name, const Globals& globals) {
    const auto edit = engine::edit_service(name, globals.dry_run, [&](Vips& vips) -> Result<bool> {
        if (auto removed = policy::remove_vip(vips, name); !removed) return tl::unexpected(removed.error());
        return true;
    });
    return vip_done(edit, name, "removed", globals);
}

Result<Exit> enable_vip(const std::string& name, bool enabled, const Globals& globals) {
    const auto edit = engine::edit_service(
        name, globals.dry_run, [&](Vips& vips) { return policy::enable_vip(vips, name, enabled); });
    return vip_done(edit, name, enabled ? "enabled" : "disabled", globals);
}

using OfVip = Result<Exit> (*)(const std::string& name, const Globals& globals);

struct VipVerb {
    const char* name;
    const char* help;
    OfVip run;
};

constexpr VipVerb kVipVerbs[] = {
    {"show", "One service: its backends, what each had, and what it asks of them", show_vip},
    {"remove", "Take a service away, live", remove_vip},
    {"enable", "Balance a service again that was disabled",
     [](const std::string& name, const Globals& globals) { return enable_vip(name, true, globals); }},
    {"disable", "Balance a service no more: its packets fare as if it were not there",
     [](const std::string& name, const Globals& globals) { return enable_vip(name, false, globals); }},
};

void add_vip_verb(CLI::App& app, Command& command, const VipVerb& row) {
    auto name = std::make_shared<std::string>();
    CLI::App* verb = app.add_subcommand(row.name, row.help);
    verb->add_option("vip", *name, "Its name")->required()->option_text("VIP");
    verb->callback([name, run = row.run, &command] {
        command.run = [name, run, &command] { return run(*name, command.globals); };
    });
}

void add_vip_add(CLI::App& app, Command& command) {
    auto words = std::make_shared<policy::VipWords>();
    CLI::App* verb = app.add_subcommand("add", "Add a service, live");
    verb->add_option("vip", words->name, "Its name")->required()->option_text("VIP");
    verb->add_option("--address", words->addresses, "Its addresses and blocks of them")
        ->required()
        ->option_text("A...");
    verb->add_option("--service", words->services, "Protocols and ports: tcp/80, udp/5000-6000, sctp")
        ->required()
        ->option_text("SERVICE...");
    verb->add_option("--forward", words->forward,
                     "How packets get to backends: l2-dsr, ipip, gue, nat or full-nat")
        ->required()
        ->option_text("FORWARD");
    verb->add_option("--announce", words->announce,
                     "On this device's segment, this host answers for the addresses")
        ->option_text("IF");
    verb->add_option("--backend", words->backends,
                     "Backends: NAME=ADDRESS, with a second address behind a comma and a weight behind *")
        ->option_text("NAME=A[,A][*WEIGHT]...");
    verb->callback([words, &command] {
        command.run = [words, &command] { return add_new_vip(*words, command.globals); };
    });
}

}  // namespace

std::string describe_moved(double share) {
    if (share > 0 && share < 0.001) return "less than 0.1 % of new flows move";
    return share == 0 ? "no new flows move" : fmt::format("{:.1f} % of new flows move", 100 * share);
}

void print_service_edit(const engine::ServiceEdit& edit, const std::string& subject, const std::string& done,
                        const Globals& globals) {
    const std::string moved = edit.moved ? "; " + describe_moved(*edit.moved) : "";
    fmt::print("{}: {}{}{}\n", subject, done, edit.changed ? moved : " already, no change",
               dry_run_suffix(globals));
}

Json service_edit_json(const engine::ServiceEdit& edit, const std::string& subject, const std::string& done,
                       const Globals& globals) {
    return {{"name", subject},
            {"result", done},
            {"changed", edit.changed},
            {"new_flows_moved", edit.moved ? Json(*edit.moved) : Json(nullptr)},
            {"dry_run", globals.dry_run}};
}

void add_vip(CLI::App& app, Command& command) {
    CLI::App* vip = app.add_subcommand("vip", "List, show and edit balanced services");
    vip->require_subcommand(1);
    vip->add_subcommand("list", "All balanced services")->callback([&command] {
        command.run = [&command] { return list_vips(command.globals); };
    });
    add_vip_verb(*vip, command, kVipVerbs[0]);
    add_vip_add(*vip, command);
    for (std::size_t i = 1; i < std::size(kVipVerbs); ++i) add_vip_verb(*vip, command, kVipVerbs[i]);
}

}  // namespace fwctl::cli
