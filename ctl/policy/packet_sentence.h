// The words of a packet, read one after the other: what packet_text.cpp and packet_complete.cpp share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "base/diagnostic.h"
#include "base/text.h"
#include "policy/field.h"
#include "policy/packet_text.h"

namespace fwctl::policy {

struct Word {
    std::string_view text;
    std::size_t column = 1;  // in code points
};

// At blanks.
std::vector<Word> split_words(std::string_view text);

// Byte 13 of the TCP header that a word sets; nullopt: it is no flag.
std::optional<std::uint8_t> flag_of(std::string_view word);

class Sentence {
public:
    Sentence(std::string_view text, std::string_view name)
        : diagnostics_({{std::string(name), std::string(text)}}), text_(text), words_(split_words(text)) {}

    tl::expected<PacketText, Diagnostics> read_packet() {
        if (words_.empty()) {
            error_at_end("a packet is missing", "write for example: tcp 192.0.2.1 > 192.0.2.2:443 on eth0");
            return tl::unexpected(std::move(diagnostics_));
        }
        read_protocol();
        if (diagnostics_.empty()) {
            read_addresses();
        }
        if (diagnostics_.empty()) {
            read_clauses();
        }
        if (diagnostics_.empty()) {
            complete();
        }
        if (!diagnostics_.empty()) {
            return tl::unexpected(std::move(diagnostics_));
        }
        return result_;
    }

    tl::expected<PacketPlace, Diagnostics> read_place() {
        place_alone_ = true;
        read_clauses();
        if (!diagnostics_.empty()) {
            return tl::unexpected(std::move(diagnostics_));
        }
        return result_.place;
    }

private:
    // An address, and the port behind it.
    struct End {
        Prefix address;
        std::optional<std::uint16_t> port;
        Word port_word;
    };

    void read_protocol();
    void read_icmp_type(const Word& word, std::string_view name, std::string_view type);
    void read_addresses();
    std::optional<End> read_end(const Word& word);
    std::optional<std::uint16_t> read_port(const Word& word, std::string_view port);
    void read_clauses();
    void read_clause(const Word& word);
    void read_field(const FieldInfo& info, const Word& value);
    void set_field(Field field, const Word& value, std::uint64_t number);
    void read_place_word(const Word& word);
    void complete();
    void complete_layer4();
    void check_fields_of_other_frames();

    [[nodiscard]] bool done() const { return next_ == words_.size(); }
    [[nodiscard]] PacketView& packet() { return result_.packet; }

    void error(const Word& word, std::string message, std::string hint = {}) {
        diagnostics_.error(0, {1, word.column, code_points(word.text)}, std::move(message), std::move(hint));
    }
    void error_at_end(std::string message, std::string hint = {}) {
        diagnostics_.error(0, {1, code_points(text_) + 1, 0}, std::move(message), std::move(hint));
    }

    Diagnostics diagnostics_;
    std::string_view text_;
    std::vector<Word> words_;
    std::size_t next_ = 0;
    bool place_alone_ = false;
    PacketText result_;
    std::optional<std::uint16_t> icmp_selector_;
    std::optional<End> source_;
    std::optional<End> destination_;
    std::optional<std::uint8_t> flags_;
    Word flags_word_;
    std::vector<Word> clauses_;  // that were read, by their first word
};

}  // namespace fwctl::policy
