// The contract: what an exported policy promises, and what whoever runs it must keep. The twin of
// ilrobot/control/contract.py; ilrobot/control/contract_schema.py explains each field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chunking.hpp"
#include "rotation_units.hpp"

namespace ilrobot {

using Shape = std::vector<std::size_t>;

// How many numbers an array of this shape holds.
std::size_t size_of(const Shape& shape);

struct Feature {
  std::string name, dtype, frame;
  Shape shape;
  std::vector<std::string> names, units;  // one per element, or none
  std::vector<Rotation> rotations;
  std::size_t size = 0;

  bool is_picture() const { return shape.size() == 3; }  // (height, width, channels)
};

struct Limits {
  std::vector<bool> absolute, moving;  // a target, or a velocity; else a delta
  std::vector<double> low, high, velocity, acceleration, jerk;  // infinite: not limited
};

struct Range {
  std::vector<double> low, high;
};

// An output of the graph beside the action, a number about each action of a chunk. The twin of
// ilrobot/control/signals.py.
struct Signal {
  std::string name;
  std::optional<double> threshold;  // above which it is a call for help
  double rounding;                  // by which it may differ and be the same
};

// What the graph gives.
struct Prediction {
  std::vector<float> chunk;                 // horizon * action size
  std::vector<std::vector<float>> signals;  // each horizon, in the contract's order
};

struct Golden {
  std::vector<std::vector<float>> observations;  // each n_obs * its feature's size
  std::vector<float> noise;                      // empty: it takes none
  std::vector<float> prefix, weights;            // where it is led; empty: nowhere
  Prediction given;
};

struct Contract {
  std::string task;  // Gymnasium id; may be empty
  std::string semantics = "unknown";  // of the action: absolute, delta, discrete or unknown
  std::vector<Feature> observations;
  Feature action;
  double rate = 0;         // Hz
  std::size_t choices = 0;  // 0: the action is continuous
  std::size_t n_obs = 0, horizon = 0, execute = 0;
  std::optional<Shape> noise_shape;
  std::optional<std::size_t> sampler_steps;
  std::vector<Signal> signals;
  std::optional<Limits> limits;  // none for choices
  std::vector<Range> training_range;  // in the order of the observations
  std::optional<Range> action_range;  // of the demonstrations; none of choices and in older files
  double stale_after = 0;  // s
  std::string fallback;    // hold, damp or retreat
  std::optional<std::vector<double>> retreat;  // where to, per action element; NaN: that one holds
  // What goes on for as long makes the fallback act: s, but late in ticks (none: for ever).
  std::optional<double> fallback_out_of_range, fallback_frozen, fallback_calling, fallback_late;
  std::optional<Range> workspace;  // of the commanded target, per action element; may be infinite
  Chunking chunking;
  std::vector<Golden> golden;
  double tolerance = 0;

  // The command range of each element, by which errors are divided (1 where it is 0); without one,
  // the range of the demonstrations (1 where that is 0 or not known).
  std::vector<double> scale() const;

  // The rotations that the action commands as targets; one that is a step is a small turn.
  std::vector<Rotation> target_rotations() const;

  // What differs between a robot's names of a feature's elements and ours, in order (empty:
  // nothing, or we state none).
  std::string differing(const std::string& feature, const char* const* names,
                        std::size_t count) const;

  // The same of units, of which each may be empty: not stated.
  std::string differing_units(const std::string& feature, const char* const* units,
                              std::size_t count) const;

 private:
  const Feature* find(const std::string& feature) const;  // null: there is none of that name
};

struct Digests {
  std::string model, contract;  // 64 hexadecimal digits each
};

// What a contract says of its file; throws Refused where its schema is another, too.
Digests stated_digests(const std::string& text, const std::string& where);

// Throws Refused: its fields, each well formed, contradict each other.
void check(const Contract& contract);

// Throws Refused: which element of what the robot holds, or of how fast that moves, is not finite
// (null: not known), as the limiter looks at them.
void check_start(const Contract& contract, const double* present, const double* velocity);

// Throws Refused: a key is missing or damaged, the schema's major version is another, or the
// contract contradicts itself.
Contract parse_contract(const std::string& text, const std::string& where);

}  // namespace ilrobot
