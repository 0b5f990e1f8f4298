#include "engine/policy_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/explain.h"

namespace fwctl::engine {
namespace {

std::string place_of(const policy::Policy& policy, const policy::Place& place) {
    return place.file < policy.files.size() ? fmt::format("{}:{}", policy.files[place.file], place.span.line)
                                            : std::string();
}

std::string decider_of(const Judgement& judgement) {
    if (judgement.rule == nullptr) return std::string(judgement.reason->name);
    const std::string place =
        judgement.rule->place.empty() ? "" : fmt::format(" ({})", judgement.rule->place);
    return fmt::format("rule \"{}\"{}", judgement.rule->rule.name, place);
}

// Whether it decided for the cause that the test names.
bool is_because(const Judgement& judgement, const std::string& because) {
    return because.empty() || because == judgement.reason->name ||
           (judgement.rule != nullptr && because == judgement.rule->rule.name);
}

// "balance web" of what is for that service.
std::string verdict_of(const Judgement& judgement) {
    const std::string verdict(judgement.verdict);
    return judgement.choice && verdict == "balance" ? fmt::format("balance {}", judgement.choice->vip)
                                                    : verdict;
}

bool is_expected(const policy::Test& test, const Judgement& judgement) {
    return judgement.verdict == test.expect || verdict_of(judgement) == test.expect;
}

std::string problem_of(const policy::Test& test, const Judgement& judgement, const RuleBook& rules) {
    const bool is_known =
        test.because.empty() || is_reason_name(test.because) || rules.find(test.because) != nullptr;
    if (!is_known) return fmt::format("no rule and no reason is called \"{}\"", test.because);
    if (is_expected(test, judgement) && is_because(judgement, test.because)) return {};
    const std::string because = test.because.empty() ? "" : fmt::format(" because of \"{}\"", test.because);
    return fmt::format("expected {}{}, got {} by {}", test.expect, because, verdict_of(judgement),
                       decider_of(judgement));
}

Result<Judgement> ask(Explainer& explainer, const policy::Test& test, const policy::PacketText& packet) {
    auto attachment = explainer.find(packet.place.interface);
    if (!attachment) return tl::unexpected(attachment.error());
    auto frame = frame_on(**attachment, packet);
    if (!frame) return tl::unexpected(frame.error());
    const fw_direction direction = direction_of(packet.place.direction);
    explainer.begin_anew();
    for (std::uint32_t turn = 1; turn < test.repeat; ++turn)
        if (auto asked = explainer.judge(**attachment, direction, *frame, packet.packet.state); !asked)
            return asked;
    return explainer.judge(**attachment, direction, *frame, packet.packet.state);
}

}  // namespace

Result<std::vector<TestOutcome>> run_tests(const policy::Policy& policy) {
    std::vector<tl::expected<policy::PacketText, Diagnostics>> packets;
    std::vector<std::string> interfaces;
    for (const policy::Test& test : policy.tests) {
        packets.push_back(policy::parse_packet(test.packet));
        if (packets.back() && !packets.back()->place.interface.empty())
            interfaces.push_back(packets.back()->place.interface);
    }
    std::vector<TestOutcome> outcomes;
    if (policy.tests.empty()) return outcomes;
    auto explainer = Explainer::of_policy(policy, interfaces);
    if (!explainer) return tl::unexpected(explainer.error());
    for (std::size_t i = 0; i < policy.tests.size(); ++i) {
        TestOutcome outcome;
        outcome.test = policy.tests[i];
        outcome.place = place_of(policy, outcome.test.place);
        if (!packets[i]) {
            outcome.problem = packets[i].error().all().front().message;
        } else if (auto judgement = ask(*explainer, outcome.test, *packets[i]); !judgement) {
            outcome.problem = judgement.error().message;
        } else {
            outcome.verdict = verdict_of(*judgement);
            outcome.decider = decider_of(*judgement);
            outcome.problem = problem_of(outcome.test, *judgement, explainer->rules());
        }
        outcomes.push_back(std::move(outcome));
    }
    return outcomes;
}

Status check_tests(const policy::Policy& policy) {
    auto outcomes = run_tests(policy);
    if (!outcomes) return tl::unexpected(outcomes.error());
    std::string failed;
    std::size_t count = 0;
    for (const TestOutcome& outcome : *outcomes) {
        if (outcome.passed()) continue;
        ++count;
        failed += fmt::format("\n  {}: {}: {}", outcome.place, outcome.test.packet, outcome.problem);
    }
    if (count == 0) return {};
    return fail(fmt::format("{} of the policy's own {} tests failed; --force applies it all the same{}",
                            count, outcomes->size(), failed),
                Exit::kTestFailed);
}

}  // namespace fwctl::engine
