#include "contract.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "refused.hpp"

namespace ilrobot {
namespace {

using Json = nlohmann::json;

constexpr int kMajor = 1;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kMost = 1'000'000;  // no axis of a real array is as long

// Says what is wrong, without the place; `parse_contract` adds that.
class Damaged : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

const Json& at(const Json& data, const char* key) {
  if (!data.is_object()) throw Damaged("a part that should hold '" + std::string(key) + "' is none");
  const auto found = data.find(key);
  if (found == data.end()) throw Refused("lacks the key '" + std::string(key) + "'");
  return *found;
}

// The value of a key that older files lack (null where they do).
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
                            std::optional<double> missing = std::nullopt) {
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

Feature feature(const Json& data) {
  static constexpr const char* kTypes[] = {"bool",   "int8",   "int16",  "int32",
                                           "int64",  "uint8",  "uint16", "uint32",
                                           "uint64", "float16", "float32", "float64"};
  Feature result;
  result.name = text(at(data, "name"), "a feature's name");
  result.shape = shape(at(data, "shape"), "a feature's shape");
  result.dtype = text(at(data, "dtype"), "a feature's dtype");
  result.names = texts(maybe(data, "names"), "a feature's names");
  result.units = texts(maybe(data, "units"), "a feature's units");
  if (const Json& frame = maybe(data, "frame"); !frame.is_null()) {
    result.frame = text(frame, "a feature's frame");
  }
  result.size = size_of(result.shape);
  if (std::find(std::begin(kTypes), std::end(kTypes), result.dtype) == std::end(kTypes)) {
    throw Damaged("'" + result.name + "' cannot hold " + result.dtype);
  }
  if (result.shape.size() > 1) return result;
  for (const char* key : {"low", "high"}) {
    if (!maybe(data, key).is_null()) numbers(data[key], key, kInfinity);
  }
  for (const char* key : {"names", "units", "low", "high"}) {
    const Json& values = maybe(data, key);
    if (values.is_null() || array(values, key).empty() || values.size() == result.size) continue;
    throw Damaged("'" + result.name + "' has " + std::to_string(result.size) +
                  " elements and other " + key);
  }
  return result;
}

Limits limits(const Json& data) {
  Limits result;
  for (const std::string& mode : texts(at(data, "mode"), "mode")) {
    if (mode != "absolute" && mode != "delta") {
      throw Refused("has the unknown mode '" + mode + "' of an action element");
    }
    result.absolute.push_back(mode == "absolute");
  }
  result.low = numbers(at(data, "low"), "low", -kInfinity);
  result.high = numbers(at(data, "high"), "high", kInfinity);
  result.velocity = numbers(at(data, "velocity"), "velocity", kInfinity);
  result.acceleration = numbers(at(data, "acceleration"), "acceleration", kInfinity);
  if (data.contains("jerk")) result.jerk = numbers(data["jerk"], "jerk", kInfinity);
  if (result.jerk.empty()) result.jerk.assign(result.absolute.size(), kInfinity);
  return result;
}

Range range_of(const Json& data) {
  return {numbers(at(data, "low"), "low"), numbers(at(data, "high"), "high")};
}

// The arm that a task states; nothing here acts on it.
void check_joints(const Json& data) {
  const std::size_t size = texts(at(data, "names"), "names").size();
  bool alike = texts(at(data, "units"), "units").size() == size &&
               numbers(at(data, "pose"), "pose").size() == size;
  for (const char* key : {"stiffness", "damping"}) {
    const Json& gains = maybe(data, key);
    alike = alike && (gains.is_null() || numbers(gains, key).size() == size);
  }
  if (!alike) throw Damaged("more of one joint value than of another");
}

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

std::vector<float> flat(const Json& data, Shape shape, std::optional<std::size_t> first = {},
                        bool whole = false) {
  if (first) shape.insert(shape.begin(), *first);
  std::vector<float> result;
  flatten(data, shape, 0, whole, result);
  return result;
}

Golden golden(const Json& data, const Contract& contract) {
  Golden result;
  const Json& noise = at(data, "noise");
  if (noise.is_null() == contract.noise_shape.has_value()) {
    throw Damaged("a golden input has noise where the policy takes none, or lacks it");
  }
  const Json& observations = at(data, "observations");
  for (const Feature& feature : contract.observations) {
    result.observations.push_back(
        flat(at(observations, feature.name.c_str()), feature.shape, contract.n_obs));
  }
  if (contract.noise_shape) result.noise = flat(noise, *contract.noise_shape);
  result.action = flat(at(data, "action"), contract.action.shape, contract.horizon,
                       contract.choices > 0);
  if (contract.doubts) {
    result.doubt = flat(at(data, "doubt"), {contract.horizon});
    result.novelty = flat(at(data, "novelty"), {contract.horizon});
  }
  return result;
}

// What contradicts itself in what the contract says of workspace and fallback.
void check_guards(const Contract& contract) {
  const std::string& fallback = contract.fallback;
  const std::size_t size = contract.action.size;
  if (fallback != "hold" && fallback != "damp" && fallback != "retreat") {
    throw Refused("has the unknown fallback '" + fallback + "'");
  }
  if (!contract.limits) {
    if (contract.workspace || fallback != "hold") {
      throw Refused("has a workspace or a fallback other than 'hold' for discrete actions");
    }
    return;
  }
  const Limits& limits = *contract.limits;
  if (fallback == "retreat" && contract.retreat.empty()) {
    throw Refused("falls back to 'retreat' and states no pose");
  }
  if (!contract.retreat.empty() && contract.retreat.size() != size) {
    throw Refused("has a pose to retreat to of another number of elements than " +
                  std::to_string(size));
  }
  for (const double jerk : limits.jerk) {
    if (!(jerk > 0)) throw Refused("has a limit of jerk that is not a positive number");
  }
  if (!contract.workspace) return;
  const Range& box = *contract.workspace;
  if (box.low.size() != size || box.high.size() != size) {
    throw Refused("has a workspace of another number of elements than " + std::to_string(size));
  }
  for (std::size_t i = 0; i < size; ++i) {
    const double low = limits.absolute[i] ? std::max(box.low[i], limits.low[i]) : box.low[i];
    const double high = limits.absolute[i] ? std::min(box.high[i], limits.high[i]) : box.high[i];
    if (!(low <= high)) {
      throw Refused("has a workspace without room for action element " + std::to_string(i));
    }
  }
}

// What contradicts itself in a contract whose fields are each well formed.
void check(const Contract& contract) {
  const std::size_t size = contract.action.size;
  if (contract.execute > contract.horizon) {
    throw Refused("executes " + std::to_string(contract.execute) + " of " +
                  std::to_string(contract.horizon) + " predicted actions");
  }
  if (!(std::isfinite(contract.stale_after) && contract.stale_after > 0)) {
    throw Refused("has a stale-input timeout that is not positive");
  }
  if (!(std::isfinite(contract.tolerance) && contract.tolerance >= 0)) {
    throw Refused("has a tolerance below 0");
  }
  if (contract.limits.has_value() == (contract.choices > 0)) {
    throw Refused("must have limits for continuous actions, and only for those");
  }
  if (contract.limits) {
    const Limits& limits = *contract.limits;
    for (const auto* values :
         {&limits.low, &limits.high, &limits.velocity, &limits.acceleration, &limits.jerk}) {
      if (values->size() != size || limits.absolute.size() != size) {
        throw Refused("has limits for another number of action elements than " +
                      std::to_string(size));
      }
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (!(limits.low[i] <= limits.high[i])) {
        throw Refused("has a lower limit above its upper limit");
      }
      if (!(limits.velocity[i] >= 0 && limits.acceleration[i] >= 0)) {
        throw Refused("has a limit of velocity or acceleration that is not a positive number");
      }
    }
  }
  check_guards(contract);
  for (std::size_t i = 0; i < contract.observations.size(); ++i) {
    const Range& range = contract.training_range[i];
    const Feature& feature = contract.observations[i];
    if (range.low.size() != feature.size || range.high.size() != feature.size) {
      throw Refused("has a training range of '" + feature.name + "' of the wrong length");
    }
  }
}

Contract contract_of(const Json& data) {
  Contract result;
  const Json& task = at(data, "task");
  for (const Json& item : array(at(task, "observations"), "observations")) {
    result.observations.push_back(feature(item));
  }
  result.action = feature(at(task, "action"));
  if (const Json& options = maybe(task, "task_options"); !options.is_null()) {
    if (!options.is_object()) throw Damaged("task_options are no map");
  }
  result.rate = number(at(task, "rate"), "rate");
  if (!(std::isfinite(result.rate) && result.rate > 0)) throw Damaged("the rate is not positive");
  if (const Json& choices = maybe(task, "choices"); !choices.is_null()) {
    result.choices = count(choices, "choices");
    if (result.action.size != 1) throw Damaged("a choice is one number");
  }
  result.n_obs = count(at(data, "n_obs"), "n_obs");
  result.horizon = count(at(data, "horizon"), "horizon");
  result.execute = count(at(data, "execute"), "execute");
  if (const Json& noise = at(data, "noise_shape"); !noise.is_null()) {
    result.noise_shape = shape(noise, "noise_shape");
  }
  if (const Json& steps = maybe(data, "sampler_steps"); !steps.is_null()) {
    result.sampler_steps = count(steps, "sampler_steps");
  }
  if (const Json& given = at(data, "limits"); !given.is_null()) result.limits = limits(given);
  const Json& ranges = at(data, "training_range");
  if (!ranges.is_object()) throw Damaged("training_range is no map");
  for (const Json& range : ranges) range_of(range);
  for (const Feature& feature : result.observations) {
    result.training_range.push_back(range_of(at(ranges, feature.name.c_str())));
  }
  result.stale_after = number(at(data, "stale_after"), "stale_after");
  result.fallback = text(at(data, "fallback"), "fallback");
  if (const Json& pose = maybe(data, "retreat"); !pose.is_null()) {
    result.retreat = numbers(pose, "retreat", std::numeric_limits<double>::quiet_NaN());
  }
  if (const Json& after = maybe(data, "fallback_after"); !after.is_null()) {
    if (!after.is_object()) throw Damaged("fallback_after is no map");
    for (const auto& [key, value] : after.items()) {
      if (value.is_null()) continue;
      const double given = number(value, "fallback_after");
      if (!(given > 0)) throw Damaged("fallback_after." + key + " is not positive");
      if (key == "out_of_range") result.fallback_out_of_range = given;
      if (key == "frozen") result.fallback_frozen = given;
      if (key == "late") result.fallback_late = std::floor(given);
    }
  }
  if (const Json& box = maybe(data, "workspace"); !box.is_null()) {
    result.workspace = Range{numbers(at(box, "low"), "low", -kInfinity),
                             numbers(at(box, "high"), "high", kInfinity)};
  }
  const Json& provenance = at(data, "provenance");
  for (const char* key : {"data", "checkpoint", "code", "version"}) at(provenance, key);
  if (data.contains("chunking")) {
    result.chunking = parse_chunking(text(data["chunking"], "chunking"));
  }
  if (const Json& quantized = maybe(data, "quantized"); !quantized.is_null()) {
    for (const char* key : {"bits", "episodes", "first_seed", "success", "full_success"}) {
      number(at(quantized, key), key);
    }
    at(quantized, "task");
  }
  if (const Json& doubt = maybe(data, "doubt"); !doubt.is_null()) {
    result.doubts = true;
    const Json& scale = at(doubt, "scale");
    const std::size_t scales = scale.is_null() ? 0 : numbers(scale, "scale").size();
    if (scales != (result.choices > 0 ? 0 : result.action.size)) {
      throw Refused("must have a scale of doubt for each action element, of choices none");
    }
    number(at(doubt, "usual"), "usual");
    if (const Json& threshold = at(doubt, "threshold"); !threshold.is_null()) {
      result.doubt_threshold = number(threshold, "threshold");
    }
  }
  if (const Json& joints = maybe(data, "joints"); !joints.is_null()) check_joints(joints);
  result.tolerance = number(at(data, "tolerance"), "tolerance");
  const Json& examples = at(data, "golden");
  check(result);
  for (const Json& item : array(examples, "golden")) result.golden.push_back(golden(item, result));
  return result;
}

Json parsed(const std::string& text, const std::string& where) {
  Json data;
  try {
    data = Json::parse(text);
  } catch (const Json::exception& error) {
    throw Refused(where + ": the contract is not valid JSON (" + error.what() +
                  "); export the policy again");
  }
  const Json* schema = nullptr;
  if (data.is_object() && data.contains("schema")) schema = &data["schema"];
  if (schema == nullptr || !schema->is_string()) {
    throw Refused(where + ": the contract lacks the key 'schema'; export the policy again");
  }
  const auto version = schema->get<std::string>();
  if (version.substr(0, version.find('.')) != std::to_string(kMajor)) {
    throw Refused(where + ": the contract has schema " + version + ", but this library reads " +
                  std::to_string(kMajor) +
                  ".x; export the policy again, or build the library of the ilrobot that wrote it");
  }
  return data;
}

}  // namespace

std::size_t size_of(const Shape& shape) {
  std::size_t size = 1;
  for (const std::size_t length : shape) size *= length;
  return size;
}

std::vector<double> Contract::scale() const {
  std::vector<double> result(action.size, 1.0);
  for (std::size_t i = 0; limits && i < result.size(); ++i) {
    const double span = limits->high[i] - limits->low[i];
    if (span > 0) result[i] = span;
  }
  return result;
}

std::string Contract::differing(const std::string& feature, const char* const* names,
                                std::size_t count) const {
  const Feature* ours = feature == action.name ? &action : nullptr;
  for (const Feature& observation : observations) {
    if (observation.name == feature) ours = &observation;
  }
  if (ours == nullptr) return "the policy has no '" + feature + "'";
  if (count != ours->size) {
    return "'" + feature + "' has " + std::to_string(ours->size) + " elements in the policy but " +
           std::to_string(count) + " on the robot";
  }
  for (std::size_t i = 0; i < ours->names.size(); ++i) {
    if (ours->names[i] == names[i]) continue;
    return "element " + std::to_string(i) + " of '" + feature + "' is '" + ours->names[i] +
           "' in the policy but '" + names[i] + "' on the robot";
  }
  return {};
}

Digests stated_digests(const std::string& text, const std::string& where) {
  const Json data = parsed(text, where);
  const auto stated = data.find("sha256");
  const bool whole = stated != data.end() && stated->is_object();
  Digests digests;
  for (const auto& [key, into] : {std::pair{"model", &digests.model},
                                  std::pair{"contract", &digests.contract}}) {
    const auto found = whole ? stated->find(key) : data.end();
    if (whole && found != stated->end() && found->is_string()) *into = found->get<std::string>();
    if (into->size() != 64) {
      throw Refused(where +
                    ": the contract is damaged or states no sha256; export the policy again");
    }
  }
  return digests;
}

Contract parse_contract(const std::string& text, const std::string& where) {
  const Json data = parsed(text, where);
  try {
    return contract_of(data);
  } catch (const Refused& error) {
    throw Refused(where + ": the contract " + error.what() + "; export the policy again");
  } catch (const Damaged& error) {
    throw Refused(where + ": the contract is damaged (" + error.what() +
                  "); export the policy again");
  } catch (const Json::exception& error) {
    throw Refused(where + ": the contract is damaged (" + error.what() +
                  "); export the policy again");
  }
}

}  // namespace ilrobot
