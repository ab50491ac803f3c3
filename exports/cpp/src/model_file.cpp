#include "model_file.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

#include "contract.hpp"
#include "refused.hpp"
#include "sha256.hpp"

namespace ilrobot {
namespace {

constexpr std::string_view kKey = "ilrobot.contract";
constexpr std::uint64_t kGraphField = 7, kMetadataField = 14, kLengthDelimited = 2;

// A protobuf message is a sequence of records: tag, then content.
struct Record {
  std::uint64_t field = 0, wire_type = 0;
  std::size_t begin = 0, end = 0;  // of its content
};

class Damaged {};

std::uint64_t varint(std::string_view data, std::size_t& position) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (position >= data.size()) throw Damaged();
    const auto byte = static_cast<unsigned char>(data[position++]);
    if (shift == 63 && byte > 1) throw Damaged();
    value |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  throw Damaged();
}

Record next_record(std::string_view data, std::size_t& position) {
  Record record;
  const std::uint64_t tag = varint(data, position);
  record.field = tag >> 3;
  record.wire_type = tag & 7;
  record.begin = position;
  std::uint64_t length = 0;
  if (record.wire_type == 0) {
    varint(data, position);
  } else if (record.wire_type == kLengthDelimited) {
    length = varint(data, position);
    record.begin = position;
  } else if (record.wire_type == 1 || record.wire_type == 5) {
    length = record.wire_type == 1 ? 8 : 4;
  } else {
    throw Damaged();
  }
  if (length > data.size() - position) throw Damaged();
  position += length;
  record.end = position;
  return record;
}

std::string_view content(std::string_view data, const Record& record) {
  return data.substr(record.begin, record.end - record.begin);
}

struct Found {
  std::string_view text;
  std::size_t begin = 0, end = 0;  // of the record that holds it
};

Found find_contract(std::string_view data, const std::string& where) {
  bool graph = false;
  std::optional<Found> found;
  try {
    for (std::size_t position = 0; position < data.size();) {
      const std::size_t begin = position;
      const Record record = next_record(data, position);
      graph = graph || record.field == kGraphField;
      if (record.field != kMetadataField || record.wire_type != kLengthDelimited) continue;
      const std::string_view entry = content(data, record);
      std::string_view key, value;
      for (std::size_t within = 0; within < entry.size();) {
        const Record part = next_record(entry, within);
        if (part.field == 1) key = content(entry, part);
        if (part.field == 2) value = content(entry, part);
      }
      if (key == kKey) found = Found{value, begin, position};
    }
  } catch (const Damaged&) {
    throw Refused(where +
                  (graph || found ? " is truncated or damaged" : " is no ONNX model, or truncated") +
                  "; copy it again or export the policy again");
  }
  if (!graph) {
    throw Refused(where + " is no ONNX model; give a file that ilrobot export wrote");
  }
  if (!found) {
    throw Refused(where + " has no contract (no metadata '" + std::string(kKey) +
                  "'), so nothing says what its inputs mean or whether it is whole; write it with "
                  "ilrobot export");
  }
  return *found;
}

}  // namespace

ModelFile parse_model_file(std::string bytes, const std::string& where) {
  const std::string_view data = bytes;
  const Found found = find_contract(data, where);
  std::string text(found.text);
  const Digests stated = stated_digests(text, where);

  std::string blank = text;
  const std::size_t place = blank.find(stated.contract);
  if (place == std::string::npos) throw Refused(where + ": the contract hides its sha256");
  blank.replace(place, stated.contract.size(), std::string(stated.contract.size(), '0'));
  Sha256 of_contract;
  of_contract.update(blank);
  if (of_contract.hex() != stated.contract) {
    throw Refused(where +
                  ": the contract was altered after the export (its sha256 differs); export the "
                  "policy again");
  }
  Sha256 of_model;
  of_model.update(data.substr(0, found.begin));
  of_model.update(data.substr(found.end));
  if (of_model.hex() != stated.model) {
    throw Refused(where +
                  ": graph or weights were altered after the export (their sha256 differs); export "
                  "the policy again");
  }
  return {std::move(bytes), std::move(text)};
}

}  // namespace ilrobot
