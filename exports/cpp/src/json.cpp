#include "json_reading.hpp"

#include <cmath>

#include "json_writing.hpp"
#include "refused.hpp"

namespace ilrobot {
namespace {

constexpr std::size_t kMost = 1'000'000;  // no axis of a real array is as long

// Appends the numbers of nested lists of exactly this shape.
void flatten(const Json& data, const Shape& shape, std::size_t axis, bool whole,
             std::vector<float>& into) {
  if (axis == shape.size()) {
    const double value = number(data, "a golden value");
    if (whole && !(std::abs(value) < 1e6 && value == std::floor(value))) {
      throw Damaged("a golden choice is not a whole number");
    }
    into.push_back(static_cast<float>(value));
    return;
  }
  if (!data.is_array() || data.size() != shape[axis]) {
    throw Damaged("a golden array has another shape than its feature");
  }
  for (const Json& item : data) flatten(item, shape, axis + 1, whole, into);
}

}  // namespace

const Json& at(const Json& data, const char* key) {
  if (!data.is_object()) throw Damaged("a part that should hold '" + std::string(key) + "' is none");
  const auto found = data.find(key);
  if (found == data.end()) throw Refused("lacks the key '" + std::string(key) + "'");
  return *found;
}

const Json& maybe(const Json& data, const char* key) {
  static const Json null;
  const auto found = data.find(key);
  return found == data.end() ? null : *found;
}

std::string text(const Json& value, const char* what) {
  if (!value.is_string()) throw Damaged(std::string(what) + " is no text");
  return value.get<std::string>();
}

double number(const Json& value, const char* what) {
  if (!value.is_number()) throw Damaged(std::string(what) + " is no number");
  return value.get<double>();
}

std::optional<double> number_or_none(const Json& value, const char* what) {
  return value.is_null() ? std::nullopt : std::optional(number(value, what));
}

std::size_t count(const Json& value, const char* what) {
  if (!value.is_number_integer() || value < 1 || value >= kMost) {
    throw Damaged(std::string(what) + " " + value.dump() + " is not a positive whole number");
  }
  return value.get<std::size_t>();
}

const Json& array(const Json& value, const char* what) {
  if (!value.is_array()) throw Damaged(std::string(what) + " is no list");
  return value;
}

std::vector<double> numbers(const Json& values, const char* what,
                            std::optional<double> missing) {
  std::vector<double> result;
  for (const Json& value : array(values, what)) {
    result.push_back(value.is_null() && missing ? *missing : number(value, what));
  }
  return result;
}

std::vector<std::string> texts(const Json& values, const char* what) {
  std::vector<std::string> result;
  if (values.is_null()) return result;
  for (const Json& value : array(values, what)) result.push_back(text(value, what));
  return result;
}

Shape shape(const Json& values, const char* what) {
  Shape result;
  std::size_t total = 1;
  for (const Json& value : array(values, what)) {
    result.push_back(count(value, what));
    total *= result.back();  // both are below 10^9 here
    if (total > 1'000'000'000) throw Damaged(std::string(what) + " is too large");
  }
  return result;
}

std::vector<float> flat(const Json& data, Shape shape, std::optional<std::size_t> first,
                        bool whole) {
  if (first) shape.insert(shape.begin(), *first);
  std::vector<float> result;
  flatten(data, shape, 0, whole, result);
  return result;
}

namespace {

std::string dumped(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string json_of(const std::string& text) { return dumped(text); }
std::string json_of(const std::vector<std::string>& texts) { return dumped(texts); }
std::string json_of(double number) { return dumped(number); }
std::string json_of(const std::vector<double>& numbers) { return dumped(numbers); }

}  // namespace ilrobot
