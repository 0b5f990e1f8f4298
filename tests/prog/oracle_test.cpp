// Generated policies and packets at the edges of their rules: a judge against the evaluator.
//
// Other ones than the usual: --gtest_random_seed=N. The long run: FWCTL_ORACLE_POLICIES=200
// FWCTL_ORACLE_PACKETS=1000000 (in all), with policies of up to 10,000 rules.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <set>

#include "frame_of.h"
#include "generate/packets.h"
#include "generate/policy.h"
#include "judge.h"
#include "policy/builtin.h"
#include "policy/print.h"
#include "policy/rule.h"
#include "program_judge.h"
#include "rounds.h"

namespace fwctl::testing {
namespace {

using policy::Action;
using policy::PacketView;
using policy::Policy;
using policy::Rule;

std::size_t number_of_environment(const char* name, std::size_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t monotonic_now() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
}

// The evaluator's word, in a judge's.
struct Expected {
    policy::Verdict verdict;
    Judgement judgement;
};
Expected expect(const std::vector<Rule>& rules, const policy::Defaults& defaults, const PacketView& view,
                const policy::Context& context) {
    Expected expected;
    expected.verdict = policy::evaluate(rules, view, context);
    const bool in = view.direction == policy::Direction::kIn;
    Action action = in ? defaults.in : defaults.out;
    if (const auto index = expected.verdict.rule) {
        action = rules[*index].action;
        expected.judgement.rule = rules[*index].name;
    }
    expected.judgement.dropped = action == Action::kDeny || action == Action::kReject;
    return expected;
}

void count(const std::vector<Rule>& rules, const policy::Verdict& verdict,
           std::map<std::string, std::uint64_t>& counters) {
    for (const std::size_t index : verdict.counted) ++counters[rules[index].name];
    if (verdict.rule) ++counters[rules[*verdict.rule].name];
}

// Reads frames with the oracle parser and asks the evaluator: what holds the tests' own machinery together.
class OracleJudge : public Judge {
public:
    Status load(const Policy& policy, const policy::Context& context) override {
        rules_ = policy::effective_rules(policy, {});
        defaults_ = policy.defaults;
        context_ = context;
        counters_.clear();
        return {};
    }

    Result<Judgement> judge(const Attachment& attachment, const Bytes& frame,
                            std::optional<policy::FlowState> state) override {
        const OracleResult parsed = oracle_parse(frame, attachment.link);
        if (parsed.reason) return fail("the parser refuses a frame of the generator");
        PacketView around;
        around.direction = attachment.direction;
        around.interfaces = {attachment.name, attachment.device};
        around.now = monotonic_now();
        around.state = state;
        const PacketView view = view_of(parsed, frame, attachment.link, around);
        const Expected expected = expect(rules_, defaults_, view, context_);
        count(rules_, expected.verdict, counters_);
        return expected.judgement;
    }

    Result<std::map<std::string, std::uint64_t>> counters() override { return counters_; }

private:
    std::vector<Rule> rules_;
    policy::Defaults defaults_;
    policy::Context context_;
    std::map<std::string, std::uint64_t> counters_;
};

// What the packets have shown, over all policies.
struct Coverage {
    std::size_t packets = 0;
    std::size_t by_file_rules = 0;
    std::size_t by_default = 0;
    std::size_t rules_in_all = 0;
    std::size_t rules_met = 0;
    std::map<Action, std::size_t> by_action;
    std::map<policy::Field, std::size_t> by_field;

    void see(const std::vector<Rule>& rules, const policy::Verdict& verdict) {
        ++packets;
        by_default += verdict.rule ? 0 : 1;
        by_file_rules += verdict.rule && rules[*verdict.rule].origin == policy::Origin::kFile ? 1 : 0;
        std::vector<std::size_t> matched = verdict.counted;
        if (verdict.rule) matched.push_back(*verdict.rule);
        for (const std::size_t index : matched) {
            ++by_action[rules[index].action];
            for (const auto& match : rules[index].fields) ++by_field[match.field];
        }
    }

    std::string text() const {
        std::string text = fmt::format(
            "{} packets: {:.1f} % decided by file rules, {:.1f} % by the default; "
            "{} of {} rules met; by action",
            packets, share(by_file_rules), share(by_default), rules_met, rules_in_all);
        for (const auto& [action, seen] : by_action) text += fmt::format(" {}", seen);
        text += "; by field";
        for (const auto& [field, seen] : by_field) text += fmt::format(" {}", seen);
        return text;
    }

    double share(std::size_t part) const {
        return 100.0 * static_cast<double>(part) / static_cast<double>(packets);
    }
};

std::string hex(const Bytes& frame) {
    const Bytes head(frame.begin(),
                     frame.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(frame.size(), 128)));
    return fmt::format("{:02x} ({} bytes)", fmt::join(head, ""), frame.size());
}

std::string told(const std::vector<Rule>& rules, const std::optional<std::string>& name) {
    for (const Rule& rule : rules)
        if (name == rule.name) return fmt::format("{}: {}\n", rule.name, policy::describe(rule));
    return "the default\n";
}

bool holds_at(const Rule& rule, const Attachment& attachment) {
    const bool on =
        policy::any_matches(rule.on, attachment.name) || policy::any_matches(rule.on, attachment.device);
    return on && (rule.direction == policy::Direction::kBoth || rule.direction == attachment.direction);
}

class Comparison {
public:
    Comparison(Judge& judge, std::uint64_t seed) : judge_(judge), seed_(seed), random_(seed) {}

    void run(std::size_t policies, std::size_t packets, std::size_t most_rules) {
        for (std::size_t i = 0; i < policies; ++i) {
            SCOPED_TRACE(fmt::format("seed {}, policy {}", seed_, i));
            run_policy(draw_policy(most_rules), packets / policies);
            if (::testing::Test::HasFatalFailure()) return;
        }
    }

