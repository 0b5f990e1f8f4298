#include <fmt/format.h>

#include <memory>

#include "cli/command.h"
#include "cli/output.h"
#include "engine/rules.h"
#include "engine/status.h"
#include "engine/verdict.h"
#include "policy/print.h"

namespace fwctl::cli {
namespace {

using engine::Reason;

// Calls `use(interface, direction, reason, count)` for every counter; those at zero only with --wide.
template <typename Use>
void for_each_count(const engine::Overview& overview, const std::vector<std::string>& wanted, bool all,
                    Use use) {
    for (const engine::AttachmentStatus& one : overview.attachments) {
        if (!one.is_one_of(wanted)) continue;
        for (const fw_direction direction : {FW_IN, FW_OUT})
            for (std::uint8_t reason = 0; reason < FW_REASON_COUNT; ++reason) {
                const fw_count& count = one.counters[direction].by_reason[reason];
                if (count.packets != 0 || all)
                    use(one.attachment.name(), direction == FW_IN ? "in" : "out", engine::reason_of(reason),
                        count);
            }
    }
}

void print_text(const engine::Overview& overview, const std::vector<engine::RuleView>& rules,
                const std::vector<std::string>& wanted, const Globals& globals) {
    Table table({{"INTERFACE"}, {"DIRECTION"}, {"VERDICT"}, {"REASON"}, {"PACKETS", true}, {"BYTES", true}});
    for_each_count(
        overview, wanted, globals.wide,
        [&](const std::string& name, const char* direction, const Reason& reason, const fw_count& count) {
            table.add({name, direction, std::string(engine::verdict_name(reason.verdict)),
                       std::string(reason.name), with_commas(count.packets), with_commas(count.bytes)});
        });
    table.print(globals);
    if (!wanted.empty()) return;  // rules count on all interfaces together
    fmt::print("\n");
    Table by_rule({{"RULE"}, {"SAYS"}, {"PACKETS", true}, {"BYTES", true}});
    for (const engine::RuleView& view : rules)
        if (view.count.packets != 0 || globals.wide || view.rule.origin == policy::Origin::kLive)
            by_rule.add({view.rule.name, policy::describe(view.rule), with_commas(view.count.packets),
                         with_commas(view.count.bytes)});
    by_rule.print(globals);
}

void print_as_json(const engine::Overview& overview, const std::vector<engine::RuleView>& rules,
                   const std::vector<std::string>& wanted) {
    Json counts = Json::array();
    for_each_count(
        overview, wanted, true,
        [&](const std::string& name, const char* direction, const Reason& reason, const fw_count& count) {
            counts.push_back({{"interface", name},
                              {"direction", direction},
                              {"verdict", engine::verdict_name(reason.verdict)},
                              {"reason", reason.name},
                              {"packets", count.packets},
                              {"bytes", count.bytes}});
        });
    Json by_rule = Json::array();
    for (const engine::RuleView& view : rules)
        by_rule.push_back(
            {{"name", view.rule.name}, {"packets", view.count.packets}, {"bytes", view.count.bytes}});
    print_json({{"counters", counts}, {"rules", by_rule}});
}

Result<Exit> run_counters(const std::vector<std::string>& wanted, const Globals& globals) {
    auto overview = engine::read_status();
    if (!overview) return tl::unexpected(overview.error());
    if (!*overview) return fail("nothing is attached; start with: fwctl attach IF", Exit::kNotAttached);
    bool any = wanted.empty();
    for (const engine::AttachmentStatus& one : (*overview)->attachments) any = any || one.is_one_of(wanted);
    if (!any) return fail(fmt::format("{} is not attached", join(wanted, ", ")), Exit::kNotAttached);
    auto rules = engine::list_rules();
    if (!rules) return tl::unexpected(rules.error());
    if (globals.json)
        print_as_json(**overview, rules->rules, wanted);
    else
        print_text(**overview, rules->rules, wanted, globals);
    return Exit::kDone;
}

}  // namespace

void add_counters(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand(
        "counters", "Show packets and bytes by interface, direction and reason, and by rule");
    auto wanted = std::make_shared<std::vector<std::string>>();
    verb->add_option("interface", *wanted, "Only these; * and ? are wildcards")->option_text("IF...");
    verb->callback([wanted, &command] {
        command.run = [wanted, &command] { return run_counters(*wanted, command.globals); };
    });
}

}  // namespace fwctl::cli
