// The [[test]] blocks of a policy, run by the compiled programs.
//
// Promises: each test is judged by the policy alone (Explainer::of_policy()), whatever runs on this machine.
// A test that cannot be run has failed.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::engine {

struct TestOutcome {
    policy::Test test;
    std::string place;    // "policy.toml:12"
    std::string verdict;  // what the programs said: "deny"; empty: they were not asked
    std::string decider;  // "rule \"ssh\" (policy.toml:7)", "default-deny"
    std::string problem;  // what is wrong; empty: the test has passed
    [[nodiscard]] bool passed() const { return problem.empty(); }
};

// In the order of the files.
Result<std::vector<TestOutcome>> run_tests(const policy::Policy& policy);

// For a command that goes on only when all have passed: an error with Exit::kTestFailed that names those that
// have not.
Status check_tests(const policy::Policy& policy);

}  // namespace fwctl::engine
