// A robot that speaks the messages of docs/robots.md over UDP, version 1.
#pragma once

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "clocks.hpp"
#include "contract_message.hpp"
#include "ilrobot.h"
#include "msgpack.hpp"
#include "under_way.hpp"

class RobotLink {
 public:
  enum class State { kMoving, kHolding, kEnded };

  explicit RobotLink(const ilr_controller* policy)
      : policy_(policy), under_way_(ilr_action_size(policy)) {
    std::random_device random;
    session_ = (std::uint64_t{random()} << 31 ^ random()) & 0x7fffffffffffffff;
    for (std::size_t i = 0; i < ilr_observation_count(policy); ++i) {
      values_.emplace_back(ilr_observation_size(policy, i));
      incoming_.push_back(values_.back());
    }
    for (const std::vector<float>& values : values_) pointers_.push_back(values.data());
  }
  ~RobotLink() {
    if (socket_ >= 0) close(socket_);
  }

  // Empty, or why not.
  std::string open(const std::string& host, const std::string& port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
      return "'" + host + "' is no host, or '" + port + "' no port";
    }
    socket_ = socket(found->ai_family, SOCK_DGRAM, 0);
    // Connected, so that nobody but the robot is heard.
    const bool open = socket_ >= 0 && connect(socket_, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    return open ? "" : "no socket to " + host;
  }

  void send_hello() { send("hello", [](msgpack::Writer&) {}, 0); }
  void send_heartbeat() { send("heartbeat", [](msgpack::Writer&) {}, 0); }
  void send_stop() { send("stop", [this](msgpack::Writer& out) { episode(out); }, 1); }
  void send_reset(std::uint64_t seed) {
    const auto rest = [&](msgpack::Writer& out) {
      episode(out);
      out.text("seed"), out.integer(seed);
      out.text("limits"), write_limits(out, policy_);
      out.text("workspace"), write_workspace(out, policy_);
    };
    send("reset", rest, 4);
  }
  void send_command(const double* command) {
    const auto rest = [&](msgpack::Writer& out) {
      episode(out);
      out.text("values"), out.array(static_cast<std::uint16_t>(ilr_action_size(policy_)));
      for (std::size_t i = 0; i < ilr_action_size(policy_); ++i) out.number(command[i]);
    };
    send("command", rest, 2);
    under_way_.add(sequence_, command);
  }
  void begin_episode() { ++episode_, status_ = observed_ = false, under_way_.clear(); }

  // Takes in what has come; a flood is left for the next tick.
  void hear() {
    for (int i = 0; i < 1000; ++i) {
      const ssize_t size = recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (size < 0) return;
      if (!take({buffer_.data(), static_cast<std::size_t>(size)})) ++dropped;
    }
  }

  const float* const* values() const { return pointers_.data(); }
  double measured() const { return measured_; }
  // Where the target of each delta is, with all that was sent (NaN: not known); null: nobody says.
  const double* pose() { return pose_.empty() ? nullptr : under_way_.after(pose_); }
  bool described() const { return described_; }
  bool begun() const { return status_ && observed_; }
  bool stopped() const { return status_; }
  void expect_status() { status_ = false; }

  std::string misfit;   // why robot and policy do not fit (empty: they do)
  std::string refusal;  // what the robot said instead of an answer
  bool restarted = false, any_rate = false, success = false;
  State state = State::kHolding;
  double heard_at = now(), sent_at = 0, rate = 0;
  std::vector<double> held, velocity;  // of its status; empty: it does not know
  std::uint64_t dropped = 0;

 private:
  using Reader = msgpack::Reader;

  template <typename Rest>
  void send(const char* type, const Rest& rest, int keys) {
    msgpack::Writer out(outgoing_, sizeof outgoing_);
    out.map(static_cast<std::uint16_t>(5 + keys));
    out.text("v"), out.integer(1);
    out.text("type"), out.text(type);
    out.text("session"), out.integer(session_);
    out.text("seq"), out.integer(++sequence_);
    out.text("time"), out.number(sent_at = now());
    rest(out);
    // Where the robot is gone for a moment this fails; its silence is noticed elsewhere.
    if (out.ok() && ::send(socket_, outgoing_, out.size(), MSG_DONTWAIT) < 0) ++unsent_;
  }
  void episode(msgpack::Writer& out) const { out.text("episode"), out.integer(episode_); }

