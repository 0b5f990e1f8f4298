// What fwctl keeps on the disk for one network namespace: the texts of the policies that were applied, and
// who applied them. The kernel's state does not need it to filter; what reads the policy back does.
//
//     /var/lib/fwctl/host/{history,intended,snapshots/NAME,texts/NAME}   and net-COOKIE/ for other namespaces
//
// Promises: a snapshot that was kept can be read back until it is forgotten, also after a loss of power.
// A snapshot is the files that the policy was made of, each different text kept once.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "base/result.h"

namespace fwctl::engine {

// A line of the history.
struct Applied {
    std::uint64_t number = 0;  // from 1
    std::int64_t time = 0;     // seconds since 1970
    std::string who;           // "root", "alice (sudo)"
    std::string what;          // "apply", "rollback to 3"
    std::string path;          // of the policy's file
    std::string snapshot;
    std::size_t rules = 0;
};

class Library {
public:
    // Of the network namespace that the process is in. Makes nothing.
    static Result<Library> open();

    // As the snapshot of that name: snapshot_name().
    [[nodiscard]] Status keep(const std::vector<Source>& sources) const;
    // The files, the policy's own first.
    [[nodiscard]] Result<std::vector<Source>> read(const std::string& snapshot) const;

    // Where the policy of a snapshot was read from.
    [[nodiscard]] Result<std::string> path_of(const std::string& snapshot) const;
    // Whether two snapshots are of the same policy, wherever its files were. One that cannot be read is like
    // no other.
    [[nodiscard]] bool same_texts(const std::string& one, const std::string& other) const;

    // Oldest first.
    [[nodiscard]] Result<std::vector<Applied>> history() const;
    // What is about to hold, before the switch: should the command be killed behind it, settle() notes it.
    // Expects that its snapshot was kept.
    [[nodiscard]] Status intend(const Applied& entry) const;
    // Numbers the entry, keeps the last kKept ones and forgets the snapshots that none of them names.
    [[nodiscard]] Status note(Applied entry) const;
    // Notes what a killed command intended when it is `running`, a snapshot, and else forgets it.
    [[nodiscard]] Status settle(const std::string& running) const;

    // Forgets the texts that neither the history nor `running`, a snapshot, names.
    void tidy(const std::string& running) const;
    // Forgets a namespace that has no attachments any more; the first namespace's history stays.
    void forget() const;

    static constexpr std::size_t kKept = 20;

private:
    struct KeptFile {
        std::string path;
        std::string text;  // its name in texts/
    };
    [[nodiscard]] Result<std::vector<KeptFile>> files_of(const std::string& snapshot) const;
    [[nodiscard]] Status make_directories() const;
    void forget_others(std::set<std::string> snapshots) const;

    std::string directory_;
    bool is_host_ = false;
};

// What a text is kept under: the same text has the same name.
std::string text_name(std::string_view text);

// What a snapshot is kept under: the same files have the same name.
std::string snapshot_name(const std::vector<Source>& sources);

// The user that the command runs for, also behind sudo.
std::string current_user();

}  // namespace fwctl::engine
