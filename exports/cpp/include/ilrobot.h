/* An exported policy in a control loop, as a C ABI.
 *
 *     ilr_controller *c = ilr_load("policy.onnx", NULL, error, sizeof error);
 *     ilr_reset(c, seed, present, NULL, NULL, error, sizeof error);
 *     each period:  ilr_observe(c, observations, measured);   (and ilr_locate, where it is known)
 *                   if (ilr_tick(c, now, late, command)) send(command); else stop_the_robot();
 *     ilr_free(c);
 *
 * The control thread calls `observe` and `tick`; neither allocates, locks or waits, except that a
 * policy which predicts one action at a time (horizon 1) computes it within the tick. Chunks are
 * predicted by a thread of the library's own. Units, names and order of all numbers are those of
 * the file's contract. One controller is used by one thread at a time; `ilr_stop` by any. */
#ifndef ILROBOT_H
#define ILROBOT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ILR_API __attribute__((visibility("default")))
#else
#define ILR_API
#endif

typedef struct ilr_controller ilr_controller;

/* Standard normal noise for a policy that samples. Called by the thread that predicts. */
typedef void (*ilr_noise)(void *user, float *into, size_t count);

typedef struct ilr_options {
  double rate;          /* Hz at which ilr_tick is called; 0: the contract's */
  const char *chunking; /* `receding`, `ensemble:0.01`, ...; null: as the contract says */
  int wait;             /* 1: predict chunks within the tick, for simulated time */
  int inference_core;   /* of the thread that predicts; -1: any */
  ilr_noise noise;      /* null: a generator that ilr_reset seeds */
  void *noise_user;     /* handed to `noise` */
  const char *trust;    /* PEM file of the Ed25519 public key whose owner must have signed the file
                           (`ilrobot export --sign`, FILE.sig beside it); null: a signature is not
                           asked for. Refused where the library was built without OpenSSL. */
} ilr_options;

/* What stands for "as the contract says". */
#define ILR_DEFAULT_OPTIONS {0.0, NULL, 0, -1, NULL, NULL, NULL}

/* Opens a file that `ilrobot export` wrote: checks its signature, where that is asked for, its
 * digests and contract, and replays its golden vectors on this machine. Null where it is refused;
 * `error` then says why in one line. */
ILR_API ilr_controller *ilr_load(const char *path, const ilr_options *options, char *error,
                                 size_t error_size);
/* Breaks a prediction off that is under way, between two of the graph's operators. */
ILR_API void ilr_free(ilr_controller *controller);

/* Begins an episode. An emergency stop goes on. 1; or 0, and `error` says in one line why, where
 * what the robot holds or its velocity is not finite: then ilr_tick gives 0 until one begins.
 *
 * present:  the command that the robot holds now, one number per action element; null: not known,
 *           and the first absolute command is limited in position alone.
 * velocity: how fast that moves, units/s, or, of a commanded velocity, changes; null: at rest.
 * pose:     as ilr_locate takes it; null: not known. */
ILR_API int ilr_reset(ilr_controller *controller, uint64_t seed, const double *present,
                      const double *velocity, const double *pose, char *error, size_t error_size);

/* Where the target of each delta element is now, one number per action element, in the coordinates
 * of the contract's workspace, with all commands executed that were sent; NaN: not known, and the
 * workspace does not bound it. Before ilr_tick, whenever the robot says so: from there on each tick
 * adds its own commands, whatever comes of them. Of absolute elements nothing is read. */
ILR_API void ilr_locate(ilr_controller *controller, const double *pose);

/* Whether the contract has a workspace for a delta element of which nobody says where its target is:
 * that one is not kept. */
ILR_API int ilr_workspace_unknown(const ilr_controller *controller);

/* The newest measurement: for each observation of the contract, in its order, an array of its
 * elements; and when it was measured, in seconds of the clock that `now` of ilr_tick is of. */
ILR_API void ilr_observe(ilr_controller *controller, const float *const *observations,
                         double measured);

/* After the first ilr_observe, before the clock starts: predicts the first chunk. 1; or 0 where it
 * is not there after so many seconds (called again, it waits on for the same chunk), or what was
 * observed is not finite. Without this an episode's first ticks hold. */
ILR_API int ilr_prepare(ilr_controller *controller, double seconds);

/* One control period. Writes the command, one number per action element (a choice as a whole
 * number). Returns 1; or 0 where there is nothing to send, not even to hold: stop the robot.
 *
 * late: whether this tick began after its deadline. */
ILR_API int ilr_tick(ilr_controller *controller, double now, int late, double *command);

/* The same, while somebody else acts, such as a person: `action` passes the guards (null: nobody
 * has one, and the fallback acts). The policy sees the observation, and plans afresh later. While a
 * person halts the robot, give the command that it holds: what is out of the policy's range then
 * moves nothing. */
