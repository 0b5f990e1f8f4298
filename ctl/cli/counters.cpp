#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/show.h"
#include "engine/session.h"
#include "engine/status.h"
#include "engine/verdict.h"
#include "observe/counts.h"
#include "observe/rates.h"

namespace fwctl::cli {
namespace {

using engine::Reason;
using observe::Counts;
using observe::Rate;
using observe::Rates;

struct CountersOptions {
    std::vector<std::string> interfaces;
    bool rates = false;
    bool reset = false;
};

// What is shown of one counter: packets and bytes, or the same per second.
struct Shown {
    fw_count count{};
    Rate rate;
};

struct Reading {
    Counts counts;
    std::optional<Rates> rates;     // instead of what was counted
    bool names_interfaces = false;  // rules count on all interfaces together
    bool is_reset = false;

    [[nodiscard]] Shown reason(std::size_t interface, fw_direction direction, std::uint8_t reason) const {
        if (rates) return {{}, rates->interfaces[interface].by_reason[direction][reason]};
        return {counts.interfaces[interface].since_reset(direction).by_reason[reason], {}};
    }
    [[nodiscard]] Shown rule(std::size_t rule) const {
        if (rates) return {{}, rates->rules[rule]};
        return {counts.rule_since_reset(rule), {}};
    }
};

bool is_zero(const Shown& shown) {
    return shown.count.packets == 0 && shown.rate == Rate{};
}

std::vector<std::string> cells_of(const Shown& shown, const Reading& reading) {
    if (reading.rates) return {rate_text(shown.rate.packets), rate_text(shown.rate.bytes)};
    return {with_commas(shown.count.packets), with_commas(shown.count.bytes)};
}

Json json_of(Json entry, const Shown& shown, const Reading& reading) {
    if (reading.rates) {
        entry["packets_per_second"] = shown.rate.packets;
        entry["bytes_per_second"] = shown.rate.bytes;
    } else {
        entry["packets"] = shown.count.packets;
        entry["bytes"] = shown.count.bytes;
    }
    return entry;
}

// Calls `use(interface, direction, reason, shown)` for every counter; those at zero only with `all`.
template <typename Use>
void for_each_reason(const Reading& reading, bool all, Use use) {
    for (std::size_t i = 0; i < reading.counts.interfaces.size(); ++i)
        for (const fw_direction direction : {FW_IN, FW_OUT})
            for (std::uint8_t reason = 0; reason < FW_REASON_COUNT; ++reason) {
                const Shown shown = reading.reason(i, direction, reason);
                if (all || !is_zero(shown))
                    use(reading.counts.interfaces[i].name, engine::direction_name(direction),
                        engine::reason_of(reason), shown);
            }
}

std::vector<Table::Column> with_numbers(std::vector<Table::Column> columns, const Reading& reading) {
    columns.push_back({reading.rates ? "PACKETS/S" : "PACKETS", true});
    columns.push_back({reading.rates ? "BYTES/S" : "BYTES", true});
    return columns;
}

void print_text(const Reading& reading, const Globals& globals) {
    Table table(with_numbers({{"INTERFACE"}, {"DIRECTION"}, {"VERDICT"}, {"REASON"}}, reading));
    for_each_reason(
        reading, globals.wide,
        [&](const std::string& name, std::string_view direction, const Reason& reason, const Shown& shown) {
            std::vector<std::string> cells = {name, std::string(direction),
                                              std::string(engine::verdict_name(reason.verdict)),
                                              std::string(reason.name)};
            for (std::string& cell : cells_of(shown, reading)) cells.push_back(std::move(cell));
            table.add(std::move(cells));
        });
    table.print(globals);
    if (reading.names_interfaces) return;
    fmt::print("\n");
    auto columns = with_numbers({{"RULE"}, {"SAYS"}}, reading);
    if (globals.wide) columns.push_back({"LAST HIT"});
    Table by_rule(std::move(columns));
    const observe::NamedRules& rules = *reading.counts.rules;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const Shown shown = reading.rule(i);
        if (is_zero(shown) && !globals.wide && (reading.rates || rules[i].origin != policy::Origin::kLive))
            continue;
        std::vector<std::string> cells = {rules[i].name, rules[i].says};
        for (std::string& cell : cells_of(shown, reading)) cells.push_back(std::move(cell));
        if (globals.wide) cells.push_back(describe_last_hit(reading.counts.last_hit(i)));
        by_rule.add(std::move(cells));
    }
    by_rule.print(globals);
}

void print_as_json(const Reading& reading) {
    Json reasons = Json::array();
    for_each_reason(
        reading, true,
        [&](const std::string& name, std::string_view direction, const Reason& reason, const Shown& shown) {
            reasons.push_back(json_of({{"interface", name},
                                       {"direction", direction},
                                       {"verdict", engine::verdict_name(reason.verdict)},
                                       {"reason", reason.name}},
                                      shown, reading));
        });
    Json shown{{"counters", std::move(reasons)}};
    if (reading.rates) shown["seconds"] = reading.rates->seconds;
    Json by_rule = Json::array();
    const observe::NamedRules& rules = *reading.counts.rules;
    const bool left_alone = reading.is_reset && reading.names_interfaces;
    for (std::size_t i = 0; i < rules.size() && !left_alone; ++i) {
        Json entry = json_of({{"name", rules[i].name}}, reading.rule(i), reading);
        entry["last_hit"] = last_hit_json(reading.counts.last_hit(i));
        by_rule.push_back(std::move(entry));
    }
    shown["rules"] = std::move(by_rule);
    print_json(shown);
}

// The names of the attachments that are meant.
Result<std::set<std::string>> find_interfaces(const std::vector<std::string>& wanted) {
    auto overview = engine::peek_status();
    if (!overview) return tl::unexpected(overview.error());
    // The last one may be about to go.
    if (!*overview || (*overview)->attachments.empty()) return engine::nothing_attached();
    std::set<std::string> names;
    for (const engine::AttachmentStatus& one : (*overview)->attachments)
        if (one.is_one_of(wanted)) names.insert(one.attachment.name());
    if (names.empty()) return fail(fmt::format("{} is not attached", join(wanted, ", ")), Exit::kNotAttached);
    return names;
}

Result<Reading> read_counters(const CountersOptions& options, const observe::InterfaceFilter& is_meant) {
    observe::CountReader reader;
    Reading reading;
    reading.names_interfaces = !options.interfaces.empty();
    reading.is_reset = options.reset;
    auto counts =
        options.reset ? reader.reset(is_meant, !reading.names_interfaces) : reader.read(observe::kRulesAlone);
    if (!counts) return tl::unexpected(counts.error());
    const auto leave_out_others = [&](Counts& all) {
        std::erase_if(all.interfaces, [&](const auto& one) { return !is_meant(one.name); });
    };
    leave_out_others(*counts);
    reading.counts = std::move(*counts);
    if (!options.rates) return reading;
    std::this_thread::sleep_for(std::chrono::seconds(1));
    auto later = reader.read(observe::kRulesAlone);
    if (!later) return tl::unexpected(later.error());
    leave_out_others(*later);
    reading.rates = observe::rates_between(reading.counts, *later);
    reading.counts = std::move(*later);
    return reading;
}

Result<Exit> run_counters(const CountersOptions& options, const Globals& globals) {
    if (options.reset)
        if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    auto names = find_interfaces(options.interfaces);
    if (!names) return tl::unexpected(names.error());
    const bool is_all = options.interfaces.empty();
    auto reading =
        read_counters(options, [&](const std::string& name) { return is_all || names->contains(name); });
    if (!reading) return tl::unexpected(reading.error());
    if (globals.json)
        print_as_json(*reading);
    else
        print_text(*reading, globals);
    return Exit::kDone;
}

}  // namespace

void add_counters(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand(
        "counters", "Show packets and bytes by interface, direction and reason, and by rule");
    auto options = std::make_shared<CountersOptions>();
    verb->add_option("interface", options->interfaces, "Only these; * and ? are wildcards")
        ->option_text("IF...");
    CLI::Option* rates =
        verb->add_flag("--rates", options->rates, "What is counted in the next second, per second");
    verb->add_flag("--reset", options->reset, "Show them for the last time, and begin anew at zero")
        ->excludes(rates);
    verb->callback([options, &command] {
        command.run = [options, &command] { return run_counters(*options, command.globals); };
    });
}

}  // namespace fwctl::cli
