// As much of msgpack (https://msgpack.org) as the messages of docs/robots.md take: no allocation,
// every length checked against what is really there.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace msgpack {

// Writes into a buffer of fixed size; `ok` is false once something did not fit.
class Writer {
 public:
  Writer(unsigned char* buffer, std::size_t size) : at_(buffer), begin_(buffer), end_(buffer + size) {}

  bool ok() const { return ok_; }
  std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }

  void nil() { byte(0xc0); }
  void map(std::uint16_t count) { byte(0xde), big(count, 2); }
  void array(std::uint16_t count) { byte(0xdc), big(count, 2); }
  void integer(std::uint64_t value) { byte(0xcf), big(value, 8); }
  void number(double value) {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    byte(0xcb), big(bits, 8);
  }
  void text(std::string_view value) {
    byte(0xda), big(value.size(), 2);
    for (const char letter : value) byte(static_cast<unsigned char>(letter));
  }

 private:
  void byte(unsigned char value) {
    if (at_ == end_) {
      ok_ = false;
    } else {
      *at_++ = value;
    }
  }
  void big(std::uint64_t value, int bytes) {
    while (bytes-- > 0) byte(static_cast<unsigned char>(value >> 8 * bytes));
  }

  unsigned char *at_, *begin_, *end_;
  bool ok_ = true;
};

// Reads one value after the other. Each call says whether the value was of that kind; where it was
// not, the reader is of no more use.
class Reader {
 public:
  Reader() = default;
  Reader(const unsigned char* data, std::size_t size) : at_(data), end_(data + size) {}

  bool at_end() const { return at_ == end_; }

  bool nil() { return is(0xc0); }
  bool boolean(bool& value) {
    if (is(0xc3)) return value = true, true;
    value = false;
    return is(0xc2);
  }
  bool map(std::size_t& count) { return sized(0x80, 0xf0, 0xde, 2, count); }
  bool array(std::size_t& count) { return sized(0x90, 0xf0, 0xdc, 2, count); }
  bool text(std::string_view& value) {
    std::size_t size = 0;
    if (at_ < end_ && *at_ == 0xd9) {
      ++at_;
      if (!length(1, size)) return false;
    } else if (!sized(0xa0, 0xe0, 0xda, 2, size)) {
      return false;
    }
    return taken(size, value);
  }
  bool binary(std::string_view& value) {
    std::size_t size = 0;
    if (at_ == end_ || *at_ < 0xc4 || *at_ > 0xc6) return false;
    const int width = 1 << (*at_++ - 0xc4);
    return length(width, size) && taken(size, value);
  }
  // Any integer or float, which a double holds well enough.
  bool number(double& value) {
    if (at_ == end_) return false;
    const unsigned char kind = *at_++;
    if (kind < 0x80) return value = kind, true;
    if (kind >= 0xe0) return value = static_cast<signed char>(kind), true;
    std::uint64_t bits = 0;
    if (kind >= 0xcc && kind <= 0xcf) {
      if (!big(1 << (kind - 0xcc), bits)) return false;
      return value = static_cast<double>(bits), true;
    }
    if (kind >= 0xd0 && kind <= 0xd3) {
      const int width = 1 << (kind - 0xd0), spare = 64 - 8 * width;
      if (!big(width, bits)) return false;
      return value = static_cast<double>(static_cast<std::int64_t>(bits << spare) >> spare), true;
    }
    if (kind == 0xca && big(4, bits)) {
      const auto narrow = static_cast<std::uint32_t>(bits);
      float single;
      std::memcpy(&single, &narrow, sizeof single);
      return value = single, true;
    }
    if (kind != 0xcb || !big(8, bits)) return false;
    std::memcpy(&value, &bits, sizeof value);
    return true;
  }
  // Exactly, up to 2^63 - 1.
  bool integer(std::uint64_t& value) {
    if (at_ == end_) return false;
    const unsigned char kind = *at_++;
    if (kind < 0x80) return value = kind, true;
    if (kind < 0xcc || kind > 0xcf) return false;
    return big(1 << (kind - 0xcc), value) && value >> 63 == 0;
  }

  // Passes over one value, whatever it is; extension types are refused.
  bool skip(int depth = 16) {
    if (at_ == end_ || depth == 0) return false;
    const unsigned char kind = *at_;
    std::string_view bytes;
    std::size_t count = 0;
    if (kind == 0xc0) return nil();
    if (kind == 0xc2 || kind == 0xc3) return ++at_, true;
    if (kind >= 0xc4 && kind <= 0xc6) return binary(bytes);
    if ((kind & 0xe0) == 0xa0 || kind == 0xd9 || kind == 0xda) return text(bytes);
    const bool is_map = (kind & 0xf0) == 0x80 || kind == 0xde;
    if (is_map || (kind & 0xf0) == 0x90 || kind == 0xdc) {
      if (!(is_map ? map(count) : array(count))) return false;
      for (std::size_t i = 0; i < (is_map ? 2 * count : count); ++i) {
        if (!skip(depth - 1)) return false;
      }
      return true;
    }
    double ignored = 0;
    return number(ignored);
  }

  // Of the map that lies here: the value of a key; false: there is none, or this is no map.
  bool find(std::string_view key, Reader& value) const {
    Reader within = *this;
    std::size_t count = 0;
    if (!within.map(count)) return false;
    for (std::size_t i = 0; i < count; ++i) {
      std::string_view name;
      if (!within.text(name)) return false;
      if (name == key) return value = within, true;
      if (!within.skip()) return false;
    }
    return false;
  }

 private:
  bool is(unsigned char kind) {
    if (at_ == end_ || *at_ != kind) return false;
    ++at_;
    return true;
  }
  bool big(int bytes, std::uint64_t& value) {
    if (end_ - at_ < bytes) return false;
    for (value = 0; bytes > 0; --bytes) value = value << 8 | *at_++;
    return true;
  }
  bool length(int bytes, std::size_t& size) {
    std::uint64_t value = 0;
    if (!big(bytes, value)) return false;
    size = static_cast<std::size_t>(value);
    return true;
  }
  // A count that stands in the low bits of its kind, or behind it in so many bytes.
  bool sized(unsigned char small, unsigned char mask, unsigned char large, int bytes,
             std::size_t& size) {
    if (at_ == end_) return false;
    const unsigned char kind = *at_++;
    if ((kind & mask) == small) {
      size = kind & static_cast<unsigned char>(~mask);
      return true;
    }
    return kind == large && length(bytes, size);
  }
  bool taken(std::size_t size, std::string_view& value) {
    if (static_cast<std::size_t>(end_ - at_) < size) return false;
    value = {reinterpret_cast<const char*>(at_), size};
    at_ += size;
    return true;
  }

  const unsigned char *at_ = nullptr, *end_ = nullptr;
};

}  // namespace msgpack
