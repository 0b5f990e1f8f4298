#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <span>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/show.h"
#include "engine/rules.h"
#include "policy/builtin.h"
#include "policy/print.h"
#include "policy/schema.h"

namespace fwctl::cli {
namespace {

using engine::RuleView;

std::string time_left(const RuleView& view) {
    return view.seconds_left ? format_duration(std::chrono::seconds(*view.seconds_left)) : "";
}

Json words_of(std::span<const policy::RuleKey> keys, const policy::Rule& rule) {
    Json entry = Json::object();
    for (const policy::RuleKey& key : keys) {
        if (key.name == "name" || key.name == "action") continue;
        const Json words = key.keys != nullptr ? words_of(key.keys(), rule) : Json(key.words(rule));
        if (!words.empty()) entry[std::string(key.name)] = words;
    }
    return entry;
}

Json to_json(const RuleView& view) {
    Json entry{{"number", view.number},
               {"name", view.rule.name},
               {"origin", policy::origin_name(view.rule.origin)},
               {"action", policy::action_name(view.rule.action)},
               {"text", policy::describe(view.rule)},
               {"packets", view.count.packets},
               {"bytes", view.count.bytes}};
    entry["last_hit"] = last_hit_json(view.last_hit);
    if (!view.place.empty()) entry["place"] = view.place;
    if (view.rule.origin != policy::Origin::kBuiltin) entry.update(words_of(policy::rule_keys(), view.rule));
    if (view.seconds_left) entry["seconds_left"] = *view.seconds_left;
    return entry;
}

Result<Exit> list_rules(const Globals& globals) {
    auto rules = engine::list_rules();
    if (!rules) return tl::unexpected(rules.error());
    if (globals.json) {
        Json all = Json::array();
        for (const RuleView& view : rules->rules) all.push_back(to_json(view));
        print_json({{"rules", all},
                    {"default",
                     {{"in", policy::action_name(rules->defaults.in)},
                      {"out", policy::action_name(rules->defaults.out)}}}});
        return Exit::kDone;
    }
    std::vector<Table::Column> columns = {{"#", true},       {"NAME"},        {"ORIGIN"},    {"RULE"},
                                          {"PACKETS", true}, {"BYTES", true}, {"LEFT", true}};
    if (globals.wide) columns.push_back({"LAST HIT"});
    Table table(std::move(columns));
    for (const RuleView& view : rules->rules) {
        std::vector<std::string> cells = {std::to_string(view.number),
                                          view.rule.name,
                                          describe_origin(view.rule, view.place),
                                          policy::describe(view.rule),
                                          with_commas(view.count.packets),
                                          with_commas(view.count.bytes),
                                          time_left(view)};
        if (globals.wide) cells.push_back(describe_last_hit(view.last_hit));
        table.add(std::move(cells));
    }
    table.print(globals);
    fmt::print("{}\n", describe_defaults(rules->defaults));
    return Exit::kDone;
}

Result<Exit> show_rule(const std::string& name, const Globals& globals) {
    auto rules = engine::list_rules();
    if (!rules) return tl::unexpected(rules.error());
    // By its name, or by the number that `rule list` gives it.
    const auto number = parse_number(name, 10'000'000);
    const auto found = std::find_if(rules->rules.begin(), rules->rules.end(), [&](const RuleView& view) {
        return view.rule.name == name || (number && view.number == *number);
    });
    if (found == rules->rules.end()) {
        std::vector<std::string_view> names;
        for (const RuleView& view : rules->rules) names.push_back(view.rule.name);
        const auto near = nearest(name, names);
        return fail(
            fmt::format("there is no rule \"{}\"{}", name,
                        near ? fmt::format("; did you mean \"{}\"?", *near) : "; see: fwctl rule list"),
            Exit::kUsage);
    }
    if (globals.json) {
        print_json(to_json(*found));
        return Exit::kDone;
    }
    fmt::print("{}\n  {}\n  number {}, {}\n  {} packets, {} bytes\n", found->rule.name,
               policy::describe(found->rule), found->number, describe_origin(found->rule, found->place),
               with_commas(found->count.packets), with_commas(found->count.bytes));
    if (found->last_hit) fmt::print("  the last one: {}\n", describe_last_hit(found->last_hit));
    if (found->seconds_left) fmt::print("  ends in {}\n", time_left(*found));
    if (const auto why = policy::describe_builtin(found->rule.name);
        why && found->rule.origin == policy::Origin::kBuiltin)
        fmt::print("  {}\n", *why);
    return Exit::kDone;
}

Result<Exit> remove(const std::vector<std::string>& names, const Globals& globals) {
    if (auto removed = engine::remove_rules(names, globals.dry_run); !removed)
        return tl::unexpected(removed.error());
    if (globals.json) {
        print_json({{"removed", names}, {"dry_run", globals.dry_run}});
        return Exit::kDone;
    }
    for (const std::string& name : names) fmt::print("{}: removed{}\n", name, dry_run_suffix(globals));
    return Exit::kDone;
}

Result<Exit> move(const std::string& name, const std::string& before, const Globals& globals) {
    const auto place = before.empty() ? std::nullopt : std::optional(before);
    if (auto moved = engine::move_rule(name, place, globals.dry_run); !moved)
        return tl::unexpected(moved.error());
    if (globals.json) {
        print_json({{"moved", name},
                    {"before", place ? Json(*place) : Json(nullptr)},
                    {"dry_run", globals.dry_run}});
        return Exit::kDone;
    }
    fmt::print("{}: {}{}\n", name, place ? fmt::format("asked before {} now", *place) : "asked last now",
               dry_run_suffix(globals));
    return Exit::kDone;
}

}  // namespace

std::string describe_origin(const policy::Rule& rule, const std::string& place) {
    return place.empty() ? std::string(policy::origin_name(rule.origin)) : place;
}

void add_rule(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand("rule", "List, show, remove and move rules");
    verb->require_subcommand(1);

    verb->add_subcommand("list", "All rules in the order in which they are asked, with their counters")
        ->callback([&command] { command.run = [&command] { return list_rules(command.globals); }; });

    auto shown = std::make_shared<std::string>();
    CLI::App* show_verb = verb->add_subcommand("show", "One rule, and why it is there");
    show_verb->add_option("rule", *shown, "Its name, or its number in `rule list`")
        ->required()
        ->option_text("RULE");
    show_verb->callback([shown, &command] {
        command.run = [shown, &command] { return show_rule(*shown, command.globals); };
    });

    auto removed = std::make_shared<std::vector<std::string>>();
    CLI::App* remove_verb = verb->add_subcommand("remove", "Remove live rules: all that are named, or none");
    remove_verb->add_option("rule", *removed, "Their names")->required()->option_text("RULE...");
    remove_verb->callback([removed, &command] {
        command.run = [removed, &command] { return remove(*removed, command.globals); };
    });

    auto moved = std::make_shared<std::string>();
    auto before = std::make_shared<std::string>();
    CLI::App* move_verb = verb->add_subcommand("move", "Change the place of a live rule");
    move_verb->add_option("rule", *moved, "Its name")->required()->option_text("RULE");
    move_verb->add_option("--before", *before, "In front of that live rule; without it: to the end")
        ->option_text("RULE");
    move_verb->callback([moved, before, &command] {
        command.run = [moved, before, &command] { return move(*moved, *before, command.globals); };
    });
}

}  // namespace fwctl::cli