ILR_API int ilr_override(ilr_controller *controller, double now, int late, const double *action,
                         double *command);

/* The next command on the way to rest, within the limits, for an episode that ends in motion: in
 * ilr_tick's place, once a period, until it gives 0. Then nothing moves any more: stop the robot.
 * Nothing is looked at; an activation, `coming_to_rest`, counts these ticks. */
ILR_API int ilr_brake(ilr_controller *controller, double now, int late, double *command);

/* Keeps every tick from now on in a file that `ilrobot view` opens, also after a crash: `ticks` of
 * them, 256 MiB at most, the oldest of which make room. Takes all its room now and is closed by
 * ilr_free. Not while an episode runs. An earlier log is replaced, any other file refused. 1; or 0,
 * and `error` says in one line why. */
ILR_API int ilr_log(ilr_controller *controller, const char *path, size_t ticks, char *error,
                    size_t error_size);

/* The emergency stop, from any thread or signal handler: from the next tick on brake and hold, in
 * later episodes, too, until it is released. It cuts no power: it stands for no hardware stop. */
ILR_API void ilr_stop(ilr_controller *controller);
ILR_API void ilr_release(ilr_controller *controller);

/* What the guards did at the last tick, a bit each, and at how many ticks they did it. */
ILR_API uint32_t ilr_flags(const ilr_controller *controller);
ILR_API size_t ilr_activation_count(void);
ILR_API const char *ilr_activation_name(size_t activation); /* null: there is none */
ILR_API uint64_t ilr_activation_ticks(const ilr_controller *controller, size_t activation);

/* What the policy says of the action of the last tick beside it: `doubt` and `novelty` of an
 * ensemble, `risk` and `unsafe` of critics, as far as the contract has them. NaN where it did not
 * act. Above its threshold in the contract each is a call for help, an activation of the guards. */
ILR_API size_t ilr_signal_count(const ilr_controller *controller);
ILR_API const char *ilr_signal_name(const ilr_controller *controller, size_t signal);
ILR_API double ilr_signal(const ilr_controller *controller, size_t signal);

/* The contract. Names of observations and elements are null where there is none. */
ILR_API double ilr_rate(const ilr_controller *controller); /* Hz */
ILR_API size_t ilr_history(const ilr_controller *controller);
ILR_API size_t ilr_horizon(const ilr_controller *controller);
ILR_API size_t ilr_choices(const ilr_controller *controller); /* 0: continuous actions */
ILR_API size_t ilr_observation_count(const ilr_controller *controller);
ILR_API const char *ilr_observation_name(const ilr_controller *controller, size_t observation);
ILR_API size_t ilr_observation_size(const ilr_controller *controller, size_t observation);
ILR_API size_t ilr_action_size(const ilr_controller *controller);

/* What a command keeps, in the action's units; infinite: not limited. 0: actions are choices. */
typedef struct ilr_limits {
  int absolute; /* a target, held by repeating it; else a displacement per tick, held by zero */
  double low, high, velocity, acceleration, jerk;
  int moving; /* a velocity, held by zero, repeated until the next command; not a displacement */
} ilr_limits;
ILR_API int ilr_action_limits(const ilr_controller *controller, size_t element,
                              ilr_limits *limits);

/* Where the commanded target may be, of a delta the sum of its commands; infinite: anywhere. 0: the
 * contract has no workspace. */
ILR_API int ilr_action_workspace(const ilr_controller *controller, size_t element, double *low,
                                 double *high);

/* Holds a robot's element names against the contract's, in order. 1: they agree, or the contract
 * states none; else 0, and `error` says what differs. `feature` is an observation or `action`. */
ILR_API int ilr_check_names(const ilr_controller *controller, const char *feature,
                            const char *const *names, size_t count, char *error,
                            size_t error_size);

/* The same of units, such as "rad"; one that is empty, on either side, is not stated. */
ILR_API int ilr_check_units(const ilr_controller *controller, const char *feature,
                            const char *const *units, size_t count, char *error,
                            size_t error_size);

/* What the numbers of an action are: `absolute` (targets), `delta` (steps), `discrete`, or
 * `unknown`, where nobody said. A robot that takes others is another robot. */
ILR_API const char *ilr_semantics(const ilr_controller *controller);

/* Greatest error of the golden vectors on this machine, as a share of the command range. */
ILR_API double ilr_golden_error(const ilr_controller *controller);

/* The graph alone: for each observation its history (ilr_history ticks, oldest first), the noise,
 * and where the sampler is led (null: no noise, not led). Writes ilr_horizon actions. 1, or 0
 * where ONNX Runtime fails. Not between two ticks of an episode. */
ILR_API int ilr_predict(ilr_controller *controller, const float *const *history,
                        const float *noise, const float *prefix, const float *prefix_weights,
                        float *chunk);

#ifdef __cplusplus
}
#endif

#endif