  bool take(Reader message) {
    Reader whole = message, field;
    if (!whole.skip() || !whole.at_end()) return false;
    std::uint64_t version = 0, session = 0, sequence = 0;
    std::string_view type;
    double time = 0;
    if (!(message.find("v", field) && field.integer(version) && version == 1)) return false;
    if (!(message.find("type", field) && field.text(type))) return false;
    if (!(message.find("session", field) && field.integer(session))) return false;
    if (!(message.find("seq", field) && field.integer(sequence))) return false;
    if (!(message.find("time", field) && field.number(time) && std::isfinite(time))) return false;
    if (peer_ != 0 && session != peer_) restarted = true;
    if (session == peer_ && sequence <= heard_) return false;  // a duplicate, or out of order
    const bool known = type == "capabilities"  ? describe(message)
                       : type == "status"      ? take_status(message)
                       : type == "observation" ? take_observation(message)
                                               : type == "refusal" && take_refusal(message);
    if (!known) return false;
    peer_ = session;
    heard_ = sequence;
    heard_at = now();
    return true;
  }

  bool describe(Reader message) {
    Reader spec, features, field;
    std::size_t count = 0;
    if (!message.find("spec", spec) || !spec.find("observations", features)) return false;
    if (!(message.find("any_rate", field) && field.boolean(any_rate))) return false;
    if (!(spec.find("rate", field) && field.number(rate)) || !features.array(count)) return false;
    std::vector<bool> found(ilr_observation_count(policy_));
    misfit.clear();
    for (std::size_t i = 0; i < count; ++i) {
      std::string_view name;
      if (!(features.find("name", field) && field.text(name))) return false;
      for (std::size_t j = 0; j < found.size(); ++j) {
        if (name != ilr_observation_name(policy_, j)) continue;
        found[j] = true;
        compare(features, ilr_observation_name(policy_, j), ilr_observation_size(policy_, j));
      }
      if (!features.skip()) return false;
    }
    for (std::size_t j = 0; j < found.size(); ++j) {
      if (!found[j]) misfit = std::string("it does not give ") + ilr_observation_name(policy_, j);
    }
    if (!spec.find("action", field)) return false;
    compare(field, "action", ilr_action_size(policy_));
    std::string_view takes;
    const std::string_view gives = ilr_semantics(policy_), unknown = "unknown";
    if (spec.find("semantics", field) && field.text(takes) && takes != gives && takes != unknown &&
        gives != unknown) {
      misfit = "it takes " + std::string(takes) + " actions, the policy's are " + std::string(gives);
    }
    return described_ = true;
  }

  void compare(const Reader& feature, const char* name, std::size_t ours) {
    Reader field;
    std::size_t axes = 0;
    double size = 1, length = 0;
    if (feature.find("shape", field) && field.array(axes)) {
      for (std::size_t i = 0; i < axes && field.number(length); ++i) size *= length;
    }
    if (size != static_cast<double>(ours)) misfit = std::string(name) + " has another size";
    compare_texts(feature, "names", name, &ilr_check_names);
    compare_texts(feature, "units", name, &ilr_check_units);
  }

  void compare_texts(const Reader& feature, const char* key, const char* name,
                     decltype(&ilr_check_names) check) {
    Reader field;
    std::size_t count = 0;
    if (!(feature.find(key, field) && field.array(count)) || count == 0) return;
    std::vector<std::string> elements(count);
    std::vector<const char*> texts;
    for (std::string& element : elements) {
      std::string_view text;
      if (!field.text(text)) return;
      element = text;
      texts.push_back(element.c_str());
    }
    char error[300];
    if (!check(policy_, name, texts.data(), count, error, sizeof error)) misfit = error;
  }

  bool of_this_episode(const Reader& message) const {
    Reader field;
    std::uint64_t number = 0;
    return message.find("episode", field) && field.integer(number) && number == episode_;
  }

