// Result<T>: a value, or an Error that says what went wrong in words meant for the operator.
//
// Promises: no exception crosses a function that returns a Result. `Error::exit` is the status that the
// command ends with; every layer may add what it was doing in front, by context().
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace fwctl {

// The exit statuses of the command, see fwctl(8).
enum class Exit : int {
    kDone = 0,
    kFailed = 1,
    kUsage = 2,
    kNotAttached = 3,
    kNoPrivilege = 4,
    kConflict = 6,
    kDifferences = 10,
    kTestFailed = 11,
    kRolledBack = 12,
    kInPart = 13,
};

struct Error {
    std::string message;
    Exit exit = Exit::kFailed;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(std::string message, Exit exit = Exit::kFailed) {
    return tl::unexpected<Error>(Error{std::move(message), exit});
}

// What was asked for is not understood, or contradicts itself.
inline tl::unexpected<Error> refuse(std::string message) {
    return fail(std::move(message), Exit::kUsage);
}

// Passes an error on, with what was being done in front: "attach eth0: " + "no such device".
inline tl::unexpected<Error> context(const std::string& doing, Error error) {
    error.message = doing + ": " + error.message;
    return tl::unexpected<Error>(std::move(error));
}

}  // namespace fwctl
