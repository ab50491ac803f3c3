#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "contract.hpp"
#include "json_reading.hpp"
#include "refused.hpp"

namespace ilrobot {
namespace {

// Another export would not help: only Python reads such a contract.
class ForPython : public Refused {
  using Refused::Refused;
};

constexpr int kMajor = 1;
// By rounding alone signals differ by no more than this.
constexpr double kDoubtRounding = 1e-5, kProbabilityRounding = 1e-4;

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
  try {
    result.rotations = find_rotations(result.units);
  } catch (const std::invalid_argument& error) {
    throw Damaged("'" + result.name + "' has " + error.what());
  }
  return result;
}

Limits limits(const Json& data) {
  Limits result;
  for (const std::string& mode : texts(at(data, "mode"), "mode")) {
    if (mode != "absolute" && mode != "delta" && mode != "velocity") {
      throw Refused("has the unknown mode '" + mode + "' of an action element");
    }
    result.absolute.push_back(mode == "absolute");
    result.moving.push_back(mode == "velocity");
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

// In which frame the policy thinks; what it reads and gives is not in it.
void check_policy_frame(const Json& data, const Feature& action) {
  const std::string origin = text(at(data, "origin"), "policy_frame.origin");
  const std::string goal = text(at(data, "goal"), "policy_frame.goal");
  if (origin.empty() || goal.empty() || origin == goal) {
    throw Refused("has a policy_frame from '" + origin + "' towards '" + goal + "'");
  }
  const Json& turned = array(at(data, "turned"), "policy_frame.turned");
  for (const std::string& name : texts(turned, "policy_frame.turned")) {
    if (std::find(action.names.begin(), action.names.end(), name) == action.names.end()) {
      throw Refused("turns '" + name + "', which is no element of the action");
    }
  }
}

Golden golden(const Json& data, const Contract& contract, bool led) {
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
  if (led) {
    if (!contract.sampler_steps) {
      throw Damaged("a golden input leads the sampler, which cannot be led");
    }
    result.prefix = flat(at(data, "prefix"), contract.action.shape, contract.horizon);
    result.weights =
        flat(at(data, "prefix_weights"), {*contract.sampler_steps, contract.horizon});
  }
  result.given.chunk = flat(at(data, "action"), contract.action.shape, contract.horizon,
                            contract.choices > 0);
  for (const Signal& signal : contract.signals) {
    result.given.signals.push_back(flat(at(data, signal.name.c_str()), {contract.horizon}));
  }
  return result;
}

Contract contract_of(const Json& data) {
  Contract result;
  const Json& task = at(data, "task");
  if (task.contains("task")) result.task = text(task["task"], "task");
  if (const Json& meant = maybe(task, "semantics"); !meant.is_null()) {
    result.semantics = text(meant, "semantics");
  }
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
    if (feature.shape.size() > 1) {
      throw ForPython("reads '" + feature.name +
                    "', a picture, which this controller does not; run it with ilrobot deploy");
    }
    result.training_range.push_back(range_of(at(ranges, feature.name.c_str())));
  }
  if (result.limits && ranges.contains("action")) result.action_range = range_of(ranges["action"]);
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
      if (key == "calling") result.fallback_calling = given;
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
    const Json& scale = at(doubt, "scale");
    const std::size_t scales = scale.is_null() ? 0 : numbers(scale, "scale").size();
    if (scales != (result.choices > 0 ? 0 : result.action.size)) {
      throw Refused("must have a scale of doubt for each action element, of choices none");
    }
    number(at(doubt, "usual"), "usual");
    result.signals.push_back(
        {"doubt", number_or_none(at(doubt, "threshold"), "threshold"), kDoubtRounding});
    result.signals.push_back(
        {"novelty", number_or_none(maybe(doubt, "novelty_threshold"), "novelty_threshold"),
         kDoubtRounding});
  }
  if (const Json& critics = maybe(data, "critics"); !critics.is_null()) {
    if (!critics.is_object()) throw Damaged("critics are no map");
    for (const auto& [name, critic] : critics.items()) {
      if (name != "risk" && name != "unsafe") throw Refused("has the unknown critic '" + name + "'");
      number(at(critic, "usual"), "usual");
      result.signals.push_back(
          {name, number_or_none(at(critic, "threshold"), "threshold"), kProbabilityRounding});
    }
  }
  if (const Json& joints = maybe(data, "joints"); !joints.is_null()) check_joints(joints);
  if (const Json& frame = maybe(data, "policy_frame"); !frame.is_null()) {
    check_policy_frame(frame, result.action);
  }
  result.tolerance = number(at(data, "tolerance"), "tolerance");
  const Json& examples = at(data, "golden");
  check(result);
  for (const Json& item : array(examples, "golden")) {
    result.golden.push_back(golden(item, result, false));
  }
  if (const Json& led = maybe(data, "golden_led"); !led.is_null()) {
    for (const Json& item : array(led, "golden_led")) {
      result.golden.push_back(golden(item, result, true));
    }
  }
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
  } catch (const ForPython& error) {
    throw Refused(where + ": the contract " + error.what());
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