  bool take_state(const Reader& message) {
    Reader field;
    std::string_view word;
    if (!(message.find("state", field) && field.text(word))) return false;
    state = word == "ended" ? State::kEnded : word == "moving" ? State::kMoving : State::kHolding;
    return true;
  }

  bool take_status(const Reader& message) {
    Reader field;
    if (!of_this_episode(message) || !take_state(message)) return false;
    for (const auto& [key, into] : {std::pair{"command", &held}, std::pair{"velocity", &velocity}}) {
      into->clear();
      std::size_t count = 0;
      if (!message.find(key, field)) return false;
      if (!field.array(count) || count != ilr_action_size(policy_)) continue;
      into->resize(count);
      for (double& value : *into) {
        if (!field.number(value) || !std::isfinite(value)) return false;
      }
    }
    return status_ = true;
  }

  bool take_observation(const Reader& message) {
    Reader field, heard;
    double measured = 0, sent = 0, received = 0;
    std::uint64_t number = 0;
    if (!of_this_episode(message)) return false;
    if (!(message.find("measured", field) && field.number(measured))) return false;
    if (!message.find("heard", heard)) return false;
    if (!(heard.find("seq", field) && field.integer(number))) return false;
    if (!(heard.find("time", field) && field.number(sent))) return false;
    if (!(heard.find("received", field) && field.number(received))) return false;
    if (!message.find("values", heard)) return false;
    for (std::size_t i = 0; i < incoming_.size(); ++i) {
      if (!heard.find(ilr_observation_name(policy_, i), field)) return false;
      if (!take_values(field, incoming_[i])) return false;
    }
    if (!take_pose(message) || !take_state(message)) return false;
    if (message.find("success", field)) field.boolean(success);
    for (std::size_t i = 0; i < incoming_.size(); ++i) {
      std::copy(incoming_[i].begin(), incoming_[i].end(), values_[i].begin());
    }
    under_way_.heard(number);
    const double present = now();
    offset_.add(sent, received);
    if (measured + offset_.least() > present) {  // from the future: a clock was set
      offset_.forget();
      offset_.add(sent, received);
    }
    measured_ = std::min(measured + offset_.least(), present);
    return observed_ = true;
  }

  bool take_pose(const Reader& message) {
    Reader field;
    std::size_t count = 0;
    pose_.clear();
    if (!message.find("pose", field) || !field.array(count)) return true;
    if (count != ilr_action_size(policy_)) return false;
    pose_.resize(count);
    for (double& value : pose_) {
      if (!field.number(value)) return pose_.clear(), false;
    }
    return true;
  }

  static bool take_values(Reader field, std::vector<float>& into) {
    std::string_view bytes;
    Reader picture = field;
    if (picture.binary(bytes)) {
      if (bytes.size() != into.size()) return false;
      std::transform(bytes.begin(), bytes.end(), into.begin(),
                     [](char byte) { return static_cast<float>(static_cast<unsigned char>(byte)); });
      return true;
    }
    std::size_t count = 0;
    if (!field.array(count) || count != into.size()) return false;
    for (float& value : into) {
      double number = 0;
      if (!field.number(number)) return false;
      value = static_cast<float>(number);
    }
    return true;
  }

  bool take_refusal(const Reader& message) {
    Reader field;
    std::string_view reason;
    if (!(message.find("reason", field) && field.text(reason))) return false;
    refusal = reason.substr(0, 1000);
    return true;
  }

  const ilr_controller* policy_;
  int socket_ = -1;
  std::uint64_t session_ = 0, sequence_ = 0, episode_ = 0, unsent_ = 0;
  std::uint64_t peer_ = 0, heard_ = 0;  // the robot's session and newest message
  bool described_ = false, status_ = false, observed_ = false;
  ClockOffset offset_;
  UnderWay under_way_;
  std::vector<double> pose_;  // as the robot said it last; empty: it did not
  double measured_ = -std::numeric_limits<double>::infinity();
  std::vector<std::vector<float>> values_, incoming_;
  std::vector<const float*> pointers_;
  std::vector<unsigned char> buffer_ = std::vector<unsigned char>(65536);
  unsigned char outgoing_[65507];
};
