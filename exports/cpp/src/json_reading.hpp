// Reading a contract's JSON with suspicion: each takes a value of one kind or says what is wrong.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "contract.hpp"

namespace ilrobot {

using Json = nlohmann::json;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Says what is wrong, without the place; `parse_contract` adds that.
class Damaged : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The value of a key; throws Refused where it is missing.
const Json& at(const Json& data, const char* key);

// The value of a key that older files lack (null where they do).
const Json& maybe(const Json& data, const char* key);

// All throw Damaged where the value is of another kind; `what` says of what.
std::string text(const Json& value, const char* what);
double number(const Json& value, const char* what);
std::optional<double> number_or_none(const Json& value, const char* what);
std::size_t count(const Json& value, const char* what);  // positive
const Json& array(const Json& value, const char* what);
std::vector<double> numbers(const Json& values, const char* what,
                            std::optional<double> missing = std::nullopt);  // for null
std::vector<std::string> texts(const Json& values, const char* what);       // null: none
Shape shape(const Json& values, const char* what);

// The numbers of nested lists of exactly this shape, behind one axis more where `first` says.
std::vector<float> flat(const Json& data, Shape shape, std::optional<std::size_t> first = {},
                        bool whole = false);

}  // namespace ilrobot
