#include "agent/journal.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string_view>

#include "base/fd.h"

namespace fwctl::agent {
namespace {

// "KEY=value"; a value of several lines goes with its size in front, little-endian.
void add_field(std::string& datagram, std::string_view key, std::string_view value) {
    datagram += key;
    if (value.find('\n') == std::string_view::npos) {
        datagram += '=';
    } else {
        datagram += '\n';
        for (std::size_t byte = 0; byte < 8; ++byte)
            datagram += static_cast<char>(value.size() >> (8 * byte) & 0xff);
    }
    datagram += value;
    datagram += '\n';
}

// One line, whatever the names in it have.
std::string in_one_line(std::string_view text) {
    std::string line(text);
    for (char& letter : line)
        if (static_cast<unsigned char>(letter) < ' ') letter = ' ';
    return line;
}

}  // namespace

std::string journal_datagram(const observe::News& news) {
    std::string datagram;
    add_field(datagram, "MESSAGE", news.text);
    add_field(datagram, "PRIORITY", std::to_string(static_cast<int>(news.priority)));
    add_field(datagram, "SYSLOG_IDENTIFIER", "fwctl-agent");
    add_field(datagram, "FWCTL_EVENT", news.event);
    for (const auto& [key, value] : news.fields) add_field(datagram, "FWCTL_" + key, value);
    return datagram;
}

Journal::Journal(const std::function<const char*(const char*)>& variables, int errors, std::string socket)
    : errors_(errors), socket_(std::move(socket)) {
    struct stat there {};
    const char* stream = variables("JOURNAL_STREAM");
    is_journal_ = stream != nullptr && fstat(errors, &there) == 0 &&
                  fmt::format("{}:{}", there.st_dev, there.st_ino) == stream;
}

bool Journal::send(const observe::News& news) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_.size() >= sizeof(address.sun_path)) return false;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const std::string datagram = journal_datagram(news);
    return sendto(socket.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                  reinterpret_cast<const sockaddr*>(&address), sizeof(address)) >= 0;
}

void Journal::tell(const observe::News& news) const {
    if (is_journal_ && send(news)) return;
    // What reads the stream knows the priority by this, see sd-daemon(3).
    const std::string line =
        is_journal_ ? fmt::format("<{}>{}\n", static_cast<int>(news.priority), in_one_line(news.text))
                    : in_one_line(news.text) + "\n";
    (void)!write(errors_, line.data(), line.size());
}

}  // namespace fwctl::agent