    const Coverage& coverage() const { return coverage_; }

private:
    // Sizes are as many of tens as of thousands; classifiers often change their ways at powers of two.
    Policy draw_policy(std::size_t most_rules) {
        constexpr std::size_t kSizes[] = {1, 2, 5, 16, 17, 40, 100, 256, 300, 1000, 3000, 10000};
        constexpr generate::Mix kMixes[] = {generate::Mix::kAcl, generate::Mix::kFirewall,
                                            generate::Mix::kWildcard};
        const std::size_t size = std::min(random_.pick(kSizes), most_rules);
        const generate::Mix mix = random_.pick(kMixes);
        Policy policy = generate::generate_policy(mix, size, random_.bits());
        policy.defaults.in = random_.percent(50) ? Action::kDeny : Action::kAllow;
        policy.defaults.out = random_.percent(50) ? Action::kDeny : Action::kAllow;
        return policy;
    }

    // One in ten is aimed at a built-in rule or at one that does not hold there.
    PacketView draw_packet(const Attachment& attachment, const std::vector<Rule>& all,
                           const std::vector<Rule>& held, const policy::Context& context) {
        const bool anywhere = held.empty() || random_.percent(10);
        PacketView view = generate::aimed_packet(anywhere ? all : held, context, random_);
        view.direction = attachment.direction;
        view.interfaces = {attachment.name, attachment.device};
        if (attachment.link == FW_LINK_IP)
            view.mac.reset();
        else if (!view.mac)
            view.mac = random_.below(256);
        // BPF_PROG_TEST_RUN takes no more than a page at TC.
        if (attachment.direction == policy::Direction::kOut) view.length = std::min(view.length, 3000U);
        view.now = monotonic_now();
        return view;
    }

    void run_policy(const Policy& policy, std::size_t packets) {
        const std::vector<Rule> rules = policy::effective_rules(policy, {});
        const auto context = generate::generate_context(policy, random_.bits(), monotonic_now());
        const Status loaded = judge_.load(policy, context);
        ASSERT_TRUE(loaded) << loaded.error().message;
        std::map<std::string, std::uint64_t> counters;
        for (const Attachment& attachment : kAttachments) {
            std::vector<Rule> held;
            std::copy_if(policy.rules.begin(), policy.rules.end(), std::back_inserter(held),
                         [&](const Rule& rule) { return holds_at(rule, attachment); });
            for (std::size_t i = 0; i < packets / kAttachments.size(); ++i) {
                const Frame frame = frame_of(draw_packet(attachment, rules, held, context));
                const Expected expected = expect(rules, policy.defaults, frame.view, context);
                const auto actual = judge_.judge(attachment, frame.bytes, frame.view.state);
                ASSERT_TRUE(actual) << actual.error().message << "\n" << hex(frame.bytes);
                ASSERT_EQ(actual->rule, expected.judgement.rule)
                    << "packet " << i << " on " << attachment.name << ": " << hex(frame.bytes) << "\n"
                    << told(rules, actual->rule) << told(rules, expected.judgement.rule);
                ASSERT_EQ(actual->dropped, expected.judgement.dropped) << hex(frame.bytes);
                count(rules, expected.verdict, counters);
                coverage_.see(rules, expected.verdict);
            }
        }
        ASSERT_EQ(judge_.counters().value(), counters);
        note_rules(policy, counters);
    }

    void note_rules(const Policy& policy, const std::map<std::string, std::uint64_t>& counters) {
        coverage_.rules_in_all += policy.rules.size();
        coverage_.rules_met += static_cast<std::size_t>(
            std::count_if(policy.rules.begin(), policy.rules.end(),
                          [&](const Rule& rule) { return counters.count(rule.name) > 0; }));
    }

    Judge& judge_;
    std::uint64_t seed_;
    generate::Random random_;
    Coverage coverage_;
};

TEST(OracleTest, TheOraclesAgreeAndThePacketsMeetTheRules) {
    OracleJudge judge;
    Comparison comparison(judge, static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed)));
    const std::size_t policies = number_of_environment("FWCTL_ORACLE_POLICIES", 30);
    const std::size_t packets = number_of_environment("FWCTL_ORACLE_PACKETS", 40000);
    const bool is_long = std::getenv("FWCTL_ORACLE_POLICIES") != nullptr;
    comparison.run(policies, packets, is_long ? 10000 : 1000);
    const Coverage& coverage = comparison.coverage();
    fmt::print("{}\n", coverage.text());
    if (HasFatalFailure()) return;
    EXPECT_GT(coverage.share(coverage.by_file_rules), 60);
    EXPECT_GT(coverage.share(coverage.by_default), 2);
    EXPECT_EQ(coverage.by_action.size(), 5U) << "an action never decides";
    EXPECT_EQ(coverage.by_field.size(), policy::kFields) << "a field never decides";
}

TEST(OracleTest, TheProgramsAgreeWithTheEvaluator) {
    auto judge = ProgramJudge::make();
    ASSERT_TRUE(judge) << judge.error().message;
    Comparison comparison(**judge, static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed)));
    const std::size_t policies =
        number_of_environment("FWCTL_ORACLE_POLICIES", static_cast<std::size_t>(rounds(40)));
    const std::size_t packets =
        number_of_environment("FWCTL_ORACLE_PACKETS", static_cast<std::size_t>(rounds(40000)));
    const bool is_long = std::getenv("FWCTL_ORACLE_POLICIES") != nullptr;
    comparison.run(policies, packets, is_long ? 10000 : 1000);
    fmt::print("{}\n", comparison.coverage().text());
}

}  // namespace
}  // namespace fwctl::testing
