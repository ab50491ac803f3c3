// Every tick in a ring on the disk that outlives the process. The twin of
// exports/runtime/tick_log.py; exports/runtime/tick_layout.py says how it lies there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "activation.hpp"
#include "contract.hpp"
#include "observation_watch.hpp"

namespace ilrobot {

// Who chose a command, in the numbers of a log.
enum class Source : std::uint16_t { kPolicy = 1, kHuman = 2, kFallback = 5 };

class TickLog {
 public:
  // Takes all its room, `ticks` rows but 256 MiB at most: `append` neither allocates nor waits for
  // the disk. A log that is there is replaced once there is room for this one. Throws Refused: the
  // place cannot be written to, the disk is full, another process is writing there, or something
  // else than a log is there.
  TickLog(const std::string& path, const Contract& contract, double rate, std::size_t ticks,
          const std::string& policy);
  ~TickLog();  // gives back the room that was not needed
  TickLog(const TickLog&) = delete;
  TickLog& operator=(const TickLog&) = delete;

  struct Tick {
    double start;  // s, of the loop's clock
    std::int32_t episode;
    Activations activations;
    double age, took;  // s: of the observation; guards and policy
    Source source;
    bool late;
  };
  // Null: nothing was seen, there is no command, or the policy wanted nothing. signals: of the
  // contract, in its order; NaN: the policy did not act.
  void append(const Observation* seen, const double* command, const double* wanted,
              const std::vector<double>& signals, const Tick& tick);

 private:
  int file_ = -1;
  char* map_ = nullptr;
  std::size_t offset_ = 0, stride_ = 0, capacity_ = 0, size_ = 0, action_ = 0;
  struct Kept {
    std::size_t feature, size;
  };
  std::vector<Kept> features_;
  std::uint64_t ticks_ = 0;
};

}  // namespace ilrobot
