/*
    ckpt.h -- checkpoints for long agent runs                          v0.1.0

    Save the state of an agent run while it works, and beat while it is alive.
    After a crash find the interrupted runs and claim them (of many claimants
    one wins), and go on from the last checkpoint, without the phases that were
    complete and the tool calls that were already done.

    Do this in *one* C or C++ file:

        #define CKPT_IMPLEMENTATION
        #include "ckpt.h"

    and include ckpt.h without the define everywhere else. The implementation
    needs C99 and ten functions of string.h. To keep runs in a directory of
    files see ckpt_store_fs.h, which also needs stb_sprintf.h and POSIX.

    ckpt DOES NOT:
      - allocate memory, print, log, start threads or keep global state
      - read a clock or touch a disk: the store that you pass in does
      - change your transcript or your state: both are your JSON, kept byte
        for byte
      - make a tool run exactly once: nobody can. After a crash ckpt tells
        you which calls have ended, and which are uncertain: they were begun
        and may have run

    STEP BY STEP
    ============
    --- open a store, and say how runs are to be kept:

            ckpt_code rc;
            ckpt_error err;
            ckpt_store_fs fs;
            rc = ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){
                .dir = "runs",
            }, &err);

            ckpt_ctx ctx;
            rc = ckpt_init(&ctx, &(ckpt_desc){
                .store = &fs.base,
                .owner = "worker-3",
            });

    --- begin a run, or claim and resume it if it was interrupted:

            ckpt_run run;
            rc = ckpt_open(&ctx, &run, &(ckpt_run_desc){
                .id = "invoice-4711",
                .meta = { .agent_id = "clerk", .prompt = "Check it." },
            });
            if (rc < 0) return report(ckpt_last_error(&ctx));
            if (rc == CKPT_FINISHED) return 0;      // the work is done

    --- after a resume, read the last checkpoint into a buffer of yours;
        run.checkpoint_size says how large it must be, and CKPT_OLDER that
        the checkpoint is not the last one. The run may have no messages yet:
        a crash can come before the first save:

            ckpt_checkpoint last;
            if (run.resumed) {
                rc = ckpt_load(&run, &last, buf, sizeof(buf));
                if (rc < 0) return report(&run.error);
                agent_restore(&agent, last.turn, last.messages, last.state);
            }

    --- work in phases. A phase that was complete before a crash is skipped:

            ckpt_save_desc save = { .turn = agent.turn };
            if (ckpt_phase(&run, "plan")) {
                make_plan(&agent);
                save.messages = ckpt_text(agent.messages);
                rc = ckpt_phase_end(&run, "plan", ckpt_text("{}"), &save);
            }

    --- in the loop of turns, enclose each tool call, and save or beat:

            while (agent_turn(&agent, &call)) {     // the model answered
                save.turn = agent.turn;
                save.messages = ckpt_text(agent.messages);
                if (call.id == NULL) {
                    if (ckpt_due(&run, save.turn)) {
                        rc = ckpt_save(&run, &save);
                    } else {
                        rc = ckpt_beat(&run);
                    }
                } else {
                    ckpt_effect effect;
                    rc = ckpt_effect_begin(&run, call.id, &save, &effect);
                    if (rc < 0) {
                        return report(&run.error);  // not saved: do not run it
                    }
                    switch (effect.state) {
                    case CKPT_EFFECT_NEW:           // durable: now it may run
                        call.result = call_tool(&call);
                        rc = ckpt_effect_end(&run, call.id,
                                             ckpt_text(call.result));
                        break;
                    case CKPT_EFFECT_ENDED:         // it ran before the crash
                        rc = ckpt_effect_result(&run, &effect, result,
                                                sizeof(result), &call.size);
                        break;
                    case CKPT_EFFECT_UNCERTAIN:     // it may have run: look
                        call.result = look_for(&call);
                        if (call.result == NULL) {  // it did not run
                            call.result = call_tool(&call);
                        }
                        rc = ckpt_effect_end(&run, call.id,
                                             ckpt_text(call.result));
                        break;
                    }
                }
                if (rc == CKPT_ERR_CLAIM_LOST) {
                    return 1;       // the run was taken over or removed
                }
            }

    --- finish. If the process dies before that, the run is interrupted, and
        can be resumed:

            rc = ckpt_finish(&run, CKPT_COMPLETED, NULL);
            ckpt_store_fs_close(&fs);

    WORDS
    =====
    run         one execution of an agent on one task, named by its id
    checkpoint  the last saved position and state of a run
    generation  one published version of a checkpoint. The last two are kept,
                ordered by (epoch, seq); seq numbers the tries to save a run,
                through all epochs
    turn        the caller's own counter (an LLM turn, an iteration)
    phase       a named stage. After a resume complete phases are skipped, and
                the interrupted phase is done again (your state and transcript
                say how far it was)
    effect      one outside action (a tool call), known by (turn, id): new,
                begun (after a crash: uncertain) or ended (result known)
    heartbeat   the time at which the owner was last alive; to beat renews it
    claim       the right to write to a run; its holder is the owner, and who
                tries to get it is a claimant
    epoch       the number of a claim: 1, 2, ... Only the highest may write
    interrupted not finished, and its owner crashed or let it go
    attempt     one resume, unless a clean shutdown gave it back. Progress
                resets the count to zero: one more completed phase, or a turn
                higher than any saved before this resume
    throttle    the least time between two saves; an earlier save is skipped
    outcome     how the owner left a run: completed and failed remove the run,
                unless it is kept; interrupted keeps the run and gives the
                attempt back; retry keeps the run, and the attempt counts
    receipt     a completed run that was begun with .once: it is kept where it
                stands, so that nobody does its work a second time
    dead letter a failed run that is kept where it stands, to look at, to
                retry or to remove
    store       where runs are kept: one table of functions
    environment the world of an agent: a directory, a container, a machine. A
                copy of it is held by a run that has to release the copy
    janitor     a list of environments that a program releases when it ends
    fallback    your function that gets the runs that nobody may resume

    OPTIONS
    =======
    A zero-initialized desc means the defaults; only .store is required.

    ckpt_desc       unit     0 means        other values
    .throttle_ms    ms       1000 (with     CKPT_OFF: save on every call
                             .every_turns:
                             off)
    .every_turns    turns    off            N: save only turns N, 2N, 3N, ...
                                            (so never turn 0)
    .beat_ms        ms       20 000         CKPT_OFF: beat on every call
    .lease_ms       ms       60 000         at least 2 * .beat_ms: a shorter
                                            lease needs shorter beats
    .resume_max     attempts 3              CKPT_UNLIMITED, CKPT_NEVER
    .size_max       bytes    64 MiB         1024 to CKPT_SIZE_MAX, 512 MiB

    Define before including the implementation, all optional:

    CKPT_STATIC     make every function static to this file
    CKPT_API        your own linkage prefix for the public functions
    CKPT_SMALL      1: small code, for a microcontroller. 0: code for speed,
                    with 8 KiB of constant tables, and instructions for
                    vectors and CRC-32C where the processor has them. Both
                    read and write the same. Default: 1 if the compiler
                    optimizes for size (-Os), or knows neither an operating
                    system nor 64 bits

    Define before every inclusion what the program does not use:

    CKPT_NO_SUPERVISING     what looks after runs, from ckpt_query() to
                            ckpt_sweep()
    CKPT_NO_ENVIRONMENTS    ckpt_env_, ckpt_held_ and ckpt_janitor_
    CKPT_NO_NOTE            ckpt_note()
    CKPT_NO_DOUBLES         ckpt_json_double() and ckpt_json_to_double(), and
                            with them the need for a double of 64 bits

    ERRORS
    ======
    Functions return a ckpt_code: zero for success, positive for a result
    that is no failure, negative for an error. ckpt_last_error() and
    run.error say more: what was being done, the errno, the position in damaged
    or wrong JSON, and a sentence that says what to do. A run whose opening
    failed is zeroed, and every call on a zeroed run is safe and returns
    CKPT_ERR_CLOSED. Calls on JSON and on environments return a code only; if
    one on an environment failed because of its run, run.error says more.

    A save has one of these results, whatever goes wrong below it:
        CKPT_OK               durable, whole, and the run is still ours
        CKPT_SKIPPED          throttled, nothing was written
        CKPT_FINISHED         the run has ended, nothing was written
        CKPT_ERR_UNSURE       either the old or the new checkpoint stands, and
                              it is whole; save again
        CKPT_ERR_NOT_DURABLE  the new checkpoint stands, but may be lost in a
                              power cut; save again
        CKPT_ERR_CLAIM_LOST   the run was taken over or removed; stop. Sticky
        CKPT_ERR_DAMAGED      the old checkpoint was damaged meanwhile: load
                              what is left (CKPT_OLDER), then go on
        any other error       the old checkpoint stands

    THREADS
    =======
    There is no global state. A ckpt_ctx belongs to one thread at a time, and
    so does a ckpt_run, but the two need not be the same thread: a run only
    reads its context. A ckpt_env belongs to the thread of its run. A janitor
    shared between threads needs a lock of yours. Whether a store may be used
    by several threads, its own header says.
    The event callback is called in the thread that made the call, before that
    call is over: the callback must not call on the same run. No callback may
    throw an exception of C++: a call that is left so closes nothing.
    A signal handler must call nothing of this file. It sets a flag, and your
    loop looks at the flag and calls ckpt_finish() with CKPT_INTERRUPTED.
    A call on a run while another one is not over, as from a callback, returns
    CKPT_ERR_REENTERED and changes nothing, not even run->error. After a
    longjmp() out of a call every call on that run returns this code: only
    ckpt_abandon() is left then.
    A run that is dropped in a living process is no crash: it keeps its
    descriptors and its lock, and stays live. ckpt_abandon() lets it go.
    After fork() the child owns no run: its calls on one return
    CKPT_ERR_FORKED. The child should call ckpt_abandon(), which works there.

    LICENSE
    =======
    SPDX-License-Identifier: MIT-0, see the end of the file.
*/
#ifndef CKPT_H
#define CKPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(CKPT_API)
    /* the caller's */
#elif defined(CKPT_STATIC) && (defined(__GNUC__) || defined(__clang__))
    #define CKPT_API __attribute__((unused)) static
#elif defined(CKPT_STATIC)
    #define CKPT_API static
#else
    #define CKPT_API extern
#endif

// Marks results that must not be dropped.
#if defined(__GNUC__) || defined(__clang__)
    #define CKPT_CHECKED __attribute__((warn_unused_result))
#else
    #define CKPT_CHECKED
#endif

#ifdef __cplusplus
extern "C" {
#endif

//--- Version ------------------------------------------------------------------

// The version of this header: major << 16 | minor << 8 | patch. A new patch
// only fixes, a new minor adds at the end of structs and tables, a new major
// breaks callers. A changed comment changes no number.
#define CKPT_VERSION        0x000100
#define CKPT_VERSION_STRING "0.1.0"

// The format of a checkpoint on disk ("ckpt" in its head). Checkpoints of a
// higher format are refused and left alone; all lower formats can be loaded.
#define CKPT_FORMAT_VERSION 1

// Returns the CKPT_VERSION the implementation was compiled from. A program
// that links a library should compare it with its header.
CKPT_API uint32_t ckpt_version(void);

//--- Limits -------------------------------------------------------------------

#define CKPT_ID_MAX         120     // bytes of a run id
#define CKPT_NAME_MAX       120     // bytes of a phase name, effect or env id
#define CKPT_REASON_MAX     500     // bytes of a reason; longer ones are cut
#define CKPT_DEPTH_MAX      128     // nesting of the caller's JSON; of
                                    // messages, of each one
#define CKPT_NONCE_MAX      32      // bytes of a nonce: a-z and 0-9
#define CKPT_KEY_SIZE       32      // bytes of an idempotency key: 0-9 and a-f
#define CKPT_CLAIMS_MAX     32      // claimants in a row that may crash before
                                    // their first save
#define CKPT_PLACE_SIZE     600     // bytes a store may keep in a run
#define CKPT_SIZE_MAX       0x20000000  // 512 MiB: bytes of a checkpoint
#define CKPT_TURN_MAX       9007199254740991U   // 2^53 - 1, also seq and epoch

// The sizes of the three tables of a run, which decide how large a ckpt_run is:
// 14 KiB, or 5 KiB with 16, 8 and 4. Define the same sizes before every
// inclusion, best by the compiler's options. A run that needs larger tables
// than this program has is left alone: CKPT_ERR_FORMAT.
#ifndef CKPT_PHASES_MAX
    #define CKPT_PHASES_MAX  256    // completed phases of a run
#endif
#ifndef CKPT_EFFECTS_MAX
    #define CKPT_EFFECTS_MAX 128    // effects a checkpoint holds at a time
#endif
#ifndef CKPT_HELD_MAX
    #define CKPT_HELD_MAX    64     // environment checkpoints of a run
#endif

// What a context and a run keep inside, in bytes.
#define CKPT_CTX_SIZE       4904
#define CKPT_RUN_SIZE       (4192 + 8 * CKPT_PHASES_MAX +                      \
                             (CKPT_PHASES_MAX + 7) / 8 +                       \
                             40 * (CKPT_EFFECTS_MAX + CKPT_HELD_MAX))

// Values of options.
#define CKPT_OFF            (-1)
#define CKPT_UNLIMITED      (-1)    // resume_max: resume without end
#define CKPT_NEVER          (-2)    // resume_max: never resume

//--- Result codes -------------------------------------------------------------

// X(name, value, message) for every code, so that callers and bindings can
// build their own tables.
#define CKPT_CODE_MAP(X)                                                       \
    X(OK,                0, "success")                                         \
    X(SKIPPED,           1, "throttled, nothing was written")                  \
    X(OLDER,             2, "the newest is damaged or missing; this is older") \
    X(END,               3, "there are no more")                               \
    X(FINISHED,          4, "the run is finished; there is nothing to do")     \
    X(ERR_ARGUMENT,     -1, "an argument is missing, wrong or out of range")   \
    X(ERR_CLOSED,       -2, "the run is not open; begin or resume it first")   \
    X(ERR_NOT_FOUND,    -3, "there is nothing of that name")                   \
    X(ERR_EXISTS,       -4, "that id is taken; resume, release or remove it")  \
    X(ERR_LIVE,         -5, "another process has it; force only if it hangs")  \
    X(ERR_BUSY,         -6, "it is changing or in doubt; try again later")     \
    X(ERR_CLAIM_LOST,   -7, "the run was taken over or removed; stop")         \
    X(ERR_EXHAUSTED,    -8,                                                    \
      "no resume attempt is left; ckpt_retry() it, or raise .resume_max")      \
    X(ERR_FAILED,       -9, "the run failed and was kept; retry or remove it") \
    X(ERR_FORKED,      -10, "the run belongs to the parent process")           \
    X(ERR_DAMAGED,     -11, "damaged or replaced; load or see what is left")   \
    X(ERR_FORMAT,      -12, "of a higher format or larger tables; left alone") \
    X(ERR_FOREIGN,     -13, "of another run or user, or not of this store")    \
    X(ERR_IO,          -14, "the store or your function failed; see sys")      \
    X(ERR_NO_SPACE,    -15, "no space left, or a limit; make room, try again") \
    X(ERR_ACCESS,      -16, "not permitted; check owner, mode and mount")      \
    X(ERR_RESOURCE,    -17, "out of descriptors or memory; free some")         \
    X(ERR_UNSAFE,      -18, "others can write to it: chmod go-w or .fix_modes")\
    X(ERR_UNSURE,      -19, "the old or the new one stands; try again")        \
    X(ERR_NOT_DURABLE, -20, "written, but a power cut may undo it; try again") \
    X(ERR_STALE,       -21, "it was replaced or removed meanwhile; try again") \
    X(ERR_BUFFER,      -22, "the caller's buffer is too small")                \
    X(ERR_TOO_LARGE,   -23, "too large for size_max; shorten or raise it")     \
    X(ERR_JSON,        -24,                                                    \
      "wrong JSON; messages must be an array, the state an object")            \
    X(ERR_UTF8,        -25, "not UTF-8")                                       \
    X(ERR_DEPTH,       -26, "JSON is nested too deep")                         \
    X(ERR_GAP,         -27, "append_at is beyond the saved messages")          \
    X(ERR_PHASES,      -28, "too many completed phases for CKPT_PHASES_MAX")   \
    X(ERR_EFFECTS,     -29, "CKPT_EFFECTS_MAX effects stand; settle some")     \
    X(ERR_HELD,        -30, "the run still holds environments, or too many")   \
    X(ERR_RELEASED,    -31, "the environment was released")                    \
    X(ERR_RELEASING,   -32, "the environment is being released")               \
    X(ERR_UNSUITABLE,  -33, "file system unsuitable (see op); use a local one")\
    X(ERR_REENTERED,   -34, "a call on that run is not over; abandon the run") \
    X(ERR_NOT_LOADED,  -35, "what was saved was not loaded; load it first")

typedef enum ckpt_code {
#define CKPT_X(name, value, message) CKPT_##name = value,
    CKPT_CODE_MAP(CKPT_X)
#undef CKPT_X
    CKPT_CODE_LAST = CKPT_FINISHED
} ckpt_code;

// Describes a failure. Its strings are constants and are never freed.
typedef struct ckpt_error {
    ckpt_code   code;       // what the call returned
    int         sys;        // errno of the failed system call, or 0
    uint64_t    pos;        // ERR_JSON, ERR_UTF8, ERR_DEPTH, ERR_DAMAGED, and
                            // ERR_ARGUMENT of a name: the offset in bytes where
                            // it went wrong. ERR_BUFFER: how many are needed
    const char *op;         // what was being done, such as "rename a
                            // checkpoint" or "read .messages"; "" only if
                            // nothing failed
    const char *msg;        // what happened, and what to do about it; NULL
                            // only if nothing was filled in yet
    int64_t     wait_ms;    // ERR_BUSY: try again after this, if not 0
    const char *id;         // of the run that it is about, or NULL
    const char *owner;      // ERR_LIVE, ERR_BUSY: who claimed that run, or
                            // NULL. Both texts lie in the context or in the
                            // run that was called, until the next call on it
} ckpt_error;

// Writes an error as one line of text into buf, and returns buf: which run,
// what was being done, what happened, and what to do about it. The text is cut
// to cap bytes with its NUL. 640 hold an id, and an owner, of plain characters.
CKPT_API const char *ckpt_error_text(const ckpt_error *error, char *buf,
                                     size_t cap);

// Returns the message of a code from CKPT_CODE_MAP, or "unknown code".
CKPT_API const char *ckpt_code_message(ckpt_code code);

//--- Bytes --------------------------------------------------------------------

// A view of bytes that someone else owns. ptr == NULL means "absent"; len is 0
// then. A function reads its arguments of this type during the call only.
typedef struct ckpt_bytes {
    const void *ptr;
    size_t      len;
} ckpt_bytes;

// The bytes of a C string without its end; NULL gives absent bytes.
CKPT_API ckpt_bytes ckpt_text(const char *text);

// Copies any bytes into buf as valid UTF-8, NUL-terminated: each byte that is
// part of no character becomes U+FFFD, which has three. *len (may be NULL) is
// the length without the NUL. For what a tool printed, and for the JSON of a
// library that lets wrong bytes pass. Reads and writes nothing but its
// arguments, so that any thread may call it.
//
// Returns CKPT_ERR_BUFFER with *len set, and an empty text in buf; cap must be
// larger than *len, and 3 * text.len + 1 always is. CKPT_ERR_ARGUMENT if text
// and buf overlap.
CKPT_API CKPT_CHECKED ckpt_code ckpt_utf8_clean(ckpt_bytes text, char *buf,
                                                size_t cap, size_t *len);

// Returns the CRC-32C (Castagnoli, RFC 3720 appendix B.4) of n more bytes. crc
// is the sum of the bytes before them, 0 if there are none.
CKPT_API uint32_t ckpt_crc32c(uint32_t crc, const void *bytes, size_t n);

//--- Context ------------------------------------------------------------------

// Where runs are kept. ckpt_store_fs.h has one; see "For those who write a
// store" for others.
typedef struct ckpt_store ckpt_store;

typedef struct ckpt_run ckpt_run;

// What happened, for logs and metrics. name is the constant in quotes. STALE
// comes before RESUMED and FALLBACK if the owner before crashed or hung, and
// for each run that ckpt_stale() lists.
#define CKPT_EVENT_MAP(X)                                                      \
    X(BEGUN,          "run.begun")                                             \
    X(RESUMED,        "checkpoint.recovery.resume")                            \
    X(FALLBACK,       "checkpoint.recovery.fallback")                          \
    X(SAVED,          "checkpoint.saved")                                      \
    X(SAVE_FAILED,    "checkpoint.save_failed")                                \
    X(SKIPPED,        "checkpoint.skipped")                                    \
    X(LOADED,         "checkpoint.loaded")                                     \
    X(LOAD_FAILED,    "checkpoint.load_failed")                                \
    X(SET_ASIDE,      "checkpoint.set_aside")                                  \
    X(DELETED,        "checkpoint.deleted")                                    \
    X(DELETE_FAILED,  "checkpoint.delete_failed")                              \
    X(KEPT,           "checkpoint.kept")                                       \
    X(BEAT,           "heartbeat.updated")                                     \
    X(BEAT_FAILED,    "heartbeat.update_failed")                               \
    X(STALE,          "heartbeat.stale_detected")                              \
    X(CLAIM_LOST,     "claim.lost")                                            \
    X(DEGRADED,       "execution.degraded")                                    \
    X(ENV_RELEASED,   "environment.released")                                  \
    X(ENV_FAILED,     "environment.release_failed")

typedef enum ckpt_event_kind {
#define CKPT_X(name, text) CKPT_EVENT_##name,
    CKPT_EVENT_MAP(CKPT_X)
#undef CKPT_X
    CKPT_EVENT_COUNT
} ckpt_event_kind;

typedef struct ckpt_event {
    ckpt_event_kind   kind;
    const char       *name;     // the text of the kind, such as
                                // "checkpoint.saved"
    const char       *id;       // of the run or the environment; may hold any
                                // bytes: escape it before you print it
    uint64_t          epoch, turn;  // of the run; 0 for an event of a run that
    uint32_t          attempt;      // this process has not claimed
    const ckpt_error *error;    // NULL if nothing failed
} ckpt_event;

// Your function, called as things happen. The event is valid during the call
// only. The function must not use the same context or run.
typedef void ckpt_event_fn(void *user, const ckpt_event *event);

// Options of a context. Zero-initialize for defaults, and so that fields added
// later keep their old behaviour. Units and defaults: OPTIONS above.
typedef struct ckpt_desc {
    ckpt_store    *store;           // required; must outlive the context
    const char    *owner;           // who claims, for people to read; UTF-8;
                                    // must outlive the context (default: "").
                                    // A file store adds "(host, pid 7)"
    int64_t        throttle_ms;     // least time between two saves
    int64_t        every_turns;     // save only turns divisible by this
    int64_t        beat_ms;         // least time between two beats
    int64_t        lease_ms;        // an owner with an older beat is gone (or,
                                    // where a lock proves it alive, stalled).
                                    // Who observes judges by its own lease, so
                                    // all programs of a store have the same
    int32_t        resume_max;      // attempts before a run is exhausted
    int64_t        size_max;        // largest checkpoint, in bytes
    ckpt_event_fn *event;           // default: none
    void          *event_user;
} ckpt_desc;

// Returns desc with its zero fields replaced by the defaults; what
// CKPT_OFF turns off is 0 there.
CKPT_API ckpt_desc ckpt_desc_defaults(const ckpt_desc *desc);

// How a run was left; also an argument of ckpt_finish().
typedef enum ckpt_outcome {
    CKPT_RUNNING,           // not left: its owner lives, or crashed
    CKPT_COMPLETED,         // removes the run; with .once keeps it as DONE
    CKPT_FAILED,            // removes the run; with .keep keeps it as FAILED
    CKPT_INTERRUPTED,       // clean shutdown: run kept, attempt given back
    CKPT_RETRY,             // this attempt failed: run kept, attempt counts
    // On disk only:
    CKPT_DONE,              // completed, and kept: a receipt
    CKPT_DEAD,              // failed, and kept: a dead letter
    CKPT_REMOVED            // by ckpt_remove or ckpt_prune, not gone yet
} ckpt_outcome;

// The state of a run right now. Each is one bit: ckpt_scan() takes an OR.
typedef enum ckpt_run_state {
    CKPT_STATE_LIVE        = 1 << 0,    // its owner is alive
    CKPT_STATE_STALLED     = 1 << 1,    // alive, but has not beaten for a lease
    CKPT_STATE_INTERRUPTED = 1 << 2,    // can be resumed now
    CKPT_STATE_EXHAUSTED   = 1 << 3,    // interrupted, no attempt is left
    CKPT_STATE_FINISHED    = 1 << 4,    // ended, not wholly removed yet
    CKPT_STATE_DAMAGED     = 1 << 5,    // no generation is whole
    CKPT_STATE_NEWER       = 1 << 6,    // of a higher format or larger tables
    CKPT_STATE_UNREADABLE  = 1 << 7,    // the store cannot read it; see error
    CKPT_STATE_FOREIGN     = 1 << 8,    // the record is of another run
    CKPT_STATE_BUSY        = 1 << 9,    // changing or in doubt: wait_ms says
                                        // when to look again
    CKPT_STATE_FAILED      = 1 << 10,   // failed and kept: a dead letter
    CKPT_STATE_DONE        = 1 << 11,   // completed and kept: a receipt
    CKPT_STATE_ALL         = (1 << 12) - 1
} ckpt_run_state;

// Returns the name of a state, such as "interrupted"; "" for what is none.
CKPT_API const char *ckpt_state_name(ckpt_run_state state);

// Facts about a run. Bounded: long strings are cut.
typedef struct ckpt_run_info {
    char           id[CKPT_ID_MAX + 1];
    ckpt_run_state state;
    ckpt_outcome   outcome;
    uint64_t       epoch, seq, turn, turn_max, size, messages;
    uint32_t       attempt, phases, uncertain, held;
    int64_t        saved_at_ms;             // since 1970-01-01 UTC; 0: unknown
    int64_t        beat_age_ms;             // -1: unknown
    int64_t        wait_ms;                 // BUSY: try again after this
    bool           older;                   // the newest generation is damaged
                                            // or missing
    bool           once;                    // kept as DONE when it completes
    bool           lost;                    // FAILED: no generation was whole
    bool           verified;                // all of the newest generation was
                                            // read, not only its head
    char           birth[CKPT_NONCE_MAX + 1];   // as ckpt_run.birth
    char           owner[160];              // of the highest claim: after a
                                            // resume, who resumed it
    char           agent_id[CKPT_NAME_MAX + 1];
    char           agent_name[CKPT_NAME_MAX + 1];
    char           task_id[CKPT_NAME_MAX + 1];
    char           parent_run_id[CKPT_NAME_MAX + 1];
    char           reason[CKPT_NAME_MAX + 1];
    ckpt_error     error;                   // DAMAGED, NEWER, UNREADABLE, ...
} ckpt_run_info;

// A context says how runs are kept. The caller owns it; there is nothing to
// release. Do not copy or move it while runs use it.
typedef struct ckpt_ctx {
    union {
        uint64_t      aligned;
        unsigned char bytes[CKPT_CTX_SIZE];
    } inside;                       // nothing here is for you
} ckpt_ctx;

// Initializes a context. desc is copied; its store and owner are not.
//
// Returns CKPT_ERR_ARGUMENT if store is NULL or of another version, or a
// number is out of its range (see OPTIONS).
CKPT_API CKPT_CHECKED ckpt_code ckpt_init(ckpt_ctx *ctx,
                                          const ckpt_desc *desc);

// Describes the last call on this context that failed, or was refused with
// CKPT_FINISHED. Read it at once: the next call on the context can overwrite
// it. Never NULL. For calls on a run see run.error.
CKPT_API const ckpt_error *ckpt_last_error(const ckpt_ctx *ctx);

//--- Runs ---------------------------------------------------------------------

// Who and what a run is about. All strings are UTF-8, optional (NULL), at most
// size_max / 64 bytes, written once when the run begins, and given back by
// every load.
typedef struct ckpt_meta {
    const char *agent_id, *agent_name, *task_id;
    const char *caller_id, *channel_id, *guild_id;
    const char *prompt;             // the run could be begun again from it
    const char *model_tier, *parent_run_id;
    const char *fingerprint;        // of program and configuration, yours
} ckpt_meta;

typedef struct ckpt_run_desc {
    const char *id;                 // required, 1 to CKPT_ID_MAX bytes, any
                                    // bytes but NUL
    ckpt_meta   meta;               // a resume only compares the fingerprint
    bool        once;               // keep it as DONE when it completes: its
                                    // work is not done again until the run is
                                    // removed. Saved when the run begins
    bool        force;              // also claim a live, stalled or busy run
} ckpt_run_desc;

// A claimed run, about 14 KiB. The caller owns it; do not copy or move it, and
// end it with ckpt_finish or ckpt_abandon. A run that is dropped while its
// process lives keeps its descriptors and its lock, and nobody can resume it.
struct ckpt_run {
    // For the caller to read:
    char       id[CKPT_ID_MAX + 1];
    char       birth[CKPT_NONCE_MAX + 1];   // unlike the id never used again
    uint64_t   epoch;               // of this claim. Together with birth it is
                                    // a fencing token: a tool can refuse a
                                    // lower epoch of the same birth. An id that
                                    // is begun anew begins at epoch 1 again
    uint64_t   seq;                 // of the newest generation
    uint64_t   turn;                // as last saved
    uint64_t   turn_max;            // highest ever saved
    uint32_t   attempt;             // resume attempts since the last progress
    uint64_t   messages;            // how many are saved
    bool       open;                // claimed and not left: calls on it work
    bool       resumed;             // claimed after an interruption
    bool       older;               // the newest generation is damaged or
                                    // missing: it goes on from an older one.
                                    // False again after the next save, which
                                    // may be that of a later claim
    bool       fingerprint_differs; // resumed under another fingerprint
    bool       durable;             // false: degraded, see ckpt_execute()
    uint64_t   checkpoint_size;     // bytes that ckpt_load() needs
    uint64_t   saves, skipped, failed, beats;   // counted since the claim
    ckpt_error error;               // of the last call that failed, or was
                                    // refused with CKPT_FINISHED

    union {
        uint64_t      aligned;
        unsigned char bytes[CKPT_RUN_SIZE];
    } inside;                       // nothing here is for you
};

// Begins a run, or claims and resumes it if it was interrupted.
//
// Returns CKPT_OK when the run stands durably under this claim, with its
// attempt counted; run->resumed and run->older say how it was opened.
//
// Returns CKPT_FINISHED (> 0) if there is nothing to do: the run is DONE, or it
// was completed and not yet removed. The run is closed then, and its calls
// answer that the work is done: ckpt_phase and ckpt_due return false, saves,
// beats, loads and effects CKPT_FINISHED.
//
// After every other code the run is zeroed:
// - CKPT_ERR_FAILED: it failed, and was kept
// - CKPT_ERR_LIVE: its owner is alive or stalled, or another claimant was first
// - CKPT_ERR_BUSY: another process is changing it, several claimants in a row
//   died while they opened it, or its last beat lies in the future; try again
//   after ckpt_last_error()->wait_ms
// - CKPT_ERR_EXHAUSTED, CKPT_ERR_DAMAGED, CKPT_ERR_FORMAT, CKPT_ERR_FOREIGN,
//   CKPT_ERR_TOO_LARGE: this program cannot resume it
// - CKPT_ERR_ARGUMENT: the id is out of its range
// - CKPT_ERR_UTF8: metadata is not UTF-8
// - CKPT_ERR_EXISTS: other processes begin and finish it again and again
// - any other error is one of the store. An attempt may have been counted all
//   the same, if the error came after the claim
CKPT_API CKPT_CHECKED ckpt_code ckpt_open(ckpt_ctx *ctx, ckpt_run *run,
                                          const ckpt_run_desc *desc);

// Begins a run that does not exist.
//
// Returns CKPT_OK as ckpt_open does; CKPT_ERR_EXISTS if a run with that id
// exists, in whatever state (remove one that was kept, DONE or FAILED, first);
// CKPT_ERR_ARGUMENT, CKPT_ERR_UTF8, or an error of the store. The remains of a
// FINISHED run are removed here.
CKPT_API CKPT_CHECKED ckpt_code ckpt_start(ckpt_ctx *ctx, ckpt_run *run,
                                           const ckpt_run_desc *desc);

// Claims and resumes a run that exists.
//
// Returns as ckpt_open, and CKPT_ERR_NOT_FOUND.
CKPT_API CKPT_CHECKED ckpt_code ckpt_resume(ckpt_ctx *ctx, ckpt_run *run,
                                            const ckpt_run_desc *desc);

// A loaded checkpoint. Everything points into the buffer given to ckpt_load
// and is valid as long as that buffer is. Absent strings are NULL.
typedef struct ckpt_checkpoint {
    uint64_t     epoch, seq, turn, turn_max;
    uint32_t     attempt;
    ckpt_outcome outcome;
    bool         once;              // kept as DONE when it completes
    int64_t      saved_at_ms;       // since 1970-01-01 UTC
    ckpt_meta    meta;
    ckpt_bytes   messages;          // a JSON array
    ckpt_bytes   phases;            // a JSON array: {"name":...,"output":...}
    ckpt_bytes   effects;           // a JSON array, as it stands in the file
    ckpt_bytes   held;              // likewise
    const char  *reason;            // of the last retry or interruption
    const char  *birth;             // as ckpt_run.birth
    ckpt_bytes   state;             // a JSON object, {} if none was saved
} ckpt_checkpoint;

// Reads the newest checkpoint of an open run into buf, cap bytes long.
//
// Returns CKPT_OLDER (> 0) if the newest generation is damaged or missing and
// an older one was loaded; CKPT_FINISHED if the run was finished before it was
// opened; CKPT_ERR_BUFFER if cap < run->checkpoint_size; CKPT_ERR_DAMAGED if no
// generation is whole any more; CKPT_ERR_NOT_FOUND from a store that keeps
// nothing; CKPT_ERR_CLAIM_LOST; or an error of the store: a checkpoint that
// cannot be read never counts as damaged.
CKPT_API CKPT_CHECKED ckpt_code ckpt_load(ckpt_run *run, ckpt_checkpoint *out,
                                          void *buf, size_t cap);

// Where a walk over the messages of a run stands. Zero-initialize it.
typedef struct ckpt_message {
    ckpt_bytes json;                // the message, in the caller's buffer
    size_t     size;                // its bytes; after CKPT_ERR_BUFFER, those
                                    // of the message that did not fit
    uint64_t   number;              // of the message after this one
    struct {
        uint64_t seq;               // of the generation that is walked
        uint32_t at, crc;           // how far, and the sum of that
    } priv;                         // not part of the API
} ckpt_message;

// Reads the next message of the newest checkpoint of an open run into buf, cap
// bytes long: for a program without room for all of them at once. No save may
// come between two calls. A walk up to CKPT_END counts as a load of the
// messages, for a save that gives new ones (see CKPT_ERR_NOT_LOADED), and
// run->older says whether saves are missing.
//
// Returns CKPT_END after the last, when all of them were compared with their
// sum; CKPT_ERR_BUFFER, and the call can be repeated with a larger buffer;
// CKPT_ERR_DAMAGED as a save does; CKPT_ERR_STALE if the run was saved, or
// judged again, since the walk began; otherwise as ckpt_load.
CKPT_API CKPT_CHECKED ckpt_code ckpt_message_next(ckpt_run *run,
                                                  ckpt_message *message,
                                                  void *buf, size_t cap);

// What a save changes. What is absent stays as it was last saved.
//
// messages is a JSON array. It replaces the saved messages from number
// append_at on: 0 replaces all of them, run->messages appends new ones, and
// "[]" at 0 empties the transcript. After a save that was skipped or failed,
// pass the same append_at again, from a count of your own: run->messages may
// count a save that failed and was written all the same.
typedef struct ckpt_save_desc {
    uint64_t   turn;                // stored as given, up to CKPT_TURN_MAX
    ckpt_bytes messages;
    uint64_t   append_at;           // 0 unless there are messages
    ckpt_bytes state;               // JSON object
    bool       force;               // write even if throttled
    bool       anew;                // also write messages or state over what a
                                    // resume found, and nobody has loaded
} ckpt_save_desc;

// Tells whether ckpt_save would write now; if not, the caller need not encode
// its state. The first save of a claim is always due, unless .every_turns
// excludes its turn. Phases and effects save, too, and restart the throttle.
// False for a run that is not open.
CKPT_API bool ckpt_due(ckpt_run *run, uint64_t turn);

// Saves a checkpoint in place of the last one, and beats. A save that is
// skipped does not beat: call ckpt_beat() then. The last save counts, also if
// its turn is lower than one before: run->turn goes back then, run->turn_max
// does not, and that is no progress.
//
// Returns one of the results of a save (see ERRORS): CKPT_OK, CKPT_SKIPPED,
// CKPT_ERR_UNSURE, CKPT_ERR_NOT_DURABLE, CKPT_ERR_CLAIM_LOST, CKPT_ERR_DAMAGED.
// Any other error leaves the old checkpoint intact: CKPT_ERR_JSON,
// CKPT_ERR_UTF8 and CKPT_ERR_DEPTH with the position in the caller's JSON,
// CKPT_ERR_GAP if append_at is beyond the saved messages,
// CKPT_ERR_NOT_LOADED if it gives messages or state to a resumed run that has
// some, and that this claim has not loaded: the caller would write over, or
// append to, what the caller has not seen (see .anew), CKPT_ERR_TOO_LARGE,
// CKPT_ERR_ARGUMENT for a turn out of its range or an append_at without
// messages, CKPT_ERR_FORKED, CKPT_ERR_CLOSED, CKPT_ERR_REENTERED (see THREADS),
// or an error of the store. CKPT_FINISHED (> 0) if the run has ended.
CKPT_API CKPT_CHECKED ckpt_code ckpt_save(ckpt_run *run,
                                          const ckpt_save_desc *desc);

// Renews the heartbeat, if this claim has not beaten yet or its last beat is at
// least beat_ms old. Needs no save.
//
// Returns CKPT_SKIPPED if the last beat is younger; CKPT_ERR_CLAIM_LOST,
// CKPT_ERR_FORKED, CKPT_ERR_CLOSED; or an error of the store: the caller still
// has its claim then, and should beat again.
CKPT_API CKPT_CHECKED ckpt_code ckpt_beat(ckpt_run *run);

typedef struct ckpt_finish_desc {
    const char           *reason;   // why; bytes that are no UTF-8 are replaced
    const ckpt_save_desc *save;     // a last save (its throttle is ignored),
                                    // in one checkpoint with the outcome
    bool                  keep;     // CKPT_FAILED: keep the run as FAILED
} ckpt_finish_desc;

// Leaves a run: outcome is CKPT_COMPLETED, CKPT_FAILED, CKPT_INTERRUPTED or
// CKPT_RETRY. desc may be NULL. After CKPT_OK the run is closed. A run that was
// begun with .once is kept as DONE when it completes. On a full disk this call
// removes old generations to make room for the end of a run, and removes a run
// that is not to be kept even if the outcome cannot be written.
//
// Returns CKPT_FINISHED, and closes the run, if it was finished before, or if
// an earlier call wrote a different outcome and failed to remove the run (that
// outcome stands, and the next ckpt_open or ckpt_sweep removes a run that is
// not to be kept); CKPT_ERR_HELD if a run that is
// completed or failed still holds environment checkpoints: release them first
// (a run that is kept as FAILED may hold some); CKPT_ERR_ARGUMENT for another
// outcome; otherwise as ckpt_save. After CKPT_ERR_CLAIM_LOST and
// CKPT_ERR_FORKED the run is closed too; after other errors it is still open,
// and the call can be repeated.
CKPT_API CKPT_CHECKED ckpt_code ckpt_finish(ckpt_run *run, ckpt_outcome outcome,
                                            const ckpt_finish_desc *desc);

// Leaves a run as a kill would: saves nothing, closes the descriptors and gives
// the lock back. The run is interrupted at once, or, where the store judges by
// the age of the beat, after a lease. Safe on any run, also after a longjmp()
// out of a call, and in a child of fork().
CKPT_API void ckpt_abandon(ckpt_run *run);

//--- Phases -------------------------------------------------------------------

// Tells whether a phase is to be done: false if it was complete before the
// crash. Each false is used up: if "test" was completed three times before the
// crash, the first three calls return false, the fourth true. True for a closed
// run, but false if ckpt_open returned CKPT_FINISHED.
CKPT_API bool ckpt_phase(ckpt_run *run, const char *name);

// Copies the output of the last completed phase of that name into buf, whether
// this claim or an earlier one completed it. *size is its length; no NUL is
// added.
//
// Returns CKPT_ERR_NOT_FOUND; CKPT_ERR_BUFFER with *size set to what is
// needed; CKPT_ERR_DAMAGED as a save does; or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_phase_output(ckpt_run *run,
                                                  const char *name, void *buf,
                                                  size_t cap, size_t *size);

// Ends a phase: saves that the phase is complete; never throttled. output is
// any JSON value, or absent for null; save may be NULL.
//
// Returns as ckpt_save, without CKPT_SKIPPED; CKPT_ERR_PHASES if the run has
// CKPT_PHASES_MAX; CKPT_ERR_ARGUMENT or CKPT_ERR_UTF8 for a bad name.
CKPT_API CKPT_CHECKED ckpt_code ckpt_phase_end(ckpt_run *run, const char *name,
                                               ckpt_bytes output,
                                               const ckpt_save_desc *save);

//--- Effects ------------------------------------------------------------------

typedef enum ckpt_effect_state {
    CKPT_EFFECT_NEW,        // it was never begun: do it now
    CKPT_EFFECT_ENDED,      // it is done; ckpt_effect_result has its result
    CKPT_EFFECT_UNCERTAIN   // it was begun and has not ended: check, or ask
} ckpt_effect_state;

typedef struct ckpt_effect {
    ckpt_effect_state state;
    uint64_t          turn;
    char              id[CKPT_NAME_MAX + 1];
    size_t            result_size;  // ENDED: bytes of its result
    uint32_t          at;           // for ckpt_effect_next: where it stands
    char              key[CKPT_KEY_SIZE + 1];   // of this effect alone, whoever
                                    // asks and however often: for a tool that
                                    // takes an idempotency key, so that the
                                    // tool acts once. A run that is begun anew
                                    // has other keys. "" after an error, and
                                    // in a run that is kept nowhere
} ckpt_effect;

// Begins an effect: saves the transcript that names the call, and that the call
// was begun; never throttled. Run the tool only after CKPT_OK with
// CKPT_EFFECT_NEW. save must not be NULL. If the run already has the effect
// (save->turn, id), nothing is written and save is ignored: pass the same
// messages to the next save. After an error, if the tool was not run,
// ckpt_effect_begin() can be repeated, but before any other effect is begun.
//
// After CKPT_OLDER nobody knows which effects the missing saves had begun. If n
// saves are missing, an effect that the run does not have is recorded as begun,
// and is UNCERTAIN: in the turns up to the highest that is left, and in the
// next n higher turns in which effects begin, whatever their numbers, under
// this claim and later ones. If the tool did not run, settle the effect with
// ckpt_effect_end() and begin it again, before any other one.
//
// An id is any text without control characters. Of one that is longer than
// CKPT_NAME_MAX the run keeps the beginning and a hash of the whole, as
// effect->id says; that form is the same id. Two calls of one turn need two
// ids: models give duplicate and empty ones, so number the calls then.
//
// Returns as ckpt_save, without CKPT_SKIPPED; CKPT_ERR_EXISTS if this claim has
// begun, or asked for, the effect (save->turn, id) before; CKPT_ERR_EFFECTS if
// the run has CKPT_EFFECTS_MAX that are open or ended in this turn;
// CKPT_ERR_ARGUMENT for an empty id or one with a control character, or
// CKPT_ERR_UTF8.
CKPT_API CKPT_CHECKED ckpt_code ckpt_effect_begin(ckpt_run *run,
                                                  const char *id,
                                                  const ckpt_save_desc *save,
                                                  ckpt_effect *effect);

// Ends the newest begun effect of that id: saves its result, any JSON value;
// never throttled. Absent bytes settle the effect: the run forgets it, as when
// the tool never ran. The run keeps an ended effect until the first save of a
// higher turn with messages or state, which must contain its result; or, if
// saves have neither, for one turn more.
//
// Returns as ckpt_save, without CKPT_SKIPPED; CKPT_ERR_NOT_FOUND if no effect
// of that id was begun and has not ended.
CKPT_API CKPT_CHECKED ckpt_code ckpt_effect_end(ckpt_run *run, const char *id,
                                                ckpt_bytes result);

// The same for a result that is plain text, such as what a tool printed. The
// run keeps it as a JSON string, in which bytes that are no UTF-8 are U+FFFD;
// ckpt_json_text() makes a text of that again. Absent bytes are an empty text.
CKPT_API CKPT_CHECKED ckpt_code ckpt_effect_end_text(ckpt_run *run,
                                                     const char *id,
                                                     ckpt_bytes text);

// Copies the result of the ended effect that effect->id and effect->turn name
// into buf. *size is its length; no NUL is added.
//
// Returns CKPT_ERR_NOT_FOUND if it has not ended or the run has forgotten it,
// CKPT_ERR_BUFFER with *size set to what is needed, CKPT_ERR_DAMAGED as a save
// does, or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_effect_result(ckpt_run *run,
                                                   const ckpt_effect *effect,
                                                   void *buf, size_t cap,
                                                   size_t *size);

// Walks the effects of a run, for a caller that resumes it. Zero-initialize
// *effect before the first call. Between two calls settle only the effect that
// the last call gave, or begin the walk anew: it may pass one over otherwise.
//
// Returns CKPT_END after the last; or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_effect_next(ckpt_run *run,
                                                 ckpt_effect *effect);

#ifndef CKPT_NO_NOTE

// A note to the model about a resume, as data and as one chat message.
typedef struct ckpt_note_info {
    uint64_t   turn;                // resumed from
    uint32_t   attempt;
    uint32_t   phases;              // complete
    uint32_t   uncertain;           // effects
    ckpt_bytes message;             // {"role":"system","content":"..."}
} ckpt_note_info;

// Writes the note of a resumed run into buf. ckpt never saves it. Give it to
// the model, but not into the transcript, where each resume would add one more.
//
// Returns CKPT_ERR_BUFFER (needs about 1 KiB, as much again for a long reason,
// and 200 bytes for each uncertain effect), CKPT_ERR_NOT_FOUND if the run was
// not resumed, or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_note(ckpt_run *run, ckpt_note_info *note,
                                          void *buf, size_t cap);

#endif /* CKPT_NO_NOTE */

//--- A whole run --------------------------------------------------------------

// Your function that does the work of a run. Returns the outcome for
// ckpt_finish. May fill *finish; its strings must stay valid after the return.
typedef ckpt_outcome ckpt_work_fn(ckpt_run *run, void *user,
                                  ckpt_finish_desc *finish);

// Opens a run, calls work, and finishes the run with the outcome that work
// returns; any other value counts as CKPT_INTERRUPTED. An exit or a fatal
// signal in work is a crash: the run is interrupted. After a longjmp out of
// work the run is still open: call ckpt_finish or ckpt_abandon.
//
// If the store has no such run and cannot make it (I/O, space, permission,
// resources), work is called without checkpoints: run->durable is false,
// saves succeed and keep nothing, no call notices a fork(), and
// CKPT_EVENT_DEGRADED says why.
//
// Returns as ckpt_open if the work was not done (CKPT_FINISHED for a DONE run,
// CKPT_ERR_FAILED for a FAILED one), CKPT_OK if work itself has finished or
// abandoned the run, else as ckpt_finish.
CKPT_API CKPT_CHECKED ckpt_code ckpt_execute(ckpt_ctx *ctx, ckpt_run *run,
                                             const ckpt_run_desc *desc,
                                             ckpt_work_fn *work, void *user);

//--- Looking after runs -------------------------------------------------------

// The position of a walk over runs. Zero-initialize it. To end a walk before
// CKPT_END call ckpt_cursor_close(): otherwise a descriptor stays open.
typedef struct ckpt_cursor {
    void    *priv;
    uint32_t stage;
    uint32_t failed;                // runs that ckpt_resume_next passed over
                                    // because of a failure
} ckpt_cursor;

#ifndef CKPT_NO_SUPERVISING

// Called for each run of a scan; info is valid during the call only. Return
// false to stop. Must not use the same context.
typedef bool ckpt_scan_fn(void *user, const ckpt_run_info *info);

// Describes one run without claiming or changing anything. It reads the
// beginning of the newest checkpoint, whatever the length of the transcript.
// The rest can be damaged or half written, so info->verified is false;
// ckpt_verify and ckpt_peek read all of it, and so does whoever claims the run.
//
// Returns CKPT_OK also for damaged, newer, foreign and unreadable runs: the
// state says so. CKPT_ERR_NOT_FOUND, CKPT_ERR_ARGUMENT for an id out of range.
CKPT_API CKPT_CHECKED ckpt_code ckpt_query(ckpt_ctx *ctx, const char *id,
                                           ckpt_run_info *info);

// Reads the newest whole checkpoint of a run into buf, cap bytes long, without
// claiming or changing anything: also that of a live run, and of one that is
// kept as DONE or FAILED. *info gets what ckpt_query gives; info->size says
// how large buf must be.
//
// Returns CKPT_OLDER (> 0) if the newest generation is damaged or missing and
// an older one was read; CKPT_ERR_BUFFER; CKPT_ERR_NOT_FOUND if there is no
// such run; CKPT_ERR_DAMAGED, CKPT_ERR_FORMAT, CKPT_ERR_FOREIGN,
// CKPT_ERR_TOO_LARGE if nothing of it can be read; CKPT_ERR_BUSY if the run
// kept changing; CKPT_ERR_ARGUMENT; or an error of the store. The checkpoint of
// a run with info->lost is empty.
CKPT_API CKPT_CHECKED ckpt_code ckpt_peek(ckpt_ctx *ctx, const char *id,
                                          ckpt_run_info *info,
                                          ckpt_checkpoint *out, void *buf,
                                          size_t cap);

// Describes every run whose state is in states (an OR of CKPT_STATE_; 0 means
// all, also kept runs), in any order, as ckpt_query does, but that beat_age_ms
// is up to a second too small. One bad run never stops a scan.
//
// Returns CKPT_OK, also when fn stopped it, or an error of the store if the
// runs cannot be listed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_scan(ckpt_ctx *ctx, uint32_t states,
                                          ckpt_scan_fn *fn, void *user);

// Reads every byte of every generation of a run, without claiming or changing
// anything. info (may be NULL) gets what ckpt_query gives.
//
// Returns CKPT_OK if all generations are whole, but for saves that were never
// acknowledged; CKPT_ERR_DAMAGED if one is not, or if an acknowledged save is
// missing and none has followed: info->state says whether the run can still be
// resumed, info->error what is wrong; CKPT_ERR_NOT_FOUND, CKPT_ERR_ARGUMENT,
// CKPT_ERR_BUSY if the run kept changing, CKPT_ERR_FORMAT, CKPT_ERR_FOREIGN, or
// an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_verify(ckpt_ctx *ctx, const char *id,
                                            ckpt_run_info *info);

// Finds the run of an agent or a task that got furthest: the highest turn,
// then the newest saved_at, then the id that sorts first. A filter that is NULL
// or "" matches everything, but one is required; neither may lie in *info.
// Skips runs that ended (FINISHED, DONE, FAILED).
//
// Returns CKPT_ERR_ARGUMENT without a filter, CKPT_ERR_NOT_FOUND, or an error
// of the store if the runs cannot be listed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_latest(ckpt_ctx *ctx, const char *agent_id,
                                            const char *task_id,
                                            ckpt_run_info *info);

// Lists runs whose last beat is strictly older than age_ms: the oldest first,
// ties by id, at most cap of them. Skips runs that ended (FINISHED, DONE,
// FAILED): they have no owner that beats. Each run listed is an event,
// heartbeat.stale_detected.
//
// Returns CKPT_ERR_ARGUMENT for a negative age; otherwise as ckpt_scan.
CKPT_API CKPT_CHECKED ckpt_code ckpt_stale(ckpt_ctx *ctx, int64_t age_ms,
                                           ckpt_run_info *infos, size_t cap,
                                           size_t *count);

// Claims the next interrupted run, as ckpt_resume does. Zero-initialize
// *cursor before the first call. Passes over runs that cannot be resumed. A
// run that is damaged, foreign, of a higher format or cannot be read is an
// event, checkpoint.load_failed, and is counted in cursor->failed.
//
// Returns CKPT_END after the last, or an error of the store if the runs
// cannot be listed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_resume_next(ckpt_ctx *ctx, ckpt_run *run,
                                                 ckpt_cursor *cursor);

// Ends a walk early.
CKPT_API void ckpt_cursor_close(ckpt_ctx *ctx, ckpt_cursor *cursor);

// Your function that reassigns the task of an exhausted or damaged run, which
// is claimed for it. A damaged run has nothing to load: run->seq is 0. Returns
// how to leave the run: CKPT_FAILED keeps it as FAILED unless finish->keep is
// set to false, CKPT_COMPLETED removes it (or keeps it as DONE), CKPT_RETRY
// tries again later, and any other value too, but is not counted.
// finish->reason comes filled in, and says why there is a
// fallback: "no resume attempt was left" or "no checkpoint of it is whole".
typedef ckpt_work_fn ckpt_fallback_fn;

typedef struct ckpt_recover_desc {
    ckpt_work_fn     *resume;       // required: carries an interrupted run on
    ckpt_fallback_fn *fallback;     // default: none, it is kept as FAILED
    void             *user;
    int32_t           fallback_max; // times a run is handed to the fallback
                                    // before the run is kept as FAILED
                                    // (default: 3); the attempts above
                                    // resume_max count as such times
} ckpt_recover_desc;

typedef struct ckpt_recover_info {
    uint32_t resumed, fallen_back, dead_letters, finished, failed;
} ckpt_recover_info;

// Goes once through all runs: resumes each interrupted run, hands each
// exhausted or damaged run to the fallback, and completes removals that were
// half done. Skips live runs and kept runs (DONE, FAILED). Uses *run for each
// in turn. info may be NULL.
//
// Returns CKPT_OK, or an error of the store if the runs cannot be listed. A
// failure with one run is an event, and is counted in info->failed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_recover(ckpt_ctx *ctx, ckpt_run *run,
                                             const ckpt_recover_desc *desc,
                                             ckpt_recover_info *info);

// Removes a run whose owner is not alive, also a kept run.
//
// Returns CKPT_ERR_HELD if it holds environment checkpoints (resume it and
// release them), CKPT_ERR_LIVE, CKPT_ERR_BUSY, CKPT_ERR_NOT_FOUND,
// CKPT_ERR_FORMAT, or an error of the store. Uses *run and leaves it closed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_remove(ckpt_ctx *ctx, ckpt_run *run,
                                            const char *id);

// Brings a FAILED run back as an interrupted one, or gives an exhausted run all
// its attempts back. To give it one, open it in a context whose .resume_max is
// ckpt_run_info.attempt + 1.
//
// Returns CKPT_ERR_NOT_FOUND, CKPT_FINISHED if it was completed,
// CKPT_ERR_EXISTS if it is neither failed nor exhausted, CKPT_ERR_DAMAGED if
// no generation is whole (or was, when the run was kept), CKPT_ERR_BUSY, or an
// error of the store. Uses *run and leaves it closed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_retry(ckpt_ctx *ctx, ckpt_run *run,
                                           const char *id);

typedef struct ckpt_prune_desc {
    int64_t       age_ms;           // required: only runs whose last beat is
                                    // strictly older, by the store's clock
    uint32_t      states;           // an OR of CKPT_STATE_DONE, _FAILED,
                                    // _INTERRUPTED and _EXHAUSTED (0: DONE and
                                    // FAILED)
    bool          dry_run;          // call fn and count, but remove nothing
    ckpt_scan_fn *fn;               // called before each removal; returns
    void         *user;             // false to stop (default: none)
} ckpt_prune_desc;

// Removes runs that are kept, or were left long ago. Each run is claimed first
// and judged again: a run that was retried or resumed meanwhile stays. So
// does a run of unknown age, and a run that holds environment checkpoints.
// *count (may be NULL) is the number of runs removed, or, in a dry run, of
// those that would be.
//
// Returns CKPT_ERR_ARGUMENT for an age below 1 or another state, CKPT_OK, or an
// error of the store if the runs cannot be listed. A failure with one run is an
// event. Uses *run and leaves it closed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_prune(ckpt_ctx *ctx, ckpt_run *run,
                                           const ckpt_prune_desc *desc,
                                           uint32_t *count);

// Removes what crashes left: runs half made and half removed. Removes nothing
// of a live process, and never the only good copy of a run. *count (may be
// NULL) is the number removed. Uses *run and leaves it closed.
//
// Returns CKPT_OK or an error of the store if the runs cannot be listed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_sweep(ckpt_ctx *ctx, ckpt_run *run,
                                           uint32_t *count);

#endif /* CKPT_NO_SUPERVISING */

//--- Environments -------------------------------------------------------------

#ifndef CKPT_NO_ENVIRONMENTS

// An environment checkpoint is a restorable copy of the world of an agent: a
// directory, a container image, a virtual machine. ckpt does not make it. ckpt
// records that it exists, and calls your functions that restore or release it.

typedef struct ckpt_env ckpt_env;

// Your function that makes a new, independent environment from the checkpoint
// and stores its handle in *out. The caller owns the environment. Returns 0, or
// an error number of yours, which ckpt passes on.
typedef int ckpt_restore_fn(void *user, const ckpt_env *env, void *out);

// Your function that frees the checkpoint. Returns 0, also if it is gone
// already, or an error number of yours.
typedef int ckpt_release_fn(void *user, const ckpt_env *env);

// The registry of environment checkpoints that were not released. The caller
// owns it and its array. See ckpt_janitor_init().
typedef struct ckpt_janitor {
    ckpt_env      **envs;
    size_t          cap, count;
    ckpt_event_fn  *event;
    void           *event_user;
} ckpt_janitor;

typedef struct ckpt_env_desc {
    const char      *id;            // required, 1 to CKPT_NAME_MAX bytes UTF-8
    ckpt_restore_fn *restore;       // required
    ckpt_release_fn *release;       // NULL: there is nothing to free
    void            *user;          // passed to both
    int64_t          step_count;    // the caller's, as given
    ckpt_bytes       timestep;      // JSON, the caller's; kept as it is given:
                                    // must outlive the environment checkpoint
    ckpt_run        *run;           // the run it belongs to, or NULL; must
                                    // outlive the environment checkpoint
    ckpt_janitor    *janitor;       // registers it, or NULL
} ckpt_env_desc;

// An environment checkpoint. The caller owns it; do not copy or move it until
// it is released.
struct ckpt_env {
    char       id[CKPT_NAME_MAX + 1];
    int64_t    step_count;
    ckpt_bytes timestep;
    struct {
        ckpt_env_desc desc;
        bool          open, released, releasing;
        bool          struck;       // its run does not list it any more
        uint64_t      epoch;        // which claim,
        char          birth[CKPT_NONCE_MAX + 1];    // and of which run
    } priv;                         // not part of the API
};

// Describes an environment checkpoint; call this before you make the copy. If
// desc has a run, the run first saves that it holds the copy: otherwise a crash
// would leak the copy. After a resume, call this with the id and values from
// ckpt_held_next() to restore or release a held copy. Nothing is written then.
//
// Make the copy between two steps of the environment, while no task and no tool
// call works in it: ckpt cannot see that, and the copy would hold half a step.
//
// An environment that is registered with desc->janitor can be described again
// only with the same id and run; it stays registered once. Another copy in its
// place would never be released: CKPT_ERR_EXISTS, or CKPT_ERR_RELEASING from
// within its release function.
//
// Returns CKPT_ERR_ARGUMENT (also for control characters in the id, or if the
// janitor is full), CKPT_ERR_UTF8, CKPT_ERR_JSON or CKPT_ERR_DEPTH for the
// timestep, CKPT_ERR_HELD if the run holds CKPT_HELD_MAX, otherwise as
// ckpt_phase_end. After an error env is as it was if the janitor knows it, and
// zeroed if not.
CKPT_API CKPT_CHECKED ckpt_code ckpt_env_init(ckpt_env *env,
                                              const ckpt_env_desc *desc);

// Calls the restore function, to make one more new environment. *timestep, if
// not NULL, is set to the stored timestep.
//
// Returns CKPT_ERR_RELEASED or CKPT_ERR_RELEASING without calling the
// function; CKPT_ERR_IO if the function failed, with *failure (may be NULL)
// set to what it returned: the restore can be repeated.
CKPT_API CKPT_CHECKED ckpt_code ckpt_env_restore(ckpt_env *env, void *out,
                                                 ckpt_bytes *timestep,
                                                 int *failure);

// Calls the release function once, then strikes the environment checkpoint off
// the janitor and off its run. Idempotent: a second release is CKPT_OK.
//
// Returns CKPT_ERR_RELEASING when called from within the function or at the
// same time; CKPT_ERR_CLOSED if its run is not open any more, and CKPT_FINISHED
// if an end of the run is written already (the run still holds it);
// CKPT_ERR_IO if the function failed (*failure says how): it stays
// registered, and restore still works; otherwise as ckpt_save. If
// ckpt_env_released() is true after an error, only the run still lists it. In
// each case the release can be repeated.
CKPT_API CKPT_CHECKED ckpt_code ckpt_env_release(ckpt_env *env, int *failure);

// Tells whether env was released. True for a zeroed ckpt_env.
CKPT_API bool ckpt_env_released(const ckpt_env *env);

typedef struct ckpt_held {
    char       id[CKPT_NAME_MAX + 1];
    int64_t    step_count;
    size_t     timestep_size;
    uint32_t   at;                  // for ckpt_held_next: where it stands
} ckpt_held;

// Walks the environment checkpoints that a run holds. Zero-initialize *held.
// After a resume, those that the run holds exist, were about to be made, or had
// just been released. Any other copy that was made for this run was released,
// and may be deleted. Between two calls release only the one that the last call
// gave, or begin the walk anew: it may pass one over otherwise.
//
// Returns CKPT_END after the last; or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_held_next(ckpt_run *run, ckpt_held *held);

// Copies the timestep of a held environment checkpoint into buf, without the
// white space around it.
//
// Returns CKPT_ERR_NOT_FOUND, CKPT_ERR_BUFFER with *size set to what is
// needed, CKPT_ERR_DAMAGED as a save does, or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_held_timestep(ckpt_run *run,
                                                   const char *id, void *buf,
                                                   size_t cap, size_t *size);

// Initializes a janitor over the caller's array. ckpt installs no hook by
// itself; a program that wants to sweep at exit says so in one line:
//
//      static void at_exit(void) { ckpt_janitor_sweep(&janitor, NULL); }
//      ... atexit(at_exit);
CKPT_API void ckpt_janitor_init(ckpt_janitor *janitor, ckpt_env **envs,
                                size_t cap, ckpt_event_fn *event, void *user);

// Releases all registered checkpoints, newest first. A failure does not stop
// the sweep: an event with the id reports it. In the end the registry is empty
// and all checkpoints are marked released, also those that failed. A child of
// fork() must not sweep: it would release under its parent's hands what belongs
// to no run. So it leaves by _exit(), if the sweep is registered with atexit().
//
// Returns the number of failed releases; *count (may be NULL) is the number of
// all.
CKPT_API size_t ckpt_janitor_sweep(ckpt_janitor *janitor, size_t *count);

#endif /* CKPT_NO_ENVIRONMENTS */

//--- JSON ---------------------------------------------------------------------

// A small writer, for callers that keep their state in C structs.
//
//      ckpt_json w;
//      ckpt_json_init(&w, buf, sizeof(buf));
//      ckpt_json_open(&w, '{');
//      ckpt_json_key(&w, "role");
//      ckpt_json_string(&w, ckpt_text("user"));
//      ckpt_json_close(&w);
//      rc = ckpt_json_done(&w, &json);
typedef struct ckpt_json {
    char     *buf;
    size_t    cap, len;             // len > cap: it did not fit
    ckpt_code code;                 // the first error; sticky
    bool      replace;              // set it: bytes that are no UTF-8 become
                                    // U+FFFD instead of CKPT_ERR_UTF8
    bool      comma, wants_value;
    uint8_t   depth;
    uint8_t   objects[CKPT_DEPTH_MAX / 8];
} ckpt_json;

// Begins to write into buf. You may copy *w, to come back to this point.
CKPT_API void ckpt_json_init(ckpt_json *w, void *buf, size_t cap);
// Opens an object, '{', or an array, '['.
CKPT_API void ckpt_json_open(ckpt_json *w, char what);
// Closes the innermost object or array.
CKPT_API void ckpt_json_close(ckpt_json *w);
// Writes the name of the next value in an object.
CKPT_API void ckpt_json_key(ckpt_json *w, const char *key);
// Writes a string: at most six times as long as text, and two quotes.
CKPT_API void ckpt_json_string(ckpt_json *w, ckpt_bytes text);
// Writes a number.
CKPT_API void ckpt_json_int(ckpt_json *w, int64_t value);
// Writes true or false.
CKPT_API void ckpt_json_bool(ckpt_json *w, bool value);
// Writes null.
CKPT_API void ckpt_json_null(ckpt_json *w);
// Validates and writes a value that is JSON already.
CKPT_API void ckpt_json_raw(ckpt_json *w, ckpt_bytes json);
// Writes bytes as a string of base64 with padding (RFC 4648 section 4), which
// ckpt_json_bytes() reads: four characters for every three bytes, and two
// quotes. Absent bytes make an empty string.
CKPT_API void ckpt_json_base64(ckpt_json *w, ckpt_bytes bytes);
#ifndef CKPT_NO_DOUBLES
// Writes a number: the shortest text that reads back as the same double, in at
// most 25 bytes, and of several such texts the nearest. The form is that of
// ECMAScript and RFC 8785, as in 0.1, 100 and 1.5e+300, but -0 keeps its sign.
// The locale does not matter. NaN and infinities make CKPT_ERR_ARGUMENT.
CKPT_API void ckpt_json_double(ckpt_json *w, double value);
#endif

// Ends the value; *json points into the buffer, and is absent after an error.
//
// Returns CKPT_ERR_BUFFER if it did not fit (w->len says what is needed),
// CKPT_ERR_UTF8, CKPT_ERR_JSON, CKPT_ERR_DEPTH, or CKPT_ERR_ARGUMENT for calls
// in an order that makes no JSON value, and for a double that is no number.
CKPT_API CKPT_CHECKED ckpt_code ckpt_json_done(ckpt_json *w, ckpt_bytes *json);

// Validates one JSON value (RFC 8259), white space around it allowed. *pos
// (may be NULL) is set to the offset of the fault, or to 0.
//
// Returns CKPT_ERR_JSON, CKPT_ERR_UTF8, CKPT_ERR_DEPTH, or CKPT_ERR_TOO_LARGE
// for 4 GiB and more.
CKPT_API CKPT_CHECKED ckpt_code ckpt_json_check(ckpt_bytes json, size_t *pos);

// Walks the members of an object or the elements of an array, which must be
// valid. Start with *at = 0. *key (may be NULL) gets the raw text between the
// quotes. False after the last.
CKPT_API bool ckpt_json_next(ckpt_bytes json, size_t *at, ckpt_bytes *key,
                             ckpt_bytes *value);

// Returns the value of a member of a valid object, by its unescaped name; the
// first one if there are several; absent bytes if there is none.
CKPT_API ckpt_bytes ckpt_json_get(ckpt_bytes object, const char *key);

// Copies a valid string out, unescaped and NUL-terminated. *len (may be NULL)
// is its length without the NUL.
//
// Returns CKPT_ERR_JSON if it is no string, CKPT_ERR_UTF8 for a lone
// surrogate, CKPT_ERR_BUFFER with *len set; cap must be larger than *len.
CKPT_API CKPT_CHECKED ckpt_code ckpt_json_text(ckpt_bytes value, char *buf,
                                               size_t cap, size_t *len);

// Reads an integer.
//
// Returns CKPT_ERR_JSON for anything else: also for a number with a fraction or
// an exponent, or one that does not fit.
CKPT_API CKPT_CHECKED ckpt_code ckpt_json_number(ckpt_bytes value,
                                                 int64_t *number);

#ifndef CKPT_NO_DOUBLES
// Reads any number, however many digits it has: *number is the double nearest
// to it, and of two that are equally near the even one. What is too small for a
// double becomes 0 with its sign. The locale does not matter. Reads and writes
// nothing but its arguments, so that any thread may call it.
//
// Returns CKPT_ERR_JSON if it is no number, or one beyond the largest double,
// and CKPT_ERR_TOO_LARGE above CKPT_SIZE_MAX bytes; *number is 0 then.
CKPT_API CKPT_CHECKED ckpt_code ckpt_json_to_double(ckpt_bytes value,
                                                    double *number);
#endif

// Copies out the bytes of a string that ckpt_json_base64() or another program
// wrote. *len (may be NULL) is how many there are. Reads and writes nothing but
// its arguments, so that any thread may call it.
//
// Returns CKPT_ERR_JSON if it is no string, or no base64 by the letter: with
// another character, without its padding, or with bits behind the last byte;
// CKPT_ERR_BUFFER with *len set, if that is above cap, which may be 0 with buf
// NULL. After an error buf may hold some of them.
CKPT_API CKPT_CHECKED ckpt_code ckpt_json_bytes(ckpt_bytes value, void *buf,
                                                size_t cap, size_t *len);

//--- For those who write a store ----------------------------------------------

// If you only use ckpt, you need not read on.
//
// A store keeps runs. A run has claims, numbered by epoch, and generations of
// its checkpoint, numbered by (epoch, seq). The store does what the core asks
// and reports what it sees; every rule is in the core. Every store has to pass
// the test tests/support/contract.h.
//
// ROOM. A run needs room for four generations at a time: the last two of an
// epoch, the first one of a claimant that takes the run over, and the one that
// is being written. A run that is being made needs room for one. What was put
// and never published takes no room once its place is closed. A run has one
// claim for each claimant that crashed in a row: CKPT_CLAIMS_MAX and a few
// more. A store without room returns CKPT_ERR_NO_SPACE and leaves what it keeps
// as it was. drop() must work without room.

// What a store can do, an OR of bits in ckpt_store.caps.
enum {
    CKPT_CAP_FENCED_WRITE   = 1 << 0,   // publish() and drop() refuse a place
                                        // whose claim is not the highest, so
                                        // the core does not look before it
                                        // acknowledges a save
    CKPT_CAP_SINGLE_PROCESS = 1 << 1,   // no other process ever uses the store:
                                        // if alive() says UNKNOWN, the claim is
                                        // of an earlier boot and its owner is
                                        // gone. Such a store need not handle
                                        // fork()
    CKPT_CAP_NOTHING        = 1 << 2    // keeps nothing: ckpt_store_none()
};

// What list() gives.
typedef enum ckpt_where {
    CKPT_AT_RUNS,           // the ids of runs
    CKPT_AT_LEFTOVERS       // names of runs that were made aside, never shown
} ckpt_where;

// What open() opens.
typedef enum ckpt_how {
    CKPT_HOW_FIND,          // a run that exists
    CKPT_HOW_NEW,           // make a run aside; the first publish() shows it
    CKPT_HOW_LEFTOVER       // what list(CKPT_AT_LEFTOVERS) named
} ckpt_how;

// What drop() removes of a run.
typedef enum ckpt_extent {
    CKPT_DROP_OLDER,        // claims and generations of epochs below gen's
    CKPT_DROP_REST,         // all but gen and the claim that is held
    CKPT_DROP_ALL           // the whole run
} ckpt_extent;

// Names a generation. token is the store's own (a row version, a sum of the
// first 512 bytes): two generations of a run never have the same, nor the same
// first 512 bytes.
typedef struct ckpt_gen {
    uint64_t epoch;
    uint64_t seq;           // look() gives 0 if the store does not know it
    uint64_t token;
} ckpt_gen;

// A piece of a generation that is being written: new bytes, or, when bytes is
// NULL, a range of the base generation that stays.
typedef struct ckpt_part {
    const void *bytes;
    uint64_t    offset;     // of the range, in the base
    uint64_t    size;
    uint32_t    crc;        // CRC-32C of the piece: put() checks a range by it
} ckpt_part;

#define CKPT_LOOK_MAX   8
#define CKPT_LOOK_QUICK (CKPT_TURN_MAX + 1)     // see look()

// What a look at a run sees.
typedef struct ckpt_look {
    uint64_t epoch;                 // the highest, over claims and generations
    bool     mine;                  // the claim this place holds is still
                                    // there (a higher one may be there, too)
    unsigned count;                 // generations filled in
    ckpt_gen gens[CKPT_LOOK_MAX];   // by epoch, the highest first; of one
                                    // epoch the last published first. A store
                                    // whose names do not tell the order reads
                                    // "seq" in the head
} ckpt_look;

typedef enum ckpt_verdict {
    CKPT_LIFE_UNKNOWN,      // judge by the age of the beat
    CKPT_LIFE_LIVE,         // certainly
    CKPT_LIFE_GONE,         // certainly
    CKPT_LIFE_ABSENT,       // no process has the owner's number, as far as this
                            // machine can tell: gone after two beats
    CKPT_LIFE_REUSED        // the lock is held, but another process seems to
                            // have the owner's number: gone after ten leases
} ckpt_verdict;

// What is known about the owner of a claim.
typedef struct ckpt_life {
    ckpt_verdict verdict;           // GONE if a run has no such claim
    int64_t      beat_ms;           // last beat, on the store's own clock;
                                    // 1 for a claim of an earlier boot, never
                                    // 0 for a claim. Without such a claim: 0,
                                    // or when a leftover was made
    int64_t      now_ms;            // the same clock, now. A store whose clock
                                    // restarts at each boot says GONE for
                                    // claims of an earlier boot. alive() finds
                                    // 0 here, or what it gave less than a
                                    // second ago: it may leave that
    int64_t      unchanged_ms;      // for how long a beat that is later than
                                    // now has not changed, as far as anybody
                                    // has seen; 0: not known
    uint64_t     acked;             // as last given to beat(); never falls
    bool         gave_up;           // as given to close() by the claimant
    char         owner[160];        // who claimed, for people; NUL-terminated
} ckpt_life;

// The time: the core reads no clock.
typedef struct ckpt_moment {
    int64_t mono_ms;                // never goes back
    int64_t wall_ms;                // since 1970-01-01 UTC; 0: there is no
                                    // such clock
} ckpt_moment;

#define CKPT_STORE_VERSION 1

// The methods of a store; all are required. Each returns CKPT_OK or a negative
// code (list also CKPT_END). When the medium failed, it fills err->sys and
// err->op (a constant). NOT_FOUND, EXISTS, CLAIM_LOST, STALE and DAMAGED need
// neither. err is never NULL.
//
// place is place_size bytes of the core's memory, aligned as a uint64_t and
// zeroed. They belong to the store from open() to close() and do not move
// meanwhile. The core calls nothing on a place whose open() failed, and makes
// at most one call at a time for one place. All other arguments (id, owner,
// gen, part) are valid during the call only: copy what is needed later.
//
// After fork(), in the child, every method returns ERR_FORKED and changes
// nothing on a place that was made, claimed or looked at in full, except
// alive(), read(), close() and a quick look.
typedef struct ckpt_store_methods {
    uint32_t version;       // CKPT_STORE_VERSION at the time it was compiled
    uint32_t place_size;    // at most CKPT_PLACE_SIZE
    uint64_t size_max;      // the largest checkpoint it can keep, the line
                            // feed at its end included; 0: any

    // Opens a place. id is a run id, or, with CKPT_HOW_LEFTOVER, a name that
    // list(CKPT_AT_LEFTOVERS) gave. ERR_NOT_FOUND if nothing has that name.
    // CKPT_HOW_NEW makes a run aside, even if a run of that id exists. After
    // claim() the first publish() shows the new run, or returns ERR_EXISTS if a
    // run of that id exists by then. If the place is closed before, the new run
    // is removed, or stays as a leftover. look() works on it as on any run.
    ckpt_code (*open)(ckpt_store *s, void *place, const char *id, ckpt_how how,
                      ckpt_error *err);

    // Gives the id of one more run, or the store's own name of a leftover, in
    // any order, each once. A run that comes or goes meanwhile may be given or
    // not. CKPT_END after the last. id == NULL: stop, free the cursor.
    ckpt_code (*list)(ckpt_store *s, ckpt_where where, ckpt_cursor *cursor,
                      char id[CKPT_ID_MAX + 1], ckpt_error *err);

    // Looks at a run as it is now, never from a cache. Fills in generations of
    // epochs up to epoch_max (0: none): whole epochs only, as many as fit.
    // look->epoch has no such limit, and is 0 for a run that was removed.
    // ERR_NOT_FOUND if what has the id's name is no run at all. With
    // CKPT_LOOK_QUICK for epoch_max, and no claim, a store may give first what
    // its names say to be the newest generation, and then the other one of that
    // epoch; after a crash that may be the newer one. Their seq is 0 then, and
    // read() gives what has that name by then.
    // Look at all claims, not only the next one: claims in between may be gone.
    // Look at the own claim last: else another process could claim and finish
    // the run in between, and the owner would see its claim and no higher one.
    ckpt_code (*look)(ckpt_store *s, void *place, uint64_t epoch_max,
                      ckpt_look *look, ckpt_error *err);

    // Makes the claim of an epoch, atomically: one claimant wins. OK: the place
    // holds the claim, no failure that its holder can survive takes it away,
    // and nonce is a text of 1 to CKPT_NONCE_MAX characters a-z and 0-9 that no
    // other claim of any run ever gets. What publish() makes durable first
    // under a claim makes the claim durable, too. ERR_CLAIM_LOST: the epoch is
    // taken. ERR_STALE: the run was removed since it was opened. A claim stays
    // until drop(), even when its owner is gone.
    ckpt_code (*claim)(ckpt_store *s, void *place, uint64_t epoch,
                       const char *owner, char nonce[CKPT_NONCE_MAX + 1],
                       ckpt_error *err);

    // Says whether the owner of an epoch lives. Changes nothing in the run.
    ckpt_code (*alive)(ckpt_store *s, void *place, uint64_t epoch,
                       ckpt_life *life, ckpt_error *err);

    // Renews the heartbeat of the claim that the place holds, and keeps acked,
    // the seq of the newest save that the core acknowledged (0: none yet).
    // alive() gives acked to later claimants; it need not be durable.
    // ERR_CLAIM_LOST if the claim is not there any more.
    ckpt_code (*beat)(ckpt_store *s, void *place, uint64_t acked,
                      ckpt_error *err);

    // Reads up to n bytes of a generation; *got < n only at its end. ERR_STALE
    // if the generation is not there any more. n == 0 ends the reading for now;
    // buf may be NULL then.
    ckpt_code (*read)(ckpt_store *s, void *place, const ckpt_gen *gen,
                      uint64_t offset, void *buf, size_t n, size_t *got,
                      ckpt_error *err);

    // Adds a piece to the generation being written. A range is copied from
    // base, any generation that look() gave. A failure drops all that was put.
    // ERR_DAMAGED if a range is not all there or has another sum;
    // ERR_CLAIM_LOST if a higher claimant has removed what was put so far.
    ckpt_code (*put)(ckpt_store *s, void *place, const ckpt_gen *base,
                     const ckpt_part *part, ckpt_error *err);

    // Publishes what was put as generation (epoch, seq): atomically, and
    // durably as far as this store promises. It becomes the newest generation
    // of its epoch, and the one before it stays. Whatever the result, what was
    // put is used up. OK and ERR_NOT_DURABLE set gen->token; ERR_UNSURE as in
    // ERRORS; ERR_CLAIM_LOST if the claim is gone, or, with
    // CKPT_CAP_FENCED_WRITE, not the highest; any other error: nothing changed.
    ckpt_code (*publish)(ckpt_store *s, void *place, ckpt_gen *gen,
                         ckpt_error *err);

    // Takes a damaged generation out of the way: look() gives it no more. A
    // store may keep some of them for people to look at, until the run is
    // removed. OK also if it is gone. Called only if the place holds a claim.
    ckpt_code (*set_aside)(ckpt_store *s, void *place, const ckpt_gen *gen,
                           ckpt_error *err);

    // Removes what is not needed any more. Called only if the place holds a
    // claim, and never between put() and publish(). Must not touch anything of
    // an epoch above that claim, nor a later run of that id. What is gone
    // already is success, so a removal goes on where another one stopped; also
    // if the claim is not the highest, except that with CKPT_CAP_FENCED_WRITE
    // drop() then removes nothing and returns ERR_CLAIM_LOST.
    //   CKPT_DROP_OLDER  claims and generations of epochs below gen->epoch (at
    //                    most the claim's), and what writers of epochs up to
    //                    the claim's left half written
    //   CKPT_DROP_REST   everything but gen (NULL: no generation stays) and the
    //                    claim that is held. ERR_STALE, and nothing is removed,
    //                    if gen is gone, while the claim and another generation
    //                    of its epoch are there
    //   CKPT_DROP_ALL    the same, durably, then gen, then the claim, then the
    //                    name of the run: no crash in between can bring an
    //                    older generation back
    // Remove claims before any generation, and the lowest epoch first: else a
    // claimant that slept could claim a low epoch again, and see neither the
    // higher claims nor that generations are missing. A leftover is removed
    // whole, unless it has been shown meanwhile.
    ckpt_code (*drop)(ckpt_store *s, void *place, const ckpt_gen *gen,
                      ckpt_extent extent, ckpt_error *err);

    // Gives the time. place may be NULL.
    ckpt_code (*env)(ckpt_store *s, void *place, ckpt_moment *now,
                     ckpt_error *err);

    // Closes a place; the owner of its claim counts as gone then. gave_up: the
    // claimant did not crash, but could not take the run over (a full disk);
    // alive() says so of this claim from then on, if that could be written.
    // A child of fork() may call this, too; the parent keeps its claim.
    void (*close)(ckpt_store *s, void *place, bool gave_up);
} ckpt_store_methods;

// A store. Embed it as the first member of your own struct and point methods
// to a constant table.
struct ckpt_store {
    const ckpt_store_methods *methods;
    uint32_t                  caps;     // an OR of CKPT_CAP_
};

// Returns the store that keeps nothing and always succeeds, for runs that need
// not survive. Within the process an effect is begun once. A phase is never
// skipped, results and outputs cannot be read back, and no run is found.
CKPT_API ckpt_store ckpt_store_none(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CKPT_H */

//--- Implementation -----------------------------------------------------------

#ifdef CKPT_IMPLEMENTATION
#ifndef CKPT_IMPLEMENTATION_DONE
#define CKPT_IMPLEMENTATION_DONE

// THE ROOMS, from the ground up. A room uses those above it in this list, and
// no other:
//
//   Sums                 CRC-32C: by table or instruction, joined
//   Bytes and time       UTF-8, escapes, hashes, numbers, RFC 3339
//   Rules                what to do, as a function of facts and time alone
//   Calls of the store   the only lines that call one
//   Reading              a window on a generation in the store, or on memory
//   JSON                 scanned; for the caller, written and read; doubles
//   Events               and how a call ends
//   The record           its form; read; written. Knows no run
//   A context and a run  what each keeps; how a call on one ends
//   Judging              which generation is the newest whole one, and what
//                        the claims say
//   Publishing           the only way to write
//   Planning             what a caller gives is checked, and planned
//   Claiming             beginning a run, taking one over, ending it
//   Entries              of phases, effects and held environments
//   Runs, Phases, Effects, Notes, Environments    side by side
//   Execute, Observing, Supervising
//
// THE RULES that never bend, cited as R1 to R13 where they bind:
//
//   R1   A load returns one whole save of that run, never one older than the
//        last acknowledged save. If that save is damaged or missing, the load
//        says CKPT_OLDER and returns the newest whole save before it, or fails
//        and says why. The beat names that save: a power cut can erase it, and
//        a beat that fails is an event.
//   R2   OK means durable, as far as the store promises. After a failed fsync
//        the same descriptor is never fsynced again.
//   R3   Only the process that holds a claim writes. All others are observers:
//        they look, and a look changes nothing in the run.
//   R4   Claim first, then read; write first, then look, then acknowledge. Each
//        epoch has one claim. A look succeeds if it sees no higher claim and
//        our own, by its name and its inode or nonce: a link count proves
//        nothing. After a look that failed nothing is written before one
//        succeeds; a lost claim stays lost. A claimant concludes nothing before
//        its look. Before any work it adopts the run: publishes the newest
//        generation under its own epoch.
//   R5   A new run appears whole, under its name, before the call that begins
//        it returns. Its directory is never used for another run.
//   R6   The head counts attempts: a resume adds one before the hand-out, a
//        clean interrupt takes one back, progress resets the count to 0. After
//        more than three claimants that crashed in a row the next one waits;
//        more than CKPT_CLAIMS_MAX of them exhaust the run.
//   R7   A fact beats a hint. A lock that is held means that the owner lives,
//        unless no process has its number. A lock that is free means that the
//        owner is gone, if its claim says that it had the lock, or if a power
//        cut left nothing of the claim, and if that was on this kernel. Where
//        no fact decides, the age of the beat does, by the clock that dates the
//        beat: the owner is gone after a lease; after two beats, if no process
//        seems to have its number; after ten leases, if it holds its lock and
//        another process seems to have its number. A beat in the future has no
//        age: it must stand unchanged for as long. A wrong verdict costs double
//        work, never a saved state (R4).
//   R8   A run ends in three steps: a save with its outcome, a look, and the
//        removal of all that could bring it back. A full disk cannot stop the
//        end of a run that is not kept.
//   R9   The throttle advances only after a save that succeeded. Ends of
//        phases, effects and finishes are never throttled.
//   R10  The core does no I/O, reads no clock, allocates nothing, keeps no
//        globals. Its stack is at most 1 KiB on a Cortex-M4 and 1.5 KiB on
//        hosts of 64 bits.
//   R11  Nothing in a file is executed, followed as a path or turned into a
//        type.
//   R12  stb_sprintf stays private: integers and strings only.
//   R13  A generation is known by its head and sum: inodes and times lie. A
//        loop counts what it really removed, and so it ends. What a store needs
//        of a file system that it does not know is tried when it is opened, and
//        named then.

#include <string.h>

// Whether the code is small rather than fast, see OPTIONS. A microcontroller
// has no operating system that its compiler knows, and 32 bits.
#ifndef CKPT_SMALL
    #if defined(__OPTIMIZE_SIZE__)
        #define CKPT_SMALL 1
    #elif defined(__unix__) || defined(__APPLE__) || defined(_WIN32) ||        \
        UINTPTR_MAX > 0xffffffffU
        #define CKPT_SMALL 0
    #else
        #define CKPT_SMALL 1
    #endif
#endif

// The vectors in which plain bytes are looked for. Everything has a portable
// twin that gives the same.
#if CKPT_SMALL
#elif defined(__SSE2__) && defined(__GNUC__)
    #include <emmintrin.h>
    #define CKPT__PLAIN_SSE2
#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(__ARM_BIG_ENDIAN)
    #include <arm_neon.h>
    #define CKPT__PLAIN_NEON
#endif

// The instruction that sums eight bytes, and the one that sums one byte. An
// x86-64 processor must be asked whether it has them, unless the compiler was
// told so (CKPT__CRC_KNOWN); an ARMv8 compiler was told, or knows no such name.
#if CKPT_SMALL
    #define CKPT__CRC_KNOWN false
#elif defined(__x86_64__) && defined(__SSE2__) && defined(__GNUC__)
    #define CKPT__CRC_TARGET __attribute__((target("sse4.2")))
    #define CKPT__CRC_OP(crc, word) __builtin_ia32_crc32di(crc, word)
    #define CKPT__CRC_OP1(crc, byte) __builtin_ia32_crc32qi(crc, byte)
    typedef unsigned long long ckpt__sum;       // as the instruction has it
    #ifdef __SSE4_2__
        #define CKPT__CRC_KNOWN true
    #else
        #define CKPT__CRC_KNOWN false
        #define CKPT__CRC_ASKS
    #endif
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32) &&                  \
    !defined(__ARM_BIG_ENDIAN)
    #include <arm_acle.h>
    #define CKPT__CRC_TARGET
    #define CKPT__CRC_OP(crc, word)  __crc32cd(crc, word)
    #define CKPT__CRC_OP1(crc, byte) __crc32cb(crc, byte)
    typedef uint32_t ckpt__sum;
    #define CKPT__CRC_KNOWN true
#else
    #define CKPT__CRC_KNOWN false
#endif

// Asserts what is true whatever the caller does. Empty, unless a developer of
// this file defines it.
#ifndef CKPT_ASSERT
    #define CKPT_ASSERT(condition) ((void)0)
#endif

// Keeps a function out of line. Inlined, its frame would be part of its
// caller's, and take stack during the deeper calls that the caller makes (R10).
#if defined(__GNUC__) && !defined(__OPTIMIZE_SIZE__)
    #define CKPT__APART __attribute__((noinline))
#else
    #define CKPT__APART
#endif

// Keeps a function out of line that a compiler would otherwise copy into its
// callers, although it optimizes for size.
#if defined(__GNUC__) && defined(__OPTIMIZE_SIZE__)
    #define CKPT__ONCE __attribute__((noinline))
#else
    #define CKPT__ONCE
#endif

// Makes the function return the code of a call, unless that is CKPT_OK.
#define CKPT__TRY(call)                                                        \
    do {                                                                       \
        const ckpt_code ckpt__tried = (call);                                  \
        if (ckpt__tried != CKPT_OK) {                                          \
            return ckpt__tried;                                                \
        }                                                                      \
    } while (0)

//--- Sums ---------------------------------------------------------------------

// CRC-32C (Castagnoli, as in RFC 3720 appendix B.4), reflected. The sum of a
// byte is the exclusive or of the sums of its bits, so the sums of its bits,
// the lowest first, give a whole table: each macro adds one bit.
#define CKPT__CRC1(x, a)    (x), (x) ^ (a)
#define CKPT__CRC2(x, a, b) CKPT__CRC1(x, a), CKPT__CRC1((x) ^ (b), a)
#define CKPT__CRC3(x, a, b, c)                                                 \
    CKPT__CRC2(x, a, b), CKPT__CRC2((x) ^ (c), a, b)
#define CKPT__CRC4(x, a, b, c, d)                                              \
    CKPT__CRC3(x, a, b, c), CKPT__CRC3((x) ^ (d), a, b, c)
#define CKPT__CRC5(x, a, b, c, d, e)                                           \
    CKPT__CRC4(x, a, b, c, d), CKPT__CRC4((x) ^ (e), a, b, c, d)
#define CKPT__CRC6(x, a, b, c, d, e, f)                                        \
    CKPT__CRC5(x, a, b, c, d, e), CKPT__CRC5((x) ^ (f), a, b, c, d, e)
#define CKPT__CRC7(x, a, b, c, d, e, f, g)                                     \
    CKPT__CRC6(x, a, b, c, d, e, f), CKPT__CRC6((x) ^ (g), a, b, c, d, e, f)
#define CKPT__CRC8(a, b, c, d, e, f, g, h)                                     \
    { CKPT__CRC7(0U, a, b, c, d, e, f, g), CKPT__CRC7(h, a, b, c, d, e, f, g) }

#if CKPT_SMALL

// The sums of half bytes.
static const uint32_t ckpt__crc_table[16] = {
    CKPT__CRC4(0U, 0x105ec76fU, 0x20bd8edeU, 0x417b1dbcU, 0x82f63b78U)
};

static uint32_t ckpt__crc_by_table(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n > 0; n--) {
        crc ^= *p++;
        crc = ckpt__crc_table[crc & 15] ^ (crc >> 4);
        crc = ckpt__crc_table[crc & 15] ^ (crc >> 4);
    }
    return crc;
}

#else

// Row k has the sums of the bytes with k zero bytes behind each.
static const uint32_t ckpt__crc_table[8][256] = {
    CKPT__CRC8(0xf26b8303U, 0xe13b70f7U, 0xc79a971fU, 0x8ad958cfU,
               0x105ec76fU, 0x20bd8edeU, 0x417b1dbcU, 0x82f63b78U),
    CKPT__CRC8(0x13a29877U, 0x274530eeU, 0x4e8a61dcU, 0x9d14c3b8U,
               0x3fc5f181U, 0x7f8be302U, 0xff17c604U, 0xfbc3faf9U),
    CKPT__CRC8(0xa541927eU, 0x4f6f520dU, 0x9edea41aU, 0x38513ec5U,
               0x70a27d8aU, 0xe144fb14U, 0xc76580d9U, 0x8b277743U),
    CKPT__CRC8(0xdd45aab8U, 0xbf672381U, 0x7b2231f3U, 0xf64463e6U,
               0xe964b13dU, 0xd725148bU, 0xaba65fe7U, 0x52a0c93fU),
    CKPT__CRC8(0x38116facU, 0x7022df58U, 0xe045beb0U, 0xc5670b91U,
               0x8f2261d3U, 0x1ba8b557U, 0x37516aaeU, 0x6ea2d55cU),
    CKPT__CRC8(0xef306b19U, 0xdb8ca0c3U, 0xb2f53777U, 0x6006181fU,
               0xc00c303eU, 0x85f4168dU, 0x0e045bebU, 0x1c08b7d6U),
    CKPT__CRC8(0x68032cc8U, 0xd0065990U, 0xa5e0c5d1U, 0x4e2dfd53U,
               0x9c5bfaa6U, 0x3d5b83bdU, 0x7ab7077aU, 0xf56e0ef4U),
    CKPT__CRC8(0x493c7d27U, 0x9278fa4eU, 0x211d826dU, 0x423b04daU,
               0x847609b4U, 0x0d006599U, 0x1a00cb32U, 0x34019664U)
};

// Eight bytes at a time, each by the row for the bytes that follow it. Only the
// first four wait for the sum so far, so their half is added last.
static uint32_t ckpt__crc_by_table(uint32_t crc, const uint8_t *p, size_t n)
{
    const uint32_t (*t)[256] = ckpt__crc_table;
    for (; n >= 8; n -= 8, p += 8) {
        const uint32_t half = t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
        crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
               (uint32_t)p[3] << 24;
        crc = (half ^ t[4][crc >> 24]) ^ t[6][crc >> 8 & 255] ^
              (t[5][crc >> 16 & 255] ^ t[7][crc & 255]);
    }
    for (; n > 0; n--) {
        crc = t[0][(crc ^ *p++) & 255] ^ (crc >> 8);
    }
    return crc;
}

#endif

// The product of two polynomials modulo that of the CRC. Bit 31 is x^0.
static uint32_t ckpt__crc_mul(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = 1U << 31; bit != 0; bit >>= 1) {
        if (a & bit) {
            product ^= b;
        }
        b = (b & 1) ? (b >> 1) ^ 0x82f63b78U : b >> 1;
    }
    return product;
}

#if !CKPT_SMALL

// x^(8 * 2^i): what 2^i bytes behind a text do to its sum.
static const uint32_t ckpt__crc_power[32] = {
    0x00800000U, 0x00008000U, 0x82f63b78U, 0x6ea2d55cU, 0x18b8ea18U,
    0x510ac59aU, 0xb82be955U, 0xb8fdb1e7U, 0x88e56f72U, 0x74c360a4U,
    0xe4172b16U, 0x0d65762aU, 0x35d73a62U, 0x28461564U, 0xbf455269U,
    0xe2ea32dcU, 0xfe7740e6U, 0xf946610bU, 0x3c204f8fU, 0x538586e3U,
    0x59726915U, 0x734d5309U, 0xbc1ac763U, 0x7d0722ccU, 0xd289cabeU,
    0xe94ca9bcU, 0x05b74f3fU, 0xa51e1f42U, 0x40000000U, 0x20000000U,
    0x08000000U, 0x00800000U
};

#endif

#ifdef CKPT__CRC_OP

// Three lanes at a time: the instruction takes three cycles for its result, but
// begins each cycle. The sums of the lanes are joined as ckpt__crc_join() does.
CKPT__CRC_TARGET
static uint32_t ckpt__crc_by_op(uint32_t crc, const uint8_t *p, size_t n)
{
    enum { POWER = 10, LANE = 1 << POWER };
    ckpt__sum a = crc;
    uint64_t word[3];
    for (; n >= 3 * LANE; n -= 3 * LANE, p += 3 * LANE) {
        ckpt__sum b = 0, c = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            memcpy(&word[0], p + i, 8);
            memcpy(&word[1], p + LANE + i, 8);
            memcpy(&word[2], p + 2 * LANE + i, 8);
            a = CKPT__CRC_OP(a, word[0]);
            b = CKPT__CRC_OP(b, word[1]);
            c = CKPT__CRC_OP(c, word[2]);
        }
        a = ckpt__crc_mul(ckpt__crc_power[POWER + 1], (uint32_t)a) ^
            ckpt__crc_mul(ckpt__crc_power[POWER], (uint32_t)b) ^ c;
    }
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word[0], p, 8);
        a = CKPT__CRC_OP(a, word[0]);
    }
    crc = (uint32_t)a;
    for (; n > 0; n--) {
        crc = CKPT__CRC_OP1(crc, *p++);
    }
    return crc;
}

#endif

// Whether the processor has the instruction. To ask may take long, above all in
// a virtual machine: a context asks once.
static bool ckpt__crc_has_op(void)
{
#ifdef CKPT__CRC_ASKS
    uint32_t a = 1, b = 0, c = 0, d = 0;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c >> 20 & 1) != 0;                  // SSE 4.2
#else
    return CKPT__CRC_KNOWN;
#endif
}

// Continues a sum; by the instruction, if by_op.
CKPT__ONCE static uint32_t ckpt__crc(bool by_op, uint32_t crc,
                                     const void *bytes, size_t n)
{
    const uint8_t *p = (const uint8_t *)bytes;
#ifdef CKPT__CRC_OP
    if (by_op) return ~ckpt__crc_by_op(~crc, p, n);
#endif
    (void)by_op;
    return ~ckpt__crc_by_table(~crc, p, n);
}

CKPT_API uint32_t ckpt_crc32c(uint32_t crc, const void *bytes, size_t n)
{
    return ckpt__crc(CKPT__CRC_KNOWN, crc, bytes, n);
}

// The CRC of A followed by B, from their CRCs and n, the length of B: the CRC
// of A is multiplied by x^(8n). Code for speed sums zeros for the low bits of
// n, which is the same and costs less, above all by the instruction.
static uint32_t ckpt__crc_join(uint32_t a, uint32_t b, uint32_t n, bool by_op)
{
#if CKPT_SMALL
    (void)by_op;
    for (uint32_t power = 0x00800000U; n != 0; n >>= 1) {       // x^8, squared
        if (n & 1) {
            a = ckpt__crc_mul(power, a);
        }
        power = ckpt__crc_mul(power, power);
    }
#else
#ifdef CKPT__CRC_OP
    enum { CKPT__LOW_BITS = 8 };
#else
    enum { CKPT__LOW_BITS = 5 };
#endif
    static const uint8_t zeros[1 << CKPT__LOW_BITS] = {0};
    if (a == 0) return b;
    a = ~ckpt__crc(by_op, ~a, zeros, n % sizeof(zeros));
    n /= sizeof(zeros);
    for (const uint32_t *power = ckpt__crc_power + CKPT__LOW_BITS; n != 0;
         n >>= 1, power++) {
        if (n & 1) {
            a = ckpt__crc_mul(*power, a);
        }
    }
#endif
    return a ^ b;
}

// A range of bytes and its sum, and how many elements it has.
typedef struct ckpt__section {
    uint32_t size, crc, count;
} ckpt__section;

// Adds n more bytes to a section.
static void ckpt__section_add(ckpt__section *section, const void *bytes,
                              size_t n, bool by_op)
{
    CKPT_ASSERT(n <= UINT32_MAX - section->size);
    section->crc = ckpt__crc(by_op, section->crc, bytes, n);
    section->size += (uint32_t)n;
}

static void ckpt__section_join(ckpt__section *a, const ckpt__section *b,
                               bool by_op)
{
    CKPT_ASSERT(a->size <= UINT32_MAX - b->size);
    a->crc = ckpt__crc_join(a->crc, b->crc, b->size, by_op);
    a->size += b->size;
}

//--- Bytes and time -----------------------------------------------------------

CKPT_API uint32_t ckpt_version(void)
{
    return CKPT_VERSION;
}

// Text number i of a list of NUL-terminated texts. An array of pointers would
// be writable data in position-independent code.
static const char *ckpt__nth(const char *texts, uint32_t i)
{
    for (; i > 0; i--) {
        texts += strlen(texts) + 1;
    }
    return texts;
}

CKPT_API const char *ckpt_code_message(ckpt_code code)
{
#define CKPT_X(name, value, message) message "\0"
    static const char texts[] = CKPT_CODE_MAP(CKPT_X) "unknown code";
#undef CKPT_X
#define CKPT_X(name, value, message) + 1
    enum { COUNT = 0 CKPT_CODE_MAP(CKPT_X) };
#undef CKPT_X
    // The map lists the codes from 0 up, and then those from -1 down.
    const int i = code < 0 ? CKPT_CODE_LAST - (int)code : (int)code;
    return ckpt__nth(texts, (uint32_t)(
        code > CKPT_CODE_LAST || i > COUNT ? COUNT : i));
}

CKPT_API ckpt_bytes ckpt_text(const char *text)
{
    ckpt_bytes bytes;
    bytes.ptr = text;
    bytes.len = text != NULL ? strlen(text) : 0;
    return bytes;
}

// Goes on by one byte in UTF-8 (RFC 3629 section 4). A state says what must
// follow: how many bytes (bits 16 and up), and the range of the next of them
// (its lowest and highest value in eight bits each); 0: a character is whole.
// Returns the next state, UINT32_MAX if c cannot stand there.
CKPT__ONCE static uint32_t ckpt__utf8_next(uint32_t state, uint32_t c)
{
    uint32_t low = 0x80, high = 0xbf, more = state >> 16;
    if (state == 0 && c < 0x80) return 0;
    if (state == 0) {
        if (c < 0xc2 || c > 0xf4) return UINT32_MAX;
        more = 1U + (c >= 0xe0) + (c >= 0xf0);
        if (c == 0xe0) low = 0xa0;      // no overlong forms
        if (c == 0xed) high = 0x9f;     // no surrogates
        if (c == 0xf0) low = 0x90;
        if (c == 0xf4) high = 0x8f;     // nothing above U+10FFFF
    } else {
        if (c < (state >> 8 & 255) || c > (state & 255)) return UINT32_MAX;
        if (--more == 0) return 0;
    }
    return more << 16 | low << 8 | high;
}

// The length of the UTF-8 sequence that the n > 0 bytes at p begin with, 0 if
// there is none.
static size_t ckpt__utf8_size(const uint8_t *p, size_t n)
{
    uint32_t state = 0;
    CKPT_ASSERT(n > 0);
    for (size_t i = 0; i < n && state != UINT32_MAX; i++) {
        state = ckpt__utf8_next(state, p[i]);
        if (state == 0) return i + 1;
    }
    return 0;
}

#if CKPT_SMALL

// Skips nothing: who reads on looks at every byte.
static const uint8_t *ckpt__clean(const uint8_t *p, const uint8_t *end)
{
    (void)end;
    return p;
}

#else

// Plain bytes stand in a JSON string as they are: ASCII without the quote, the
// backslash and control characters. Each of these functions returns the first
// byte from p on that is not plain, or end.
static const uint8_t *ckpt__plain_bytes(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
        p++;
    }
    return p;
}

// Eight bytes at a time: each subtraction sets the highest bit of a byte that
// is below ' ', or equal to the quote or the backslash. It may borrow from the
// byte above and set a bit too many there, never one too few: the bytes of such
// a word are looked at one by one.
static const uint8_t *ckpt__plain_words(const uint8_t *p, const uint8_t *end)
{
    const uint64_t ones = 0x0101010101010101U;
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        const uint64_t quote = (w ^ ones * '"') - ones;
        const uint64_t backslash = (w ^ ones * '\\') - ones;
        if ((w | (w - ones * ' ') | quote | backslash) & ones * 0x80) break;
    }
    return ckpt__plain_bytes(p, end);
}

#if defined(CKPT__PLAIN_SSE2)

// Sixteen bytes at a time.
static const uint8_t *ckpt__plain(const uint8_t *p, const uint8_t *end)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(' ');
    for (; end - p >= 16; p += 16) {
        __m128i v;
        memcpy(&v, p, 16);
        // As signed numbers, the bytes beyond ASCII are below ' ', too.
        const __m128i not_plain = _mm_or_si128(
            _mm_cmplt_epi8(v, space),
            _mm_or_si128(_mm_cmpeq_epi8(v, quote),
                         _mm_cmpeq_epi8(v, backslash)));
        const int mask = _mm_movemask_epi8(not_plain);
        if (mask != 0) return p + __builtin_ctz((unsigned)mask);
    }
    return ckpt__plain_words(p, end);
}

#elif defined(CKPT__PLAIN_NEON)

// Sixteen bytes at a time. Of the comparison's bytes four bits each are left.
static const uint8_t *ckpt__plain(const uint8_t *p, const uint8_t *end)
{
    for (; end - p >= 16; p += 16) {
        const uint8x16_t v = vld1q_u8(p);
        // As signed numbers, the bytes beyond ASCII are below ' ', too.
        const uint8x16_t not_plain = vorrq_u8(
            vcltq_s8(vreinterpretq_s8_u8(v), vdupq_n_s8(' ')),
            vorrq_u8(vceqq_u8(v, vdupq_n_u8('"')),
                     vceqq_u8(v, vdupq_n_u8('\\'))));
        const uint64_t mask = vget_lane_u64(vreinterpret_u64_u8(
            vshrn_n_u16(vreinterpretq_u16_u8(not_plain), 4)), 0);
        if (mask != 0) return p + __builtin_ctzll(mask) / 4;
    }
    return ckpt__plain_words(p, end);
}

#else

static const uint8_t *ckpt__plain(const uint8_t *p, const uint8_t *end)
{
    return ckpt__plain_words(p, end);
}

#endif

static bool ckpt__is_tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

// Skips UTF-8 sequences of several bytes. Returns the first byte that begins
// none, or none that is whole.
CKPT__APART static const uint8_t *ckpt__utf8_skip(const uint8_t *p,
                                                 const uint8_t *end)
{
    while (p < end && *p >= 0x80) {
        const size_t left = (size_t)(end - p);
        size_t size;
        // The most frequent first, by steps of a fixed size: the processor need
        // not wait for the length of a character to begin with the next.
        if (*p >= 0xc2 && *p < 0xe0 && left >= 2 && ckpt__is_tail(p[1])) {
            p += 2;
        } else if (*p > 0xe0 && *p < 0xf0 && *p != 0xed && left >= 3 &&
                   ckpt__is_tail(p[1]) && ckpt__is_tail(p[2])) {
            p += 3;
        } else {
            size = ckpt__utf8_size(p, left);
            if (size == 0) break;
            p += size;
        }
    }
    return p;
}

// Skips characters that stand in a JSON string as they are, whatever their
// length. Returns the first byte that may begin no such character: who reads on
// must look at it, also because it may be cut off.
static const uint8_t *ckpt__clean(const uint8_t *p, const uint8_t *end)
{
    for (;;) {
        p = ckpt__plain(p, end);
        if (p == end || *p < 0x80) return p;
        const uint8_t *next = ckpt__utf8_skip(p, end);
        if (next == p) return p;
        p = next;
    }
}

#endif

// Checks that a text is UTF-8; err->pos is the first byte that is not.
static ckpt_code ckpt__utf8_check(const char *text, size_t n, ckpt_error *err)
{
    const uint8_t *p = (const uint8_t *)text;
    for (size_t i = 0; i < n; ) {
        const size_t size = ckpt__utf8_size(p + i, n - i);
        if (size == 0) {
            err->pos = i;
            return CKPT_ERR_UTF8;
        }
        i += size;
    }
    return CKPT_OK;
}

static size_t ckpt__utf8_write(char *out, uint32_t c)
{
    const size_t more = (size_t)(c >= 0x80) + (c >= 0x800) + (c >= 0x10000);
    for (size_t i = more; i > 0; i--, c >>= 6) {
        out[i] = (char)(0x80 | (c & 0x3f));
    }
    out[0] = (char)("\0\xc0\xe0\xf0"[more] | (int)c);
    return more + 1;
}

// Writes a number, padded on the left to a width of at most 20. Returns its
// length.
static size_t ckpt__number(char *out, uint64_t value, size_t width, char pad)
{
    char digits[20];
    size_t n = sizeof(digits);
    CKPT_ASSERT(width <= sizeof(digits));
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    const size_t size = sizeof(digits) - n;
    const size_t padding = width > size ? width - size : 0;
    memset(out, pad, padding);
    memcpy(out + padding, digits + n, size);
    return padding + size;
}

// How ckpt__escape() treats bytes that are no UTF-8.
typedef enum ckpt__escape_mode {
    CKPT__AS_TEXT,      // U+FFFD in their place
    CKPT__AS_ID         // %xx, and % itself is %25: any bytes, reversible
} ckpt__escape_mode;

// What stands behind the backslash of a short escape; 0: the byte has none.
static char ckpt__escape_letter(uint8_t c)
{
    if (c == '"' || c == '\\') return (char)c;
    return c >= '\b' && c <= '\r' ? "btn\0fr"[c - '\b'] : '\0';
}

// Writes the last n hexadecimal digits of a value.
static void ckpt__hex_write(char *out, size_t n, uint32_t value)
{
    for (; n > 0; value >>= 4) {
        out[--n] = "0123456789abcdef"[value & 15];
    }
}

// Escapes the first character of bytes for a JSON string into out; *size is its
// length there. Returns the length of the character in bytes.
static size_t ckpt__escape(char out[8], size_t *size, const void *bytes,
                           size_t n, ckpt__escape_mode mode)
{
    const uint8_t *p = (const uint8_t *)bytes;
    const size_t taken = ckpt__utf8_size(p, n);
    const char letter = ckpt__escape_letter(*p);
    if (letter != '\0') {
        out[0] = '\\';
        out[1] = letter;
        *size = 2;
    } else if (*p < 0x20) {
        memcpy(out, "\\u", 2);
        ckpt__hex_write(out + 2, 4, *p);
        *size = 6;
    } else if (mode == CKPT__AS_ID && (taken == 0 || *p == '%')) {
        out[0] = '%';
        ckpt__hex_write(out + 1, 2, *p);
        *size = 3;
    } else if (taken == 0) {
        memcpy(out, "\xef\xbf\xbd", 3);     // U+FFFD
        *size = 3;
    } else {
        memcpy(out, p, taken);
        *size = taken;
    }
    return taken != 0 ? taken : 1;
}

// The value of n hexadecimal digits.
static uint32_t ckpt__hex(const char *p, size_t n)
{
    uint32_t value = 0;
    for (; n > 0; n--, p++) {
        const uint32_t c = (uint8_t)*p;
        value = value << 4 | (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return value;
}

// The value of n digits without leading zeros. UINT64_MAX if the text is no
// such number, or has more than 19 digits.
static uint64_t ckpt__decimal(const char *p, size_t n)
{
    uint64_t value = 0;
    if (n == 0 || n > 19 || (*p == '0' && n > 1)) return UINT64_MAX;
    for (; n > 0; n--, p++) {
        if (*p < '0' || *p > '9') return UINT64_MAX;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    return value;
}

// Bit i of a set.
static bool ckpt__bit(const uint8_t *set, uint32_t i)
{
    return (set[i / 8] >> i % 8 & 1) != 0;
}

static void ckpt__bit_put(uint8_t *set, uint32_t i, bool value)
{
    const uint8_t bit = (uint8_t)(1U << i % 8);
    set[i / 8] = (uint8_t)(value ? set[i / 8] | bit : set[i / 8] & ~bit);
}

// FNV-1a, 64 bits.
#define CKPT__HASH_EMPTY 0xcbf29ce484222325U

CKPT__ONCE static uint64_t ckpt__hash(uint64_t hash, const void *bytes,
                                      size_t n)
{
    const uint8_t *p = (const uint8_t *)bytes;
    while (n-- > 0) {
        hash = (hash ^ *p++) * 0x100000001b3U;
    }
    return hash;
}

// The hash of a text as it is escaped in the record: the reader sees only that
// form. It says which entry may have a name; the text of the entry decides.
static uint64_t ckpt__hash_text(const char *text, ckpt__escape_mode mode)
{
    uint64_t hash = CKPT__HASH_EMPTY;
    char out[8];
    for (size_t size; *text != '\0'; ) {
        size_t n = 1;                           // a character has 4 bytes
        while (n < 4 && text[n] != '\0') {
            n++;
        }
        text += ckpt__escape(out, &size, text, n, mode);
        hash = ckpt__hash(hash, out, size);
    }
    return hash;
}

// Checks a phase name or an id: 1 to max bytes of UTF-8, no control characters.
// So a record holds it in at most twice as many bytes.
static ckpt_code ckpt__name_check(const char *name, size_t max,
                                  ckpt_error *err)
{
    const size_t n = name != NULL ? strlen(name) : 0;
    if (n == 0 || n > max) return CKPT_ERR_ARGUMENT;
    for (size_t i = 0; i < n; i++) {
        if ((uint8_t)name[i] < 0x20) {
            err->pos = i;
            return CKPT_ERR_ARGUMENT;
        }
    }
    return ckpt__utf8_check(name, n, err);
}

#define CKPT__TIME_MAX 253402300799999      // 9999-12-31T23:59:59.999Z

enum {
    CKPT__DAY_MS = 86400000,
    CKPT__TIME_SIZE = 24,                   // 2026-11-21T03:14:15.926Z
    CKPT__DAYS_TO_1970 = 719468             // from 1 March of the year 0
};

// The days before a year. The calendar counts them from 1 March of the year 0,
// and its years begin in March, so that a leap day is the last of its year.
CKPT__ONCE static uint32_t ckpt__year_at(uint32_t year)
{
    return 365 * year + year / 4 - year / 100 + year / 400;
}

// The days of a year before one of its months; March is 0.
static uint32_t ckpt__month_at(uint32_t month)
{
    return (153 * month + 2) / 5;
}

// How many digits each number of a time has, and what stands behind it.
static const char ckpt__time_digits[] = "4222223";

// Writes a time as RFC 3339 in UTC: CKPT__TIME_SIZE characters and a NUL. A
// time outside the years 1970 to 9999 becomes the nearest one inside.
static void ckpt__time_write(char *out, int64_t ms)
{
    if ((uint64_t)ms > CKPT__TIME_MAX) {
        ms = ms < 0 ? 0 : CKPT__TIME_MAX;
    }
    const uint32_t in_day = (uint32_t)(ms % CKPT__DAY_MS);
    uint32_t day = (uint32_t)(ms / CKPT__DAY_MS) + CKPT__DAYS_TO_1970;
    uint32_t year = day / 365;                  // or a little less
    while (ckpt__year_at(year) > day) {
        year--;
    }
    day -= ckpt__year_at(year);
    const uint32_t month = (5 * day + 2) / 153;
    const uint32_t late = month / 10;           // 1: January or February
    const uint32_t fields[7] = {
        year + late, month + 3 - 12 * late, day - ckpt__month_at(month) + 1,
        in_day / 3600000, in_day / 60000 % 60, in_day / 1000 % 60,
        in_day % 1000
    };
    for (size_t i = 0; i < 7; i++) {
        out += ckpt__number(out, fields[i],
                            (size_t)(ckpt__time_digits[i] - '0'), '0');
        *out++ = "--T::.Z"[i];
    }
    *out = '\0';
}

// Reads n digits; a space counts as 0, and other bytes give some number of n
// digits: the low half of the byte of a digit is its value, that of a space 0.
static uint32_t ckpt__digits(const char *p, size_t n)
{
    uint32_t value = 0;
    for (; n > 0; n--, p++) {
        value = value * 10 + (uint32_t)(*p & 15) % 10;
    }
    return value;
}

// Reads what ckpt__time_write() wrote; other text gives some time. The numbers
// are unsigned, so that an overflow is no error.
static int64_t ckpt__time_read(const char *p)
{
    uint32_t fields[7];
    for (size_t i = 0; i < 7; i++) {
        const size_t n = (size_t)(ckpt__time_digits[i] - '0');
        fields[i] = ckpt__digits(p, n);
        p += n + 1;
    }
    const uint32_t early = fields[1] <= 2;
    const uint32_t day = ckpt__year_at(fields[0] - early) + fields[2] - 1 +
                         ckpt__month_at(fields[1] + 12 * early - 3);
    return (int64_t)(day - CKPT__DAYS_TO_1970) * CKPT__DAY_MS +
           ((fields[3] * 60 + fields[4]) * 60 + fields[5]) * 1000 + fields[6];
}

//--- Rules --------------------------------------------------------------------

// Pure functions: all that they depend on, the time above all, is an argument.

// Everything that decides what a run is right now.
typedef struct ckpt__facts {
    ckpt_code    judged;        // what judging found: OK, a generation is
                                // whole; NOT_FOUND, there is none at all
    ckpt_outcome outcome;
    uint64_t     epoch;         // of the newest generation: of the newest whole
                                // one, if there is one
    uint64_t     highest;       // epoch of the highest claim
    uint64_t     acked;         // the highest seq that was acknowledged
    uint32_t     died;          // claimants that crashed before they adopted
    uint32_t     attempt;
    bool         held, lost;    // of the newest generation
    ckpt_verdict verdict;
    int64_t      age_ms;        // of the last beat; negative: in the future
    bool         watched;       // that beat did not change for a lease
    int64_t      unchanged_ms;  // for how long it did not, as the store says
} ckpt__facts;

// Whether a save is due (R9). saved_ms: the time of the last save of this
// claim, negative if there was none.
static bool ckpt__is_due(const ckpt_desc *desc, int64_t saved_ms,
                         int64_t now_ms, uint64_t turn)
{
    const uint64_t every = (uint64_t)desc->every_turns;
    if (every > 0 && (turn == 0 || turn % every != 0)) return false;
    return saved_ms < 0 || now_ms - saved_ms >= desc->throttle_ms;
}

// An outcome after which the run is removed.
static bool ckpt__is_final(ckpt_outcome outcome)
{
    return outcome == CKPT_COMPLETED || outcome == CKPT_FAILED ||
           outcome == CKPT_REMOVED;
}

// An outcome after which the run is kept where it stands.
static bool ckpt__is_kept(ckpt_outcome outcome)
{
    return outcome == CKPT_DONE || outcome == CKPT_DEAD;
}

// Whether an outcome ends the run: the run is removed, or kept.
static bool ckpt__is_end(ckpt_outcome outcome)
{
    return ckpt__is_final(outcome) || ckpt__is_kept(outcome);
}

// Whether the owner of the highest claim let the run go, however fresh its
// last beat.
CKPT__ONCE static bool ckpt__is_let_go(const ckpt__facts *f)
{
    return f->judged == CKPT_OK && f->epoch == f->highest &&
           (f->outcome == CKPT_INTERRUPTED || f->outcome == CKPT_RETRY);
}

// Whether the owner of the highest claim is gone (R7). A fact decides at once.
// After a hint the age of the beat decides, sooner or later than without one. A
// beat in the future has no age: it must have been watched for a lease.
static bool ckpt__is_gone(const ckpt__facts *f, const ckpt_desc *desc)
{
    switch (f->verdict) {
    case CKPT_LIFE_LIVE: return false;
    case CKPT_LIFE_GONE: return true;
    case CKPT_LIFE_REUSED:
        return f->age_ms / 10 > desc->lease_ms ||
               f->unchanged_ms / 10 >= desc->lease_ms;
    case CKPT_LIFE_ABSENT:
        if (f->age_ms / 2 > desc->beat_ms) return true;
        break;
    default: break;
    }
    return f->watched || f->unchanged_ms >= desc->lease_ms ||
           f->age_ms > desc->lease_ms;
}

CKPT__ONCE static bool ckpt__is_exhausted(uint32_t attempt, int32_t resume_max)
{
    return resume_max != CKPT_UNLIMITED &&
           attempt >= (uint32_t)(resume_max == CKPT_NEVER ? 0 : resume_max);
}

// How long a claimant waits after n claimants in a row crashed before they
// adopted the run (R6). The first three cost nothing: nobody should notice a
// kill while opening. Then 2^(n - 3) seconds, at most an hour, so that a record
// that crashes its readers does not keep a machine busy. A beat in the future
// has no age: we would wait for it for ever.
static int64_t ckpt__patience(uint32_t n, int64_t age_ms)
{
    if (n <= 3 || age_ms < 0) return 0;
    const int64_t wait = n >= 15 ? 3600000 : 1000 << (n - 3);
    return age_ms >= wait ? 0 : wait - age_ms;
}

// The state of a run whose newest generation ends it, 0 if that one does not.
// Higher claims change nothing: their claimants found the same generation.
static ckpt_run_state ckpt__ended_state(const ckpt__facts *f)
{
    if (f->judged != CKPT_OK) return (ckpt_run_state)0;
    if (f->outcome == CKPT_DONE) return CKPT_STATE_DONE;
    if (f->outcome == CKPT_DEAD) return CKPT_STATE_FAILED;
    return ckpt__is_final(f->outcome) ? CKPT_STATE_FINISHED : (ckpt_run_state)0;
}

// The state of a run as its generations decide it; 0: the claims decide.
CKPT__ONCE static ckpt_run_state ckpt__judged_state(const ckpt__facts *f)
{
    switch (f->judged) {
    case CKPT_OK: case CKPT_ERR_NOT_FOUND: case CKPT_ERR_DAMAGED:
        return ckpt__ended_state(f);
    case CKPT_ERR_FORMAT:  return CKPT_STATE_NEWER;
    case CKPT_ERR_FOREIGN: return CKPT_STATE_FOREIGN;
    case CKPT_ERR_STALE:   return CKPT_STATE_BUSY;
    default:               return CKPT_STATE_UNREADABLE;
    }
}

// The state of a run. *wait_ms: how long to wait, if the state is BUSY.
static ckpt_run_state ckpt__classify(const ckpt__facts *f,
                                     const ckpt_desc *desc, int64_t *wait_ms)
{
    const bool whole = f->judged == CKPT_OK;
    const ckpt_run_state judged = ckpt__judged_state(f);
    *wait_ms = 0;
    if (judged != 0) return judged;
    if (!ckpt__is_let_go(f) && !ckpt__is_gone(f, desc)) {
        if (!whole || (f->verdict != CKPT_LIFE_LIVE && f->age_ms < 0)) {
            const int64_t wait = desc->lease_ms - f->unchanged_ms;
            *wait_ms = wait > 0 ? wait : 0;     // 0: nobody knows how long
            return CKPT_STATE_BUSY;
        }
        return f->age_ms > desc->lease_ms ? CKPT_STATE_STALLED
                                          : CKPT_STATE_LIVE;
    }
    if (f->judged == CKPT_ERR_NOT_FOUND) {
        return CKPT_STATE_FINISHED;             // half removed: no generation
    }
    if (f->died <= CKPT_CLAIMS_MAX) {
        *wait_ms = ckpt__patience(f->died, f->age_ms);
        if (*wait_ms > 0) return CKPT_STATE_BUSY;
    }
    if (!whole) return CKPT_STATE_DAMAGED;
    // No claim can be made above the highest epoch there can be.
    return f->died > CKPT_CLAIMS_MAX || f->highest >= CKPT_TURN_MAX ||
           ckpt__is_exhausted(f->attempt, desc->resume_max)
               ? CKPT_STATE_EXHAUSTED : CKPT_STATE_INTERRUPTED;
}

// Why a claimant takes a run over: an OR of these.
enum {
    CKPT__FOR_FORCE     = 1 << 0,   // also from a live owner
    CKPT__FOR_FALLBACK  = 1 << 1,   // also exhausted and damaged runs
    CKPT__FOR_BEGIN     = 1 << 2,   // only a half removed run
    CKPT__FOR_REMOVAL   = 1 << 3,   // to remove it
    CKPT__FOR_RETRY     = 1 << 4,   // to give a failed or exhausted run its
                                    // attempts back, and let it go at once
    CKPT__FOR_PRUNING   = 1 << 5    // to remove it, unless it has changed
                                    // since ctx->info was filled in
};

// Whether a run in that state may be claimed for that purpose.
static bool ckpt__may_claim(ckpt_run_state state, uint32_t purpose)
{
    switch (state) {
    case CKPT_STATE_FINISHED: return true;
    case CKPT_STATE_INTERRUPTED:
        return (purpose & (CKPT__FOR_BEGIN | CKPT__FOR_RETRY)) == 0;
    case CKPT_STATE_EXHAUSTED:
        return (purpose & (CKPT__FOR_FALLBACK | CKPT__FOR_REMOVAL |
                           CKPT__FOR_RETRY)) != 0;
    case CKPT_STATE_DAMAGED:
        return (purpose & (CKPT__FOR_FALLBACK | CKPT__FOR_REMOVAL)) != 0;
    case CKPT_STATE_FAILED:
        return (purpose & (CKPT__FOR_REMOVAL | CKPT__FOR_RETRY)) != 0;
    case CKPT_STATE_DONE: case CKPT_STATE_FOREIGN:
        return (purpose & CKPT__FOR_REMOVAL) != 0;
    case CKPT_STATE_LIVE: case CKPT_STATE_STALLED: case CKPT_STATE_BUSY:
        return (purpose & CKPT__FOR_FORCE) != 0;
    default: return false;
    }
}

// Whether the owner of the highest claim crashed or hangs. An owner that let
// the run go did neither.
static bool ckpt__is_stale(const ckpt__facts *f, const ckpt_desc *desc)
{
    return !ckpt__is_let_go(f) &&
           (f->age_ms > desc->lease_ms || ckpt__is_gone(f, desc));
}

// The code for a kept run that is not claimed. A caller that begins the run
// finds it in the way; a caller that recovers runs skips it.
static ckpt_code ckpt__kept_code(ckpt_outcome outcome, uint32_t purpose)
{
    if (purpose & CKPT__FOR_BEGIN) return CKPT_ERR_EXISTS;
    if (purpose & CKPT__FOR_FALLBACK) return CKPT_SKIPPED;
    return outcome == CKPT_DONE ? CKPT_FINISHED : CKPT_ERR_FAILED;
}

// The code of a call that may not claim a run because of its state.
static ckpt_code ckpt__state_code(ckpt_run_state state, ckpt_code judged)
{
    switch (state) {
    case CKPT_STATE_LIVE: case CKPT_STATE_STALLED: return CKPT_ERR_LIVE;
    case CKPT_STATE_BUSY:      return CKPT_ERR_BUSY;
    case CKPT_STATE_EXHAUSTED: return CKPT_ERR_EXHAUSTED;
    case CKPT_STATE_FINISHED: case CKPT_STATE_DONE: return CKPT_FINISHED;
    case CKPT_STATE_FAILED:    return CKPT_ERR_FAILED;
    case CKPT_STATE_INTERRUPTED: return CKPT_ERR_EXISTS;
    default:                   return judged;
    }
}

// The attempt count of the next generation of a claim (R6). Progress resets it
// to 0; a clean interrupt gives the attempt back.
static uint32_t ckpt__next_attempt(uint32_t attempt, bool progress,
                                   ckpt_outcome outcome)
{
    attempt = progress ? 0 : attempt;
    return outcome == CKPT_INTERRUPTED && attempt > 0 ? attempt - 1 : attempt;
}

#ifndef CKPT_NO_SUPERVISING

// How often the fallback was given a run, this time included. Each hand-out
// adopts the run, and so counts an attempt.
static uint64_t ckpt__fallback_count(uint32_t attempt, int32_t resume_max)
{
    const uint32_t max = resume_max == CKPT_NEVER ? 0 : (uint32_t)resume_max;
    return resume_max != CKPT_UNLIMITED && attempt > max ? attempt - max : 1;
}

// Whether run a got further than run b: by turn, then by time, then by id.
static bool ckpt__is_later(const ckpt_run_info *a, const ckpt_run_info *b)
{
    if (a->turn != b->turn) return a->turn > b->turn;
    if (a->saved_at_ms != b->saved_at_ms) {
        return a->saved_at_ms > b->saved_at_ms;
    }
    return strcmp(a->id, b->id) < 0;
}

#endif

//--- Calls of the store -------------------------------------------------------

// Reads bytes one after the other through a window: on a generation in the
// store, or, when place is NULL, on memory, which is then the whole window.
typedef struct ckpt__reader {
    struct ckpt__place *place;
    const uint8_t      *start, *at, *end;
    const uint8_t      *mark;       // first byte not yet in section
    uint32_t            offset;     // of start, in what is read
    bool                by_op;      // as in ckpt__crc()
    ckpt__section       section;    // what was read since the last section
    ckpt__section       all;        // all sections
    ckpt_code           rc;         // the first error; at stays there
} ckpt__reader;

// Where the parts of a new record go: to the store, or, dry, only into sums.
typedef struct ckpt__writer {
    struct ckpt__place *place;
    bool                dry;        // only count and sum
    ckpt__section       all;        // everything
    ckpt__section       section;    // what came since the last section
    uint32_t            at;         // how far the base has been used
    uint32_t            begun;      // entries of the last list without an end
    uint32_t            gathered;   // bytes in the window, not put yet
    ckpt_part           part;       // the last one
    ckpt_code           rc;
} ckpt__writer;

// A run as it stands in the store, and the scratch space for reading and
// writing it: here, because the stack is limited (R10).
typedef struct ckpt__place {
    ckpt_error   error;
    ckpt_store  *store;
    ckpt__reader reader;
    uint32_t     size_max;
    uint32_t     bad_count;         // damaged generations newer than gen,
    uint32_t     bad_acked;         // and how many of them may have been
                                    // acknowledged
    bool         by_op;             // the processor has the instruction for
                                    // sums, as ckpt_init() found
    ckpt_gen     gen;               // the generation that is read
    uint64_t     newest;            // epoch of the newest, even a damaged one
    ckpt_life    life;              // of the owner of the highest claim
    ckpt__facts  facts;
    ckpt__writer writer;
    ckpt_look    look;              // what the last look saw
    ckpt_gen     bad[CKPT_LOOK_MAX / 2];
    uint64_t     memory[CKPT_PLACE_SIZE / sizeof(uint64_t)];    // the store's
    char         head[512];         // of the record that is read or written
    uint8_t      window[1024];      // on what is read; what a writer gathers
} ckpt__place;

// The store that keeps nothing has no methods. Where one is called for such a
// store, the functions below answer in its place.
static const ckpt_store_methods ckpt__none_methods = {
    CKPT_STORE_VERSION, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL
};

CKPT_API ckpt_store ckpt_store_none(void)
{
    ckpt_store store;
    store.methods = &ckpt__none_methods;
    store.caps = CKPT_CAP_NOTHING | CKPT_CAP_SINGLE_PROCESS;
    return store;
}

static bool ckpt__is_none(const ckpt_store *store)
{
    return (store->caps & CKPT_CAP_NOTHING) != 0;
}

#ifndef CKPT_NO_SUPERVISING

static ckpt_code ckpt__store_list(ckpt_store *s, ckpt_where where,
                                  ckpt_cursor *cursor, char *id,
                                  ckpt_error *err)
{
    return ckpt__is_none(s) ? CKPT_END
                            : s->methods->list(s, where, cursor, id, err);
}

#endif

// Reads the clocks. With a place, not NULL, this fails in a forked child.
CKPT__ONCE static ckpt_code ckpt__store_clock(ckpt_store *s, void *place,
                                              ckpt_moment *now, ckpt_error *err)
{
    now->mono_ms = now->wall_ms = 0;
    return ckpt__is_none(s) ? CKPT_OK : s->methods->env(s, place, now, err);
}

static ckpt_code ckpt__store_open(ckpt__place *p, const ckpt_desc *desc,
                                  const char *id, ckpt_how how)
{
    p->store = desc->store;
    p->size_max = (uint32_t)desc->size_max;
    memset(&p->error, 0, sizeof(p->error));
    memset(p->memory, 0, sizeof(p->memory));
    if (ckpt__is_none(p->store)) {
        return how == CKPT_HOW_NEW ? CKPT_OK : CKPT_ERR_NOT_FOUND;
    }
    return p->store->methods->open(p->store, p->memory, id, how, &p->error);
}

static void ckpt__store_close(ckpt__place *p, bool gave_up)
{
    if (!ckpt__is_none(p->store)) {
        p->store->methods->close(p->store, p->memory, gave_up);
    }
}

// Looks at all claims, and at the generations of epochs up to epoch_max.
CKPT__APART static ckpt_code ckpt__store_look(ckpt__place *p,
                                              uint64_t epoch_max)
{
    memset(&p->look, 0, sizeof(p->look));
    if (ckpt__is_none(p->store)) {
        p->look.mine = true;
        return CKPT_OK;
    }
    return p->store->methods->look(p->store, p->memory, epoch_max, &p->look,
                                   &p->error);
}

static ckpt_code ckpt__store_claim(ckpt__place *p, uint64_t epoch,
                                   const char *owner,
                                   char nonce[CKPT_NONCE_MAX + 1])
{
    if (ckpt__is_none(p->store)) {
        memcpy(nonce, "0", 2);
        return CKPT_OK;
    }
    return p->store->methods->claim(p->store, p->memory, epoch, owner, nonce,
                                    &p->error);
}

// Whether the owner of a claim lives. Where the store does not know, the owner
// is gone if its claimant gave up, or if no other process uses the store (R7).
// now_ms is what the store gave as the time less than a second ago, or 0.
static ckpt_code ckpt__store_alive(ckpt__place *p, uint64_t epoch,
                                   int64_t now_ms, ckpt_life *life)
{
    memset(life, 0, sizeof(*life));
    life->now_ms = now_ms;
    CKPT__TRY(p->store->methods->alive(p->store, p->memory, epoch, life,
                                       &p->error));
    if (life->verdict == CKPT_LIFE_UNKNOWN &&
        (life->gave_up || (p->store->caps & CKPT_CAP_SINGLE_PROCESS))) {
        life->verdict = CKPT_LIFE_GONE;
    }
    return CKPT_OK;
}

static ckpt_code ckpt__store_beat(ckpt__place *p, uint64_t acked)
{
    return ckpt__is_none(p->store) ? CKPT_OK :
        p->store->methods->beat(p->store, p->memory, acked, &p->error);
}

// Reads a range of the generation that p->gen names.
static ckpt_code ckpt__store_read(ckpt__place *p, uint32_t offset, void *buf,
                                  size_t n, size_t *got)
{
    *got = 0;
    if (ckpt__is_none(p->store)) return n > 0 ? CKPT_ERR_NOT_FOUND : CKPT_OK;
    return p->store->methods->read(p->store, p->memory, &p->gen, offset, buf,
                                   n, got, &p->error);
}

// Ends reading: the store need not keep the generation open.
CKPT__APART static void ckpt__store_read_end(ckpt__place *p)
{
    size_t got;
    (void)ckpt__store_read(p, 0, NULL, 0, &got);
}

// Adds a piece to the generation being written. Its ranges are those of p->gen.
static ckpt_code ckpt__store_put(ckpt__place *p, const ckpt_part *part)
{
    return ckpt__is_none(p->store) ? CKPT_OK :
        p->store->methods->put(p->store, p->memory, &p->gen, part, &p->error);
}

static ckpt_code ckpt__store_publish(ckpt__place *p, ckpt_gen *gen)
{
    return ckpt__is_none(p->store) ? CKPT_OK :
        p->store->methods->publish(p->store, p->memory, gen, &p->error);
}

static ckpt_code ckpt__store_set_aside(ckpt__place *p, const ckpt_gen *gen)
{
    return p->store->methods->set_aside(p->store, p->memory, gen, &p->error);
}

static ckpt_code ckpt__store_drop(ckpt__place *p, const ckpt_gen *gen,
                                  ckpt_extent extent)
{
    return ckpt__is_none(p->store) ? CKPT_OK :
        p->store->methods->drop(p->store, p->memory, gen, extent, &p->error);
}

//--- Reading ------------------------------------------------------------------

static void ckpt__reader_memory(ckpt__reader *r, ckpt_bytes bytes)
{
    memset(r, 0, sizeof(*r));
    r->start = (const uint8_t *)(bytes.ptr != NULL ? bytes.ptr : "");
    r->at = r->mark = r->start;
    r->end = r->start + (bytes.ptr != NULL ? bytes.len : 0);
}

CKPT__ONCE static void ckpt__reader_store(ckpt__reader *r, ckpt__place *place,
                                          uint32_t offset)
{
    memset(r, 0, sizeof(*r));
    r->place = place;
    r->by_op = place->by_op;
    r->start = r->at = r->end = r->mark = place->window;
    r->offset = offset;
}

static uint32_t ckpt__pos(const ckpt__reader *r)
{
    return r->offset + (uint32_t)(r->at - r->start);
}

// Where it went wrong; 0 if it did not.
static uint32_t ckpt__fault_pos(const ckpt__reader *r)
{
    return r->rc != CKPT_OK ? ckpt__pos(r) : 0;
}

// Adds the bytes read since the last call to the section.
static void ckpt__section_read(ckpt__reader *r)
{
    ckpt__section_add(&r->section, r->mark, (size_t)(r->at - r->mark),
                      r->by_op);
    r->mark = r->at;
}

// Ends a section: gives it the size and the sum of what was read since the last
// section ended. Its count stays.
static void ckpt__section_end(ckpt__reader *r, ckpt__section *section)
{
    ckpt__section_read(r);
    ckpt__section_join(&r->all, &r->section, r->by_op);
    if (section != NULL) {
        section->size = r->section.size;
        section->crc = r->section.crc;
    }
    memset(&r->section, 0, sizeof(r->section));
}

CKPT__APART static bool ckpt__fill(ckpt__reader *r)
{
    ckpt__place *p = r->place;
    size_t got;
    if (p == NULL) return false;
    CKPT_ASSERT(r->rc == CKPT_OK && r->at == r->end);
    ckpt__section_read(r);
    r->offset += (uint32_t)(r->end - r->start);
    r->start = r->at = r->end = r->mark = p->window;
    r->rc = ckpt__store_read(p, r->offset, p->window, sizeof(p->window), &got);
    r->end += r->rc == CKPT_OK ? got : 0;
    return r->at < r->end;
}

// The next byte without taking it, -1 at the end or after an error.
static int ckpt__peek(ckpt__reader *r)
{
    if (r->rc != CKPT_OK || (r->at == r->end && !ckpt__fill(r))) return -1;
    return *r->at;
}

// Makes rc the error of the reader, unless right. The first error stays.
static void ckpt__need(ckpt__reader *r, bool right, ckpt_code rc)
{
    if (!right && r->rc == CKPT_OK) {
        r->rc = rc;
    }
}

// Whether a code says that the text is wrong, and not that reading it failed.
CKPT__ONCE static bool ckpt__is_syntax(ckpt_code rc)
{
    return rc == CKPT_ERR_JSON || rc == CKPT_ERR_UTF8 || rc == CKPT_ERR_DEPTH;
}

// Takes one byte if it is c, and says whether it was.
static bool ckpt__take_if(ckpt__reader *r, int c)
{
    const bool is_c = ckpt__peek(r) == c;
    r->at += is_c;
    return is_c;
}

// Takes one byte, which must be c.
static void ckpt__take_byte(ckpt__reader *r, int c)
{
    ckpt__need(r, ckpt__take_if(r, c), CKPT_ERR_JSON);
}

static void ckpt__take_text(ckpt__reader *r, const char *text)
{
    while (*text != '\0' && r->rc == CKPT_OK) {
        ckpt__take_byte(r, *text++);
    }
}

// Copies a range of the generation p->gen to buf.
static ckpt_code ckpt__copy_out(ckpt__place *p, uint32_t from, uint32_t size,
                                void *buf, size_t cap)
{
    size_t got;
    if (size > cap || buf == NULL) {
        p->error.pos = size;
        return CKPT_ERR_BUFFER;
    }
    const ckpt_code rc = ckpt__store_read(p, from, buf, size, &got);
    ckpt__store_read_end(p);
    return rc == CKPT_OK && got != size ? CKPT_ERR_STALE : rc;
}

//--- JSON, scanned ------------------------------------------------------------

// Where a text stands in what is read. If from is 0 there is no such text.
typedef struct ckpt__span {
    uint32_t from, size;
} ckpt__span;

// The comparison of an id with a string that is read, where it is escaped.
typedef struct ckpt__match {
    const char *left;           // of the id: what is not compared yet
    size_t      at;             // in its first character, escaped
    bool        same;           // so far
} ckpt__match;

// A string that was read, as it stands between its quotes: escaped.
typedef struct ckpt__string {
    uint64_t     hash;
    ckpt__span   at;            // where it stands
    uint32_t     cap, len;
    char        *buf;           // its first cap bytes, if not NULL
    ckpt__match *match;         // what it is compared with, if not NULL
} ckpt__string;

// Compares one more byte of a string.
static void ckpt__match_byte(ckpt__match *m, uint8_t c)
{
    char one[8];
    size_t size;
    m->same = m->same && *m->left != '\0';
    if (!m->same) return;
    const size_t taken = ckpt__escape(one, &size, m->left, strlen(m->left),
                                      CKPT__AS_ID);
    m->same = (uint8_t)one[m->at++] == c;
    if (m->at == size) {
        m->left += taken;
        m->at = 0;
    }
}

static void ckpt__string_bytes(ckpt__string *s, const uint8_t *p, size_t n)
{
    if (s == NULL) return;
    s->hash = ckpt__hash(s->hash, p, n);
    for (; n > 0; n--, p++) {
        if (s->len < s->cap) {
            s->buf[s->len++] = (char)*p;
        }
        if (s->match != NULL) {
            ckpt__match_byte(s->match, *p);
        }
    }
}

// What may stand behind a backslash.
static const char ckpt__escapes[] = "\"\\/bfnrtu";

// Takes the next byte of a string, if right, and says whether it did.
static bool ckpt__take_part(ckpt__reader *r, ckpt__string *s, bool right,
                            ckpt_code rc)
{
    ckpt__need(r, right, rc);
    if (r->rc != CKPT_OK) return false;
    ckpt__string_bytes(s, r->at++, 1);
    return true;
}

static bool ckpt__is_hex(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

CKPT__APART static void ckpt__take_escape(ckpt__reader *r, ckpt__string *s)
{
    const int c = ckpt__peek(r);
    bool right = c > 0 && strchr(ckpt__escapes, c) != NULL;
    right = ckpt__take_part(r, s, right, CKPT_ERR_JSON) && c == 'u';
    for (int i = 0; right && i < 4; i++) {
        right = ckpt__take_part(r, s, ckpt__is_hex(ckpt__peek(r)),
                                CKPT_ERR_JSON);
    }
}

#if CKPT_SMALL

static void ckpt__take_plain(ckpt__reader *r, ckpt__string *s)
{
    (void)r, (void)s;
}

#else

// The length of the escape at p, 0 if there is none or it may be cut off.
static size_t ckpt__escape_size(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 6 || *p != '\\') return 0;
    switch (p[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r':
    case 't':
        return 2;
    case 'u':
        return ckpt__is_hex(p[2]) && ckpt__is_hex(p[3]) &&
               ckpt__is_hex(p[4]) && ckpt__is_hex(p[5]) ? 6 : 0;
    default:
        return 0;
    }
}

// Takes whole characters and escapes of a string as long as all is well, and
// stands whole in the window.
static void ckpt__take_clean(ckpt__reader *r)
{
    size_t size;
    do {
        r->at = ckpt__clean(r->at, r->end);
        size = ckpt__escape_size(r->at, r->end);
        r->at += size;
    } while (size > 0);
}

// Takes what most strings consist of. What follows is taken byte by byte.
static void ckpt__take_plain(ckpt__reader *r, ckpt__string *s)
{
    if (s == NULL) {
        ckpt__take_clean(r);
        return;
    }
    const uint8_t *from = r->at;
    while (r->at < r->end && *r->at >= ' ' && *r->at < 0x7f &&
           *r->at != '"' && *r->at != '\\') {
        r->at++;
    }
    ckpt__string_bytes(s, from, (size_t)(r->at - from));
}

#endif

// Takes a string. Bytes that are no UTF-8 and raw control characters are
// errors. A lone surrogate escape is none: the grammar allows it.
static void ckpt__take_string(ckpt__reader *r, ckpt__string *s)
{
    uint32_t utf8 = 0;                          // the state of a character
    ckpt__take_byte(r, '"');
    if (s != NULL) {
        s->hash = CKPT__HASH_EMPTY;
        s->at.from = ckpt__pos(r);
        s->len = 0;
    }
    for (;;) {
        if (utf8 == 0 && r->rc == CKPT_OK) {
            ckpt__take_plain(r, s);
        }
        const int c = ckpt__peek(r);
        if (c == '"') break;
        utf8 = c < 0 ? 0 : ckpt__utf8_next(utf8, (uint32_t)c);
        ckpt__need(r, utf8 != UINT32_MAX, CKPT_ERR_UTF8);
        if (!ckpt__take_part(r, s, c >= 0x20, CKPT_ERR_JSON)) return;
        if (c == '\\') {
            ckpt__take_escape(r, s);
        }
    }
    ckpt__need(r, utf8 == 0, CKPT_ERR_UTF8);
    if (s != NULL) {
        s->at.size = ckpt__pos(r) - s->at.from;
    }
    ckpt__take_byte(r, '"');
}

static bool ckpt__is_space(int c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

CKPT__APART static void ckpt__take_blanks(ckpt__reader *r)
{
    while (ckpt__is_space(ckpt__peek(r))) {
        r->at++;
    }
}

static void ckpt__take_space(ckpt__reader *r)
{
    if (r->at == r->end || *r->at <= ' ') {         // seldom
        ckpt__take_blanks(r);
    }
}

static void ckpt__take_digits(ckpt__reader *r)
{
    int c = ckpt__peek(r);
    ckpt__need(r, c >= '0' && c <= '9', CKPT_ERR_JSON);
    for (; c >= '0' && c <= '9'; c = ckpt__peek(r)) {
        r->at++;
    }
}

static void ckpt__take_json_number(ckpt__reader *r)
{
    (void)ckpt__take_if(r, '-');
    if (!ckpt__take_if(r, '0')) {
        ckpt__take_digits(r);
    }
    if (ckpt__take_if(r, '.')) {
        ckpt__take_digits(r);
    }
    if (ckpt__take_if(r, 'e') || ckpt__take_if(r, 'E')) {
        if (!ckpt__take_if(r, '+')) {
            (void)ckpt__take_if(r, '-');
        }
        ckpt__take_digits(r);
    }
}

static void ckpt__take_scalar(ckpt__reader *r)
{
    switch (ckpt__peek(r)) {
    case '"': ckpt__take_string(r, NULL); break;
    case 't': ckpt__take_text(r, "true"); break;
    case 'f': ckpt__take_text(r, "false"); break;
    case 'n': ckpt__take_text(r, "null"); break;
    default:  ckpt__take_json_number(r); break;
    }
}

// Takes a key and the colon behind it, and the white space around them.
static void ckpt__take_key(ckpt__reader *r, ckpt_bytes *name)
{
    ckpt__take_space(r);
    const uint8_t *from = r->at + 1;
    ckpt__take_string(r, NULL);
    if (name != NULL) {
        name->ptr = from;
        name->len = (size_t)(r->at - 1 - from);
    }
    ckpt__take_space(r);
    ckpt__take_byte(r, ':');
    ckpt__take_space(r);
}

// Takes one value (RFC 8259) without the white space around it. Not recursive
// (R10): a bit for each level says whether it is an object.
static void ckpt__take_value(ckpt__reader *r)
{
    uint8_t objects[CKPT_DEPTH_MAX / 8] = {0};
    uint32_t depth = 0;
    bool done = false;                          // a value has just ended
    do {
        const int c = ckpt__peek(r);
        bool key = false;                       // a key comes next
        if (!done && (c == '{' || c == '[')) {
            ckpt__need(r, depth < CKPT_DEPTH_MAX, CKPT_ERR_DEPTH);
            if (r->rc != CKPT_OK) return;
            ckpt__bit_put(objects, depth++, c == '{');
            r->at++;
            ckpt__take_space(r);
            done = ckpt__peek(r) == (c == '{' ? '}' : ']');
            key = !done && c == '{';
        } else if (!done) {
            ckpt__take_scalar(r);
            done = true;
        } else if (ckpt__take_if(r, ',')) {
            done = false;
            key = ckpt__bit(objects, depth - 1);
        } else {
            depth--;
            ckpt__take_byte(r, ckpt__bit(objects, depth) ? '}' : ']');
        }
        if (key) {
            ckpt__take_key(r, NULL);
        }
        if (depth > 0) {
            ckpt__take_space(r);
        }
    } while (r->rc == CKPT_OK && depth > 0);
}

// Takes the elements of an array up to its bracket and counts them; at most
// limit > 0 of them. Elements keep the white space around them.
CKPT__APART static void ckpt__take_elements(ckpt__reader *r, uint32_t limit,
                                            ckpt__section *section)
{
    section->count = 0;
    ckpt__take_space(r);
    while (r->rc == CKPT_OK && (section->count > 0 || ckpt__peek(r) != ']')) {
        ckpt__take_value(r);
        section->count++;
        ckpt__take_space(r);
        if (section->count == limit || !ckpt__take_if(r, ',')) break;
        ckpt__take_space(r);
    }
}

// Checks that nothing but white space is left.
static void ckpt__take_end(ckpt__reader *r)
{
    ckpt__take_space(r);
    ckpt__need(r, r->at == r->end, CKPT_ERR_JSON);
}

// Validates a value of the caller that begins with kind (0: any). Strips the
// white space around it, and fills in its sum, unless section is NULL; or the
// position. by_op: as in ckpt__crc().
CKPT__APART static ckpt_code ckpt__value_check(ckpt_bytes *json, char kind,
                                               bool by_op,
                                               ckpt__section *section,
                                               ckpt_error *err)
{
    ckpt__reader r;
    ckpt__reader_memory(&r, *json);
    r.by_op = by_op;
    ckpt__take_space(&r);
    const uint8_t *from = r.at;
    r.mark = from;
    ckpt__need(&r, kind == 0 || ckpt__peek(&r) == kind, CKPT_ERR_JSON);
    ckpt__take_value(&r);
    json->ptr = from;
    json->len = (size_t)(r.at - from);
    if (section != NULL) {
        ckpt__section_end(&r, section);
    }
    ckpt__take_end(&r);
    err->pos = ckpt__fault_pos(&r);
    return r.rc;
}

// Decodes the \u escape at p, or the pair of a character beyond 16 bits. The
// text is valid, but may be cut off at end. Returns the length of the escape, 0
// if it is cut off. A lone surrogate becomes U+FFFD and sets *lone.
static size_t ckpt__unescape_u(const char *p, const char *end, uint32_t *c,
                               bool *lone)
{
    if (end - p < 6) return 0;
    *c = ckpt__hex(p + 2, 4);
    if (*c < 0xd800 || *c > 0xdfff) return 6;
    if (*c < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
        const uint32_t low = ckpt__hex(p + 8, 4);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
            return 12;
        }
    }
    *c = 0xfffd;
    *lone = true;
    return 6;
}

// Unescapes the valid text between two quotes into out, which may be p: the
// result is never longer. Returns its length; with out == NULL it does no more.
// A lone surrogate becomes U+FFFD and sets *lone.
static size_t ckpt__unescape(char *out, const char *p, size_t n, bool *lone)
{
    static const char to[] = "\"\\/\b\f\n\r\tu";  // as long as the escapes
    const char *end = p + n;
    size_t len = 0;
    while (p < end) {
        char utf8[4];
        size_t size = 1, taken = 1;
        utf8[0] = *p;
        if (*p == '\\' && end - p < 2) {
            break;                              // cut off
        } else if (*p == '\\' && p[1] == 'u') {
            uint32_t c = 0;
            taken = ckpt__unescape_u(p, end, &c, lone);
            if (taken == 0) break;              // cut off
            size = ckpt__utf8_write(utf8, c);
        } else if (*p == '\\') {
            const char *known = strchr(ckpt__escapes, p[1]);
            utf8[0] = known != NULL ? to[known - ckpt__escapes] : p[1];
            taken = 2;
        }
        if (out != NULL) {
            memcpy(out + len, utf8, size);
        }
        len += size;
        p += taken;
    }
    return len;
}

//--- JSON, for the caller -----------------------------------------------------

CKPT_API void ckpt_json_init(ckpt_json *w, void *buf, size_t cap)
{
    memset(w, 0, sizeof(*w));
    w->buf = (char *)buf;
    w->cap = cap;
}

static void ckpt__json_put(ckpt_json *w, const char *bytes, size_t n)
{
    if (w->len <= w->cap && n <= w->cap - w->len) {
        memcpy(w->buf + w->len, bytes, n);
    }
    w->len += n;
}

// Makes code the error of the writer, unless right. The first error stays.
static void ckpt__json_need(ckpt_json *w, bool right, ckpt_code code)
{
    if (!right && w->code == CKPT_OK) {
        w->code = code;
    }
}

static void ckpt__json_text(ckpt_json *w, const char *text)
{
    ckpt__json_put(w, text, strlen(text));
}

static bool ckpt__json_in_object(const ckpt_json *w)
{
    return w->depth > 0 && ckpt__bit(w->objects, w->depth - 1);
}

// Begins a value: checks that it may stand here, and writes the comma.
static void ckpt__json_value(ckpt_json *w)
{
    ckpt__json_need(w, ckpt__json_in_object(w) ? w->wants_value
                                               : w->depth > 0 || !w->comma,
                    CKPT_ERR_ARGUMENT);
    if (w->comma && !w->wants_value) {
        ckpt__json_text(w, ",");
    }
    w->comma = true;
    w->wants_value = false;
}

CKPT_API void ckpt_json_open(ckpt_json *w, char what)
{
    ckpt__json_value(w);
    ckpt__json_need(w, what == '{' || what == '[', CKPT_ERR_ARGUMENT);
    ckpt__json_need(w, w->depth < CKPT_DEPTH_MAX, CKPT_ERR_DEPTH);
    if (w->code != CKPT_OK) return;
    ckpt__bit_put(w->objects, w->depth++, what == '{');
    w->comma = false;
    ckpt__json_put(w, &what, 1);
}

CKPT_API void ckpt_json_close(ckpt_json *w)
{
    ckpt__json_need(w, w->depth > 0 && !w->wants_value, CKPT_ERR_ARGUMENT);
    if (w->code != CKPT_OK) return;
    ckpt__json_text(w, ckpt__json_in_object(w) ? "}" : "]");
    w->depth--;
    w->comma = true;
}

static void ckpt__json_piece(ckpt_json *w, ckpt_bytes text)
{
    const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.len;
    while (p < end) {
        char out[8];
        size_t size;
        const uint8_t *stop = ckpt__clean(p, end);
        ckpt__json_put(w, (const char *)p, (size_t)(stop - p));
        if (stop == end) break;
        const size_t taken = ckpt__escape(out, &size, stop,
                                          (size_t)(end - stop), CKPT__AS_TEXT);
        // What is no UTF-8 is taken as one byte.
        ckpt__json_need(w, w->replace || *stop < 0x80 || taken > 1,
                        CKPT_ERR_UTF8);
        ckpt__json_put(w, out, size);
        p = stop + taken;
    }
}

CKPT__ONCE static void ckpt__json_quoted(ckpt_json *w, ckpt_bytes text)
{
    ckpt__json_text(w, "\"");
    ckpt__json_piece(w, text);
    ckpt__json_text(w, "\"");
}

CKPT_API void ckpt_json_key(ckpt_json *w, const char *key)
{
    ckpt__json_need(w, ckpt__json_in_object(w) && !w->wants_value,
                    CKPT_ERR_ARGUMENT);
    if (w->comma) {
        ckpt__json_text(w, ",");
    }
    ckpt__json_quoted(w, ckpt_text(key));
    ckpt__json_text(w, ":");
    w->wants_value = true;
}

CKPT_API void ckpt_json_string(ckpt_json *w, ckpt_bytes text)
{
    ckpt__json_value(w);
    ckpt__json_quoted(w, text);
}

// Adds a text, and a number behind it.
static void ckpt__json_number(ckpt_json *w, const char *text, uint64_t value)
{
    char number[20];
    ckpt__json_text(w, text);
    ckpt__json_put(w, number, ckpt__number(number, value, 1, '0'));
}

CKPT_API void ckpt_json_int(ckpt_json *w, int64_t value)
{
    const char *minus = value < 0 ? "-" : "";
    const uint64_t u = (uint64_t)value;
    ckpt__json_value(w);
    ckpt__json_number(w, minus, value < 0 ? 0 - u : u);
}

CKPT_API void ckpt_json_bool(ckpt_json *w, bool value)
{
    ckpt__json_value(w);
    ckpt__json_text(w, value ? "true" : "false");
}

CKPT_API void ckpt_json_null(ckpt_json *w)
{
    ckpt__json_value(w);
    ckpt__json_text(w, "null");
}

CKPT_API void ckpt_json_raw(ckpt_json *w, ckpt_bytes json)
{
    const ckpt_code rc = ckpt_json_check(json, NULL);
    ckpt__json_value(w);
    ckpt__json_need(w, rc == CKPT_OK, rc);
    if (rc != CKPT_OK) return;
    ckpt__json_put(w, (const char *)json.ptr, json.len);
}

CKPT_API ckpt_code ckpt_json_done(ckpt_json *w, ckpt_bytes *json)
{
    ckpt__json_need(w, w->depth == 0 && !w->wants_value && w->comma,
                    CKPT_ERR_ARGUMENT);
    ckpt__json_need(w, w->len <= w->cap, CKPT_ERR_BUFFER);
    if (w->code == CKPT_OK) {
        json->ptr = w->buf;
        json->len = w->len;
        w->code = ckpt_json_check(*json, NULL);     // raw values add to depth
    }
    if (w->code != CKPT_OK) {
        *json = ckpt_text(NULL);
    }
    return w->code;
}

// Whether bytes are more than a reader can count, which has 32 bits for that:
// enough for every checkpoint. In two steps, because a size may have no more.
static bool ckpt__is_huge(ckpt_bytes json)
{
    return json.len >> 16 >> 16 != 0;
}

CKPT_API ckpt_code ckpt_json_check(ckpt_bytes json, size_t *pos)
{
    ckpt_error err;
    err.pos = 0;
    const ckpt_code rc = ckpt__is_huge(json) ?
        CKPT_ERR_TOO_LARGE : ckpt__value_check(&json, 0, false, NULL, &err);
    if (pos != NULL) {
        *pos = (size_t)err.pos;
    }
    return rc;
}

// The first byte of a value.
CKPT__ONCE static int ckpt__json_kind(ckpt_bytes json)
{
    ckpt__reader r;
    ckpt__reader_memory(&r, json);
    ckpt__take_space(&r);
    return ckpt__peek(&r);
}

// Strips the white space around a value.
static void ckpt__json_trim(ckpt_bytes *value)
{
    const uint8_t *p = (const uint8_t *)value->ptr;
    while (value->len > 0 && ckpt__is_space(p[value->len - 1])) {
        value->len--;
    }
    while (value->len > 0 && ckpt__is_space(*p)) {
        p++;
        value->len--;
    }
    value->ptr = p;
}

// Whether the raw text between two quotes, once unescaped, equals text.
static bool ckpt__same_text(const char *raw, size_t n, const char *text)
{
    const char *end = raw + n;
    bool lone = false;
    while (raw < end) {
        char out[4];
        uint32_t c;
        size_t taken = *raw == '\\' ? 2 : 1;
        if (taken == 2 && raw[1] == 'u') {
            taken = ckpt__unescape_u(raw, end, &c, &lone);
        }
        // Bytes of a store can change after they were found to be valid.
        if (taken == 0) return false;
        const size_t size = ckpt__unescape(out, raw, taken, &lone);
        raw += taken;
        for (size_t i = 0; i < size; i++, text++) {
            if (out[i] == '\0' || out[i] != *text) return false;
        }
    }
    return *text == '\0';
}

CKPT_API bool ckpt_json_next(ckpt_bytes json, size_t *at, ckpt_bytes *key,
                             ckpt_bytes *value)
{
    ckpt__reader r;
    ckpt_bytes name = { NULL, 0 };
    if (ckpt__is_huge(json)) return false;
    ckpt__reader_memory(&r, json);
    if (*at == 0) {
        ckpt__take_space(&r);
        *at = (size_t)ckpt__pos(&r);
    }
    if (*at >= json.len) return false;
    r.at = r.start + *at;
    r.at++;                                     // the bracket, or a comma
    ckpt__take_space(&r);
    const int c = ckpt__peek(&r);
    if (c < 0 || c == ']' || c == '}') return false;
    if (ckpt__json_kind(json) == '{') {
        ckpt__take_key(&r, &name);
    }
    value->ptr = r.at;
    ckpt__take_value(&r);
    value->len = (size_t)(r.at - (const uint8_t *)value->ptr);
    if (key != NULL) {
        *key = name;
    }
    ckpt__take_space(&r);
    *at = ckpt__peek(&r) == ',' ? (size_t)ckpt__pos(&r) : json.len;
    return r.rc == CKPT_OK;
}

CKPT_API ckpt_bytes ckpt_json_get(ckpt_bytes object, const char *key)
{
    ckpt_bytes name, value, none = { NULL, 0 };
    size_t at = 0;
    if (ckpt__json_kind(object) != '{') return none;
    while (ckpt_json_next(object, &at, &name, &value)) {
        if (ckpt__same_text((const char *)name.ptr, name.len, key)) {
            return value;
        }
    }
    return none;
}

CKPT_API ckpt_code ckpt_json_text(ckpt_bytes value, char *buf, size_t cap,
                                  size_t *len)
{
    bool lone = false;
    size_t ignored;
    len = len != NULL ? len : &ignored;
    *len = 0;
    ckpt__json_trim(&value);
    const char *p = (const char *)value.ptr;
    if (value.len < 2 || *p != '"') return CKPT_ERR_JSON;
    *len = ckpt__unescape(NULL, p + 1, value.len - 2, &lone);
    if (lone) return CKPT_ERR_UTF8;
    if (*len >= cap) return CKPT_ERR_BUFFER;
    (void)ckpt__unescape(buf, p + 1, value.len - 2, &lone);
    buf[*len] = '\0';
    return CKPT_OK;
}

CKPT_API ckpt_code ckpt_json_number(ckpt_bytes value, int64_t *number)
{
    *number = 0;
    if (value.ptr == NULL) return CKPT_ERR_JSON;
    ckpt__json_trim(&value);
    const char *p = (const char *)value.ptr;
    const bool minus = value.len > 0 && *p == '-';
    const uint64_t n = ckpt__decimal(p + minus, value.len - minus);
    if (n > (uint64_t)INT64_MAX + minus) return CKPT_ERR_JSON;
    *number = minus ? (int64_t)(0 - n) : (int64_t)n;
    return CKPT_OK;
}

// The digits of base64 (RFC 4648, table 1), and its padding.
static const char ckpt__base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm"
                                   "nopqrstuvwxyz0123456789+/=";

CKPT_API void ckpt_json_base64(ckpt_json *w, ckpt_bytes bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    const size_t n = p != NULL ? bytes.len : 0;
    size_t at = 0;                      // where the bits of digit i begin
    ckpt__json_value(w);
    ckpt__json_text(w, "\"");
    for (size_t i = 0; i % 4 != 0 || at < n; at = i - (i + 3) / 4) {
        uint32_t digit = 64;
        if (at < n) {
            digit = (uint32_t)p[at] << 8 | (at + 1 < n ? p[at + 1] : 0U);
            digit = digit >> (10 - 6 * i % 8) & 63;
        }
        ckpt__json_put(w, ckpt__base64 + digit, 1);
        i++;
    }
    ckpt__json_text(w, "\"");
}

CKPT_API ckpt_code ckpt_json_bytes(ckpt_bytes value, void *buf, size_t cap,
                                   size_t *len)
{
    uint32_t bits = 0, left = 0, padding = 0;   // left: bits not written yet
    size_t ignored, taken, n = 0;
    len = len != NULL ? len : &ignored;
    *len = 0;
    ckpt__json_trim(&value);
    const char *p = (const char *)value.ptr;
    if (ckpt_json_check(value, NULL) != CKPT_OK || *p != '"') {
        return CKPT_ERR_JSON;
    }
    const char *end = p + value.len - 1;        // escapes end before it
    for (p++; p < end; p += taken) {
        uint32_t c = (uint8_t)*p;
        taken = 1;
        if (c == '\\') {                        // as others write: \/ or \u002f
            taken = p[1] == 'u' ? 6 : 2;
            c = p[1] == '/' ? '/' : 0;
            c = taken == 6 ? ckpt__hex(p + 2, 4) : c;
        }
        if (c == 0 || c > 127) return CKPT_ERR_JSON;
        const char *known = strchr(ckpt__base64, (int)c);
        padding += c == '=';
        if (known == NULL || (padding > 0 && c != '=')) return CKPT_ERR_JSON;
        bits = bits << 6 | ((uint32_t)(known - ckpt__base64) & 63);
        left += 6;
        if (left < 8) continue;
        left -= 8;
        if (padding > 0) continue;
        if (n < cap) {
            ((uint8_t *)buf)[n] = (uint8_t)(bits >> left);
        }
        n++;
    }
    // What is padded is zero, and one or two bytes of the last three.
    if (left != 0 || padding > 2 || (bits & ((1U << 8 * padding) - 1)) != 0) {
        return CKPT_ERR_JSON;
    }
    *len = n;
    return n > cap ? CKPT_ERR_BUFFER : CKPT_OK;
}

CKPT_API ckpt_code ckpt_utf8_clean(ckpt_bytes text, char *buf, size_t cap,
                                   size_t *len)
{
    const char *p = (const char *)text.ptr;
    size_t left = p != NULL ? text.len : 0, n = 0;
    const uintptr_t from = (uintptr_t)p, to = (uintptr_t)buf;
    // The result can be longer: it would overtake what is still to be read.
    if (from < to + cap && to < from + left) return CKPT_ERR_ARGUMENT;
    while (left > 0) {
        const size_t taken = ckpt__utf8_size((const uint8_t *)p, left);
        const size_t size = taken > 0 ? taken : 3;
        if (n + size < cap) {
            memcpy(buf + n, taken > 0 ? p : "\xef\xbf\xbd", size);
        }
        n += size;
        p += taken + (taken == 0);
        left -= taken + (taken == 0);
    }
    if (len != NULL) {
        *len = n;
    }
    if (cap > 0) {
        buf[n < cap ? n : 0] = '\0';
    }
    return n < cap ? CKPT_OK : CKPT_ERR_BUFFER;
}

//--- JSON, doubles ------------------------------------------------------------

#ifndef CKPT_NO_DOUBLES

// Both directions are exact: they compute with whole numbers, and no step
// rounds. The writer is the algorithm of Steele and White, "How to Print
// Floating-Point Numbers Accurately" (1990), as Burger and Dybvig have it
// (1996). The reader compares the text with the middle between two doubles, as
// in Clinger, "How to Read Floating Point Numbers Accurately" (1990).

#include <float.h>
#if DBL_MANT_DIG != 53 || DBL_MAX_EXP != 1024
    #error "a double has not 64 bits here: define CKPT_NO_DOUBLES"
#endif

// A whole number below 2^1184, the lowest word first. Numbers that meet in a
// computation have the same size.
typedef struct ckpt__big {
    uint32_t size, word[37];
} ckpt__big;

// Makes f * x - g * y of x, and says whether the result is negative; x is of no
// use then. Instead of a subtraction, ~y and 1 are added g times: the carry at
// the end is g, or less if the result is negative.
static bool ckpt__big_step(ckpt__big *x, uint32_t f, const ckpt__big *y,
                           uint32_t g)
{
    uint64_t carry = g;
    for (uint32_t i = 0; i < x->size; i++) {
        carry += (uint64_t)x->word[i] * f + (uint64_t)~y->word[i] * g;
        x->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    CKPT_ASSERT(carry <= g);
    return carry < g;
}

CKPT__ONCE static void ckpt__big_times(ckpt__big *x, uint32_t f)
{
    (void)ckpt__big_step(x, f, x, 0);
}

// The sign of x + f * y - z.
CKPT__ONCE static int ckpt__big_sign(const ckpt__big *x, uint32_t f,
                                     const ckpt__big *y, const ckpt__big *z)
{
    uint64_t carry = 1;
    uint32_t any = 0;
    for (uint32_t i = 0; i < x->size; i++) {
        carry += (uint64_t)y->word[i] * f + x->word[i] + (uint32_t)~z->word[i];
        any |= (uint32_t)carry;
        carry >>= 32;
    }
    return carry == 0 ? -1 : any != 0;
}

// Makes value * 2^shift of x. Its size is that of ckpt__big_ratio().
static void ckpt__big_set(ckpt__big *x, uint64_t value, int shift, int e)
{
    const uint32_t at = shift > 0 ? (uint32_t)shift : 0;
    memset(x, 0, sizeof(*x));
    x->size = (uint32_t)(e < 0 ? -e : e) / 32 + 4;
    x->word[at / 32] = (uint32_t)value;
    x->word[at / 32 + 1] = (uint32_t)(value >> 32);
    ckpt__big_times(x, 1U << at % 32);
}

// Makes x / y = value * 2^e / 10^p. Beyond the bits of 2^e or 2^-e, both have
// room for 97 more: for a value of 56 bits, or a quotient up to 10^18, and in
// the end a factor of 10. With less room the highest bits would be lost.
CKPT__ONCE static void ckpt__big_ratio(ckpt__big *x, ckpt__big *y,
                                       uint64_t value, int e, int p)
{
    ckpt__big_set(x, value, e, e);
    ckpt__big_set(y, 1, -e, e);
    x = p < 0 ? x : y;
    p = p < 0 ? -p : p;
    for (; p >= 9; p -= 9) {
        ckpt__big_times(x, 1000000000);
    }
    while (p-- > 0) {
        ckpt__big_times(x, 10);
    }
}

// Takes a double >= 0 apart, by its bits: the double is the result times 2^*e.
// The bits above those of the largest double stand for larger numbers, as if
// the exponent had no end.
static uint64_t ckpt__double_split(uint64_t bits, int *e)
{
    const int above = (int)(bits >> 52) - 1;        // the smallest exponent
    *e = above < 0 ? -1074 : above - 1074;
    return above < 0 ? bits : bits - ((uint64_t)above << 52);
}

// Writes the fewest digits d with which 0.ddd * 10^*p reads back as the double
// > 0 that has these bits. Returns how many digits.
//
// What is left to write is r / s. A number that is less than m / s smaller, or
// less than far * m / s larger, reads back as the same double. So does a number
// at these limits, if the double is even.
static int ckpt__double_digits(char *out, uint64_t bits, int *p)
{
    ckpt__big r, s, m;
    int e, low, high, n = 0;
    const uint64_t value = ckpt__double_split(bits, &e);
    const int even = (bits & 1) == 0;
    // Below a power of two doubles lie twice as close as above it.
    const uint32_t far = 1U + (bits << 12 == 0 && bits >> 53 != 0);
    // By its logarithm p is right or too low, by 2 at most; for a subnormal, by
    // 17 at most. Too high, it would give a zero as the first digit.
    *p = (e + (bits >> 52 != 0 ? 52 : 0)) * 78913 / 262144;
    e -= (int)far;
    ckpt__big_ratio(&m, &s, 1, e, *p);
    ckpt__big_ratio(&r, &s, value << far, e, *p);
    for (; ckpt__big_sign(&r, far, &m, &s) + even > 0; ++*p) {
        ckpt__big_times(&s, 10);
    }
    do {
        out[n] = '0';
        ckpt__big_times(&r, 10);
        ckpt__big_times(&m, 10);
        for (; ckpt__big_sign(&r, 0, &r, &s) >= 0; out[n]++) {
            (void)ckpt__big_step(&r, 1, &s, 1);
        }
        low = ckpt__big_sign(&r, 0, &r, &m) - even < 0;
        high = ckpt__big_sign(&r, far, &m, &s) + even > 0;
        n++;
    } while (!low && !high);
    // Where the last digit and the next one would both do, the nearer is taken.
    const int nearer = ckpt__big_sign(&r, 1, &r, &s) + (out[n - 1] & 1);
    out[n - 1] = (char)(out[n - 1] + (high && (!low || nearer > 0)));
    return n;
}

CKPT_API void ckpt_json_double(ckpt_json *w, double value)
{
    char text[32], *digits = text + 6;
    uint64_t bits;
    int p = 1, exponent = 0;
    memcpy(&bits, &value, sizeof(bits));
    const size_t minus = bits >> 63 != 0;
    bits = bits << 1 >> 1;
    ckpt__json_value(w);
    ckpt__json_need(w, bits >> 52 < 0x7ff, CKPT_ERR_ARGUMENT);
    if (w->code != CKPT_OK) return;
    ckpt__json_put(w, "-", minus);
    memset(text, '0', sizeof(text));
    int n = bits == 0 ? 1 : ckpt__double_digits(digits, bits, &p);
    if (p < -5 || p > 21) {                     // as ECMAScript does
        exponent = p - 1;
        p = 1;
    }
    if (p < 1) {                                // zeros before the digits
        digits += p - 1;
        n += 1 - p;
        p = 1;
    }
    ckpt__json_put(w, digits, (size_t)p);
    if (n > p) {
        ckpt__json_text(w, ".");
        ckpt__json_put(w, digits + p, (size_t)(n - p));
    }
    if (exponent < 0) {
        ckpt__json_number(w, "e-", (uint32_t)-exponent);
    } else if (exponent > 0) {
        ckpt__json_number(w, "e+", (uint32_t)exponent);
    }
}

// The bits of a double that is near m * 10^k, and never above: whatever is cut
// off here makes it smaller. So the reader need only look upwards from there.
static uint64_t ckpt__double_below(uint64_t m, int k)
{
    int e = 1086 + k;               // m * 5^k * 2^(e - 1086)
    while (k > 0) {
        if (m >> 61 != 0) {
            m >>= 1;
            e++;
        } else {
            m *= 5;
            k--;
        }
    }
    while (k < 0 || m >> 63 == 0) {
        if (m >> 63 == 0) {
            m <<= 1;
            e--;
        } else {
            m /= 5;
            k++;
        }
    }
    for (; e < 1; e++) {            // a subnormal
        m >>= 1;
    }
    return ((uint64_t)(e - 1) << 52) + (m >> 11);
}

// Whether a number rounds to a double above the one that has these bits. The
// number is 0.ddd * 10^p, and its digits begin at "at". One by one they are
// subtracted from the middle between that double and the next.
static bool ckpt__double_is_above(const char *at, const char *end, int p,
                                  uint64_t bits)
{
    ckpt__big r, s;
    int e;
    const uint64_t value = ckpt__double_split(bits, &e);
    ckpt__big_ratio(&r, &s, 2 * value + 1, e - 1, p);
    for (; at < end && (*at | 32) != 'e'; at++) {
        if (*at == '.') continue;
        if (ckpt__big_step(&r, 10, &s, (uint32_t)(*at - '0'))) return true;
        if (ckpt__big_sign(&r, 0, &r, &s) >= 0) return false;
    }
    // In the middle nothing is left, and the even double is taken.
    return (bits & 1) != 0 && ckpt__big_sign(&r, 1, &r, &r) == 0;
}

CKPT_API ckpt_code ckpt_json_to_double(ckpt_bytes value, double *number)
{
    ckpt_error err;
    uint64_t m = 0, bits = 0;       // m: the first digits
    int k = 0, p = 0, e = 0;        // m * 10^k, 0.ddd * 10^p, as in the text
    bool point = false;
    *number = 0;
    if (value.len > CKPT_SIZE_MAX) return CKPT_ERR_TOO_LARGE;
    const ckpt_code rc = ckpt__value_check(&value, 0, false, NULL, &err);
    const char *at = (const char *)value.ptr, *end = at + value.len;
    if (rc != CKPT_OK || *at < '-' || *at > '9') return CKPT_ERR_JSON;
    const char *first = at;
    const uint64_t sign = (uint64_t)(*at == '-') << 63;
    for (at += sign != 0; at < end && (*at | 32) != 'e'; at++) {
        if (*at == '.') {
            point = true;
        } else if (p < 18) {
            m = m * 10 + (uint64_t)(*at - '0');
            k -= point;
            if (m != 0 && p++ == 0) {
                first = at;
            }
        } else {
            k += !point;
        }
    }
    bool down = false;
    for (; at < end; at++) {
        down = down || *at == '-';
        if (*at >= '0' && *at <= '9') {     // 10^9 is beyond every k
            e = e < 100000000 ? e * 10 + (*at - '0') : 1000000000;
        }
    }
    k += down ? -e : e;
    p += k;
    if (m != 0 && p > 309) return CKPT_ERR_JSON;
    if (m != 0 && p >= -323) {
        bits = ckpt__double_below(m, k);
        while (ckpt__double_is_above(first, end, p, bits)) {
            bits++;
        }
    }
    if (bits >> 52 >= 0x7ff) return CKPT_ERR_JSON;
    bits |= sign;
    memcpy(number, &bits, sizeof(bits));
    return CKPT_OK;
}

#endif

//--- Events -------------------------------------------------------------------

// Reports what happened to a run, with its epoch, turn and attempt; or, if run
// is NULL, what happened to anything else of that id.
CKPT__APART static void ckpt__event(const ckpt_desc *desc,
                                    ckpt_event_kind kind, const char *id,
                                    const ckpt_run *run,
                                    const ckpt_error *error)
{
#define CKPT_X(name, text) text "\0"
    static const char names[] = CKPT_EVENT_MAP(CKPT_X);
#undef CKPT_X
    ckpt_event event;
    if (desc->event == NULL) return;
    memset(&event, 0, sizeof(event));
    event.kind = kind;
    event.name = ckpt__nth(names, (uint32_t)kind);
    event.id = id;
    event.error = error != NULL && error->code < 0 ? error : NULL;
    if (run != NULL) {
        event.epoch = run->epoch;
        event.turn = run->turn;
        event.attempt = run->attempt;
    }
    desc->event(desc->event_user, &event);
}

// What a call was doing that failed with this code, where neither the store nor
// the core has named it.
static const char *ckpt__code_op(ckpt_code rc)
{
    switch (rc) {
    case CKPT_FINISHED: case CKPT_ERR_CLOSED: case CKPT_ERR_FORKED:
        return "use the run";
    case CKPT_ERR_EXISTS: case CKPT_ERR_LIVE: case CKPT_ERR_BUSY:
    case CKPT_ERR_EXHAUSTED: case CKPT_ERR_FAILED:
        return "claim the run";
    case CKPT_ERR_CLAIM_LOST:
        return "look whether the claim stands";
    case CKPT_ERR_NOT_FOUND:
        return "look for a name";
    case CKPT_ERR_DAMAGED: case CKPT_ERR_FORMAT: case CKPT_ERR_FOREIGN:
    case CKPT_ERR_STALE:
        return "read a checkpoint";
    case CKPT_ERR_ARGUMENT: case CKPT_ERR_UTF8:
        return "read the arguments";
    case CKPT_ERR_BUFFER:
        return "fill the caller's buffer";
    case CKPT_ERR_TOO_LARGE:
        return "measure a checkpoint";
    case CKPT_ERR_UNSURE: case CKPT_ERR_NOT_DURABLE: case CKPT_ERR_PHASES:
    case CKPT_ERR_EFFECTS:
        return "save a checkpoint";
    case CKPT_ERR_HELD:
        return "look at the environments";
    default:
        return rc < 0 ? "call the store" : "";
    }
}

// Fills in what every error says. A success clears what an earlier step of the
// call left there. CKPT_FINISHED is no failure, but is described all the same:
// a call that saves, and is refused, has to say why.
static ckpt_code ckpt__fill_error(ckpt_error *error, ckpt_code rc)
{
    if (rc >= 0 && rc != CKPT_FINISHED) {
        memset(error, 0, sizeof(*error));
    }
    error->code = rc;
    error->msg = ckpt_code_message(rc);
    if (error->op == NULL || *error->op == '\0') {
        error->op = ckpt__code_op(rc);
    }
    return rc;
}

CKPT_API const char *ckpt_error_text(const ckpt_error *error, char *buf,
                                     size_t cap)
{
    ckpt_json w;
    if (cap == 0) return buf;
    memset(buf, 0, cap);                        // what is cut ends there
    ckpt_json_init(&w, buf, cap - 1);
    w.replace = true;
    if (error->id != NULL) {
        ckpt__json_text(&w, "run ");
        ckpt__json_quoted(&w, ckpt_text(error->id));
        ckpt__json_text(&w, ": ");
    }
    if (error->op != NULL && *error->op != '\0') {
        ckpt__json_text(&w, error->op);
        ckpt__json_text(&w, ": ");
    }
    ckpt__json_text(&w, ckpt_code_message(error->code));
    if (error->owner != NULL) {
        ckpt__json_text(&w, "; claimed by ");
        ckpt__json_quoted(&w, ckpt_text(error->owner));
    }
    if (error->pos > 0) {
        ckpt__json_number(&w, error->code == CKPT_ERR_BUFFER ?
                          "; bytes needed: " : "; at byte ", error->pos);
    }
    if (error->sys > 0) {
        ckpt__json_number(&w, "; errno ", (uint64_t)error->sys);
    }
    if (error->wait_ms > 0) {
        ckpt__json_number(&w, "; wait_ms ", (uint64_t)error->wait_ms);
    }
    return buf;
}

CKPT_API const char *ckpt_state_name(ckpt_run_state state)
{
    uint32_t i = 0;
    while (i < 12 && (uint32_t)state != 1U << i) {
        i++;
    }
    return ckpt__nth("live\0stalled\0interrupted\0exhausted\0finished\0"
                     "damaged\0newer\0unreadable\0foreign\0busy\0failed\0"
                     "done\0", i);
}

//--- The record: its form -----------------------------------------------------

// A checkpoint is a head of fixed width, and then the sections in the order in
// which they change. The head has a sum of its own, and so has the rest up to
// the prompt: a tool may stop reading there, but this file never does.
//
//      {"ckpt":1,"crc":"........","head":"........","front":"........",...
//       "run":"...","birth":"...","reason":...,             written once, but
//       "meta":{...,"prompt":                               for the reason
//      "...",                                               the prompt
//       "messages":[                                        messages
//      ...
//      ],
//       "phases":[...],"effects":[...],"held":[...],"state":
//      ...}
enum {
    CKPT__RUN, CKPT__REASON, CKPT__META, CKPT__PROMPT, CKPT__MESSAGES,
    CKPT__PHASES, CKPT__EFFECTS, CKPT__HELD, CKPT__STATE, CKPT__SECTIONS
};

// What stands before a section.
CKPT__ONCE static const char *ckpt__glue(uint32_t section)
{
    return ckpt__nth(" \"run\":\0,\"reason\":\0,\n \"meta\":{\0\0"
                     "},\n \"messages\":[\0],\n \"phases\":[\0"
                     "],\"effects\":[\0],\"held\":[\0],\"state\":", section);
}

// X(text, sign, member) for every field of the head: what stands before it, its
// sign, and where the record has it. The sign stands for a fixed width: that of
// the digits of a sum (-), of a number of 32 bits (#) or of 64 (=), the outcome
// with its quote and comma (?), the time (@), true or false (!). The two sums
// that cover the head are no members, and so are written over.
//
// A new field has a line here, a member in ckpt__record, and its width in
// CKPT__HEAD_SIZE; a number counts in CKPT__HEAD_NUMBERS, too. A plan sets the
// field; ckpt__mirror(), ckpt__checkpoint() and ckpt__info_record() show it in
// structs that grow at their ends, and CKPT_RUN_SIZE grows with the record.
// ckpt__head_read() refuses any other head, so that a format which was released
// needs a map of its own.
#define CKPT__HEAD_MAP(X)                                                      \
    X("{\"ckpt\":1,\"crc\":\"", "-", front) X("\",\"head\":\"", "-", front)    \
    X("\",\"front\":\"",        "-", front) X("\",\"length\":", "#", length)   \
    X(",\"epoch\":",            "=", epoch) X(",\"seq\":",      "=", seq)      \
    X(",\"turn\":",             "=", turn)  X(",\"turn_max\":", "=", turn_max) \
    X(",\"attempt\":",          "#", attempt)                                  \
    X(",\"missing\":",          "#", missing)                                  \
    X(",\"outcome\":\"",        "?", outcome)                                  \
    X("\"saved_at\":\"",        "@", saved_at_ms)                              \
    X("\",\"once\":",           "!", once)  X(",\"lost\":",     "!", lost)     \
    X(",\"count\":{\"messages\":", "#", section[CKPT__MESSAGES].count)         \
    X(",\"phases\":",           "#", section[CKPT__PHASES].count)              \
    X(",\"uncertain\":",        "#", uncertain)                                \
    X(",\"held\":",             "#", section[CKPT__HELD].count)                \
    X("},\n",                   "",  front)

static const char ckpt__head[] =
#define CKPT_X(text, sign, member) text sign
    CKPT__HEAD_MAP(CKPT_X);
#undef CKPT_X

enum {
    CKPT__CRC_AT = 17, CKPT__SUM_AT = 35,       // the digits of these sums
    CKPT__SEQ_AT = 121,                         // and of that number
    CKPT__SUM_WIDTH    = 8,
    CKPT__NUMBER_WIDTH = 16,            // 2^53 has that many digits
    CKPT__OUTCOME_MAX  = 11,            // strlen("interrupted")
    CKPT__FLAG_WIDTH   = 5,             // "false", or "true "
    CKPT__HEAD_NUMBERS = 11,
    CKPT__HEAD_SIZE    = sizeof(ckpt__head) - 1 + 3 * (CKPT__SUM_WIDTH - 1) +
                         CKPT__HEAD_NUMBERS * (CKPT__NUMBER_WIDTH - 1) +
                         CKPT__OUTCOME_MAX + 1 + CKPT__TIME_SIZE - 1 +
                         2 * (CKPT__FLAG_WIDTH - 1)
};

// The head fits into one sector, so that a disk writes it whole or not at all.
typedef char ckpt__head_fits_a_sector[CKPT__HEAD_SIZE <= 512 ? 1 : -1];

// What the head and the sections of one generation say.
typedef struct ckpt__record {
    ckpt_outcome  outcome;
    bool          once;             // kept as done when it completes
    bool          lost;             // newer saves were lost, and it is what was
                                    // left; if DEAD, nothing was
    bool          has_fingerprint;
    uint32_t      length, attempt;
    uint32_t      missing;          // N > 0: effects may be missing of turns up
                                    // to turn_max, and of N - 1 higher ones
    uint32_t      uncertain;        // effects begun and not ended
    uint32_t      front;            // sum of the body up to the prompt
    ckpt__section section[CKPT__SECTIONS];
    uint64_t      epoch, seq, turn, turn_max;
    int64_t       saved_at_ms;
    uint64_t      fingerprint;      // hash of the stored text
    char          birth[CKPT_NONCE_MAX + 1];
} ckpt__record;

// How long the text before a field of the head is, and the offset of the field
// in the record.
typedef struct ckpt__field {
    uint8_t text, member;
} ckpt__field;

typedef char ckpt__offsets_fit[offsetof(ckpt__record, birth) < 256 ? 1 : -1];

static const ckpt__field ckpt__head_field[] = {
#define CKPT_X(text, sign, member) \
    { sizeof(text) - 1, (uint8_t)offsetof(ckpt__record, member) },
    CKPT__HEAD_MAP(CKPT_X)
#undef CKPT_X
};

// An entry of the lists that a run keeps: effects and held environments.
typedef struct ckpt__entry {
    uint64_t key;                   // hash of the id as it is written
    uint64_t turn, epoch;
    uint32_t size, crc;             // of the whole entry
    uint32_t value_size;            // of its result or timestep
    bool     ended;
    uint8_t  told;                  // of an effect: what its begin said
} ckpt__entry;

// What ckpt_effect_begin() has said of an effect under this claim.
enum {
    CKPT__TOLD_NOTHING,             // if this claim began it, its begin failed:
                                    // the tool has not run
    CKPT__TOLD_UNKNOWN,             // newer generations were damaged or missing
    CKPT__TOLD                      // a begin returned CKPT_OK
};

// All entries of a record.
typedef struct ckpt__tables {
    uint32_t    known;              // effects that stood in it when this claim
                                    // last knew which generation stands
    ckpt__entry effects[CKPT_EFFECTS_MAX];
    ckpt__entry held[CKPT_HELD_MAX];
    uint64_t    phases[CKPT_PHASES_MAX];    // hashes of their names
} ckpt__tables;

static ckpt__entry *ckpt__entries(ckpt__tables *tables, uint32_t list)
{
    CKPT_ASSERT(list == CKPT__EFFECTS || list == CKPT__HELD);
    return list == CKPT__EFFECTS ? tables->effects : tables->held;
}

// X(member) for every member of the metadata, in the order of the record. The
// prompt, the longest, comes last: it is a section of its own.
#define CKPT__META_MAP(X)                                                      \
    X(agent_id) X(agent_name) X(task_id) X(caller_id) X(channel_id)            \
    X(guild_id) X(model_tier) X(parent_run_id) X(fingerprint) X(prompt)

enum {
#define CKPT_X(member) CKPT__META_##member,
    CKPT__META_MAP(CKPT_X)
#undef CKPT_X
    CKPT__META_COUNT
};

CKPT__ONCE static const char *ckpt__meta_key(uint32_t key)
{
#define CKPT_X(member) #member "\0"
    return ckpt__nth(CKPT__META_MAP(CKPT_X), key);
#undef CKPT_X
}

static const char *ckpt__outcome_text(ckpt_outcome outcome)
{
    return ckpt__nth("running\0completed\0failed\0interrupted\0retry\0done\0"
                     "dead\0removed", (uint32_t)outcome);
}

// The offsets of the members of a ckpt_meta.
static const uint8_t ckpt__meta_at[CKPT__META_COUNT] = {
#define CKPT_X(member) (uint8_t)offsetof(ckpt_meta, member),
    CKPT__META_MAP(CKPT_X)
#undef CKPT_X
};

static const char *ckpt__meta_text(const ckpt_meta *meta, uint32_t key)
{
    const void *member = (const char *)meta + ckpt__meta_at[key];
    return *(const char *const *)member;
}

// Whether a run was kept although no generation of it was whole.
static bool ckpt__is_lost(const ckpt__record *rec)
{
    return rec->lost && rec->outcome == CKPT_DEAD;
}

// Where a section of a record begins.
static uint32_t ckpt__section_at(const ckpt__record *rec, uint32_t section)
{
    uint32_t at = CKPT__HEAD_SIZE;
    for (uint32_t i = 0; i < section; i++) {
        at += (uint32_t)strlen(ckpt__glue(i)) + rec->section[i].size;
    }
    return at + (uint32_t)strlen(ckpt__glue(section));
}

// Reads an outcome. Other text gives CKPT_REMOVED: ckpt__head_read() finds it.
static ckpt_outcome ckpt__outcome_read(const char *p)
{
    for (int i = CKPT_RUNNING; i < CKPT_REMOVED; i++) {
        const char *text = ckpt__outcome_text((ckpt_outcome)i);
        if (strncmp(p, text, strlen(text)) == 0) return (ckpt_outcome)i;
    }
    return CKPT_REMOVED;
}

// Writes an outcome, its quote and comma, and blanks up to the next member.
static void ckpt__outcome_write(char *out, ckpt_outcome outcome)
{
    const char *text = ckpt__outcome_text(outcome);
    const size_t n = strlen(text);
    memset(out, ' ', CKPT__OUTCOME_MAX + 2);
    memcpy(out, text, n);
    memcpy(out + n, "\",", 2);
}

// The sum of every byte of a head, except the digits of the two sums that cover
// the head.
static uint32_t ckpt__head_sum(bool by_op, const char *head)
{
    uint32_t sum = ckpt__crc(by_op, 0, head, CKPT__CRC_AT);
    sum = ckpt__crc(by_op, sum, head + CKPT__CRC_AT + 8,
                    CKPT__SUM_AT - CKPT__CRC_AT - 8);
    return ckpt__crc(by_op, sum, head + CKPT__SUM_AT + 8,
                     CKPT__HEAD_SIZE - CKPT__SUM_AT - 8);
}

// The sum of a whole record: that of its body, continued over the head without
// the digits of this sum. The head comes last, because it is written when the
// sum of the body is known.
CKPT__ONCE static uint32_t ckpt__record_sum(bool by_op, uint32_t body,
                                            const char *head)
{
    body = ckpt__crc(by_op, body, head, CKPT__CRC_AT);
    return ckpt__crc(by_op, body, head + CKPT__CRC_AT + 8,
                     CKPT__HEAD_SIZE - CKPT__CRC_AT - 8);
}

static uint64_t ckpt__number_read(const char *p)
{
    if (p[11] == ' ') return ckpt__digits(p + 12, 4);   // most are small
    return (uint64_t)ckpt__digits(p, 8) * 100000000 + ckpt__digits(p + 8, 8);
}

// The seq in a head, by the sum of the head alone; 0 if the head is damaged, or
// of a higher format. Inline, for without supervising only the file store calls
// this function.
static inline uint64_t ckpt__head_seq(bool by_op, const char *head)
{
    char sum[CKPT__SUM_WIDTH];
    ckpt__hex_write(sum, CKPT__SUM_WIDTH, ckpt__head_sum(by_op, head));
    if (memcmp(head, ckpt__head, CKPT__CRC_AT) != 0 ||
        memcmp(head + CKPT__SUM_AT, sum, CKPT__SUM_WIDTH) != 0) {
        return 0;
    }
    return ckpt__number_read(head + CKPT__SEQ_AT);
}

// Writes the fields of a record into a head, and what stands around them. With
// take, each is read there before, unchecked, and put into the record.
CKPT__ONCE static void ckpt__head_fields(char *p, ckpt__record *rec, bool take)
{
    const char *text = ckpt__head;
    for (const ckpt__field *field = ckpt__head_field; ; field++) {
        void *member = (char *)rec + field->member;
        memcpy(p, text, field->text);
        p += field->text;
        text += field->text;
        switch (*text++) {
        case '-':
            if (take) *(uint32_t *)member = ckpt__hex(p, CKPT__SUM_WIDTH);
            ckpt__hex_write(p, CKPT__SUM_WIDTH, *(uint32_t *)member);
            p += CKPT__SUM_WIDTH;
            break;
        case '#':
            if (take) *(uint32_t *)member = (uint32_t)ckpt__number_read(p);
            p += ckpt__number(p, *(uint32_t *)member, CKPT__NUMBER_WIDTH, ' ');
            break;
        case '=':
            if (take) *(uint64_t *)member = ckpt__number_read(p);
            p += ckpt__number(p, *(uint64_t *)member, CKPT__NUMBER_WIDTH, ' ');
            break;
        case '?':
            if (take) *(ckpt_outcome *)member = ckpt__outcome_read(p);
            ckpt__outcome_write(p, *(ckpt_outcome *)member);
            p += CKPT__OUTCOME_MAX + 2;
            break;
        case '@':
            if (take) *(int64_t *)member = ckpt__time_read(p);
            ckpt__time_write(p, *(int64_t *)member);
            p += CKPT__TIME_SIZE;               // its NUL is overwritten
            break;
        case '!':
            if (take) *(bool *)member = *p == 't';
            memcpy(p, *(bool *)member ? "true " : "false", CKPT__FLAG_WIDTH);
            p += CKPT__FLAG_WIDTH;
            break;
        default:                                // behind the last
            return;
        }
    }
}

// Writes the head of a record whose body sums up to crc. take: as above; by_op:
// as in ckpt__crc().
CKPT__APART static void ckpt__head_write(char *head, ckpt__record *rec,
                                         bool take, uint32_t crc, bool by_op)
{
    ckpt__head_fields(head, rec, take);
    ckpt__hex_write(head + CKPT__SUM_AT, CKPT__SUM_WIDTH,
                    ckpt__head_sum(by_op, head));
    ckpt__hex_write(head + CKPT__CRC_AT, CKPT__SUM_WIDTH,
                    ckpt__record_sum(by_op, crc, head));
}

//--- The record, read ---------------------------------------------------------

// What a reader of a record found besides the record itself.
typedef struct ckpt__found {
    ckpt__string string;                    // the last string
    ckpt__entry  entry;                     // the last entry,
    ckpt__span   value;                     // and its value. Behind it stands
                                            // what is kept for longer
    uint64_t     agent, task;               // hashes of agent_id and task_id
    ckpt__span   reason, birth;
    bool         ours;                      // its id is that of the run read
    uint32_t     at[CKPT__SECTIONS];        // where each begins
    ckpt__span   meta[CKPT__META_COUNT];
} ckpt__found;

// Where a reader of a record puts what it reads.
typedef struct ckpt__into {
    ckpt__record  *rec;
    ckpt__found   *found;
    ckpt__tables  *tables;                  // or NULL
    ckpt_run_info *info;                    // or NULL: gets the short texts
    bool           front;                   // stop behind the front
} ckpt__into;

// Whether a head says a higher format version than ours.
static bool ckpt__head_is_newer(const char *head)
{
    const uint32_t same = 8;                    // {"ckpt":
    uint32_t version = 0, i = same;
    while (i < 16 && head[i] >= '0' && head[i] <= '9') {
        version = version * 10 + (uint32_t)(head[i++] - '0');
    }
    return memcmp(head, ckpt__head, same) == 0 && head[same] != '0' &&
           version > CKPT_FORMAT_VERSION && head[i] == ',';
}

// Reads a head of CKPT__HEAD_SIZE bytes, and writes it once more, into again,
// from what was read: if any byte differs, the head is damaged (R13). The sum
// of the record is not known yet, so its digits are copied. CKPT_ERR_FORMAT: a
// higher format.
CKPT__APART static ckpt_code ckpt__head_read(const char *head, char *again,
                                             ckpt__record *rec, bool by_op)
{
    memcpy(again, head, CKPT__HEAD_SIZE);
    ckpt__head_write(again, rec, true, 0, by_op);
    memcpy(again + CKPT__CRC_AT, head + CKPT__CRC_AT, CKPT__SUM_WIDTH);
    const size_t behind = 9;                    // the digit of the version
    const bool same = memcmp(again + behind, head + behind,
                             CKPT__HEAD_SIZE - behind) == 0;
    if (same && memcmp(again, head, behind) == 0 &&
        rec->length >= CKPT__HEAD_SIZE && rec->turn <= rec->turn_max &&
        rec->turn_max <= CKPT_TURN_MAX && rec->epoch - 1 < CKPT_TURN_MAX &&
        rec->seq - 1 < CKPT_TURN_MAX) {
        return CKPT_OK;
    }
    // The sum of a head covers the version: with the sum of our own version it
    // is a damaged head of ours. It must not hide the generation before it.
    return ckpt__head_is_newer(head) && !same ? CKPT_ERR_FORMAT
                                              : CKPT_ERR_DAMAGED;
}

// Makes a text of the record, still escaped and perhaps cut off, one to show.
static void ckpt__show(char *buf, const ckpt__string *s)
{
    bool lone = false;
    size_t n = s->len;
    if (memchr(buf, '\\', n) != NULL) {
        n = ckpt__unescape(buf, buf, n, &lone);
    }
    for (size_t i = 0; i < n; ) {               // no half character at the end
        const size_t size = ckpt__utf8_size((uint8_t *)buf + i, n - i);
        n = size == 0 ? i : n;
        i += size;
    }
    buf[n] = '\0';
}

// Takes a string and shows up to cap bytes of it in buf; if buf is NULL, none.
static void ckpt__take_shown(ckpt__reader *r, ckpt__string *s, char *buf,
                             uint32_t cap)
{
    memset(s, 0, sizeof(*s));
    s->buf = buf;
    s->cap = buf != NULL ? cap : 0;
    ckpt__take_string(r, s);
    if (buf != NULL) {
        ckpt__show(buf, s);
    }
}

// Where a member of the metadata is shown, if it is.
static char *ckpt__meta_shown(ckpt_run_info *info, uint32_t key)
{
    if (info == NULL) return NULL;
    switch (key) {
    case CKPT__META_agent_id:      return info->agent_id;
    case CKPT__META_agent_name:    return info->agent_name;
    case CKPT__META_task_id:       return info->task_id;
    case CKPT__META_parent_run_id: return info->parent_run_id;
    default:                       return NULL;
    }
}

static bool ckpt__is_nonce(const char *text, size_t size)
{
    return size > 0 && size <= CKPT_NONCE_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") == size;
}

// Takes the id of the run, and its birth. found->ours: the id is the one given.
CKPT__APART static void ckpt__take_run(ckpt__reader *r, const char *id,
                                       const ckpt__into *into)
{
    ckpt__string s;
    ckpt__match match = { id, 0, true };
    char *birth = into->rec->birth;
    memset(&s, 0, sizeof(s));
    s.match = &match;
    ckpt__take_string(r, &s);
    into->found->ours = match.same && *match.left == '\0';
    ckpt__take_text(r, ",\"birth\":");
    ckpt__take_shown(r, &s, birth, CKPT_NONCE_MAX);
    into->found->birth = s.at;
    ckpt__need(r, ckpt__is_nonce(birth, s.at.size), CKPT_ERR_DAMAGED);
}

// The number of a metadata key, from number next on. CKPT__META_COUNT: the key
// is unknown, or out of order.
static uint32_t ckpt__meta_find(const char *key, uint32_t next)
{
    while (next < CKPT__META_COUNT && strcmp(ckpt__meta_key(next), key) != 0) {
        next++;
    }
    return next;
}

// Takes the members of the metadata; of the prompt only its key.
CKPT__APART static void ckpt__take_meta(ckpt__reader *r,
                                        const ckpt__into *into)
{
    ckpt__found *f = into->found;
    ckpt__string name, *s = &f->string;
    char text[16];                              // cut off, it is no key
    for (uint32_t key = 0; r->rc == CKPT_OK && ckpt__peek(r) != '}'; key++) {
        if (key > 0) {
            ckpt__take_byte(r, ',');
        }
        memset(&name, 0, sizeof(name));
        name.buf = text;
        name.cap = sizeof(text) - 1;
        ckpt__take_string(r, &name);
        text[name.len] = '\0';
        ckpt__take_byte(r, ':');
        key = ckpt__meta_find(text, key);
        ckpt__need(r, key < CKPT__META_COUNT, CKPT_ERR_DAMAGED);
        if (r->rc != CKPT_OK) return;
        f->meta[key].from = ckpt__pos(r);
        if (key == CKPT__META_prompt) return;
        ckpt__take_shown(r, s, ckpt__meta_shown(into->info, key),
                         CKPT_NAME_MAX);
        f->meta[key] = s->at;
        switch (key) {
        case CKPT__META_agent_id: f->agent = s->hash; break;
        case CKPT__META_task_id: f->task = s->hash; break;
        case CKPT__META_fingerprint:
            into->rec->fingerprint = s->hash;
            into->rec->has_fingerprint = true;
            break;
        default: break;
        }
    }
}

// Takes the prompt, if its key stood there.
static void ckpt__take_prompt(ckpt__reader *r, ckpt__found *f)
{
    ckpt__span *prompt = &f->meta[CKPT__META_prompt];
    if (prompt->from > 0) {
        ckpt__take_shown(r, &f->string, NULL, 0);
        *prompt = f->string.at;
    }
}

// Takes an unpadded number of up to 19 digits.
static uint64_t ckpt__take_number(ckpt__reader *r, uint64_t max)
{
    char digits[20];
    size_t n = 0;
    for (int c; n < 20 && (c = ckpt__peek(r)) >= '0' && c <= '9'; r->at++) {
        digits[n++] = (char)c;
    }
    const uint64_t value = ckpt__decimal(digits, n);
    ckpt__need(r, value <= max, CKPT_ERR_DAMAGED);
    return value;
}

// Takes the value of an entry, and notes where it stands.
static void ckpt__take_noted(ckpt__reader *r, ckpt__found *f,
                             const char *label)
{
    ckpt__take_text(r, label);
    f->value.from = ckpt__pos(r);
    ckpt__take_value(r);
    f->value.size = ckpt__pos(r) - f->value.from;
}

// Takes {"name":...,"output":...}.
static void ckpt__take_phase(ckpt__reader *r, ckpt__found *f)
{
    ckpt__take_text(r, "{\"name\":");
    ckpt__take_string(r, &f->string);
    ckpt__take_noted(r, f, ",\"output\":");
}

// Takes {"turn":1,"epoch":1,"id":...,"state":"begun"} or, behind "ended", a
// result.
static void ckpt__take_effect(ckpt__reader *r, ckpt__found *f)
{
    ckpt__take_text(r, "{\"turn\":");
    f->entry.turn = ckpt__take_number(r, CKPT_TURN_MAX);
    ckpt__take_text(r, ",\"epoch\":");
    f->entry.epoch = ckpt__take_number(r, CKPT_TURN_MAX);
    ckpt__take_text(r, ",\"id\":");
    ckpt__take_string(r, &f->string);
    ckpt__take_text(r, ",\"state\":\"");
    f->entry.ended = ckpt__peek(r) == 'e';
    if (f->entry.ended) {
        ckpt__take_noted(r, f, "ended\",\"result\":");
    } else {
        ckpt__take_text(r, "begun\"");
    }
}

// Takes {"id":...,"steps":1,"timestep":...}. The entry's turn is the number of
// steps.
static void ckpt__take_held(ckpt__reader *r, ckpt__found *f)
{
    ckpt__take_text(r, "{\"id\":");
    ckpt__take_string(r, &f->string);
    ckpt__take_text(r, ",\"steps\":");
    const bool minus = ckpt__take_if(r, '-');
    const uint64_t steps = ckpt__take_number(r, (uint64_t)INT64_MAX + minus);
    f->entry.turn = minus ? 0 - steps : steps;
    ckpt__take_noted(r, f, ",\"timestep\":");
}

// Takes one entry: f->string is its name.
static void ckpt__take_entry(ckpt__reader *r, uint32_t list, ckpt__found *f)
{
    memset(f, 0, offsetof(ckpt__found, agent));     // of the last entry
    switch (list) {
    case CKPT__PHASES:  ckpt__take_phase(r, f); break;
    case CKPT__EFFECTS: ckpt__take_effect(r, f); break;
    default:            ckpt__take_held(r, f); break;
    }
    ckpt__take_byte(r, '}');
    // No valid name is longer, see ckpt__name_check().
    ckpt__need(r, f->string.at.size <= 2 * CKPT_NAME_MAX, CKPT_ERR_DAMAGED);
}

// How many entries a list may have, from the phases on.
static const uint32_t ckpt__list_max[] = {
    CKPT_PHASES_MAX, CKPT_EFFECTS_MAX, CKPT_HELD_MAX
};

// Puts an entry that was read into its table, as number i. What a begin said of
// an effect before stays: otherwise a tool that has run would be new again.
// Entries keep their order, and a save only drops some and adds one, so in a
// later generation the effect stood at i before, or behind. After a fall to an
// older generation that is told as a loss, ckpt__rejudge() trusts no mark.
CKPT__ONCE static void ckpt__table_put(ckpt__tables *tables, uint32_t list,
                                       uint32_t i, const ckpt__entry *entry)
{
    ckpt__entry *e = ckpt__entries(tables, list);
    uint8_t told = CKPT__TOLD_NOTHING;
    for (uint32_t k = i; list == CKPT__EFFECTS && k < tables->known; k++) {
        const bool same = memcmp(&e[k], entry,
                                 offsetof(ckpt__entry, size)) == 0;
        if (same && e[k].told > told) {
            told = e[k].told;
        }
    }
    e[i] = *entry;
    e[i].told = told;
}

// Ends a piece of a list, and adds it to the list.
static void ckpt__piece_end(ckpt__reader *r, ckpt__section *list,
                            ckpt__section *piece)
{
    ckpt__section_end(r, piece);
    ckpt__section_join(list, piece, r->by_op);
}

// Takes the entries of a list up to its bracket.
static void ckpt__take_list(ckpt__reader *r, uint32_t list,
                            const ckpt__into *into)
{
    ckpt__record *rec = into->rec;
    ckpt__section *section = &rec->section[list], piece;
    ckpt__found *f = into->found;
    const uint32_t max = ckpt__list_max[list - CKPT__PHASES];
    while (r->rc == CKPT_OK && ckpt__peek(r) != ']') {
        if (section->count > 0) {
            ckpt__take_byte(r, ',');
            ckpt__piece_end(r, section, &piece);
        }
        // A program with larger tables wrote this record.
        ckpt__need(r, section->count < max, CKPT_ERR_FORMAT);
        if (r->rc != CKPT_OK) return;
        ckpt__take_entry(r, list, f);
        ckpt__piece_end(r, section, &piece);
        f->entry.key = f->string.hash;
        f->entry.size = piece.size;
        f->entry.crc = piece.crc;
        f->entry.value_size = f->value.size;
        rec->uncertain += list == CKPT__EFFECTS && !f->entry.ended;
        if (into->tables != NULL && list == CKPT__PHASES) {
            into->tables->phases[section->count] = f->entry.key;
        } else if (into->tables != NULL) {
            ckpt__table_put(into->tables, list, section->count, &f->entry);
        }
        section->count++;
    }
}

// Takes the reason, null or a string.
static void ckpt__take_reason(ckpt__reader *r, const ckpt__into *into)
{
    ckpt__found *f = into->found;
    if (ckpt__peek(r) == 'n') {
        ckpt__take_text(r, "null");
        return;
    }
    ckpt__take_shown(r, &f->string, into->info != NULL ? into->info->reason
                                                       : NULL, CKPT_NAME_MAX);
    f->reason = f->string.at;
    into->rec->section[CKPT__REASON].count = 1;
}

// Takes the state, an object.
static void ckpt__take_state(ckpt__reader *r)
{
    ckpt__need(r, ckpt__peek(r) == '{', CKPT_ERR_DAMAGED);
    ckpt__take_value(r);
}

// Takes section i, and fills in its size and sum.
CKPT__ONCE static void ckpt__take_section(ckpt__reader *r, const char *id,
                                          uint32_t i, const ckpt__into *into)
{
    ckpt__section *section = &into->rec->section[i];
    switch (i) {
    case CKPT__RUN:      ckpt__take_run(r, id, into); break;
    case CKPT__REASON:   ckpt__take_reason(r, into); break;
    case CKPT__META:     ckpt__take_meta(r, into); break;
    case CKPT__PROMPT:   ckpt__take_prompt(r, into->found); break;
    case CKPT__MESSAGES: ckpt__take_elements(r, UINT32_MAX, section); break;
    case CKPT__STATE:    ckpt__take_state(r); break;
    default:             ckpt__take_list(r, i, into); return;
    }
    ckpt__section_end(r, section);              // a list ended its pieces
}

// Takes the sections behind the head up to that of the number end, without it.
static void ckpt__take_body(ckpt__reader *r, const char *id,
                            const ckpt__into *into, uint32_t end)
{
    for (uint32_t i = 0; i < end; i++) {
        ckpt__take_text(r, ckpt__glue(i));
        ckpt__section_end(r, NULL);
        into->found->at[i] = ckpt__pos(r);
        ckpt__take_section(r, id, i, into);
        ckpt__need(r, i != CKPT__META || r->all.crc == into->rec->front,
                   CKPT_ERR_DAMAGED);
    }
}

// The code for a head whose record is larger than size_max. The reader believes
// the head only if the generation really is that large: else a damaged length
// would keep the generation before this one from being loaded.
static ckpt_code ckpt__too_large(ckpt__place *p)
{
    size_t got = 0;
    if (p != NULL) {
        CKPT__TRY(ckpt__store_read(p, p->size_max, p->window, 1, &got));
    }
    return got > 0 ? CKPT_ERR_TOO_LARGE : CKPT_ERR_DAMAGED;
}

// Takes the head at the start of the window, into p->head.
static ckpt_code ckpt__take_head(ckpt__place *p, ckpt__record *rec)
{
    ckpt__reader *r = &p->reader;
    (void)ckpt__peek(r);
    const char *head = (const char *)r->at;
    const size_t n = (size_t)(r->end - r->at);
    CKPT__TRY(r->rc);
    if (n < CKPT__HEAD_SIZE) {
        return n >= 20 && ckpt__head_is_newer(head) ? CKPT_ERR_FORMAT
                                                    : CKPT_ERR_DAMAGED;
    }
    CKPT__TRY(ckpt__head_read(head, p->head, rec, p->by_op));
    if (rec->length > p->size_max) return ckpt__too_large(r->place);
    r->at += CKPT__HEAD_SIZE;
    r->mark = r->at;
    return CKPT_OK;
}

// The counts of a record, as they stand in its head.
CKPT__ONCE static void ckpt__counts(const ckpt__record *rec, uint32_t counts[4])
{
    counts[0] = rec->section[CKPT__MESSAGES].count;
    counts[1] = rec->section[CKPT__PHASES].count;
    counts[2] = rec->uncertain;
    counts[3] = rec->section[CKPT__HELD].count;
}

// Takes a whole record and checks all of it (R13), but not its epoch. Of a
// record that is only looked at: its head and its front, by their own sums.
static ckpt_code ckpt__take_record(ckpt__place *p, const char *id,
                                   const ckpt__into *into)
{
    ckpt__reader *r = &p->reader;
    ckpt__record *rec = into->rec;
    uint32_t told[4], found[4];
    char crc[CKPT__SUM_WIDTH];
    CKPT__TRY(ckpt__take_head(p, rec));
    if (into->front) {
        ckpt__need(r, rec->section[CKPT__PHASES].count <= CKPT_PHASES_MAX &&
                      rec->section[CKPT__HELD].count <= CKPT_HELD_MAX,
                   CKPT_ERR_FORMAT);
        ckpt__take_body(r, id, into, CKPT__PROMPT);
        return r->rc == CKPT_OK && !into->found->ours ? CKPT_ERR_FOREIGN
                                                      : r->rc;
    }
    ckpt__counts(rec, told);
    rec->section[CKPT__PHASES].count = rec->section[CKPT__HELD].count = 0;
    rec->uncertain = 0;
    ckpt__take_body(r, id, into, CKPT__SECTIONS);
    ckpt__take_byte(r, '}');
    ckpt__section_end(r, NULL);
    ckpt__hex_write(crc, CKPT__SUM_WIDTH,
                    ckpt__record_sum(p->by_op, r->all.crc, p->head));
    ckpt__counts(rec, found);
    ckpt__need(r, ckpt__pos(r) == rec->length &&
                  memcmp(crc, p->head + CKPT__CRC_AT, 8) == 0 &&
                  memcmp(told, found, sizeof(told)) == 0, CKPT_ERR_DAMAGED);
    // Room to grow in place. A run may have been larger, under a larger
    // size_max, and no store makes more room than a record can be long.
    while (ckpt__pos(r) < 2 * CKPT_SIZE_MAX && ckpt__is_space(ckpt__peek(r))) {
        r->at++;
    }
    ckpt__need(r, ckpt__peek(r) < 0, CKPT_ERR_DAMAGED);
    return r->rc == CKPT_OK && !into->found->ours ? CKPT_ERR_FOREIGN : r->rc;
}

// Reads the record of a run (R1) with the reader of the place; p->head gets its
// head. Returns CKPT_ERR_DAMAGED, and the reader stands where it went wrong;
// CKPT_ERR_FOREIGN if the record is whole but of another run; CKPT_ERR_FORMAT;
// CKPT_ERR_TOO_LARGE; or an error of the store.
CKPT__APART static ckpt_code ckpt__record_read(ckpt__place *p, const char *id,
                                               const ckpt__into *into)
{
    memset(into->rec, 0, sizeof(*into->rec));
    memset(into->found, 0, sizeof(*into->found));
    if (into->info != NULL) {                   // left by a damaged one
        into->info->agent_id[0] = into->info->agent_name[0] = '\0';
        into->info->task_id[0] = into->info->parent_run_id[0] = '\0';
        into->info->reason[0] = '\0';
    }
    const ckpt_code rc = ckpt__take_record(p, id, into);
    return ckpt__is_syntax(rc) ? CKPT_ERR_DAMAGED : rc;
}

//--- The record, written ------------------------------------------------------

// A record is emitted twice by the same code: once to know its length and sum,
// which stand in its head, and once into the store. So its parts need neither
// an array nor a copy, however long they are.

// What becomes of an entry of a list.
typedef enum ckpt__fate {
    CKPT__KEEP, CKPT__DROP, CKPT__WRITE
} ckpt__fate;

// What a save changes, and in which record.
typedef struct ckpt__plan {
    const ckpt__record *old;            // the newest generation
    ckpt__tables       *tables;         // and its entries
    ckpt__record       *now;            // the one that follows; so far without
                                        // what depends on its text
    const ckpt_meta    *begin;          // not NULL: the first generation,
    const char         *id;             // of this run
    bool          drop_ended, set_reason;
    bool          is_text;              // the value becomes a JSON string
    uint32_t      list, at;             // the entry that changes (a new one
    ckpt__fate    fate;                 // stands behind the last), and how
    const char   *name;                 // of the phase, effect or environment
    int64_t       steps;
    ckpt_bytes    messages, state, value, reason;
    ckpt__section keep, add;            // of messages: kept prefix, new ones
    ckpt__section state_now, value_now;
    ckpt__section entry;                // the entry that is new or rewritten
} ckpt__plan;

// What becomes of entry i of a list, and of the one that the plan adds.
static ckpt__fate ckpt__entry_fate(const ckpt__plan *plan, uint32_t list,
                                   uint32_t i)
{
    if (plan->list == list && plan->at == i) return plan->fate;
    const ckpt__entry *e = &ckpt__entries(plan->tables, list)[i];
    // A save without messages and state may begin an effect of the next turn.
    // The transcript that was saved last lacks the result of the ended effect
    // then; a turn later the caller must have saved that result.
    const uint64_t grace = plan->drop_ended ? 0 : 1;
    return list == CKPT__EFFECTS && e->ended &&
           e->turn + grace < plan->now->turn ? CKPT__DROP : CKPT__KEEP;
}

// How many entries a list has with the one that the plan adds.
static uint32_t ckpt__entry_count(const ckpt__plan *plan, uint32_t list)
{
    const uint32_t n = plan->old->section[list].count;
    return n + (plan->list == list && plan->at == n);
}

// Puts bytes, or, with bytes == NULL, a range of the base that w->part names.
static void ckpt__emit_put(ckpt__writer *w, const void *bytes, uint32_t size,
                           uint32_t crc)
{
    if (w->rc != CKPT_OK || size == 0) return;
    w->part.bytes = bytes;
    w->part.size = size;
    w->part.crc = crc;
    w->rc = ckpt__store_put(w->place, &w->part);
}

// Puts the bytes that were gathered in the window.
static void ckpt__emit_gathered(ckpt__writer *w)
{
    const ckpt__place *p = w->place;
    const uint32_t n = w->gathered;
    w->gathered = 0;
    ckpt__emit_put(w, p->window, n, ckpt__crc(p->by_op, 0, p->window, n));
}

// Emits new bytes. Dry, the sums go on over them: a few bytes cost less so than
// the joining of their sum. Small pieces are gathered: for most stores each one
// would be a call of the system.
static void ckpt__emit_bytes(ckpt__writer *w, const void *bytes, size_t size)
{
    ckpt__place *p = w->place;
    if (w->dry) {
        ckpt__section_add(&w->all, bytes, size, p->by_op);
        ckpt__section_add(&w->section, bytes, size, p->by_op);
        return;
    }
    if (size > sizeof(p->window) - w->gathered) {
        ckpt__emit_gathered(w);
    }
    if (size > sizeof(p->window)) {
        ckpt__emit_put(w, bytes, (uint32_t)size,
                       ckpt__crc(p->by_op, 0, bytes, size));
        return;
    }
    memcpy(p->window + w->gathered, bytes, size);
    w->gathered += (uint32_t)size;
}

// Emits a piece whose sum is known: bytes, or, with bytes == NULL, a range of
// the base that w->part names.
static void ckpt__emit(ckpt__writer *w, const void *bytes,
                       const ckpt__section *piece)
{
    const bool by_op = w->place->by_op;
    if (piece->size == 0) return;
    if (w->dry) {
        ckpt__section_join(&w->all, piece, by_op);
        ckpt__section_join(&w->section, piece, by_op);
    } else if (bytes != NULL && piece->size <= sizeof(w->place->window)) {
        ckpt__emit_bytes(w, bytes, piece->size);
    } else {
        ckpt__emit_gathered(w);
        ckpt__emit_put(w, bytes, piece->size, piece->crc);
    }
}

static void ckpt__emit_text(ckpt__writer *w, const char *text)
{
    ckpt__emit_bytes(w, text, strlen(text));
}

// Emits the next bytes of the base, or skips them if keep is false.
static void ckpt__emit_base(ckpt__writer *w, const ckpt__section *section,
                            bool keep)
{
    w->part.offset = w->at;
    w->at += section->size;
    if (keep) {
        ckpt__emit(w, NULL, section);
    }
}

// Emits text as it stands in a JSON string.
static void ckpt__emit_escaped(ckpt__writer *w, ckpt_bytes bytes,
                               ckpt__escape_mode mode)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr, *end = p + bytes.len;
    while (p < end) {
        char one[8];
        size_t size;
        const uint8_t *stop = mode == CKPT__AS_TEXT ? ckpt__clean(p, end) : p;
        ckpt__emit_bytes(w, p, (size_t)(stop - p));
        p = stop;
        if (p < end) {
            p += ckpt__escape(one, &size, p, (size_t)(end - p), mode);
            ckpt__emit_bytes(w, one, size);
        }
    }
}

static void ckpt__emit_number(ckpt__writer *w, const char *label,
                              uint64_t value)
{
    char text[20];
    const size_t n = ckpt__number(text, value, 1, '0');
    ckpt__emit_text(w, label);
    ckpt__emit_bytes(w, text, n);
}

// Emits a label, and a quoted text.
static void ckpt__emit_quoted(ckpt__writer *w, const char *label,
                              ckpt_bytes text, ckpt__escape_mode mode)
{
    ckpt__emit_text(w, label);
    ckpt__emit_text(w, "\"");
    ckpt__emit_escaped(w, text, mode);
    ckpt__emit_text(w, "\"");
}

static void ckpt__emit_string(ckpt__writer *w, const char *label,
                              const char *text)
{
    ckpt__emit_quoted(w, label, ckpt_text(text), CKPT__AS_TEXT);
}

// Ends a section of what is emitted.
static void ckpt__emit_section_end(ckpt__writer *w, ckpt__section *section)
{
    *section = w->section;
    memset(&w->section, 0, sizeof(w->section));
}

static void ckpt__emit_meta(ckpt__writer *w, const ckpt_meta *meta)
{
    const char *comma = "\"";
    for (uint32_t i = 0; i < CKPT__META_COUNT; i++) {
        const char *text = ckpt__meta_text(meta, i);
        if (text == NULL) continue;
        ckpt__emit_text(w, comma);
        ckpt__emit_text(w, ckpt__meta_key(i));
        if (i == CKPT__META_prompt) {
            ckpt__emit_text(w, "\":");          // its text is a section
        } else {
            ckpt__emit_string(w, "\":", text);
        }
        comma = ",\"";
    }
}

// Emits a label, and the value of the entry that changes.
static void ckpt__emit_value(ckpt__writer *w, const char *label,
                             const ckpt__plan *plan)
{
    if (plan->is_text) {
        ckpt__emit_quoted(w, label, plan->value, CKPT__AS_TEXT);
        return;
    }
    ckpt__emit_text(w, label);
    ckpt__emit(w, plan->value.ptr, &plan->value_now);
}

// Emits an effect that ends (old), or one that begins, which has no value.
static void ckpt__emit_effect(ckpt__writer *w, const ckpt__plan *plan,
                              const ckpt__entry *old)
{
    const ckpt__record *now = plan->now;
    ckpt__emit_number(w, "{\"turn\":", old != NULL ? old->turn : now->turn);
    ckpt__emit_number(w, ",\"epoch\":", old != NULL ? old->epoch : now->epoch);
    ckpt__emit_string(w, ",\"id\":", plan->name);
    ckpt__emit_value(w, old != NULL ? ",\"state\":\"ended\",\"result\":"
                                    : ",\"state\":\"begun\"", plan);
}

static void ckpt__emit_held(ckpt__writer *w, const ckpt__plan *plan)
{
    const uint64_t steps = (uint64_t)plan->steps;
    ckpt__emit_string(w, "{\"id\":", plan->name);
    if (plan->steps < 0) {
        ckpt__emit_number(w, ",\"steps\":-", 0 - steps);
    } else {
        ckpt__emit_number(w, ",\"steps\":", steps);
    }
    ckpt__emit_value(w, ",\"timestep\":", plan);
}

// Emits the entry that changes: an effect that ends (old), or a new entry. The
// dry run measures the entry into plan->entry. What is emitted before and after
// the entry is one section with it.
static void ckpt__emit_entry(ckpt__writer *w, ckpt__plan *plan,
                             const ckpt__entry *old)
{
    ckpt__section before, entry;
    ckpt__emit_section_end(w, &before);
    if (plan->list == CKPT__PHASES) {
        ckpt__emit_string(w, "{\"name\":", plan->name);
        ckpt__emit_value(w, ",\"output\":", plan);
    } else if (plan->list == CKPT__EFFECTS) {
        ckpt__emit_effect(w, plan, old);
    } else {
        ckpt__emit_held(w, plan);
    }
    ckpt__emit_text(w, "}");
    ckpt__emit_section_end(w, &entry);
    if (w->dry) {
        plan->entry = entry;
    }
    ckpt__section_join(&before, &entry, w->place->by_op);
    w->section = before;
}

// Emits a list of entries and returns how many it has now. The phases are one
// piece: all of them stay, and the size of a single one is not known.
static uint32_t ckpt__emit_list(ckpt__writer *w, ckpt__plan *plan,
                                uint32_t list)
{
    const ckpt__section *old = &plan->old->section[list];
    const uint32_t n = old->count, all = ckpt__entry_count(plan, list);
    uint32_t i = 0, count = 0;
    if (list == CKPT__PHASES) {
        ckpt__emit_base(w, old, true);
        i = count = n;
    }
    w->begun = 0;
    for (; i < all; i++) {
        const ckpt__entry *e = i < n ? &ckpt__entries(plan->tables, list)[i]
                                     : NULL;
        const ckpt__fate fate = ckpt__entry_fate(plan, list, i);
        if (fate != CKPT__DROP && count++ > 0) {
            ckpt__emit_text(w, ",");
        }
        if (e != NULL) {
            const ckpt__section piece = { e->size, e->crc, 0 };
            ckpt__emit_base(w, &piece, fate == CKPT__KEEP);
        }
        if (fate == CKPT__WRITE) {
            ckpt__emit_entry(w, plan, e);
        }
        const bool begins = fate == CKPT__WRITE && e == NULL;
        w->begun += begins || (fate == CKPT__KEEP && !e->ended);
        w->at += i + 1 < n;                     // the comma in the base
    }
    return count;
}

static uint32_t ckpt__emit_messages(ckpt__writer *w, const ckpt__plan *plan)
{
    const ckpt__section gone = {
        plan->old->section[CKPT__MESSAGES].size - plan->keep.size, 0, 0
    };
    ckpt__emit_base(w, &plan->keep, plan->keep.count > 0);
    ckpt__emit_base(w, &gone, false);
    if (plan->keep.count > 0 && plan->add.count > 0) {
        ckpt__emit_text(w, ",");
    }
    ckpt__emit(w, plan->messages.ptr, &plan->add);
    return plan->keep.count + plan->add.count;
}

// Emits a new reason. Returns how many there are now: 1, or 0 for null.
static uint32_t ckpt__emit_reason(ckpt__writer *w, const ckpt__plan *plan)
{
    ckpt__emit_base(w, &plan->old->section[CKPT__REASON], false);
    if (plan->reason.ptr != NULL) {
        ckpt__emit_quoted(w, "", plan->reason, CKPT__AS_TEXT);
        return 1;
    }
    ckpt__emit_text(w, "null");
    return 0;
}

// Emits a section that is written once, when the run begins.
static void ckpt__emit_begin(ckpt__writer *w, const ckpt__plan *plan,
                             uint32_t i)
{
    const ckpt_meta *meta = plan->begin;
    ckpt__emit_base(w, &plan->old->section[i], true);
    if (meta == NULL) return;
    if (i == CKPT__RUN) {
        ckpt__emit_quoted(w, "", ckpt_text(plan->id), CKPT__AS_ID);
        ckpt__emit_string(w, ",\"birth\":", plan->now->birth);
    } else if (i == CKPT__META) {
        ckpt__emit_meta(w, meta);
    } else if (meta->prompt != NULL) {
        ckpt__emit_string(w, "", meta->prompt);
    }
}

static void ckpt__emit_state(ckpt__writer *w, const ckpt__plan *plan)
{
    ckpt__emit_base(w, &plan->old->section[CKPT__STATE],
                    plan->state.ptr == NULL);
    ckpt__emit(w, plan->state.ptr, &plan->state_now);
}

// Emits section i of what the plan makes of the old record. Returns how many
// entries it has.
CKPT__ONCE static uint32_t ckpt__emit_section(ckpt__writer *w, ckpt__plan *plan,
                                              uint32_t i)
{
    switch (i) {
    case CKPT__MESSAGES: return ckpt__emit_messages(w, plan);
    case CKPT__PHASES: case CKPT__EFFECTS: case CKPT__HELD:
        return ckpt__emit_list(w, plan, i);
    case CKPT__REASON: return ckpt__emit_reason(w, plan);
    case CKPT__STATE:  ckpt__emit_state(w, plan); break;
    default:           ckpt__emit_begin(w, plan, i); break;
    }
    return 0;
}

// Emits what stands before the prompt as one piece of the base, if all of it
// stays: it has a sum of its own. Returns the section that comes next. A run
// that is kept nowhere has no base.
static uint32_t ckpt__emit_front(ckpt__writer *w, const ckpt__plan *plan)
{
    w->at = CKPT__HEAD_SIZE;
    if (plan->set_reason || plan->old->length == 0) return CKPT__RUN;
    const ckpt__section front = {
        ckpt__section_at(plan->old, CKPT__PROMPT) - CKPT__HEAD_SIZE,
        plan->old->front, 0
    };
    ckpt__emit_base(w, &front, true);
    return CKPT__PROMPT;
}

// Emits the body of the new record. The dry run measures its sections into
// plan->now, where those of the old one are.
static void ckpt__emit_body(ckpt__writer *w, ckpt__plan *plan)
{
    ckpt__section before, section;
    uint32_t i = ckpt__emit_front(w, plan);
    const char *glue = ckpt__glue(i);
    for (; i < CKPT__SECTIONS; i++) {
        const size_t n = strlen(glue);
        ckpt__emit_bytes(w, glue, n);
        w->at += (uint32_t)n;
        glue += n + 1;
        ckpt__emit_section_end(w, &before);
        const uint32_t count = ckpt__emit_section(w, plan, i);
        ckpt__emit_section_end(w, &section);
        if (w->dry) {
            plan->now->section[i] = section;
            plan->now->section[i].count = count;
        }
        if (w->dry && i == CKPT__META) {
            plan->now->front = w->all.crc;
        }
        if (w->dry && i == CKPT__EFFECTS) {
            plan->now->uncertain = w->begun;
        }
    }
    ckpt__emit_text(w, "}");
}

static ckpt__writer *ckpt__writer_begin(ckpt__place *place, bool dry)
{
    memset(&place->writer, 0, sizeof(place->writer));
    place->writer.place = place;
    place->writer.dry = dry;
    return &place->writer;
}

// Fills in what the new record still lacks, except its seq. Returns the sum of
// its body.
CKPT__APART static uint32_t ckpt__compose(ckpt__place *place, ckpt__plan *plan,
                                          int64_t wall_ms)
{
    ckpt__writer *w = ckpt__writer_begin(place, true);
    ckpt__record *now = plan->now;
    now->turn_max = now->turn > now->turn_max ? now->turn : now->turn_max;
    now->saved_at_ms = wall_ms;
    ckpt__emit_body(w, plan);
    CKPT_ASSERT(plan->old->length == 0 || w->at + 1 == plan->old->length);
    now->length = CKPT__HEAD_SIZE + w->all.size;
    return w->all.crc;
}

// Gives the composed record to the store.
static ckpt_code ckpt__record_write(ckpt__place *place, ckpt__plan *plan,
                                    uint32_t crc)
{
    ckpt__writer *w = ckpt__writer_begin(place, false);
    CKPT_ASSERT(plan->now->seq > plan->old->seq);
    ckpt__head_write(place->head, plan->now, false, crc, place->by_op);
    ckpt__emit_bytes(w, place->head, CKPT__HEAD_SIZE);
    ckpt__emit_body(w, plan);
    ckpt__emit_text(w, "\n");
    ckpt__emit_gathered(w);
    return w->rc;
}

//--- A context and a run ------------------------------------------------------

// A beat in the future that is watched: a hash of the beat and its claim, and
// when the watch began.
typedef struct ckpt__watch {
    uint64_t beat;
    int64_t  since_ms;
} ckpt__watch;

// What a ckpt_ctx keeps.
typedef struct ckpt__ctx {
    ckpt_desc     desc;
    ckpt__place   place;            // of the run that is looked at
    ckpt__record  record;           // its newest whole generation
    ckpt__found   found;
    ckpt_run_info info;
    char          id[CKPT_ID_MAX + 1];
    ckpt__watch   watch[8];
    int64_t       now_ms;           // what the store gave as the time in this
    int64_t       now_at_ms;        // scan, and when; now_ms is 0 otherwise
} ckpt__ctx;

// Where a run stands, and what its calls do then:
//
//             phase     due       save, effects    load, beat      finish
//   CLOSED    to do     false     ERR_CLOSED       ERR_CLOSED      ERR_CLOSED
//   OVER      done      false     FINISHED         FINISHED        FINISHED
//   OPEN      depends   depends   work             work            works
//   LOST      depends   depends   ERR_CLAIM_LOST   ERR_CLAIM_LOST  closes it
//   EMPTY     depends   depends   FINISHED         beats only      removes it
//   ENDED     depends   depends   FINISHED         work            removes it
typedef enum ckpt__stage {
    CKPT__CLOSED,                   // a zeroed run is closed, too
    CKPT__OVER,                     // closed, because it was finished before
    CKPT__OPEN,
    CKPT__LOST,                     // open, but taken over or removed
    CKPT__EMPTY,                    // open; its generations were removed, as a
                                    // full disk had no room for its outcome:
                                    // a look and the removal are left
    CKPT__ENDED                     // open; its outcome stands and the look
                                    // succeeded: only the removal is left
} ckpt__stage;

// What a run must make sure of before its next call works: an OR of these.
enum {
    CKPT__DOUBT_CLAIM  = 1 << 0,    // the last look failed: look again
    CKPT__DOUBT_RECORD = 1 << 1,    // which generation stands? judge again
    CKPT__DOUBT_CALLER = 1 << 2     // what the caller builds on is damaged or
                                    // missing: it must load what is left
};

// How a run was handed out.
typedef enum ckpt__handed {
    CKPT__HANDED_ON,                // begun or resumed
    CKPT__HANDED_EXHAUSTED,         // to the fallback
    CKPT__HANDED_DAMAGED            // to the fallback, and there is no record
} ckpt__handed;

// What a ckpt_run keeps.
typedef struct ckpt__run {
    ckpt_run        *view;          // what the caller reads
    const ckpt__ctx *ctx;
    ckpt__stage      stage;
    ckpt__handed     handed;
    volatile bool    busy;          // a call on the run is not over
    bool             older_remain;  // claims or generations of lower epochs
    bool             unread_messages;   // what the resume found of them was
    bool             unread_state;      // not loaded yet
    bool             phase_again;   // an end of a phase was not acknowledged
    bool             end_again;     // nor was an end of an effect
    uint32_t         doubts;
    ckpt__record     record;        // the newest generation
    uint32_t         phases_adopted;
    uint32_t         published;     // generations of this claim
    uint32_t         attempt;       // of this claim, before it is given back
    uint32_t         missing;       // as in the newest generation, and counted
                                    // up as soon as saves are found missing
    uint64_t         epoch;         // of this claim
    uint64_t         seq_tried;     // of the last try to publish
    uint64_t         seq_acked;     // of the last save that returned OK
    uint64_t         seq_told;      // of what was left when saves were last
                                    // found missing; none since the last OK:
                                    // UINT64_MAX
    uint64_t         adopted;       // epoch of the generation adopted
    uint64_t         turn_adopted;  // its turn_max
    uint64_t         turn_missing;  // effects below this turn may be missing
    uint32_t         phases_then;   // how many phases had ended before that
    uint32_t         phase_crc;     // one, and the sum of its output
    uint64_t         end_turn;      // the turn of that effect, and its id
    char             end_id[CKPT_NAME_MAX + 1];
    int64_t          saved_ms;      // on the monotonic clock; -1: never in
    int64_t          beat_ms;       // this claim
    ckpt_store       none;          // where a degraded run is kept: nowhere
    uint8_t          skippable[(CKPT_PHASES_MAX + 7) / 8];
    ckpt__record     next;          // the record that is being written
    ckpt__plan       plan;
    ckpt__found      found;
    ckpt__place      place;
    ckpt__tables     tables;        // the entries of the newest generation
} ckpt__run;

// The two structs above live in the caller's ckpt_ctx and ckpt_run. Nothing
// else reads or writes that storage.
typedef char ckpt__ctx_fits[sizeof(ckpt__ctx) <= CKPT_CTX_SIZE ? 1 : -1];
typedef char ckpt__run_fits[sizeof(ckpt__run) <= CKPT_RUN_SIZE ? 1 : -1];

static ckpt__ctx *ckpt__ctx_of(ckpt_ctx *view)
{
    return (ckpt__ctx *)(void *)view;           // its only member
}

// NULL, which ckpt__enter() refuses, gives NULL.
CKPT__ONCE static ckpt__run *ckpt__run_of(ckpt_run *view)
{
    if (view == NULL) return NULL;
    ckpt__run *run = (ckpt__run *)(void *)view->inside.bytes;
    run->view = view;
    return run;
}

static bool ckpt__is_open(const ckpt__run *run)
{
    return run->stage >= CKPT__OPEN;
}

// Reports what happened to a run.
static void ckpt__tell(const ckpt__run *run, ckpt_event_kind kind,
                       const ckpt_error *error)
{
    ckpt__event(&run->ctx->desc, kind, run->view->id, run->view, error);
}

// Ends a call on a run.
CKPT__ONCE static ckpt_code ckpt__run_result(ckpt__run *run, ckpt_code rc)
{
    if (rc == CKPT_ERR_STALE) {
        // Another file stands in place of ours: another owner's, or a copy.
        run->doubts |= CKPT__DOUBT_CLAIM | CKPT__DOUBT_RECORD;
    }
    if (rc < 0 || rc == CKPT_FINISHED) {
        run->view->error = run->place.error;
        run->view->error.id = run->view->id[0] != '\0' ? run->view->id : NULL;
        (void)ckpt__fill_error(&run->view->error, rc);
    }
    return rc;
}

// Begins a public call on a run. A signal handler or a callback that calls in
// the middle of a save would replace its plan, and the save would go on to
// publish a mixture under a good sum.
CKPT__ONCE static ckpt_code ckpt__enter(ckpt__run *run)
{
    if (run == NULL) return CKPT_ERR_ARGUMENT;
    if (run->busy) return CKPT_ERR_REENTERED;
    run->busy = true;
    return CKPT_OK;
}

// Ends a call on a context. ctx->id is the run that the call was about, "" if
// it was about none.
CKPT__ONCE static ckpt_code ckpt__ctx_result(ckpt__ctx *ctx, ckpt_code rc)
{
    ctx->place.error.id = ctx->id[0] != '\0' ? ctx->id : NULL;
    return ckpt__fill_error(&ctx->place.error, rc);
}

// Ends a call on a context whose arguments are wrong: op names them.
CKPT__ONCE static ckpt_code ckpt__refuse(ckpt__ctx *ctx, const char *op)
{
    memset(&ctx->place.error, 0, sizeof(ctx->place.error));
    ctx->place.error.op = op;
    ctx->id[0] = '\0';
    return ckpt__ctx_result(ctx, CKPT_ERR_ARGUMENT);
}

// Begins a public call on a context. Refuses arguments that are missing, a
// context that was never initialized, and a run that is open: the call would
// forget the claim of that run. A run that was never zeroed names no context.
// view is NULL for a call that uses no run.
CKPT__ONCE static ckpt_code ckpt__admit(ckpt__ctx *ctx, ckpt_run *view,
                                        bool present)
{
    if (ctx == NULL) return CKPT_ERR_ARGUMENT;
    if (ctx->desc.store == NULL) {
        return ckpt__refuse(ctx, "use a context that was never initialized");
    }
    if (!present) return ckpt__refuse(ctx, "read an argument that is NULL");
    const ckpt__run *run = ckpt__run_of(view);
    if (run != NULL && run->ctx == ctx && ckpt__is_open(run)) {
        return ckpt__refuse(ctx, "use a run that is open: finish it first");
    }
    return CKPT_OK;
}

// Gives an option its default for 0, and 0 for CKPT_OFF.
static void ckpt__default(int64_t *option, int64_t value)
{
    if (*option == 0) {
        *option = value;
    } else if (*option == CKPT_OFF) {
        *option = 0;
    }
}

CKPT_API ckpt_desc ckpt_desc_defaults(const ckpt_desc *desc)
{
    ckpt_desc d = *desc;
    d.owner = d.owner != NULL ? d.owner : "";
    ckpt__default(&d.every_turns, 0);
    ckpt__default(&d.throttle_ms, d.every_turns > 0 ? 0 : 1000);
    ckpt__default(&d.beat_ms, 20000);
    ckpt__default(&d.lease_ms, 60000);
    ckpt__default(&d.size_max, INT64_C(64) << 20);
    d.resume_max = d.resume_max == 0 ? 3 : d.resume_max;
    return d;
}

// Names the option that cannot be used, NULL if all can be.
static const char *ckpt__wrong_option(const ckpt_desc *d)
{
    const ckpt_store_methods *m = d->store != NULL ? d->store->methods : NULL;
    if (m == NULL) return "read .store";
    if (m->version != CKPT_STORE_VERSION || m->place_size > CKPT_PLACE_SIZE) {
        return "read .store, which is of another version";
    }
    if (d->throttle_ms < 0) return "read .throttle_ms";
    if (d->every_turns < 0) return "read .every_turns";
    if (d->beat_ms < 0) return "read .beat_ms";
    if (d->lease_ms <= 0 || d->lease_ms / 2 < d->beat_ms) {
        return "read .lease_ms, which must be 2 * beat_ms at least";
    }
    if (d->resume_max < CKPT_NEVER) return "read .resume_max";
    return d->size_max < 1024 || d->size_max > CKPT_SIZE_MAX ?
        "read .size_max" : NULL;
}

CKPT_API ckpt_code ckpt_init(ckpt_ctx *view, const ckpt_desc *desc)
{
    ckpt__ctx *ctx = ckpt__ctx_of(view);
    if (ctx == NULL || desc == NULL) return CKPT_ERR_ARGUMENT;
    ckpt_desc d = ckpt_desc_defaults(desc);
    memset(view, 0, sizeof(*view));
    const char *wrong = ckpt__wrong_option(&d);
    if (wrong != NULL) return ckpt__refuse(ctx, wrong);
    const uint64_t most = d.store->methods->size_max;
    if (most != 0 && (uint64_t)d.size_max >= most) {
        d.size_max = (int64_t)most - 1;         // and a line feed
    }
    if (d.size_max < 1024) {
        return ckpt__refuse(ctx, "read .store, which keeps less than 1 KiB");
    }
    ctx->desc = d;
    ctx->place.by_op = ckpt__crc_has_op();
    return ckpt__ctx_result(ctx, CKPT_OK);
}

CKPT_API const ckpt_error *ckpt_last_error(const ckpt_ctx *view)
{
    return &((const ckpt__ctx *)(const void *)view->inside.bytes)->place.error;
}

//--- Judging ------------------------------------------------------------------

// A walk over the generations of a run.
typedef struct ckpt__walk {
    uint64_t epoch_max;             // of those that have not been looked at
    unsigned at;                    // the next one in p->look
} ckpt__walk;

// Begins a walk over the generations, the newest first. It overwrites p->look.
static ckpt__walk ckpt__walk_begin(ckpt__place *p, uint64_t epoch_max)
{
    const ckpt__walk w = { epoch_max, 0 };
    p->look.count = 0;
    return w;
}

// Goes on to the next generation, which becomes p->gen. CKPT_END if there are
// no more.
static ckpt_code ckpt__walk_next(ckpt__place *p, ckpt__walk *w)
{
    if (w->at == p->look.count) {
        if (w->epoch_max == 0) return CKPT_END;
        CKPT__TRY(ckpt__store_look(p, w->epoch_max));
        if (p->look.count == 0) return CKPT_END;
        w->epoch_max = p->look.gens[p->look.count - 1].epoch - 1;
        w->at = 0;
    }
    p->gen = p->look.gens[w->at++];
    return CKPT_OK;
}

// Reads the generation that p->gen names, all of it or its front.
static ckpt_code ckpt__judge_one(ckpt__place *p, const char *id,
                                 const ckpt__into *into)
{
    ckpt__reader_store(&p->reader, p, 0);
    const ckpt_code rc = ckpt__record_read(p, id, into);
    ckpt__store_read_end(p);
    if (rc == CKPT_OK && into->rec->epoch != p->gen.epoch) {
        return CKPT_ERR_DAMAGED;                // a copy under another name
    }
    return rc;
}

// Finds and reads the newest whole generation of epochs up to epoch_max; p->gen
// names it (R1). p->bad names the damaged generations that are newer.
//
// Returns CKPT_ERR_NOT_FOUND if there is no generation at all, CKPT_ERR_DAMAGED
// or CKPT_ERR_FOREIGN if none is whole or ours. Any other error ends the search
// and never counts as damage: an older generation must not take its place.
static ckpt_code ckpt__judge(ckpt__place *p, const char *id,
                             uint64_t epoch_max, const ckpt__into *into)
{
    ckpt_code worst = CKPT_ERR_NOT_FOUND, rc;
    ckpt__walk w = ckpt__walk_begin(p, epoch_max);
    p->bad_count = 0;
    p->newest = 0;
    while ((rc = ckpt__walk_next(p, &w)) == CKPT_OK) {
        p->newest = p->newest != 0 ? p->newest : p->gen.epoch;
        rc = ckpt__judge_one(p, id, into);
        if (rc != CKPT_ERR_DAMAGED && rc != CKPT_ERR_FOREIGN) {
            p->gen.seq = into->rec->seq;
            return rc;
        }
        if (worst != CKPT_ERR_FOREIGN) {
            worst = rc;
            p->error.pos = ckpt__pos(&p->reader);
        }
        if (p->bad_count < CKPT_LOOK_MAX / 2) {
            p->bad[p->bad_count++] = p->gen;
        }
    }
    return rc == CKPT_END ? worst : rc;
}

// Counts the damaged generations that a save may have acknowledged: also those
// of which the store knows no seq. An owner that writes in place leaves other
// ones torn when the power fails, and whoever lost none of its saves must not
// be told that one is missing (R1).
static void ckpt__count_bad(ckpt__place *p, uint64_t acked)
{
    p->bad_acked = 0;
    for (unsigned i = 0; i < p->bad_count; i++) {
        p->bad_acked += p->bad[i].seq <= acked;
    }
}

// Counts one claim: what its owner acknowledged, and, if the claim is above the
// newest generation, a claimant that crashed before it adopted (R6).
static void ckpt__count_claim(ckpt__facts *f, uint64_t epoch,
                              const ckpt_life *life)
{
    f->acked = life->acked > f->acked ? life->acked : f->acked;
    f->died += epoch > f->epoch && life->beat_ms != 0 && !life->gave_up;
}

// Counts the claims from the highest one, which p->life describes, down to that
// of the newest generation. Claimants that gave up did not crash, so there may
// be more than CKPT_CLAIMS_MAX claims. The loop has a bound all the same, but
// what the owner of the newest generation acknowledged is always read.
CKPT__APART static ckpt_code ckpt__count_claims(ckpt__place *p)
{
    ckpt__facts *f = &p->facts;
    const uint64_t most = 2 * CKPT_CLAIMS_MAX;
    uint64_t epoch = f->highest;
    ckpt_life life;
    f->acked = 0;
    f->died = 0;
    ckpt__count_claim(f, epoch, &p->life);
    while (epoch > 1 && epoch > f->epoch &&
           (f->highest - epoch < most || f->epoch > 0)) {
        epoch = f->highest - epoch < most ? epoch - 1 : f->epoch;
        CKPT__TRY(ckpt__store_alive(p, epoch, p->life.now_ms, &life));
        ckpt__count_claim(f, epoch, &life);
    }
    ckpt__count_bad(p, f->acked);
    return CKPT_OK;
}

// Whether a beat in the future has not changed for a lease on our own clock
// (R7). Eight runs are watched at a time.
CKPT__APART static bool ckpt__watch_beat(ckpt__ctx *ctx, const char *id,
                                         uint64_t epoch, int64_t beat_ms)
{
    const uint64_t claim[2] = { epoch, (uint64_t)beat_ms };
    const uint64_t beat = ckpt__hash(ckpt__hash_text(id, CKPT__AS_ID), claim,
                                     sizeof(claim));
    const int64_t lease_ms = ctx->desc.lease_ms;
    ckpt__watch *oldest = &ctx->watch[0];
    ckpt_moment now;
    if (ckpt__store_clock(ctx->desc.store, NULL, &now, &ctx->place.error) !=
        CKPT_OK) {
        return false;
    }
    for (size_t i = 0; i < sizeof(ctx->watch) / sizeof(ctx->watch[0]); i++) {
        ckpt__watch *w = &ctx->watch[i];
        if (w->beat == beat) return now.mono_ms - w->since_ms >= lease_ms;
        oldest = w->since_ms < oldest->since_ms || w->beat == 0 ? w : oldest;
    }
    // The oldest watch keeps its slot for two leases: if every new beat took
    // it, no beat might be watched for a whole lease.
    if (oldest->beat == 0 || (now.mono_ms - oldest->since_ms) / 2 >= lease_ms) {
        oldest->beat = beat;
        oldest->since_ms = now.mono_ms;
    }
    return false;
}

// Looks at the highest claim, and at its owner; and at the generations of
// epochs up to epoch_max. now_ms as in ckpt__store_alive().
static ckpt_code ckpt__observe_owner(ckpt__place *p, uint64_t epoch_max,
                                     int64_t now_ms)
{
    ckpt__facts *f = &p->facts;
    CKPT__TRY(ckpt__store_look(p, epoch_max));
    f->highest = p->look.epoch;
    CKPT__TRY(ckpt__store_alive(p, f->highest, now_ms, &p->life));
    f->verdict = p->life.verdict;
    f->age_ms = p->life.now_ms - p->life.beat_ms;
    f->unchanged_ms = p->life.unchanged_ms;
    return CKPT_OK;
}

// Looks at the claims once, and judges the run.
static ckpt_code ckpt__observe_once(ckpt__ctx *ctx, ckpt__place *p,
                                    const char *id, const ckpt__into *into)
{
    ckpt__facts *f = &p->facts;
    CKPT__TRY(ckpt__observe_owner(p, 0, into->front ? p->life.now_ms : 0));
    f->watched = false;
    f->watched = f->age_ms < 0 && f->verdict != CKPT_LIFE_LIVE &&
        !ckpt__is_gone(f, &ctx->desc) &&
        ckpt__watch_beat(ctx, id, f->highest, p->life.beat_ms);
    f->judged = ckpt__judge(p, id, CKPT_TURN_MAX, into);
    return CKPT_OK;
}

#ifndef CKPT_NO_SUPERVISING

// Whether the head of the other generation of a quick look is older than the
// record. A generation with a damaged head takes the place of no whole one.
static bool ckpt__is_older(ckpt__place *p, const ckpt__record *rec)
{
    const ckpt_gen judged = p->gen;
    size_t got = 0;
    p->gen = p->look.gens[1];
    const ckpt_code rc = ckpt__store_read(p, 0, p->window, CKPT__HEAD_SIZE,
                                          &got);
    ckpt__store_read_end(p);
    p->gen = judged;
    if (rc != CKPT_OK || got < CKPT__HEAD_SIZE) return rc == CKPT_OK;
    return ckpt__head_seq(p->by_op, (const char *)p->window) < rec->seq;
}

// Judges a run by one look, the front of one generation and the head of the
// other: most runs of a scan need no more. False if that leaves a question: the
// generation is damaged, or the other one may be newer. An owner that was
// killed before it exchanged the names, or whose machine lost its power after
// that, leaves its last save under the second name. Of a run that lives the
// save before the last is good enough.
CKPT__ONCE static bool ckpt__glance(ckpt__ctx *ctx, ckpt__place *p,
                                    const char *id, const ckpt__into *into)
{
    ckpt__facts *f = &p->facts;
    if (ckpt__observe_owner(p, CKPT_LOOK_QUICK, ctx->now_ms) != CKPT_OK ||
        p->life.beat_ms == 0 || p->look.count == 0) {
        return false;
    }
    p->gen = p->look.gens[0];
    p->newest = p->gen.epoch;
    p->bad_count = 0;
    f->judged = ckpt__judge_one(p, id, into);
    p->gen.seq = into->rec->seq;
    if (f->judged != CKPT_OK || p->gen.seq < p->life.acked) return false;
    if (f->verdict == CKPT_LIFE_LIVE) return true;
    return f->age_ms >= 0 &&                    // else it is to be watched
           (p->look.count == 1 || ckpt__is_older(p, into->rec));
}

#endif

// Whether the judgement can be believed: the owner was gone before it, and
// neither the highest claim nor the verdict has changed since.
static bool ckpt__is_still(const ckpt__ctx *ctx, ckpt__place *p)
{
    const ckpt__facts *f = &p->facts;
    return ckpt__is_gone(f, &ctx->desc) &&
           ckpt__store_look(p, 0) == CKPT_OK && p->look.epoch == f->highest &&
           ckpt__store_alive(p, f->highest, 0, &p->life) == CKPT_OK &&
           p->life.verdict == f->verdict;
}

// Judges a run as an observer, without a claim (R3), and fills in the facts. A
// run that changes meanwhile is read again, 8 times in all.
static ckpt_code ckpt__observe(ckpt__ctx *ctx, ckpt__place *p, const char *id,
                               const ckpt__into *into)
{
    ckpt__facts *f = &p->facts;
    const ckpt__record *rec = into->rec;
    memset(f, 0, sizeof(*f));
    bool known = false;
#ifndef CKPT_NO_SUPERVISING
    known = into->front && ckpt__glance(ctx, p, id, into);
#endif
    for (int tries = 0; tries < 8 && !known; tries++) {
        CKPT__TRY(ckpt__observe_once(ctx, p, id, into));
        if (f->judged != CKPT_ERR_STALE && f->judged != CKPT_ERR_DAMAGED &&
            f->judged != CKPT_ERR_NOT_FOUND) {
            break;
        }
        // A run that is being changed can look damaged or empty: look again.
        if (f->judged != CKPT_ERR_STALE && ckpt__is_still(ctx, p)) break;
        f->judged = CKPT_ERR_STALE;
    }
    f->epoch = p->newest;
    if (f->judged == CKPT_OK) {
        f->epoch = rec->epoch;
        f->outcome = rec->outcome;
        f->attempt = rec->attempt;
        f->held = rec->section[CKPT__HELD].count > 0;
        f->lost = ckpt__is_lost(rec);
    }
    return ckpt__count_claims(p);
}

//--- Publishing ---------------------------------------------------------------

// There is one way to write. A call plans what changes, and ckpt__publish()
// emits the new record from the old one and the plan. The tables follow only
// when the store says that the new generation stands.

// Reads the clocks. Fails in a forked child, which does not hold the run.
static ckpt_code ckpt__now(ckpt__run *run, ckpt_moment *now)
{
    ckpt__place *p = &run->place;
    ckpt_store *s = run->ctx->desc.store;
    // A degraded run has no place in the store, but needs the clocks.
    return ckpt__store_clock(s, s == p->store ? p->memory : NULL, now,
                             &p->error);
}

// Copies what the caller may read from the record to the public run.
static void ckpt__mirror(ckpt__run *run)
{
    const ckpt__record *rec = &run->record;
    ckpt_run *view = run->view;
    view->seq = rec->seq;
    view->turn = rec->turn;
    view->turn_max = rec->turn_max;
    view->attempt = rec->attempt;
    view->messages = rec->section[CKPT__MESSAGES].count;
    memcpy(view->birth, rec->birth, sizeof(view->birth));
    view->checkpoint_size = rec->length;
}

// Begins a plan that changes nothing.
static ckpt__plan *ckpt__plan_begin(ckpt__run *run)
{
    ckpt__plan *plan = &run->plan;
    memset(plan, 0, sizeof(*plan));
    plan->old = &run->record;
    plan->tables = &run->tables;
    plan->now = &run->next;
    plan->keep = run->record.section[CKPT__MESSAGES];
    run->next = run->record;
    run->next.epoch = run->epoch;
    run->next.outcome = CKPT_RUNNING;
    run->next.attempt = run->attempt;
    run->next.missing = run->missing;
    run->next.lost = false;
    return plan;
}

// Begins the plan of a first generation.
static void ckpt__plan_first(ckpt__run *run, const ckpt_meta *meta)
{
    ckpt__plan *plan = ckpt__plan_begin(run);
    plan->begin = meta;
    plan->id = run->view->id;
    plan->set_reason = true;
    plan->state = ckpt_text("{}");
    plan->state_now.size = 2;
    plan->state_now.crc = ckpt_crc32c(0, "{}", 2);
    memcpy(run->next.birth, run->view->birth, sizeof(run->next.birth));
}

// Looks whether our claim still stands (R4). Until a look succeeds the owner
// writes nothing; a claim that is lost stays lost.
static ckpt_code ckpt__look_mine(ckpt__run *run)
{
    ckpt__place *p = &run->place;
    run->doubts |= CKPT__DOUBT_CLAIM;
    CKPT__TRY(ckpt__store_look(p, 0));
    run->doubts &= ~(uint32_t)CKPT__DOUBT_CLAIM;
    if (p->look.epoch <= run->epoch && p->look.mine) return CKPT_OK;
    return CKPT_ERR_CLAIM_LOST;
}

// Remembers that the claim is lost, if that is what rc says.
CKPT__ONCE static ckpt_code ckpt__lose(ckpt__run *run, ckpt_code rc)
{
    if (rc == CKPT_ERR_CLAIM_LOST) {
        // An owner that has ended the run may go on removing it.
        run->stage = run->stage == CKPT__ENDED ? CKPT__ENDED : CKPT__LOST;
        ckpt__tell(run, CKPT_EVENT_CLAIM_LOST, NULL);
    }
    return rc;
}

// Ends a public call on a run. If the generation that the call has read was
// replaced or removed meanwhile, in most cases by a later owner, the caller
// hears so, and else that the call can be made again.
static ckpt_code ckpt__leave(ckpt__run *run, ckpt_code rc)
{
    if (rc == CKPT_ERR_STALE &&
        ckpt__lose(run, ckpt__look_mine(run)) == CKPT_ERR_CLAIM_LOST) {
        rc = ckpt__run_result(run, CKPT_ERR_CLAIM_LOST);
    }
    run->busy = false;
    return rc;
}

// The look that every write needs (R4), unless the store refuses late writes.
static ckpt_code ckpt__fence(ckpt__run *run)
{
    return run->place.store->caps & CKPT_CAP_FENCED_WRITE ?
        CKPT_OK : ckpt__look_mine(run);
}

// Sets aside what the last judgement found damaged.
static ckpt_code ckpt__set_aside(ckpt__run *run)
{
    ckpt__place *p = &run->place;
    for (; p->bad_count > 0; p->bad_count--) {
        CKPT__TRY(ckpt__store_set_aside(p, &p->bad[p->bad_count - 1]));
        ckpt__tell(run, CKPT_EVENT_SET_ASIDE, NULL);
    }
    return CKPT_OK;
}

// Whether saves after run->record are missing: damaged or gone. If so, a tool
// may have run for an effect that no record knows. Each of those saves may have
// begun effects in one more turn, so effects are doubted in as many higher
// turns as saves are missing; the record says so to later claimants, too. What
// was missing when this was last said is not counted again.
static bool ckpt__miss_effects(ckpt__run *run, uint64_t acked)
{
    const ckpt__record *rec = &run->record;
    const uint64_t seq = rec->seq, bad = run->place.bad_acked;
    const uint64_t from = acked < run->seq_told ? acked : run->seq_told;
    const uint64_t lost = from > seq ? from - seq : 0;
    uint64_t n = lost > bad ? lost : bad;
    if (n == 0 || run->seq_told <= seq) return false;
    n += run->missing > 0 ? run->missing : 1;
    run->missing = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
    run->turn_missing = rec->turn_max + 1;
    run->seq_told = seq;
    return true;
}

// Reads the newest whole generation under our claim into the tables.
static ckpt_code ckpt__rejudge(ckpt__run *run)
{
    const ckpt__into into = { &run->record, &run->found, &run->tables, NULL,
                              false };
    run->doubts |= CKPT__DOUBT_RECORD;          // until this has succeeded
    CKPT__TRY(ckpt__judge(&run->place, run->view->id, run->epoch, &into));
    ckpt__count_bad(&run->place, run->seq_acked);
    const bool missed = ckpt__miss_effects(run, run->seq_acked);
    if (missed) {
        run->view->older = true;
        run->doubts |= CKPT__DOUBT_CALLER;
        run->end_again = false;                 // what it ended may be gone
        run->end_id[0] = '\0';
    }
    if (run->record.epoch == run->epoch &&
        run->record.outcome != CKPT_INTERRUPTED) {
        run->attempt = run->record.attempt;     // progress may stand unsurely
    }
    // A damaged generation was read over the tables, and its entries are not
    // those to which the marks belong: an effect without a mark may have one.
    for (uint32_t i = 0; i < CKPT_EFFECTS_MAX; i++) {
        uint8_t *told = &run->tables.effects[i].told;
        if (missed || (run->place.bad_count > 0 && *told < CKPT__TOLD)) {
            *told = CKPT__TOLD_UNKNOWN;
        }
    }
    run->published = run->record.epoch == run->epoch;
    run->tables.known = run->record.section[CKPT__EFFECTS].count;
    // A phase that only the missing saves had is to be done again.
    if (run->phases_adopted > run->record.section[CKPT__PHASES].count) {
        run->phases_adopted = run->record.section[CKPT__PHASES].count;
    }
    ckpt__mirror(run);
    // Set them aside now, also those that no save acknowledged: the next save
    // would keep a damaged one as the one before it, and drop the good one.
    CKPT__TRY(ckpt__set_aside(run));
    run->doubts &= ~(uint32_t)CKPT__DOUBT_RECORD;
    return CKPT_OK;
}

// Checks that a call may work on the run: the run is open and ours, and we know
// which generation stands.
static ckpt_code ckpt__ready(ckpt__run *run)
{
    ckpt_moment now;
    memset(&run->place.error, 0, sizeof(run->place.error));
    if (run->stage == CKPT__OVER) return CKPT_FINISHED;
    if (run->stage == CKPT__CLOSED) return CKPT_ERR_CLOSED;
    if (run->stage == CKPT__LOST) return CKPT_ERR_CLAIM_LOST;
    CKPT__TRY(ckpt__now(run, &now));            // refuses a forked child
    if (run->handed == CKPT__HANDED_DAMAGED) return CKPT_ERR_DAMAGED;
    if (run->doubts & CKPT__DOUBT_CLAIM) {
        CKPT__TRY(ckpt__lose(run, ckpt__fence(run)));
    }
    // Of an empty run nothing stands that could be judged.
    if (!(run->doubts & CKPT__DOUBT_RECORD) || run->stage == CKPT__EMPTY) {
        return CKPT_OK;
    }
    const ckpt_code rc = ckpt__rejudge(run);
    if (rc == CKPT_ERR_NOT_FOUND) {             // a later owner removed it
        CKPT__TRY(ckpt__lose(run, ckpt__look_mine(run)));
    }
    return rc;
}

// The entry that the plan writes, as it stands in the new generation. old is
// the effect that ends, or NULL.
CKPT__ONCE static void ckpt__apply_entry(const ckpt__plan *plan,
                                         const ckpt__entry *old, ckpt__entry *e)
{
    ckpt__entry entry = {
        ckpt__hash_text(plan->name, CKPT__AS_TEXT), plan->now->turn,
        plan->now->epoch, plan->entry.size, plan->entry.crc,
        plan->value_now.size, old != NULL, CKPT__TOLD_NOTHING
    };
    if (old != NULL) {
        entry.turn = old->turn;
        entry.epoch = old->epoch;
        entry.told = old->told;
    } else if (plan->list == CKPT__HELD) {
        entry.turn = (uint64_t)plan->steps;
    }
    *e = entry;
}

// Brings the tables up to date with the generation that now stands.
CKPT__APART static void ckpt__apply(ckpt__run *run)
{
    const ckpt__plan *plan = &run->plan;
    ckpt__tables *tables = &run->tables;
    CKPT_ASSERT(plan->old == &run->record && plan->now == &run->next);
    for (uint32_t list = CKPT__EFFECTS; list <= CKPT__HELD; list++) {
        const uint32_t n = run->record.section[list].count;
        const uint32_t all = ckpt__entry_count(plan, list);
        ckpt__entry *e = ckpt__entries(tables, list);
        for (uint32_t i = 0, k = 0; i < all; i++) {
            const ckpt__fate fate = ckpt__entry_fate(plan, list, i);
            if (fate == CKPT__WRITE) {
                ckpt__apply_entry(plan, i < n ? &e[i] : NULL, &e[k++]);
            } else if (fate == CKPT__KEEP) {
                e[k++] = e[i];
            }
        }
    }
    if (plan->list == CKPT__PHASES) {
        tables->phases[plan->at] = ckpt__hash_text(plan->name, CKPT__AS_TEXT);
    }
    run->record = run->next;
    if (run->record.outcome != CKPT_INTERRUPTED) {
        run->attempt = run->record.attempt;     // not what was given back
    }
    if (run->missing > run->record.missing && run->record.missing > 0) {
        run->turn_missing = run->record.turn + 1;
    }
    run->missing = run->record.missing;
    tables->known = run->record.section[CKPT__EFFECTS].count;
    ckpt__mirror(run);
}

// Gives the composed record to the store and publishes it.
static ckpt_code ckpt__write(ckpt__run *run, uint32_t crc)
{
    ckpt__place *p = &run->place;
    ckpt_gen gen = { run->epoch, run->next.seq, 0 };
    CKPT__TRY(ckpt__record_write(p, &run->plan, crc));
    const ckpt_code rc = ckpt__store_publish(p, &gen);
    if (rc == CKPT_OK || rc == CKPT_ERR_NOT_DURABLE) {
        p->gen = gen;
    }
    return rc;
}

// Removes claims and generations that are not needed any more; a run that is
// resumed for ever would pile them up. After the adopt all below the adopted
// generation go; the adopted generation stays as the one before ours. Once two
// generations of this epoch stand, all of lower epochs go. No save fails by
// this: the next save tries again.
static void ckpt__drop_older(ckpt__run *run)
{
    const bool two = run->published >= 2;
    const ckpt_gen below = { two ? run->epoch : run->adopted, 0, 0 };
    if (run->older_remain && below.epoch > 1) {
        CKPT_ASSERT(below.epoch <= run->epoch);
        const ckpt_code rc = ckpt__store_drop(&run->place, &below,
                                              CKPT_DROP_OLDER);
        run->older_remain = !two || rc != CKPT_OK;
    }
}

// Beats, with what was acknowledged, and tells of a failure.
static ckpt_code ckpt__beat_told(ckpt__run *run)
{
    ckpt__place *p = &run->place;
    const ckpt_code rc = ckpt__store_beat(p, run->seq_acked);
    if (rc != CKPT_OK) {
        (void)ckpt__fill_error(&p->error, rc);
        ckpt__tell(run, CKPT_EVENT_BEAT_FAILED, &p->error);
    }
    return rc;
}

// Publishes what the plan makes of the newest generation: write, look, and
// only then acknowledge (R4).
static ckpt_code ckpt__publish(ckpt__run *run, int64_t wall_ms)
{
    ckpt__place *p = &run->place;
    CKPT_ASSERT(run->stage < CKPT__LOST);
    const uint32_t crc = ckpt__compose(p, &run->plan, wall_ms);
    if (run->next.length > p->size_max || run->seq_tried >= CKPT_TURN_MAX) {
        return CKPT_ERR_TOO_LARGE;
    }
    run->next.seq = ++run->seq_tried;           // a failed save may stand, too
    const ckpt_code rc = ckpt__write(run, crc);
    if (rc == CKPT_OK || rc == CKPT_ERR_NOT_DURABLE) {
        run->published++;
        ckpt__apply(run);
    } else if (rc == CKPT_ERR_UNSURE || rc == CKPT_ERR_DAMAGED) {
        run->doubts |= CKPT__DOUBT_RECORD;      // judge before the next save
    }
    const ckpt_error said = p->error;           // the look overwrites it
    const ckpt_code fence = ckpt__fence(run);
    if (fence == CKPT_ERR_CLAIM_LOST || rc == CKPT_ERR_CLAIM_LOST) {
        return ckpt__lose(run, CKPT_ERR_CLAIM_LOST);
    }
    if (rc != CKPT_OK) {
        p->error = said;
        return rc;
    }
    if (fence != CKPT_OK) {
        return CKPT_ERR_UNSURE;                 // it stands, but is it ours?
    }
    // The beat tells a later claimant what was acknowledged, and so whether
    // that is missing (R1). It is best effort: no save fails by it.
    run->seq_acked = run->next.seq;
    run->seq_told = UINT64_MAX;
    (void)ckpt__beat_told(run);
    ckpt__drop_older(run);
    memset(&p->error, 0, sizeof(p->error));
    return CKPT_OK;
}

// Publishes the plan now.
static ckpt_code ckpt__publish_now(ckpt__run *run)
{
    ckpt_moment now;
    CKPT__TRY(ckpt__now(run, &now));
    return ckpt__publish(run, now.wall_ms);
}

// Beats, if the last beat is old enough.
static ckpt_code ckpt__touch(ckpt__run *run, int64_t mono_ms)
{
    if (run->beat_ms >= 0 &&
        mono_ms - run->beat_ms < run->ctx->desc.beat_ms) {
        return CKPT_SKIPPED;
    }
    CKPT__TRY(ckpt__beat_told(run));
    run->view->beats++;
    run->beat_ms = mono_ms;
    ckpt__tell(run, CKPT_EVENT_BEAT, NULL);
    return CKPT_OK;
}

// Ends a save that failed, or that was refused before anything was written.
static ckpt_code ckpt__save_failed(ckpt__run *run, ckpt_code rc)
{
    rc = ckpt__run_result(run, rc);
    if (rc < 0 && ckpt__is_open(run)) {         // a closed one has no context
        run->view->failed++;
        ckpt__tell(run, CKPT_EVENT_SAVE_FAILED, &run->view->error);
    }
    return rc;
}

// Publishes for a public call: counts it, advances the throttle (R9), reports.
static ckpt_code ckpt__save_planned(ckpt__run *run)
{
    ckpt_moment now;
    ckpt_code rc = ckpt__now(run, &now);
    if (rc == CKPT_OK) {
        rc = ckpt__publish(run, now.wall_ms);
    }
    if (rc != CKPT_OK) return ckpt__save_failed(run, rc);
    run->view->saves++;
    run->view->older = false;
    run->unread_messages = run->unread_messages &&      // else they are ours
                           run->plan.messages.ptr == NULL;
    run->unread_state = run->unread_state && run->plan.state.ptr == NULL;
    if (now.mono_ms > run->saved_ms) {
        run->saved_ms = now.mono_ms;            // as sampled before the write
    }
    ckpt__tell(run, CKPT_EVENT_SAVED, NULL);
    (void)ckpt__touch(run, now.mono_ms);        // a sign of life, too
    return CKPT_OK;
}

// Ends a public call that saves: rc is what became of its plan. again is the
// mark of a change that was not acknowledged yet, or NULL.
static ckpt_code ckpt__save_end(ckpt__run *run, ckpt_code rc, bool *again)
{
    rc = rc == CKPT_OK ? ckpt__save_planned(run) : ckpt__save_failed(run, rc);
    if (rc == CKPT_OK && again != NULL) {
        *again = false;
    }
    return rc;
}

//--- Planning -----------------------------------------------------------------

// What a caller gives becomes part of a plan, once it was checked.

// Reads on to the end of a piece of the newest generation that begins at from,
// and compares the piece with its sum: otherwise what was damaged on the medium
// would be handed out, or saved again under a good sum (R1).
static ckpt_code ckpt__read_whole(ckpt__run *run, uint32_t from,
                                  const ckpt__section *is)
{
    ckpt__reader *r = &run->place.reader;
    while (ckpt__pos(r) < from + is->size && ckpt__peek(r) >= 0) {
        r->at++;
    }
    ckpt__section_end(r, NULL);
    ckpt__store_read_end(&run->place);
    if (r->rc != CKPT_OK && r->rc != CKPT_ERR_DAMAGED &&
        !ckpt__is_syntax(r->rc)) {
        return r->rc;
    }
    if (r->all.size != is->size || r->all.crc != is->crc) {
        run->doubts |= CKPT__DOUBT_RECORD;
        return CKPT_ERR_DAMAGED;
    }
    return CKPT_OK;
}

// Keeps the first n messages. All of them are read.
static ckpt_code ckpt__plan_first_messages(ckpt__run *run, uint32_t n)
{
    const ckpt__section *old = &run->record.section[CKPT__MESSAGES];
    const uint32_t from = ckpt__section_at(&run->record, CKPT__MESSAGES);
    ckpt__section *keep = &run->plan.keep;
    ckpt__reader *r = &run->place.reader;
    ckpt__reader_store(r, &run->place, from);
    ckpt__take_elements(r, n, keep);
    ckpt__section_end(r, keep);
    keep->count = n;
    return ckpt__read_whole(run, from, old);
}

// Whether the caller's messages begin with all that the newest generation has,
// byte for byte as it stands in the store: what was once saved is not trusted
// to be the same. *at becomes where the rest of them begins.
CKPT__APART static bool ckpt__messages_stay(ckpt__run *run, ckpt_bytes messages,
                                            size_t *at)
{
    ckpt__place *p = &run->place;
    const uint32_t from = ckpt__section_at(&run->record, CKPT__MESSAGES);
    const uint32_t size = run->record.section[CKPT__MESSAGES].size;
    ckpt__reader r;
    ckpt__reader_memory(&r, messages);
    ckpt__take_space(&r);
    ckpt__take_byte(&r, '[');
    bool same = r.rc == CKPT_OK && (size_t)(r.end - r.at) > size;
    for (uint32_t done = 0; same && done < size; ) {
        const size_t left = size - done, most = sizeof(p->window);
        const size_t n = left < most ? left : most;
        size_t got;
        same = ckpt__store_read(p, from + done, p->window, n, &got) ==
                   CKPT_OK &&
               got == n && memcmp(p->window, r.at, n) == 0;
        r.at += n;
        done += (uint32_t)n;
    }
    ckpt__store_read_end(p);
    *at = ckpt__pos(&r);
    return same && (*r.at == ',' || *r.at == ']');
}

// Checks the caller's messages, a JSON array, and strips its brackets. With at
// above 0 those before at stand already.
CKPT__APART static ckpt_code ckpt__messages_check(ckpt__run *run,
                                                  ckpt_bytes messages,
                                                  size_t at)
{
    ckpt__plan *plan = &run->plan;
    ckpt_error *err = &run->place.error;
    ckpt__reader r;
    ckpt__reader_memory(&r, messages);
    r.by_op = run->place.by_op;
    r.at += at;
    if (at == 0) {
        ckpt__take_space(&r);
        ckpt__take_byte(&r, '[');
    }
    const bool more = at > 0 && ckpt__take_if(&r, ',');
    r.mark = r.at;
    plan->messages.ptr = r.at;
    if (more) {
        ckpt__take_space(&r);
        ckpt__need(&r, ckpt__peek(&r) != ']', CKPT_ERR_JSON);
    }
    ckpt__take_elements(&r, UINT32_MAX, &plan->add);
    ckpt__section_end(&r, &plan->add);
    ckpt__take_byte(&r, ']');
    ckpt__take_end(&r);
    err->op = "read .messages";
    err->pos = ckpt__fault_pos(&r);
    return r.rc;
}

// Adds the caller's messages to the plan, and says what of the old ones stays.
// All of the messages are given again each time by a caller who does not use
// .append_at, and then mostly begin as those that are saved.
static ckpt_code ckpt__plan_messages(ckpt__run *run, const ckpt_save_desc *d)
{
    ckpt__plan *plan = &run->plan;
    const uint32_t saved = run->record.section[CKPT__MESSAGES].count;
    size_t at = 0;
    if (d->append_at == 0 && saved > 0 &&
        ckpt__messages_stay(run, d->messages, &at)) {
        return ckpt__messages_check(run, d->messages, at);
    }
    CKPT__TRY(ckpt__messages_check(run, d->messages, 0));
    if (d->append_at > saved) return CKPT_ERR_GAP;
    if (d->append_at == saved) return CKPT_OK;
    memset(&plan->keep, 0, sizeof(plan->keep));
    if (d->append_at > 0 && !ckpt__is_none(run->place.store)) {
        return ckpt__plan_first_messages(run, (uint32_t)d->append_at);
    }
    plan->keep.count = (uint32_t)d->append_at;
    return CKPT_OK;
}

// Adds a save to the plan. d may be NULL.
static ckpt_code ckpt__plan_save(ckpt__run *run, const ckpt_save_desc *d)
{
    ckpt__plan *plan = &run->plan;
    ckpt_error *err = &run->place.error;
    const uint32_t size_max = run->place.size_max;
    if (d == NULL) return CKPT_OK;
    if (d->messages.len > size_max || d->state.len > size_max) {
        return CKPT_ERR_TOO_LARGE;
    }
    err->op = "read .turn";
    if (d->turn > CKPT_TURN_MAX) return CKPT_ERR_ARGUMENT;
    err->op = "read .append_at";
    if (d->append_at > 0 && d->messages.ptr == NULL) return CKPT_ERR_ARGUMENT;
    err->op = "save over what was not loaded";
    if (((run->unread_messages && d->messages.ptr != NULL) ||
         (run->unread_state && d->state.ptr != NULL)) && !d->anew) {
        return CKPT_ERR_NOT_LOADED;
    }
    plan->now->turn = d->turn;
    plan->drop_ended = d->messages.ptr != NULL || d->state.ptr != NULL;
    plan->now->attempt = ckpt__next_attempt(plan->now->attempt,
                                            d->turn > run->turn_adopted,
                                            CKPT_RUNNING);
    if (d->messages.ptr != NULL) {
        CKPT__TRY(ckpt__plan_messages(run, d));
    }
    if (d->state.ptr != NULL) {
        plan->state = d->state;
        err->op = "read .state";
        CKPT__TRY(ckpt__value_check(&plan->state, '{', run->place.by_op,
                                    &plan->state_now, err));
    }
    memset(err, 0, sizeof(*err));
    return CKPT_OK;
}

// Adds to the plan what becomes of the entry of that name.
static void ckpt__plan_entry(ckpt__run *run, uint32_t list, uint32_t at,
                             ckpt__fate fate, const char *name)
{
    CKPT_ASSERT(at <= run->record.section[list].count);
    run->plan.list = list;
    run->plan.at = at;
    run->plan.fate = fate;
    run->plan.name = name;
}

// Adds a value of the caller's to the plan, null if there is none. op names it.
static ckpt_code ckpt__plan_value(ckpt__run *run, ckpt_bytes value,
                                  const char *op)
{
    ckpt__plan *plan = &run->plan;
    ckpt_error *err = &run->place.error;
    plan->value = value.ptr != NULL ? value : ckpt_text("null");
    if (plan->value.len > run->place.size_max) return CKPT_ERR_TOO_LARGE;
    err->op = op;
    CKPT__TRY(ckpt__value_check(&plan->value, 0, run->place.by_op,
                                &plan->value_now, err));
    err->op = "";
    return CKPT_OK;
}

// Adds a text to the plan as a value. A dry run measures what it becomes.
static ckpt_code ckpt__plan_text(ckpt__run *run, ckpt_bytes text)
{
    ckpt__plan *plan = &run->plan;
    if (text.len > run->place.size_max) return CKPT_ERR_TOO_LARGE;
    plan->value = text;
    plan->is_text = true;
    ckpt__writer *w = ckpt__writer_begin(&run->place, true);
    ckpt__emit_value(w, "", plan);
    plan->value_now = w->all;
    return CKPT_OK;
}

// Begins a save of any kind: checks the run, and plans what the caller gave.
static ckpt_code ckpt__save_begin(ckpt__run *run, const ckpt_save_desc *desc)
{
    CKPT__TRY(ckpt__ready(run));
    if (run->stage > CKPT__LOST) return CKPT_FINISHED;
    if (run->doubts & CKPT__DOUBT_CALLER) return CKPT_ERR_DAMAGED;
    (void)ckpt__plan_begin(run);
    return ckpt__plan_save(run, desc);
}

//--- Claiming -----------------------------------------------------------------

static bool ckpt__is_id(const char *id)
{
    const size_t n = id != NULL ? strlen(id) : 0;
    return n > 0 && n <= CKPT_ID_MAX;
}

// Keeps an id in the context: the caller's may lie in a run or an info that the
// call clears. False: it is no id.
static bool ckpt__keep_id(ckpt__ctx *ctx, const char *id)
{
    const bool is_id = ckpt__is_id(id);
    if (is_id) {
        memmove(ctx->id, id, strlen(id) + 1);
    }
    return is_id;
}

static ckpt_code ckpt__run_init(ckpt__ctx *ctx, ckpt__run *run, const char *id)
{
    ckpt_run *view = run->view;
    const bool is_id = ckpt__keep_id(ctx, id);
    memset(view, 0, sizeof(*view));
    run->view = view;
    run->ctx = ctx;
    run->saved_ms = run->beat_ms = -1;
    run->seq_told = UINT64_MAX;
    run->place.by_op = ctx->place.by_op;
    run->place.error.op = "read the run id";
    if (!is_id) return CKPT_ERR_ARGUMENT;
    memcpy(view->id, ctx->id, sizeof(view->id));
    view->durable = true;
    return CKPT_OK;
}

// Makes the claim of an epoch.
static ckpt_code ckpt__make_claim(ckpt__run *run, uint64_t epoch)
{
    run->epoch = run->view->epoch = epoch;
    return ckpt__store_claim(&run->place, epoch, run->ctx->desc.owner,
                             run->view->birth);
}

// Ends a call that was to open a run. On success the run is open. If its work
// is finished, the run is closed and remembers that. Otherwise it is zeroed,
// and the context has the error. A run that was replaced meanwhile is BUSY: the
// caller asks again, and finds the new one. A claim that is lost at once is one
// that another claimant has made first, or above ours.
static ckpt_code ckpt__open_result(ckpt__ctx *ctx, ckpt__run *run,
                                   ckpt_code rc)
{
    ckpt_run *view = run->view;
    if (rc == CKPT_OK) {
        run->stage = CKPT__OPEN;
        view->open = true;
        return rc;
    }
    // Who was quicker than this claimant is not known.
    const bool known = rc == CKPT_ERR_LIVE || rc == CKPT_ERR_BUSY;
    rc = rc == CKPT_ERR_STALE ? CKPT_ERR_BUSY : rc;
    rc = rc == CKPT_ERR_CLAIM_LOST ? CKPT_ERR_LIVE : rc;
    ctx->place.error = run->place.error;
    memcpy(ctx->id, view->id, sizeof(ctx->id));
    if (known && run->place.life.owner[0] != '\0') {
        ctx->place.life = run->place.life;
        ctx->place.error.owner = ctx->place.life.owner;
    }
    memset(view, 0, sizeof(*view));
    if (rc == CKPT_FINISHED) {
        memcpy(view->id, ctx->id, sizeof(view->id));
        run->stage = CKPT__OVER;
    }
    return ckpt__ctx_result(ctx, rc);
}

// Checks the metadata, which is written once, before anything is written.
static ckpt_code ckpt__meta_check(const ckpt_meta *meta, size_t size_max,
                                  ckpt_error *err)
{
    for (uint32_t i = 0; i < CKPT__META_COUNT; i++) {
        const char *text = ckpt__meta_text(meta, i);
        const size_t n = text != NULL ? strlen(text) : 0;
        err->op = ckpt__meta_key(i);
        if (n > size_max) return CKPT_ERR_TOO_LARGE;
        CKPT__TRY(ckpt__utf8_check(text, n, err));
    }
    return CKPT_OK;
}

// Claims the run that was made aside, and publishes its first generation, which
// shows the run under its name (R5).
static ckpt_code ckpt__begin_aside(ckpt__run *run, const ckpt_run_desc *desc)
{
    CKPT__TRY(ckpt__make_claim(run, 1));
    ckpt__plan_first(run, &desc->meta);
    run->next.once = desc->once;
    return ckpt__publish_now(run);
}

// Makes a new run.
static ckpt_code ckpt__begin(ckpt__ctx *ctx, ckpt__run *run,
                             const ckpt_run_desc *desc)
{
    const ckpt_desc *d = &ctx->desc;
    (void)ckpt__run_init(ctx, run, desc->id);   // its id was checked before
    // Escaped, a text can be six times as long, and there are ten.
    CKPT__TRY(ckpt__meta_check(&desc->meta, (size_t)d->size_max / 64,
                               &run->place.error));
    CKPT__TRY(ckpt__store_open(&run->place, d, desc->id, CKPT_HOW_NEW));
    const ckpt_code rc = ckpt__begin_aside(run, desc);
    if (rc != CKPT_OK) {
        ckpt__store_close(&run->place, false);
        return rc;
    }
    ckpt__tell(run, CKPT_EVENT_BEGUN, NULL);
    return CKPT_OK;
}

// Removes a run under our claim. Its newest generation, if it has one, says how
// the run ended. Of a kept run that generation and the claim stay (R8).
CKPT__APART static ckpt_code ckpt__remove_run(ckpt__run *run,
                                              ckpt_outcome outcome,
                                              const ckpt_gen *gen)
{
    ckpt__place *p = &run->place;
    const bool kept = ckpt__is_kept(outcome);
    CKPT_ASSERT(gen == NULL || gen->epoch <= run->epoch);
    const ckpt_code rc = ckpt__store_drop(p, gen, kept ? CKPT_DROP_REST
                                                       : CKPT_DROP_ALL);
    if (rc != CKPT_OK) {
        (void)ckpt__fill_error(&p->error, rc);
        ckpt__tell(run, CKPT_EVENT_DELETE_FAILED, &p->error);
        return rc;
    }
    ckpt__tell(run, kept ? CKPT_EVENT_KEPT : CKPT_EVENT_DELETED, NULL);
    return CKPT_OK;
}

// Makes room on a full disk: removes all but gen, or, with NULL, all
// generations. The look comes first: an owner that lost its claim would remove
// what the next claimant is about to read (R4).
static ckpt_code ckpt__make_room(ckpt__run *run, const ckpt_gen *gen)
{
    CKPT__TRY(ckpt__lose(run, ckpt__look_mine(run)));
    return ckpt__store_drop(&run->place, gen, CKPT_DROP_REST);
}

// Removes all generations of a run that has no room for its outcome (R8). A
// claimant may have read the last one before that, so a second look says
// whether the run was ours to end (variant full-one-look in
// tests/proof/spin/ckpt.pml). If a step fails, a later call goes on here:
// nothing else is left to do.
static ckpt_code ckpt__end_empty(ckpt__run *run)
{
    CKPT__TRY(ckpt__make_room(run, NULL));
    return ckpt__lose(run, ckpt__look_mine(run));
}

// Publishes the outcome that ends a run, also on a full disk (R8). If there is
// no room at all, a run that is not to be kept goes without an outcome.
static ckpt_code ckpt__end(ckpt__run *run, ckpt_outcome outcome,
                           ckpt_code (*publish)(ckpt__run *run))
{
    CKPT_ASSERT(ckpt__is_end(outcome) && run->next.outcome == outcome);
    ckpt_code rc = publish(run);
    if (rc == CKPT_ERR_NO_SPACE) {
        CKPT__TRY(ckpt__make_room(run, &run->place.gen));
        rc = publish(run);
    }
    if (rc != CKPT_ERR_NO_SPACE || ckpt__is_kept(outcome)) return rc;
    run->record.outcome = outcome;
    run->stage = CKPT__EMPTY;
    return ckpt__end_empty(run);
}

// Plans to adopt a run: its newest generation again, under our own epoch, with
// this attempt and outcome.
static void ckpt__plan_adopt(ckpt__run *run, uint32_t attempt,
                             ckpt_outcome outcome)
{
    const uint64_t seq = run->record.seq, acked = run->place.facts.acked;
    run->view->resumed = true;
    run->missing = run->record.missing;
    if (run->missing > 0) {
        run->turn_missing = run->record.turn_max + 1;
    }
    // A claimant that crashed right after it adopted has told nobody.
    run->view->older = ckpt__miss_effects(run, acked) || run->record.lost;
    run->older_remain = true;
    run->adopted = run->record.epoch;
    run->seq_tried = acked > seq ? acked : seq;
    run->turn_adopted = run->record.turn_max;
    // An owner that crashed left no reason; clear the one of an earlier exit. A
    // full record has no room for a null in place of a shorter reason.
    ckpt__plan *plan = ckpt__plan_begin(run);
    plan->set_reason = run->record.outcome == CKPT_RUNNING;
    if (run->record.section[CKPT__REASON].size < 4) {
        plan->reason = ckpt_text("");
    }
    run->next.attempt = attempt;
    run->next.lost = run->view->older;
    run->next.outcome = outcome;
}

// Adopts a run: publishes its newest generation under our own epoch, before any
// work (R4). Then sets aside the damaged ones.
static ckpt_code ckpt__adopt(ckpt__run *run, uint32_t attempt,
                             ckpt_outcome outcome)
{
    CKPT_ASSERT(run->record.epoch < run->epoch && run->record.seq > 0);
    ckpt__plan_adopt(run, attempt, outcome);
    ckpt_code rc = ckpt__publish_now(run);
    if (rc == CKPT_ERR_NO_SPACE && run->adopted > 1) {
        // Claimants that crashed right after they adopted have not removed what
        // is older: we do that now.
        CKPT__TRY(ckpt__lose(run, ckpt__look_mine(run)));
        ckpt__drop_older(run);
        rc = ckpt__publish_now(run);
    }
    if (rc == CKPT_OK && run->place.bad_acked > 0) {
        // What cannot be set aside now is removed with the older ones.
        (void)ckpt__set_aside(run);
    }
    return rc;
}

// Concludes a judgement under our claim, after one more look: another claimant
// may have taken the run over meanwhile, and the judgement would be wrong (R4).
static ckpt_code ckpt__conclude(ckpt__run *run, ckpt_code judged)
{
    ckpt__place *p = &run->place;
    CKPT__TRY(ckpt__fence(run));
    // The claim of the owner before us counts, too.
    CKPT__TRY(ckpt__store_alive(p, p->facts.highest, 0, &p->life));
    p->facts.epoch = judged == CKPT_OK ? run->record.epoch : p->newest;
    return ckpt__count_claims(p);
}

// Judges a run under our claim. The claimant looks before it reads, too: an
// owner that finishes meanwhile removes the files of lower epochs, and we would
// call the run empty (R4).
static ckpt_code ckpt__judge_claimed(ckpt__run *run, ckpt_code *judged)
{
    ckpt__place *p = &run->place;
    const ckpt__into into = { &run->record, &run->found, &run->tables, NULL,
                              false };
    CKPT__TRY(ckpt__fence(run));
    for (int tries = 0; tries < 9; tries++) {   // an old owner may still write
        *judged = ckpt__judge(p, run->view->id, run->epoch, &into);
        if (*judged != CKPT_ERR_STALE) break;
    }
    const ckpt_error said = p->error;
    CKPT__TRY(ckpt__conclude(run, *judged));
    p->error = said;
    return CKPT_OK;
}

// Whether a run has changed since it was chosen to be pruned. A younger beat is
// a change, too: a higher claim may have been made since.
static bool ckpt__is_changed(const ckpt__run *run, const ckpt_run_info *info)
{
    const ckpt_life *life = &run->place.life;
    return run->record.epoch != info->epoch || run->record.seq != info->seq ||
           life->now_ms - life->beat_ms < info->beat_age_ms;
}

// Publishes an outcome under our own epoch, and removes the run (R8). What says
// so in an earlier epoch is published once more: the owner of that epoch may be
// paused, and give its file another name while the remover removes what stands
// under the old one; and the file may not be on the medium yet. (Variants
// removal-unpublished and swap-unpublished in tests/proof/spin/run.sh.)
static ckpt_code ckpt__end_and_remove(ckpt__run *run, ckpt_outcome outcome)
{
    ckpt__plan_adopt(run, run->record.attempt, outcome);
    const ckpt_code rc = ckpt__end(run, outcome, ckpt__publish_now);
    if (rc == CKPT_ERR_DAMAGED) return CKPT_ERR_BUSY;   // its owner removes it
    CKPT__TRY(rc);
    return ckpt__remove_run(run, outcome, &run->place.gen);
}

// Removes a run that was claimed for removal. It publishes an outcome first:
// otherwise a later claimant would hand out what is half removed.
static ckpt_code ckpt__take_to_remove(ckpt__run *run, ckpt_code judged,
                                      uint32_t purpose)
{
    const ckpt__record *rec = &run->record;
    const bool prunes = (purpose & CKPT__FOR_PRUNING) != 0;
    if (!prunes && (judged == CKPT_ERR_DAMAGED || judged == CKPT_ERR_FOREIGN)) {
        return ckpt__remove_run(run, CKPT_REMOVED, NULL);
    }
    CKPT__TRY(judged);
    if (prunes && ckpt__is_changed(run, &run->ctx->info)) return CKPT_ERR_BUSY;
    if (rec->section[CKPT__HELD].count > 0) return CKPT_ERR_HELD;
    return ckpt__end_and_remove(run, ckpt__is_final(rec->outcome) ?
                                     rec->outcome : CKPT_REMOVED);
}

// Finishes the removal of a run (R8). For the caller there was no such run,
// unless its work was completed.
static ckpt_code ckpt__take_half_removed(ckpt__run *run, uint32_t purpose)
{
    const ckpt_outcome outcome = run->record.outcome;
    const ckpt_code rc = ckpt__end_and_remove(run, outcome);
    if (outcome == CKPT_COMPLETED &&            // its work is done in any case
        (rc == CKPT_OK ||
         !(purpose & (CKPT__FOR_BEGIN | CKPT__FOR_FALLBACK)))) {
        return CKPT_FINISHED;
    }
    return rc == CKPT_OK ? CKPT_ERR_NOT_FOUND : rc;
}

// Gives a run its attempts back, and lets it go. Checks the record again: since
// the run was observed, another process may have retried or resumed it.
static ckpt_code ckpt__take_to_retry(ckpt__run *run)
{
    const ckpt__record *rec = &run->record;
    if (rec->outcome == CKPT_DONE) return CKPT_FINISHED;
    if (ckpt__is_lost(rec)) return CKPT_ERR_DAMAGED;
    if (rec->outcome != CKPT_DEAD &&
        run->place.facts.died <= CKPT_CLAIMS_MAX &&
        !ckpt__is_exhausted(rec->attempt, run->ctx->desc.resume_max)) {
        return CKPT_ERR_EXISTS;
    }
    return ckpt__adopt(run, 0, CKPT_INTERRUPTED);
}

// Takes a run to work on it: here a run is resumed (R6), after
// ckpt__look_before_claim() and ckpt__take_claimed() have let it. A run that
// was observed as exhausted counts as exhausted, whatever it has become since.
static ckpt_code ckpt__take_to_work(ckpt__run *run, uint32_t purpose)
{
    const uint32_t attempt = run->record.attempt;
    CKPT_ASSERT(!ckpt__is_end(run->record.outcome));
    if (run->handed == CKPT__HANDED_EXHAUSTED ||
        ckpt__is_exhausted(attempt, run->ctx->desc.resume_max)) {
        if (!(purpose & CKPT__FOR_FALLBACK)) return CKPT_ERR_EXHAUSTED;
        run->handed = CKPT__HANDED_EXHAUSTED;
    }
    CKPT__TRY(ckpt__adopt(run, attempt + (attempt + 1 > 0), CKPT_RUNNING));
    memset(run->skippable, 0xff, sizeof(run->skippable));
    run->unread_messages = run->record.section[CKPT__MESSAGES].count > 0;
    run->unread_state = run->record.section[CKPT__STATE].size > 2;
    run->phases_adopted = run->record.section[CKPT__PHASES].count;
    return CKPT_OK;
}

// Decides what a claimant does with a run once it holds the claim.
CKPT__ONCE static ckpt_code ckpt__take_claimed(ckpt__run *run, uint32_t purpose)
{
    ckpt_code judged;
    CKPT__TRY(ckpt__judge_claimed(run, &judged));
    if (judged == CKPT_ERR_NOT_FOUND) {         // only claims are left
        CKPT__TRY(ckpt__remove_run(run, CKPT_REMOVED, NULL));
        return CKPT_ERR_NOT_FOUND;
    }
    if (purpose & CKPT__FOR_REMOVAL) {
        return ckpt__take_to_remove(run, judged, purpose);
    }
    if (judged == CKPT_ERR_DAMAGED && (purpose & CKPT__FOR_FALLBACK)) {
        memset(&run->record, 0, sizeof(run->record));
        run->handed = CKPT__HANDED_DAMAGED;
        return CKPT_OK;
    }
    CKPT__TRY(judged);
    if (ckpt__is_final(run->record.outcome)) {
        return ckpt__take_half_removed(run, purpose);
    }
    if (purpose & CKPT__FOR_RETRY) return ckpt__take_to_retry(run);
    if (ckpt__is_kept(run->record.outcome)) {
        return ckpt__kept_code(run->record.outcome, purpose);
    }
    return purpose & CKPT__FOR_BEGIN ? CKPT_ERR_BUSY
                                     : ckpt__take_to_work(run, purpose);
}

// Looks at a run and decides whether to claim it. A claim above a live owner
// takes the run from that owner, so nobody claims in vain.
CKPT__ONCE static ckpt_code ckpt__look_before_claim(ckpt__ctx *ctx,
                                                    ckpt__run *run,
                                                    uint32_t purpose)
{
    const ckpt_desc *d = &ctx->desc;
    ckpt__place *p = &run->place;
    const ckpt__facts *f = &p->facts;
    const ckpt__into into = { &run->record, &run->found, NULL, NULL, false };
    CKPT__TRY(ckpt__observe(ctx, p, run->view->id, &into));
    const ckpt_run_state state = ckpt__classify(f, d, &p->error.wait_ms);
    run->handed = state == CKPT_STATE_EXHAUSTED ? CKPT__HANDED_EXHAUSTED
                                                : CKPT__HANDED_ON;
    if (state == CKPT_STATE_FINISHED && !ckpt__is_gone(f, d) &&
        !(purpose & CKPT__FOR_FORCE)) {
        return CKPT_ERR_BUSY;                   // its owner is removing it
    }
    if (!ckpt__may_claim(state, purpose)) {
        return state == CKPT_STATE_DONE || state == CKPT_STATE_FAILED ?
            ckpt__kept_code(f->outcome, purpose) :
            ckpt__state_code(state, f->judged);
    }
    if ((purpose & CKPT__FOR_FORCE) && f->judged == CKPT_OK &&
        state != CKPT_STATE_FINISHED &&
        ckpt__is_exhausted(f->attempt, d->resume_max)) {
        return CKPT_ERR_EXHAUSTED;              // its owner keeps it
    }
    if ((purpose & CKPT__FOR_REMOVAL) && f->held) return CKPT_ERR_HELD;
    if (state == CKPT_STATE_FAILED && (purpose & CKPT__FOR_RETRY) && f->lost) {
        return CKPT_ERR_DAMAGED;
    }
    if (f->highest >= CKPT_TURN_MAX) {
        // Epochs are counted one by one, so no process gets that far. Whoever
        // made such a claim by hand must remove it by hand: a claim cannot be
        // made above it, and nobody may go on without one.
        p->error.op = "claim: a claim of the highest epoch there can be stands";
        return CKPT_ERR_EXHAUSTED;
    }
    return CKPT_OK;
}

// Claims a run that exists, for that purpose.
static ckpt_code ckpt__take(ckpt__ctx *ctx, ckpt__run *run, const char *id,
                            uint32_t purpose)
{
    ckpt__place *p = &run->place;
    CKPT__TRY(ckpt__run_init(ctx, run, id));
    CKPT__TRY(ckpt__store_open(p, &ctx->desc, id, CKPT_HOW_FIND));
    ckpt_code rc = ckpt__look_before_claim(ctx, run, purpose);
    bool claimed = false;
    if (rc == CKPT_OK) {
        rc = ckpt__make_claim(run, p->facts.highest + 1);
        claimed = rc == CKPT_OK;
    }
    if (rc == CKPT_OK) {
        rc = ckpt__take_claimed(run, purpose);
    }
    if (rc != CKPT_OK) {
        ckpt__store_close(p, claimed);
    }
    return rc;
}

// Takes a run over to hand it out to the caller.
static ckpt_code ckpt__take_run_over(ckpt__ctx *ctx, ckpt__run *run,
                                     const char *id, const char *fingerprint,
                                     uint32_t purpose)
{
    CKPT__TRY(ckpt__take(ctx, run, id, purpose));
    // A hash is enough here: it decides nothing, the caller is only told.
    run->view->fingerprint_differs = fingerprint != NULL &&
        (!run->record.has_fingerprint || run->record.fingerprint !=
          ckpt__hash_text(fingerprint, CKPT__AS_TEXT));
    // The facts are those before the claim: of the owner before us.
    if (ckpt__is_stale(&run->place.facts, &ctx->desc)) {
        ckpt__tell(run, CKPT_EVENT_STALE, NULL);
    }
    ckpt__tell(run, run->handed == CKPT__HANDED_ON ? CKPT_EVENT_RESUMED
                                                   : CKPT_EVENT_FALLBACK, NULL);
    return CKPT_OK;
}

// Closes a run and leaves what callers may read.
CKPT__ONCE static void ckpt__close(ckpt__run *run)
{
    ckpt__store_close(&run->place, false);
    run->stage = CKPT__CLOSED;
    run->view->open = false;
}

// Plans the reason of a finish. A longer one is cut between two characters.
static void ckpt__plan_reason(ckpt__plan *plan, const char *reason)
{
    if (reason == NULL) return;
    plan->set_reason = true;
    plan->reason = ckpt_text(reason);
    if (plan->reason.len > CKPT_REASON_MAX) {
        size_t n = CKPT_REASON_MAX;
        while (n > 0 && ((uint8_t)reason[n] & 0xc0) == 0x80) {
            n--;
        }
        plan->reason.len = n;
    }
}

// Keeps a run without a whole generation: publishes an empty one that says so.
// The damaged ones are set aside, for people to look at.
static ckpt_code ckpt__finish_lost(ckpt__run *run, const char *reason)
{
    ckpt_meta none;
    memset(&none, 0, sizeof(none));
    memset(&run->record, 0, sizeof(run->record));   // of a try before
    if (run->seq_tried < run->place.facts.acked) {
        run->seq_tried = run->place.facts.acked;
    }
    ckpt__plan_first(run, &none);
    run->next.lost = true;
    run->next.outcome = CKPT_DEAD;
    ckpt__plan_reason(&run->plan, reason);
    const ckpt_code rc = ckpt__publish_now(run);
    if (rc == CKPT_OK) {
        run->handed = CKPT__HANDED_ON;
        run->stage = CKPT__ENDED;
        (void)ckpt__set_aside(run);
    }
    return rc;
}

// Finishes a run that was handed out damaged: only an end changes anything.
static ckpt_code ckpt__finish_damaged(ckpt__run *run, ckpt_outcome outcome,
                                      const char *reason)
{
    CKPT__TRY(ckpt__lose(run, ckpt__fence(run)));
    if (!ckpt__is_end(outcome)) return CKPT_OK;
    if (outcome != CKPT_DEAD) return ckpt__remove_run(run, outcome, NULL);
    CKPT__TRY(ckpt__finish_lost(run, reason));
    return ckpt__remove_run(run, outcome, &run->place.gen);
}

// Publishes the outcome of a run that has a checkpoint, with or without the
// reason (R8).
static ckpt_code ckpt__finish_publish(ckpt__run *run, ckpt_outcome outcome,
                                      const ckpt_finish_desc *desc,
                                      const char *reason)
{
    CKPT_ASSERT(run->stage == CKPT__OPEN && outcome != CKPT_RUNNING);
    if (!ckpt__is_end(outcome) && (run->doubts & CKPT__DOUBT_CALLER)) {
        // The next claimant would not learn that something is missing.
        return ckpt__save_failed(run, CKPT_ERR_DAMAGED);
    }
    ckpt__plan *plan = ckpt__plan_begin(run);
    ckpt_code rc = ckpt__plan_save(run, desc->save);
    if (rc != CKPT_OK) return ckpt__save_failed(run, rc);
    if (ckpt__is_end(outcome) && outcome != CKPT_DEAD &&
        run->record.section[CKPT__HELD].count > 0) {
        return CKPT_ERR_HELD;
    }
    plan->now->outcome = outcome;
    plan->now->attempt = ckpt__next_attempt(plan->now->attempt, false, outcome);
    ckpt__plan_reason(plan, reason);
    if (!ckpt__is_end(outcome)) return ckpt__save_planned(run);
    CKPT__TRY(ckpt__end(run, outcome, ckpt__save_planned));
    run->stage = CKPT__ENDED;
    return CKPT_OK;
}

// Publishes the outcome. A checkpoint that has no room for the reason is ended
// without one: it could never be ended otherwise.
static ckpt_code ckpt__finish_save(ckpt__run *run, ckpt_outcome outcome,
                                   const ckpt_finish_desc *desc)
{
    const ckpt_code rc = ckpt__finish_publish(run, outcome, desc, desc->reason);
    return rc == CKPT_ERR_TOO_LARGE && desc->reason != NULL ?
        ckpt__finish_publish(run, outcome, desc, NULL) : rc;
}

// The outcome to write: a run that is to be kept ends as DONE or DEAD.
static ckpt_outcome ckpt__outcome_of(const ckpt__run *run, ckpt_outcome outcome,
                                     bool keep)
{
    if (outcome == CKPT_FAILED && keep) return CKPT_DEAD;
    return outcome == CKPT_COMPLETED && run->record.once ? CKPT_DONE : outcome;
}

// Leaves a run. Once its outcome stands and a look has succeeded, only the
// removal is left. The removal touches nothing that is not ours, so no look is
// needed any more (R8).
static ckpt_code ckpt__finish(ckpt__run *run, ckpt_outcome outcome,
                              const ckpt_finish_desc *desc)
{
    const bool damaged = run->handed == CKPT__HANDED_DAMAGED &&
                         run->stage != CKPT__LOST;
    if (!damaged && run->stage != CKPT__ENDED) {
        CKPT__TRY(ckpt__ready(run));
    }
    outcome = ckpt__outcome_of(run, outcome, desc->keep);
    if (damaged) return ckpt__finish_damaged(run, outcome, desc->reason);
    if (run->stage == CKPT__EMPTY) {
        CKPT__TRY(ckpt__end_empty(run));
        run->stage = CKPT__ENDED;
    }
    if (run->stage != CKPT__ENDED) {
        CKPT__TRY(ckpt__finish_save(run, outcome, desc));
    }
    if (run->stage != CKPT__ENDED) return CKPT_OK;
    if (outcome != run->record.outcome) return CKPT_FINISHED;
    return ckpt__remove_run(run, outcome, &run->place.gen);
}

//--- Entries ------------------------------------------------------------------

// Phases, effects and held environments are entries of lists. The hash of a
// name says which entries may have it; their text, where it stands in the
// record, decides: two names can have one hash.

// Whether entry i of a list may have the name whose hash is key. An effect must
// also be of that turn, or, with UINT64_MAX, not have ended.
static bool ckpt__entry_may_be(ckpt__run *run, uint32_t list, uint32_t i,
                               uint64_t key, uint64_t turn)
{
    if (list == CKPT__PHASES) return run->tables.phases[i] == key;
    const ckpt__entry *e = &ckpt__entries(&run->tables, list)[i];
    if (list == CKPT__HELD) return e->key == key;
    return e->key == key && (turn == UINT64_MAX ? !e->ended : e->turn == turn);
}

// Takes entry i of a list from the generation in the store into run->found. An
// entry has a sum of its own. Of a phase neither that nor the size is known:
// all phases before it are taken, and all behind it are summed.
static ckpt_code ckpt__entry_take(ckpt__run *run, uint32_t list, uint32_t i)
{
    ckpt__reader *r = &run->place.reader;
    ckpt__section is = run->record.section[list];
    uint32_t at = ckpt__section_at(&run->record, list), k = 0;
    CKPT_ASSERT(i < is.count);
    if (list != CKPT__PHASES) {
        const ckpt__entry *e = ckpt__entries(&run->tables, list);
        for (; k < i; k++) {
            at += e[k].size + 1;                // and a comma
        }
        is.size = e[i].size;
        is.crc = e[i].crc;
    }
    ckpt__reader_store(r, &run->place, at);
    for (; k < i; k++) {
        ckpt__take_entry(r, list, &run->found);
        ckpt__take_byte(r, ',');
    }
    ckpt__take_entry(r, list, &run->found);
    return ckpt__read_whole(run, at, &is);
}

// Reads the name of entry i of a list into the window, still escaped. It fits:
// escaped it is at most twice as long.
static ckpt_code ckpt__entry_raw(ckpt__run *run, uint32_t list, uint32_t i)
{
    ckpt__place *p = &run->place;
    CKPT__TRY(ckpt__entry_take(run, list, i));
    const ckpt__span s = run->found.string.at;
    return ckpt__copy_out(p, s.from, s.size, p->window, sizeof(p->window));
}

// Compares the name of entry i of a list with this one. The store that keeps
// nothing has no text to compare: there the hash has decided.
static ckpt_code ckpt__entry_compare(ckpt__run *run, uint32_t list, uint32_t i,
                                     const char *name, bool *same)
{
    *same = true;
    if (ckpt__is_none(run->place.store)) return CKPT_OK;
    CKPT__TRY(ckpt__entry_raw(run, list, i));
    *same = ckpt__same_text((const char *)run->place.window,
                            run->found.string.at.size, name);
    return CKPT_OK;
}

// Finds the newest such entry, and takes it into run->found. *at is the number
// of entries if there is none.
static ckpt_code ckpt__entry_find(ckpt__run *run, uint32_t list,
                                  const char *name, uint64_t turn, uint32_t *at)
{
    const uint64_t key = ckpt__hash_text(name, CKPT__AS_TEXT);
    const uint32_t n = run->record.section[list].count;
    for (*at = n; *at > 0; ) {
        bool same = ckpt__entry_may_be(run, list, --*at, key, turn);
        if (same) {
            CKPT__TRY(ckpt__entry_compare(run, list, *at, name, &same));
        }
        if (same) return CKPT_OK;
    }
    *at = n;
    return CKPT_OK;
}

// Reads the name of entry i of a list.
static ckpt_code ckpt__entry_name(ckpt__run *run, uint32_t list, uint32_t i,
                                  char name[CKPT_NAME_MAX + 1])
{
    char *raw = (char *)run->place.window;
    bool lone = false;
    CKPT__TRY(ckpt__entry_raw(run, list, i));
    const size_t n = ckpt__unescape(raw, raw, run->found.string.at.size, &lone);
    if (n > CKPT_NAME_MAX) return CKPT_ERR_DAMAGED;
    memcpy(name, raw, n);
    name[n] = '\0';
    return CKPT_OK;
}

// Copies the value of the newest entry of that name and turn to buf. An effect
// that has not ended has no value.
static ckpt_code ckpt__entry_value(ckpt__run *run, uint32_t list,
                                   const char *name, uint64_t turn, void *buf,
                                   size_t cap, size_t *size)
{
    uint32_t i;
    *size = 0;
    CKPT__TRY(ckpt__ready(run));
    CKPT__TRY(ckpt__entry_find(run, list, name, turn, &i));
    if (i == run->record.section[list].count ||
        ckpt__is_none(run->place.store) ||
        (list == CKPT__EFFECTS && !run->tables.effects[i].ended)) {
        return CKPT_ERR_NOT_FOUND;
    }
    const ckpt__span value = run->found.value;
    *size = value.size;
    return ckpt__copy_out(&run->place, value.from, value.size, buf, cap);
}

// Copies the value of an entry for the caller.
static ckpt_code ckpt__value_told(ckpt__run *run, uint32_t list,
                                  const char *name, uint64_t turn, void *buf,
                                  size_t cap, size_t *size)
{
    if (name == NULL || size == NULL) return CKPT_ERR_ARGUMENT;
    CKPT__TRY(ckpt__enter(run));
    return ckpt__leave(run, ckpt__run_result(run,
        ckpt__entry_value(run, list, name, turn, buf, cap, size)));
}

// Goes on to the next entry of a walk, and fills in its name and entry. *at is
// 0 before the first. Later the walk continues behind the entry of this name
// and turn, which may have been struck off since.
static ckpt_code ckpt__entry_next(ckpt__run *run, uint32_t list, uint32_t *at,
                                  char name[CKPT_NAME_MAX + 1], uint64_t turn,
                                  ckpt__entry *entry)
{
    CKPT__TRY(ckpt__ready(run));
    const uint32_t n = run->record.section[list].count;
    uint32_t i = *at;
    if (ckpt__is_none(run->place.store)) return CKPT_END;
    if (i > 0) {
        uint32_t found;
        CKPT__TRY(ckpt__entry_find(run, list, name, turn, &found));
        i = found < n ? found + 1 : i - 1;
    }
    if (i >= n) return CKPT_END;
    *entry = ckpt__entries(&run->tables, list)[i];
    *at = i + 1;
    name[0] = '\0';
    return ckpt__entry_name(run, list, i, name);
}

//--- Runs ---------------------------------------------------------------------

CKPT_API ckpt_code ckpt_start(ckpt_ctx *ctx_view, ckpt_run *view,
                              const ckpt_run_desc *desc)
{
    ckpt__ctx *ctx = ckpt__ctx_of(ctx_view);
    ckpt__run *run = ckpt__run_of(view);
    CKPT__TRY(ckpt__admit(ctx, view, view != NULL && desc != NULL));
    // This removes a half removed run. Any other run of that id is in the way.
    ckpt_code rc = ckpt__take(ctx, run, desc->id, CKPT__FOR_BEGIN);
    switch (rc) {
    case CKPT_ERR_NOT_FOUND: case CKPT_FINISHED:
        rc = ckpt__begin(ctx, run, desc);
        break;
    case CKPT_ERR_LIVE: case CKPT_ERR_BUSY: case CKPT_ERR_EXHAUSTED:
    case CKPT_ERR_DAMAGED: case CKPT_ERR_FORMAT: case CKPT_ERR_FOREIGN:
    case CKPT_ERR_TOO_LARGE: case CKPT_ERR_CLAIM_LOST:
        rc = CKPT_ERR_EXISTS;
        break;
    default:
        break;
    }
    return ckpt__open_result(ctx, run, rc);
}

static ckpt_code ckpt__resume(ckpt__ctx *ctx, ckpt__run *run,
                              const ckpt_run_desc *desc)
{
    return ckpt__take_run_over(ctx, run, desc->id, desc->meta.fingerprint,
                               desc->force ? CKPT__FOR_FORCE : 0);
}

CKPT_API ckpt_code ckpt_resume(ckpt_ctx *ctx_view, ckpt_run *view,
                               const ckpt_run_desc *desc)
{
    ckpt__ctx *ctx = ckpt__ctx_of(ctx_view);
    ckpt__run *run = ckpt__run_of(view);
    CKPT__TRY(ckpt__admit(ctx, view, view != NULL && desc != NULL));
    return ckpt__open_result(ctx, run, ckpt__resume(ctx, run, desc));
}

// Resumes a run, or begins it if there is none (*found is false then).
static ckpt_code ckpt__open(ckpt__ctx *ctx, ckpt__run *run,
                            const ckpt_run_desc *desc, bool *found)
{
    ckpt_code rc = CKPT_ERR_EXISTS;
    // Others may begin or remove the run between the two calls.
    for (int tries = 0; tries < 4 && (rc == CKPT_ERR_EXISTS ||
                                      rc == CKPT_ERR_STALE); tries++) {
        rc = ckpt__resume(ctx, run, desc);
        *found = rc != CKPT_ERR_NOT_FOUND;
        if (!*found) {
            rc = ckpt__begin(ctx, run, desc);
        }
    }
    return rc;
}

CKPT_API ckpt_code ckpt_open(ckpt_ctx *ctx_view, ckpt_run *view,
                             const ckpt_run_desc *desc)
{
    ckpt__ctx *ctx = ckpt__ctx_of(ctx_view);
    ckpt__run *run = ckpt__run_of(view);
    bool found;
    CKPT__TRY(ckpt__admit(ctx, view, view != NULL && desc != NULL));
    return ckpt__open_result(ctx, run, ckpt__open(ctx, run, desc, &found));
}

// Cuts a NUL-terminated text out of the buffer: unescapes it where it stands.
static const char *ckpt__text_at(char *buf, const ckpt__span *span)
{
    bool lone = false;
    if (span->from == 0) return NULL;
    char *text = buf + span->from;              // its closing quote is behind
    text[ckpt__unescape(text, text, span->size, &lone)] = '\0';
    return text;
}

// A section of the record in buf. A list includes the brackets around it.
static ckpt_bytes ckpt__bytes_at(const char *buf, const ckpt__into *into,
                                 uint32_t i)
{
    const uint32_t bracket = i != CKPT__STATE;
    ckpt_bytes bytes;
    bytes.ptr = buf + into->found->at[i] - bracket;
    bytes.len = into->rec->section[i].size + 2 * bracket;
    return bytes;
}

// Fills in a checkpoint from a record that was read into buf.
static void ckpt__checkpoint(ckpt_checkpoint *out, char *buf,
                             const ckpt__into *into)
{
    const ckpt__record *rec = into->rec;
    const ckpt__found *found = into->found;
    memset(out, 0, sizeof(*out));
    out->epoch = rec->epoch;
    out->seq = rec->seq;
    out->turn = rec->turn;
    out->turn_max = rec->turn_max;
    out->attempt = rec->attempt;
    out->outcome = rec->outcome;
    out->once = rec->once;
    out->saved_at_ms = rec->saved_at_ms;
    out->messages = ckpt__bytes_at(buf, into, CKPT__MESSAGES);
    out->phases = ckpt__bytes_at(buf, into, CKPT__PHASES);
    out->effects = ckpt__bytes_at(buf, into, CKPT__EFFECTS);
    out->held = ckpt__bytes_at(buf, into, CKPT__HELD);
    out->state = ckpt__bytes_at(buf, into, CKPT__STATE);
    for (uint32_t i = 0; i < CKPT__META_COUNT; i++) {
        const char *text = ckpt__text_at(buf, &found->meta[i]);
        memcpy((char *)&out->meta + ckpt__meta_at[i], &text, sizeof(text));
    }
    out->reason = ckpt__text_at(buf, &found->reason);
    out->birth = ckpt__text_at(buf, &found->birth);
}

// Reads the generation that p->gen names, of which the expected record is
// known, into buf, and checks it there (R1).
CKPT__ONCE static ckpt_code ckpt__load_from(ckpt__place *p, const char *id,
                                            const ckpt__record *expected,
                                            const ckpt__into *into,
                                            ckpt_checkpoint *out, void *buf,
                                            size_t cap)
{
    const uint64_t epoch = expected->epoch, seq = expected->seq;
    const ckpt_bytes bytes = { buf, expected->length };
    if (bytes.len == 0) return CKPT_ERR_NOT_FOUND;      // nothing is kept
    CKPT__TRY(ckpt__copy_out(p, 0, expected->length, buf, cap));
    ckpt__reader_memory(&p->reader, bytes);
    p->reader.by_op = p->by_op;
    const ckpt_code rc = ckpt__record_read(p, id, into);
    p->error.pos = ckpt__fault_pos(&p->reader);
    CKPT__TRY(rc);
    // Of a lower epoch than ours, if the first one of ours was damaged.
    if (into->rec->epoch != epoch || into->rec->seq != seq) {
        return CKPT_ERR_STALE;
    }
    ckpt__checkpoint(out, (char *)buf, into);
    return CKPT_OK;
}

// Reads the newest generation. The tables stay as they are, and run->next is
// free between saves.
static ckpt_code ckpt__load(ckpt__run *run, ckpt_checkpoint *out, void *buf,
                            size_t cap)
{
    const ckpt__into into = { &run->next, &run->found, NULL, NULL, false };
    return ckpt__load_from(&run->place, run->view->id, &run->record, &into,
                           out, buf, cap);
}

// Loads the newest generation. If what stands there is damaged, or is not what
// we published, we look at our claim and judge again: the generation before may
// be whole.
static ckpt_code ckpt__load_newest(ckpt__run *run, ckpt_checkpoint *out,
                                   void *buf, size_t cap)
{
    const ckpt_code rc = ckpt__load(run, out, buf, cap);
    if (rc != CKPT_ERR_DAMAGED && rc != CKPT_ERR_STALE) return rc;
    CKPT__TRY(ckpt__lose(run, ckpt__look_mine(run)));
    CKPT__TRY(ckpt__rejudge(run));
    return ckpt__load(run, out, buf, cap);
}

// Loads for the caller, and tells of it.
static ckpt_code ckpt__load_told(ckpt__run *run, ckpt_checkpoint *out,
                                 void *buf, size_t cap)
{
    ckpt_code rc = ckpt__ready(run);
    if (rc != CKPT_OK) return ckpt__run_result(run, rc);
    rc = ckpt__run_result(run, ckpt__load_newest(run, out, buf, cap));
    if (rc != CKPT_OK) {
        ckpt__tell(run, CKPT_EVENT_LOAD_FAILED, &run->view->error);
        return rc;
    }
    ckpt__tell(run, CKPT_EVENT_LOADED, NULL);
    run->doubts &= ~(uint32_t)CKPT__DOUBT_CALLER;
    run->unread_messages = run->unread_state = false;
    return run->view->older ? CKPT_OLDER : CKPT_OK;
}

CKPT_API ckpt_code ckpt_load(ckpt_run *view, ckpt_checkpoint *out, void *buf,
                             size_t cap)
{
    ckpt__run *run = ckpt__run_of(view);
    if (out == NULL) return CKPT_ERR_ARGUMENT;
    memset(out, 0, sizeof(*out));
    CKPT__TRY(ckpt__enter(run));
    return ckpt__leave(run, ckpt__load_told(run, out, buf, cap));
}

// Reads the next message of a walk. The sum of the walk goes on over it, and
// over the comma and the white space around it. buf gets the message by a
// second reading, which has to have the same sum.
static ckpt_code ckpt__message_read(ckpt__run *run, ckpt_message *m, void *buf,
                                    size_t cap)
{
    ckpt__place *p = &run->place;
    ckpt__reader *r = &p->reader;
    const ckpt__section *all = &run->record.section[CKPT__MESSAGES];
    ckpt__section sum = { m->priv.at, m->priv.crc, 0 }, json;
    ckpt__reader_store(r, p, m->priv.at +
                       ckpt__section_at(&run->record, CKPT__MESSAGES));
    if (m->number > 0) {
        ckpt__take_byte(r, ',');
    }
    ckpt__take_space(r);
    ckpt__section_end(r, NULL);
    const uint32_t at = ckpt__pos(r);
    ckpt__take_value(r);
    ckpt__section_end(r, &json);
    ckpt__take_space(r);
    ckpt__section_end(r, NULL);
    ckpt__store_read_end(p);
    if (r->rc != CKPT_OK && !ckpt__is_syntax(r->rc)) return r->rc;
    ckpt__section_join(&sum, &r->all, p->by_op);
    if (r->rc != CKPT_OK || (m->number + 1 == all->count &&
                             (sum.size != all->size || sum.crc != all->crc))) {
        run->doubts |= CKPT__DOUBT_RECORD;
        return CKPT_ERR_DAMAGED;
    }
    m->size = json.size;
    CKPT__TRY(ckpt__copy_out(p, at, json.size, buf, cap));
    if (ckpt__crc(p->by_op, 0, buf, json.size) != json.crc) {
        return CKPT_ERR_STALE;
    }
    m->json.ptr = buf;
    m->json.len = json.size;
    m->number++;
    m->priv.at = sum.size;
    m->priv.crc = sum.crc;
    return CKPT_OK;
}

// Goes on with a walk, if nothing has changed since it began.
static ckpt_code ckpt__message_next(ckpt__run *run, ckpt_message *m, void *buf,
                                    size_t cap)
{
    CKPT__TRY(ckpt__ready(run));
    if (ckpt__is_none(run->place.store)) return CKPT_ERR_NOT_FOUND;
    if (m->number == 0) {
        m->priv.seq = run->record.seq;
    }
    if (m->priv.seq != run->record.seq) return CKPT_ERR_STALE;
    if (m->number < run->record.section[CKPT__MESSAGES].count) {
        return ckpt__message_read(run, m, buf, cap);
    }
    run->unread_messages = false;
    run->doubts &= ~(uint32_t)CKPT__DOUBT_CALLER;
    return CKPT_END;
}

CKPT_API ckpt_code ckpt_message_next(ckpt_run *view, ckpt_message *message,
                                     void *buf, size_t cap)
{
    ckpt__run *run = ckpt__run_of(view);
    if (message == NULL) return CKPT_ERR_ARGUMENT;
    CKPT__TRY(ckpt__enter(run));
    return ckpt__leave(run, ckpt__run_result(run,
        ckpt__message_next(run, message, buf, cap)));
}

static bool ckpt__due(ckpt__run *run, uint64_t turn)
{
    ckpt_moment now;
    if (!ckpt__is_open(run)) return false;
    return ckpt__now(run, &now) != CKPT_OK ||   // the save reports the error
           ckpt__is_due(&run->ctx->desc, run->saved_ms, now.mono_ms, turn);
}

CKPT_API bool ckpt_due(ckpt_run *view, uint64_t turn)
{
    ckpt__run *run = ckpt__run_of(view);
    if (ckpt__enter(run) != CKPT_OK) return false;
    const bool due = ckpt__due(run, turn);
    (void)ckpt__leave(run, CKPT_OK);
    return due;
}

static ckpt_code ckpt__save(ckpt__run *run, const ckpt_save_desc *desc)
{
    if (run->stage == CKPT__OPEN && !desc->force &&
        !ckpt__due(run, desc->turn)) {
        run->view->skipped++;
        ckpt__tell(run, CKPT_EVENT_SKIPPED, NULL);
        return CKPT_SKIPPED;
    }
    return ckpt__save_end(run, ckpt__save_begin(run, desc), NULL);
}

CKPT_API ckpt_code ckpt_save(ckpt_run *view, const ckpt_save_desc *desc)
{
    ckpt__run *run = ckpt__run_of(view);
    if (desc == NULL) return CKPT_ERR_ARGUMENT;
    CKPT__TRY(ckpt__enter(run));
    return ckpt__leave(run, ckpt__save(run, desc));
}

static ckpt_code ckpt__beat(ckpt__run *run)
{
    ckpt_moment now;
    memset(&run->place.error, 0, sizeof(run->place.error));
    if (!ckpt__is_open(run) || run->stage == CKPT__LOST) {
        return ckpt__ready(run);
    }
    CKPT__TRY(ckpt__now(run, &now));
    CKPT__TRY(ckpt__touch(run, now.mono_ms));
    // Also where the store refuses late writes: here nothing is written.
    return ckpt__look_mine(run);
}

CKPT_API ckpt_code ckpt_beat(ckpt_run *view)
{
    ckpt__run *run = ckpt__run_of(view);
    CKPT__TRY(ckpt__enter(run));
    ckpt_code rc = ckpt__beat(run);
    if (run->stage != CKPT__LOST) {
        rc = ckpt__lose(run, rc);
    }
    return ckpt__leave(run, ckpt__run_result(run, rc));
}

// Finishes for the caller, and closes what is over.
static ckpt_code ckpt__finish_told(ckpt__run *run, ckpt_outcome outcome,
                                   const ckpt_finish_desc *desc)
{
    if (!ckpt__is_open(run)) return ckpt__run_result(run, ckpt__ready(run));
    memset(&run->place.error, 0, sizeof(run->place.error));
    if (outcome <= CKPT_RUNNING || outcome > CKPT_RETRY) {
        run->place.error.op = "read the outcome";
        return ckpt__run_result(run, CKPT_ERR_ARGUMENT);
    }
    const ckpt_code rc = ckpt__run_result(run, ckpt__finish(run, outcome,
                                                            desc));
    if (rc >= CKPT_OK || rc == CKPT_ERR_CLAIM_LOST || rc == CKPT_ERR_FORKED) {
        ckpt__close(run);
    }
    return rc;
}

CKPT_API ckpt_code ckpt_finish(ckpt_run *view, ckpt_outcome outcome,
                               const ckpt_finish_desc *desc)
{
    ckpt__run *run = ckpt__run_of(view);
    ckpt_finish_desc none;
    memset(&none, 0, sizeof(none));
    CKPT__TRY(ckpt__enter(run));
    return ckpt__leave(run, ckpt__finish_told(run, outcome,
                                              desc != NULL ? desc : &none));
}

CKPT_API void ckpt_abandon(ckpt_run *view)
{
    ckpt__run *run = ckpt__run_of(view);
    if (run == NULL) return;
    if (ckpt__is_open(run)) {
        ckpt__close(run);
    }
    run->busy = false;                          // also after a longjmp
}

//--- Phases -------------------------------------------------------------------

// Whether the phase is to be done. Each false is used up.
static bool ckpt__phase(ckpt__run *run, const char *name)
{
    const uint64_t key = ckpt__hash_text(name, CKPT__AS_TEXT);
    const uint32_t n = ckpt__is_open(run) ? run->phases_adopted : 0;
    if (run->stage == CKPT__OVER) return false;
    for (uint32_t i = 0; i < n; i++) {
        bool same = run->tables.phases[i] == key &&
                    ckpt__bit(run->skippable, i);
        if (same && !(run->doubts & CKPT__DOUBT_RECORD)) {
            // If the text cannot be read, the hash decides: a phase that was
            // complete must not be done twice because a disk failed.
            (void)ckpt__entry_compare(run, CKPT__PHASES, i, name, &same);
        }
        if (same) {
            ckpt__bit_put(run->skippable, i, false);
            return false;
        }
    }
    run->phase_again = false;                   // the next end is of this one
    return true;
}

CKPT_API bool ckpt_phase(ckpt_run *view, const char *name)
{
    ckpt__run *run = ckpt__run_of(view);
    // The end of the phase says what was wrong.
    if (name == NULL || ckpt__enter(run) != CKPT_OK) return true;
    const bool due = ckpt__phase(run, name);
    (void)ckpt__leave(run, CKPT_OK);
    return due;
}

CKPT_API ckpt_code ckpt_phase_output(ckpt_run *view, const char *name,
                                     void *buf, size_t cap, size_t *size)
{
    return ckpt__value_told(ckpt__run_of(view), CKPT__PHASES, name, 0, buf,
                            cap, size);
}

// Plans the end of a phase.
static ckpt_code ckpt__plan_phase(ckpt__run *run, const char *name,
                                  ckpt_bytes output, const ckpt_save_desc *save)
{
    CKPT__TRY(ckpt__save_begin(run, save));
    CKPT__TRY(ckpt__name_check(name, CKPT_NAME_MAX, &run->place.error));
    const uint32_t n = run->record.section[CKPT__PHASES].count;
    const ckpt__section *now = &run->plan.value_now;
    CKPT__TRY(ckpt__plan_value(run, output, "read the output of a phase"));
    // A call that could not be acknowledged is repeated: if what it wrote
    // stands, that is only saved once more. Else the phase would stand twice,
    // and the next one of that name be skipped although it was never done.
    bool again = run->phase_again && n == run->phases_then + 1 &&
                 now->crc == run->phase_crc;
    if (again) {
        CKPT__TRY(ckpt__entry_compare(run, CKPT__PHASES, n - 1, name, &again));
    }
    if (again) return CKPT_OK;
    if (n == CKPT_PHASES_MAX) return CKPT_ERR_PHASES;
    ckpt__plan_entry(run, CKPT__PHASES, n, CKPT__WRITE, name);
    run->phase_again = true;
    run->phase_crc = now->crc;
    run->phases_then = n;
    run->next.attempt = 0;                      // progress (R6)
    return CKPT_OK;
}

CKPT_API ckpt_code ckpt_phase_end(ckpt_run *view, const char *name,
                                  ckpt_bytes output,
                                  const ckpt_save_desc *save)
{
    ckpt__run *run = ckpt__run_of(view);
    CKPT__TRY(ckpt__enter(run));
    return ckpt__leave(run,
        ckpt__save_end(run, ckpt__plan_phase(run, name, output, save),
                       &run->phase_again));
}

//--- Effects ------------------------------------------------------------------

// Fills in what the record says about an effect.
CKPT__ONCE static void ckpt__effect_fill(const ckpt__entry *e,
                                         ckpt_effect *effect)
{
    effect->turn = e->turn;
    effect->state = e->ended ? CKPT_EFFECT_ENDED : CKPT_EFFECT_UNCERTAIN;
    effect->result_size = e->value_size;
}

// Whether the tables have room for one more effect, after this save has dropped
// the ended ones of lower turns.
static bool ckpt__effect_fits(const ckpt__run *run)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < run->record.section[CKPT__EFFECTS].count; i++) {
        n += ckpt__entry_fate(&run->plan, CKPT__EFFECTS, i) != CKPT__DROP;
    }
    return n < CKPT_EFFECTS_MAX;
}

// Whether a recorded effect counts. If this claim could not acknowledge its
// begin, the caller has not run the tool, and the effect is still new.
static bool ckpt__effect_stands(const ckpt__run *run, const ckpt__entry *e)
{
    return e->ended || e->epoch != run->epoch || e->told != CKPT__TOLD_NOTHING;
}

// Whether an effect that the record does not have may have been begun all the
// same. Once the caller has settled it, it is new.
static bool ckpt__effect_is_missing(const ckpt__run *run, const char *id,
                                    uint64_t turn)
{
    const bool settled = run->end_turn == turn && strcmp(run->end_id, id) == 0;
    return turn < run->turn_missing && !settled;
}

// Remembers that the caller knows about an effect. It may then have run the
// tool, so the effect is never new again. Of two ids with one hash only one was
// asked for.
static void ckpt__effect_told(ckpt__run *run, const char *id, uint64_t turn)
{
    const uint64_t key = ckpt__hash_text(id, CKPT__AS_TEXT);
    uint32_t at = 0, found = 0;
    for (uint32_t i = 0; i < run->record.section[CKPT__EFFECTS].count; i++) {
        const ckpt__entry *e = &run->tables.effects[i];
        if (e->key == key && e->turn == turn) {
            at = i;
            found++;
        }
    }
    if (found > 1) {
        (void)ckpt__entry_find(run, CKPT__EFFECTS, id, turn, &at);
    }
    CKPT_ASSERT(at < run->record.section[CKPT__EFFECTS].count);
    run->tables.effects[at].told = CKPT__TOLD;
}

// Writes 128 bits of hash. One half runs through the bytes from their front and
// one from their back, so that texts which differ anywhere differ in both. That
// keeps apart what a model makes; somebody who looks for two texts with one
// hash can find them.
static void ckpt__hash_write(char out[CKPT_KEY_SIZE], const char *bytes,
                             size_t n)
{
    uint64_t hash[2] = { ckpt__hash(CKPT__HASH_EMPTY, bytes, n),
                         CKPT__HASH_EMPTY };
    while (n > 0) {
        hash[1] = ckpt__hash(hash[1], &bytes[--n], 1);
    }
    for (unsigned i = 0; i < CKPT_KEY_SIZE; i++) {
        out[i] = "0123456789abcdef"[hash[i / 16] >> (i % 16 * 4) & 15];
    }
}

// Writes the key of an effect: a hash of the birth of the run with its NUL, of
// the turn in 20 digits, and of the id as it is kept. The window holds them. A
// run that is kept nowhere has no birth of its own.
static void ckpt__effect_key(ckpt__run *run, ckpt_effect *effect)
{
    char *text = (char *)run->place.window;
    size_t n = strlen(run->view->birth) + 1;
    const size_t size = strlen(effect->id);
    if (ckpt__is_none(run->place.store)) return;
    memcpy(text, run->view->birth, n);
    n += ckpt__number(text + n, effect->turn, 20, '0');
    memcpy(text + n, effect->id, size);
    ckpt__hash_write(effect->key, text, n + size);
    effect->key[CKPT_KEY_SIZE] = '\0';
}

// Writes the form in which the run keeps the id of an effect: the id itself, or
// the beginning of a longer one, a '~' and a hash.
static ckpt_code ckpt__effect_id(ckpt__run *run, const char *id,
                                 char out[CKPT_NAME_MAX + 1])
{
    run->place.error.op = "read the id of an effect";
    CKPT__TRY(ckpt__name_check(id, SIZE_MAX, &run->place.error));
    const size_t n = strlen(id);
    size_t keep = CKPT_NAME_MAX - CKPT_KEY_SIZE - 1;
    run->place.error.op = "";
    if (n <= CKPT_NAME_MAX) {
        memmove(out, id, n + 1);                // may be the caller's effect
        return CKPT_OK;
    }
    while (((uint8_t)id[keep] & 0xc0) == 0x80) { // not within a character
        keep--;
    }
    memcpy(out, id, keep);
    out[keep++] = '~';
    ckpt__hash_write(out + keep, id, n);
    out[keep + CKPT_KEY_SIZE] = '\0';
    return CKPT_OK;
}

// Plans the begin of an effect. *stands: the effect is recorded already.
static ckpt_code ckpt__plan_effect(ckpt__run *run, const char *given,
                                   const ckpt_save_desc *save, bool *stands,
                                   ckpt_effect *effect)
{
    const char *id = effect->id;
    CKPT__TRY(ckpt__save_begin(run, save));
    if (save == NULL) return CKPT_ERR_ARGUMENT;
    CKPT__TRY(ckpt__effect_id(run, given, effect->id));
    uint32_t at;
    CKPT__TRY(ckpt__entry_find(run, CKPT__EFFECTS, id, save->turn, &at));
    const ckpt__entry *e = &run->tables.effects[at];
    const bool again = at < run->record.section[CKPT__EFFECTS].count;
    *stands = again && ckpt__effect_stands(run, e);
    if (*stands && e->told == CKPT__TOLD) {
        run->place.error.op = "begin an effect: each call of a turn needs its "
                              "own id";
        return CKPT_ERR_EXISTS;
    }
    if (strcmp(run->end_id, id) == 0) {
        run->end_again = false;                 // the caller did not repeat it
    }
    if (*stands) {
        ckpt__effect_fill(e, effect);
        return CKPT_OK;
    }
    if (!again && !ckpt__effect_fits(run)) return CKPT_ERR_EFFECTS;
    if (!again) {
        ckpt__plan_entry(run, CKPT__EFFECTS, at, CKPT__WRITE, id);
    }
    if (run->missing > 0 && save->turn >= run->turn_missing) {
        run->next.missing = run->missing - 1;   // one more turn has effects
    }
    return CKPT_OK;
}

static ckpt_code ckpt__effect_begin(ckpt__run *run, const char *id,
                                    const ckpt_save_desc *save,
                                    ckpt_effect *effect)
{
    bool stands = false;
    const ckpt_code rc = ckpt__plan_effect(run, id, save, &stands, effect);
    if (rc == CKPT_FINISHED) {
        effect->state = CKPT_EFFECT_ENDED;
    }
    if (rc != CKPT_OK || !stands) {
        CKPT__TRY(ckpt__save_end(run, rc, NULL));
        effect->turn = save->turn;
        if (!ckpt__effect_is_missing(run, effect->id, save->turn)) {
            effect->state = CKPT_EFFECT_NEW;
        }
    }
    ckpt__effect_told(run, effect->id, save->turn);
    ckpt__effect_key(run, effect);
    return CKPT_OK;
}

CKPT_API ckpt_code ckpt_effect_begin(ckpt_run *view, const char *id,
                                     const ckpt_save_desc *save,
                                     ckpt_effect *effect)
{
    ckpt__run *run = ckpt__run_of(view);
    if (effect == NULL) return CKPT_ERR_ARGUMENT;
    effect->state = CKPT_EFFECT_UNCERTAIN;      // until it is known better
    effect->turn = 0;
    effect->result_size = 0;
    effect->at = 0;
    effect->key[0] = '\0';
    if (id != effect->id) {
        effect->id[0] = '\0';
    }
    CKPT__TRY(ckpt__enter(run));
    return ckpt__leave(run, ckpt__effect_begin(run, id, save, effect));
}

// Plans the end of an effect.
static ckpt_code ckpt__plan_effect_end(ckpt__run *run, const char *given,
                                       ckpt_bytes result, bool is_text)
{
    char id[CKPT_NAME_MAX + 1];
    CKPT__TRY(ckpt__save_begin(run, NULL));
    CKPT__TRY(ckpt__effect_id(run, given, id));
    // A call that could not be acknowledged is repeated: if what it wrote
    // stands, that is only saved once more. An older effect of that id must not
    // get the result.
    const bool again = run->end_again && strcmp(run->end_id, id) == 0;
    uint32_t at;
    CKPT__TRY(ckpt__entry_find(run, CKPT__EFFECTS, id,
                               again ? run->end_turn : UINT64_MAX, &at));
    const bool there = at < run->record.section[CKPT__EFFECTS].count;
    if (again && (!there || run->tables.effects[at].ended)) return CKPT_OK;
    if (!there) return CKPT_ERR_NOT_FOUND;
    CKPT__TRY(is_text ? ckpt__plan_text(run, result)
                      : ckpt__plan_value(run, result, "read a result (for text "
                                         "see ckpt_effect_end_text)"));
    run->end_again = true;
    run->end_turn = run->tables.effects[at].turn;
    memcpy(run->end_id, id, strlen(id) + 1);
    ckpt__plan_entry(run, CKPT__EFFECTS, at,
                     result.ptr != NULL || is_text ? CKPT__WRITE : CKPT__DROP,
                     run->end_id);
    return CKPT_OK;
}

CKPT__ONCE static ckpt_code ckpt__effect_end(ckpt_run *view, const char *id,
                                             ckpt_bytes result, bool is_text)
{
    ckpt__run *run = ckpt__run_of(view);
    CKPT__TRY(ckpt__enter(run));
    return ckpt__leave(run,
        ckpt__save_end(run, ckpt__plan_effect_end(run, id, result, is_text),
                       &run->end_again));
}

CKPT_API ckpt_code ckpt_effect_end(ckpt_run *view, const char *id,
                                   ckpt_bytes result)
{
    return ckpt__effect_end(view, id, result, false);
}

CKPT_API ckpt_code ckpt_effect_end_text(ckpt_run *view, const char *id,
                                        ckpt_bytes text)
{
    return ckpt__effect_end(view, id, text, true);
}

CKPT_API ckpt_code ckpt_effect_result(ckpt_run *view, const ckpt_effect *effect,
                                      void *buf, size_t cap, size_t *size)
{
    if (effect == NULL) return CKPT_ERR_ARGUMENT;
    return ckpt__value_told(ckpt__run_of(view), CKPT__EFFECTS, effect->id,
                            effect->turn, buf, cap, size);
}

CKPT_API ckpt_code ckpt_effect_next(ckpt_run *view, ckpt_effect *effect)
{
    ckpt__run *run = ckpt__run_of(view);
    ckpt__entry e;
    if (effect == NULL) return CKPT_ERR_ARGUMENT;
    effect->key[0] = '\0';
    CKPT__TRY(ckpt__enter(run));
    const ckpt_code rc = ckpt__entry_next(run, CKPT__EFFECTS, &effect->at,
                                          effect->id, effect->turn, &e);
    if (rc == CKPT_OK) {
        ckpt__effect_fill(&e, effect);
        ckpt__effect_key(run, effect);
    }
    return ckpt__leave(run, ckpt__run_result(run, rc));
}

//--- Notes --------------------------------------------------------------------

#ifndef CKPT_NO_NOTE

// The note consists of text that needs no escapes, the reason as it is escaped
// in the record, and ids that are escaped here.

// Adds the reason as it stands in the record, without its quotes.
CKPT__APART static ckpt_code ckpt__note_reason(ckpt__run *run, ckpt_json *w)
{
    const ckpt__record *rec = &run->record;
    const uint32_t size = rec->section[CKPT__REASON].size - 2;
    ckpt__json_text(w, " Why it was left: ");
    const size_t at = w->len < w->cap ? w->len : w->cap;
    CKPT__TRY(ckpt__copy_out(&run->place,
                             ckpt__section_at(rec, CKPT__REASON) + 1, size,
                             w->buf + at, w->cap - at));
    w->len += size;
    ckpt__json_text(w, ".");
    return CKPT_OK;
}

// Adds the effects that were begun before this claim and have not ended.
CKPT__APART static ckpt_code ckpt__note_effects(ckpt__run *run, ckpt_json *w,
                                                ckpt_note_info *note)
{
    for (uint32_t i = 0; i < run->record.section[CKPT__EFFECTS].count; i++) {
        const ckpt__entry *e = &run->tables.effects[i];
        char id[CKPT_NAME_MAX + 1];
        if (e->ended || e->epoch >= run->epoch) continue;
        note->uncertain++;
        CKPT__TRY(ckpt__entry_name(run, CKPT__EFFECTS, i, id));
        ckpt__json_number(w, " Of turn ", e->turn);
        ckpt__json_text(w, ", the call ");
        ckpt__json_piece(w, ckpt_text(id));
        ckpt__json_text(w, " was begun and may have run; check before you "
                           "repeat it.");
    }
    return CKPT_OK;
}

static ckpt_code ckpt__note(ckpt__run *run, ckpt_note_info *note,
                            ckpt_json *w)
{
    CKPT__TRY(ckpt__ready(run));
    run->place.error.op = "note a resume";
    if (!run->view->resumed) return CKPT_ERR_NOT_FOUND;
    const ckpt__record *rec = &run->record;
    note->turn = rec->turn;
    note->attempt = rec->attempt;
    note->phases = rec->section[CKPT__PHASES].count;
    ckpt__json_number(w, "{\"role\":\"system\",\"content\":\"This run was "
                      "interrupted and is resumed from turn ", note->turn);
    ckpt__json_number(w, " (attempt ", note->attempt);
    ckpt__json_number(w, "). Phases complete: ", note->phases);
    ckpt__json_text(w, ".");
    if (rec->section[CKPT__REASON].count > 0 &&
        rec->section[CKPT__REASON].size > 2) {
        CKPT__TRY(ckpt__note_reason(run, w));
    }
    CKPT__TRY(ckpt__note_effects(run, w, note));
    ckpt__json_text(w, " Review progress and continue.\"}");
    return w->len > w->cap ? CKPT_ERR_BUFFER : CKPT_OK;
}

CKPT_API ckpt_code ckpt_note(ckpt_run *view, ckpt_note_info *note, void *buf,
                             size_t cap)
{
    ckpt__run *run = ckpt__run_of(view);
    ckpt_json w;
    if (note == NULL) return CKPT_ERR_ARGUMENT;
    memset(note, 0, sizeof(*note));
    ckpt_json_init(&w, buf, cap);
    CKPT__TRY(ckpt__enter(run));
    const ckpt_code rc = ckpt__note(run, note, &w);
    if (rc == CKPT_OK) {
        note->message.ptr = buf;
        note->message.len = w.len;
    }
    return ckpt__leave(run, ckpt__run_result(run, rc));
}

#endif /* CKPT_NO_NOTE */

//--- Environments -------------------------------------------------------------

#ifndef CKPT_NO_ENVIRONMENTS

// Where a janitor has an environment; *at is not set if it has not.
static bool ckpt__janitor_has(const ckpt_janitor *j, const ckpt_env *env,
                              size_t *at)
{
    for (size_t i = 0; j != NULL && i < j->count; i++) {
        if (j->envs[i] == env) {
            *at = i;
            return true;
        }
    }
    return false;
}

static void ckpt__janitor_remove(ckpt_janitor *j, const ckpt_env *env)
{
    size_t at;
    if (ckpt__janitor_has(j, env, &at)) {
        memmove(&j->envs[at], &j->envs[at + 1],
                (j->count - at - 1) * sizeof(j->envs[0]));
        j->count--;
    }
}

// Plans that the run holds an environment. *held: the run does so already.
static ckpt_code ckpt__plan_hold(ckpt__run *run, const ckpt_env_desc *desc,
                                 bool *held)
{
    CKPT__TRY(ckpt__save_begin(run, NULL));     // may judge the record again
    const uint32_t n = run->record.section[CKPT__HELD].count;
    uint32_t at;
    CKPT__TRY(ckpt__entry_find(run, CKPT__HELD, desc->id, 0, &at));
    // If the last save was not acknowledged, it may be the one that added the
    // environment: the entry is visible, but may not be durable (R2).
    *held = at < n && run->seq_tried == run->seq_acked;
    if (*held) return CKPT_OK;
    if (at == n) {
        if (n == CKPT_HELD_MAX) return CKPT_ERR_HELD;
        CKPT__TRY(ckpt__plan_value(run, desc->timestep, "read .timestep"));
        ckpt__plan_entry(run, CKPT__HELD, n, CKPT__WRITE, desc->id);
    }
    run->plan.steps = desc->step_count;
    return CKPT_OK;
}

// Saves that the run holds an environment, unless the run does so already.
static ckpt_code ckpt__hold(ckpt__run *run, const ckpt_env_desc *desc)
{
    bool held = false;
    CKPT__TRY(ckpt__enter(run));
    ckpt_code rc = ckpt__plan_hold(run, desc, &held);
    if (!held) {
        rc = ckpt__save_end(run, rc, NULL);
    }
    return ckpt__leave(run, rc);
}

// Strikes an environment off the run, if the run holds it. If the last save was
// not acknowledged, it may be the one that struck it off: that one is made
// durable, or a power cut would give back what was released (R2).
static ckpt_code ckpt__unhold(ckpt__run *run, const char *id)
{
    uint32_t at = 0;
    CKPT__TRY(ckpt__enter(run));
    ckpt_code rc = ckpt__save_begin(run, NULL);
    if (rc == CKPT_OK) {
        rc = ckpt__entry_find(run, CKPT__HELD, id, 0, &at);
    }
    const bool there = at < run->record.section[CKPT__HELD].count;
    if (rc == CKPT_OK && there) {
        ckpt__plan_entry(run, CKPT__HELD, at, CKPT__DROP, id);
    }
    if (rc != CKPT_OK || there || run->seq_tried != run->seq_acked) {
        rc = ckpt__save_end(run, rc, NULL);
    }
    return ckpt__leave(run, rc);
}

// Checks a description. An environment that is known to the janitor holds a
// copy that was not released.
static ckpt_code ckpt__env_check(const ckpt_env *env, const ckpt_env_desc *desc,
                                 const char *birth, bool known)
{
    const ckpt_janitor *j = desc->janitor;
    ckpt_error err;
    CKPT__TRY(ckpt__name_check(desc->id, CKPT_NAME_MAX, &err));
    if (desc->restore == NULL) return CKPT_ERR_ARGUMENT;
    if (known) {
        if (env->priv.releasing) return CKPT_ERR_RELEASING;
        if (strcmp(env->id, desc->id) != 0 ||
            strcmp(env->priv.birth, birth) != 0) {
            return CKPT_ERR_EXISTS;
        }
    } else if (j != NULL && j->count == j->cap) {
        return CKPT_ERR_ARGUMENT;
    }
    return desc->timestep.ptr != NULL ? ckpt_json_check(desc->timestep, NULL)
                                      : CKPT_OK;
}

CKPT_API ckpt_code ckpt_env_init(ckpt_env *env, const ckpt_env_desc *desc)
{
    if (env == NULL || desc == NULL) return CKPT_ERR_ARGUMENT;
    ckpt_janitor *j = desc->janitor;
    ckpt_run *run = desc->run;
    const char *birth = run != NULL ? run->birth : "";
    size_t at;
    const bool known = ckpt__janitor_has(j, env, &at);
    if (!known) {
        // Only a janitor that has it tells that there is anything in *env.
        memset(env, 0, sizeof(*env));
    }
    CKPT__TRY(ckpt__env_check(env, desc, birth, known));
    if (j != NULL && !known) {
        j->envs[j->count++] = env;              // an event may register others
    }
    if (run != NULL) {
        const ckpt_code rc = ckpt__hold(ckpt__run_of(run), desc);
        if (rc != CKPT_OK && !known) {
            ckpt__janitor_remove(j, env);
        }
        CKPT__TRY(rc);
    }
    memmove(env->id, desc->id, strlen(desc->id) + 1);   // may be env->id
    memcpy(env->priv.birth, birth, strlen(birth) + 1);
    env->priv.epoch = run != NULL ? run->epoch : 0;
    env->step_count = desc->step_count;
    env->timestep = desc->timestep;
    env->priv.desc = *desc;
    env->priv.desc.id = NULL;
    env->priv.open = true;
    env->priv.released = env->priv.struck = false;
    return CKPT_OK;
}

CKPT_API bool ckpt_env_released(const ckpt_env *env)
{
    return env == NULL || !env->priv.open || env->priv.released;
}

CKPT_API ckpt_code ckpt_env_restore(ckpt_env *env, void *out,
                                    ckpt_bytes *timestep, int *failure)
{
    if (ckpt_env_released(env)) return CKPT_ERR_RELEASED;
    const ckpt_env_desc *desc = &env->priv.desc;
    if (env->priv.releasing) return CKPT_ERR_RELEASING;
    const int failed = desc->restore(desc->user, env, out);
    if (failure != NULL) {
        *failure = failed;
    }
    if (failed == 0 && timestep != NULL) {
        *timestep = env->timestep;
    }
    return failed == 0 ? CKPT_OK : CKPT_ERR_IO;
}

// Checks that the caller still owns the run of an environment. A caller that
// lost the run has lost its environments, too: the next owner may use them.
static ckpt_code ckpt__env_is_ours(const ckpt_env *env)
{
    ckpt_run *view = env->priv.desc.run;
    ckpt__run *run = ckpt__run_of(view);
    if (view->epoch != env->priv.epoch ||
        strcmp(view->birth, env->priv.birth) != 0) {
        return CKPT_ERR_CLOSED;
    }
    CKPT__TRY(ckpt__enter(run));
    ckpt_code rc = ckpt__ready(run);
    if (rc == CKPT_OK && run->stage > CKPT__LOST) {
        rc = CKPT_FINISHED;                     // nothing can be struck off it
    }
    if (rc == CKPT_OK) {
        rc = ckpt__lose(run, ckpt__look_mine(run));
    }
    return ckpt__leave(run, ckpt__run_result(run, rc));
}

CKPT_API ckpt_code ckpt_env_release(ckpt_env *env, int *failure)
{
    int ignored;
    if (env == NULL) return CKPT_ERR_ARGUMENT;
    const ckpt_env_desc *desc = &env->priv.desc;
    failure = failure != NULL ? failure : &ignored;
    *failure = 0;
    if (!env->priv.open || (env->priv.released && env->priv.struck)) {
        return CKPT_OK;
    }
    if (env->priv.releasing) return CKPT_ERR_RELEASING;
    if (desc->run != NULL) {
        CKPT__TRY(ckpt__env_is_ours(env));
    }
    if (!env->priv.released && desc->release != NULL) {
        env->priv.releasing = true;
        *failure = desc->release(desc->user, env);
        env->priv.releasing = false;
    }
    if (*failure != 0) return CKPT_ERR_IO;
    env->priv.released = true;
    ckpt__janitor_remove(desc->janitor, env);
    if (desc->run != NULL) {
        CKPT__TRY(ckpt__unhold(ckpt__run_of(desc->run), env->id));
    }
    env->priv.struck = true;
    return CKPT_OK;
}

CKPT_API ckpt_code ckpt_held_next(ckpt_run *view, ckpt_held *held)
{
    ckpt__run *run = ckpt__run_of(view);
    ckpt__entry e;
    if (held == NULL) return CKPT_ERR_ARGUMENT;
    CKPT__TRY(ckpt__enter(run));
    const ckpt_code rc = ckpt__entry_next(run, CKPT__HELD, &held->at, held->id,
                                          0, &e);
    if (rc == CKPT_OK) {
        held->step_count = (int64_t)e.turn;
        held->timestep_size = e.value_size;
    }
    return ckpt__leave(run, ckpt__run_result(run, rc));
}

CKPT_API ckpt_code ckpt_held_timestep(ckpt_run *view, const char *id, void *buf,
                                      size_t cap, size_t *size)
{
    return ckpt__value_told(ckpt__run_of(view), CKPT__HELD, id, 0, buf, cap,
                            size);
}

CKPT_API void ckpt_janitor_init(ckpt_janitor *janitor, ckpt_env **envs,
                                size_t cap, ckpt_event_fn *event, void *user)
{
    janitor->envs = envs;
    janitor->cap = cap;
    janitor->count = 0;
    janitor->event = event;
    janitor->event_user = user;
}

CKPT_API size_t ckpt_janitor_sweep(ckpt_janitor *janitor, size_t *count)
{
    size_t failures = 0, ignored;
    ckpt_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.event = janitor->event;
    desc.event_user = janitor->event_user;
    count = count != NULL ? count : &ignored;
    for (*count = 0; janitor->count > 0; ++*count) {
        ckpt_env *env = janitor->envs[--janitor->count];
        ckpt_error err;
        memset(&err, 0, sizeof(err));
        err.op = "release an environment";
        const ckpt_code rc = ckpt_env_release(env, &err.sys);
        (void)ckpt__fill_error(&err, rc);
        env->priv.released = true;
        env->priv.struck = true;
        failures += rc != CKPT_OK;
        ckpt__event(&desc, rc == CKPT_OK ? CKPT_EVENT_ENV_RELEASED
                                         : CKPT_EVENT_ENV_FAILED,
                    env->id, NULL, &err);
    }
    return failures;
}

#endif /* CKPT_NO_ENVIRONMENTS */

//--- Execute ------------------------------------------------------------------

// Does the work and finishes the run, unless the work has done so.
static ckpt_code ckpt__work(ckpt__run *run, ckpt_work_fn *work, void *user,
                            ckpt_finish_desc *finish, ckpt_outcome *outcome)
{
    *outcome = work(run->view, user, finish);
    if (*outcome <= CKPT_RUNNING || *outcome > CKPT_RETRY) {
        *outcome = CKPT_INTERRUPTED;
    }
    return ckpt__is_open(run) ? ckpt_finish(run->view, *outcome, finish)
                              : CKPT_OK;
}

// Goes on without checkpoints, and says why.
CKPT__APART static void ckpt__degrade(ckpt__run *run, ckpt_code rc)
{
    (void)ckpt__fill_error(&run->place.error, rc);
    ckpt__tell(run, CKPT_EVENT_DEGRADED, &run->place.error);
    run->none = ckpt_store_none();
    run->place.store = &run->none;
    run->epoch = run->view->epoch = 1;
    memcpy(run->view->birth, "0", 2);
    memcpy(run->record.birth, "0", 2);
    run->view->durable = false;
    run->seq_tried = 0;
}

CKPT_API ckpt_code ckpt_execute(ckpt_ctx *ctx_view, ckpt_run *view,
                                const ckpt_run_desc *desc, ckpt_work_fn *work,
                                void *user)
{
    ckpt__ctx *ctx = ckpt__ctx_of(ctx_view);
    ckpt__run *run = ckpt__run_of(view);
    ckpt_finish_desc finish;
    ckpt_outcome outcome;
    bool found;
    CKPT__TRY(ckpt__admit(ctx, view, view != NULL && desc != NULL &&
                                     work != NULL));
    ckpt_code rc = ckpt__open(ctx, run, desc, &found);
    if (!found && (rc == CKPT_ERR_IO || rc == CKPT_ERR_NO_SPACE ||
                   rc == CKPT_ERR_ACCESS || rc == CKPT_ERR_RESOURCE)) {
        ckpt__degrade(run, rc);
        rc = CKPT_OK;
    }
    CKPT__TRY(ckpt__open_result(ctx, run, rc));
    memset(&finish, 0, sizeof(finish));
    return ckpt__work(run, work, user, &finish, &outcome);
}

//--- Observing ----------------------------------------------------------------

#ifndef CKPT_NO_SUPERVISING

// Where a reader puts what it finds of a run that is looked at.
static ckpt__into ckpt__into_info(ckpt__ctx *ctx, ckpt_run_info *info,
                                  bool front)
{
    const ckpt__into into = { &ctx->record, &ctx->found, NULL, info, front };
    return into;
}

// Fills in what a record says about a run.
static void ckpt__info_record(ckpt_run_info *info, const ckpt__record *rec)
{
    info->outcome = rec->outcome;
    info->epoch = rec->epoch;
    info->seq = rec->seq;
    info->turn = rec->turn;
    info->turn_max = rec->turn_max;
    info->size = rec->length;
    info->attempt = rec->attempt;
    info->once = rec->once;
    info->lost = ckpt__is_lost(rec);
    info->older = rec->lost && !info->lost;
    memcpy(info->birth, rec->birth, sizeof(info->birth));
    info->messages = rec->section[CKPT__MESSAGES].count;
    info->phases = rec->section[CKPT__PHASES].count;
    info->uncertain = rec->uncertain;
    info->held = rec->section[CKPT__HELD].count;
    info->saved_at_ms = rec->saved_at_ms;
}

// Fills in what the claims say about a run.
static void ckpt__info_life(ckpt_run_info *info, const ckpt__place *p)
{
    info->beat_age_ms = p->facts.age_ms < 0 ? 0 : p->facts.age_ms;
    if (p->life.beat_ms == 0) {
        info->beat_age_ms = -1;
    }
    memcpy(info->owner, p->life.owner, sizeof(info->owner));
    info->owner[sizeof(info->owner) - 1] = '\0';
}

// Whether a front ends a run, or lets it go, that perhaps goes on: the save was
// not acknowledged, and the generation before it is still there. So its owner
// may have died in the middle, or be writing it now.
static bool ckpt__is_doubtful(const ckpt__place *p, const ckpt__record *rec)
{
    const ckpt__facts *f = &p->facts;
    return f->judged == CKPT_OK && rec->seq > f->acked && p->look.count > 1 &&
           rec->outcome != CKPT_RUNNING &&
           (f->verdict == CKPT_LIFE_LIVE || ckpt__is_end(rec->outcome));
}

// Describes the run of the id that the context keeps, by all of its newest
// generation or by the front of that. CKPT_ERR_NOT_FOUND if it is not there.
static ckpt_code ckpt__describe(ckpt__ctx *ctx, ckpt_run_info *info, bool front)
{
    ckpt__place *p = &ctx->place;
    ckpt__facts *f = &p->facts;
    ckpt__into into = ckpt__into_info(ctx, info, front);
    memset(info, 0, sizeof(*info));
    memset(f, 0, sizeof(*f));
    p->life.now_ms = 0;                         // of the run before
    memcpy(info->id, ctx->id, sizeof(info->id));
    info->beat_age_ms = -1;
    ckpt_code rc = ckpt__store_open(p, &ctx->desc, ctx->id, CKPT_HOW_FIND);
    if (rc == CKPT_ERR_NOT_FOUND || rc == CKPT_ERR_ARGUMENT) return rc;
    if (rc == CKPT_OK) {
        rc = ckpt__observe(ctx, p, ctx->id, &into);
        if (rc == CKPT_OK && front && ckpt__is_doubtful(p, &ctx->record)) {
            front = into.front = false;
            rc = ckpt__observe(ctx, p, ctx->id, &into);
        }
        ckpt__store_close(p, false);
    }
    if (rc == CKPT_ERR_NOT_FOUND) return rc;
    if (rc == CKPT_OK) {
        ckpt__info_life(info, p);
    } else {
        f->judged = rc;
    }
    info->state = ckpt__classify(f, &ctx->desc, &info->wait_ms);
    if (f->judged == CKPT_OK) {
        ckpt__info_record(info, &ctx->record);
        info->older |= p->bad_acked > 0 || f->acked > ctx->record.seq;
        info->verified = !front;
    } else {
        info->error = p->error;
        (void)ckpt__fill_error(&info->error, f->judged);
    }
    return CKPT_OK;
}

CKPT_API ckpt_code ckpt_query(ckpt_ctx *view, const char *id,
                              ckpt_run_info *info)
{
    ckpt__ctx *ctx = ckpt__ctx_of(view);
    CKPT__TRY(ckpt__admit(ctx, NULL, info != NULL));
    if (!ckpt__keep_id(ctx, id)) return ckpt__refuse(ctx, "read the run id");
    return ckpt__ctx_result(ctx, ckpt__describe(ctx, info, true));
}

// Reads every generation of a run, and returns the first fault.
static ckpt_code ckpt__verify_all(ckpt__ctx *ctx)
{
    ckpt__place *p = &ctx->place;
    const ckpt__into into = ckpt__into_info(ctx, NULL, false);
    ckpt__walk w = ckpt__walk_begin(p, CKPT_TURN_MAX);
    ckpt_code worst = CKPT_OK, rc;
    uint64_t pos = 0;
    while ((rc = ckpt__walk_next(p, &w)) == CKPT_OK) {
        rc = ckpt__judge_one(p, ctx->id, &into);
        if (rc != CKPT_OK && rc != CKPT_ERR_DAMAGED) return rc;
        // What no save acknowledged is no damage: see ckpt__count_bad().
        if (worst == CKPT_OK && rc != CKPT_OK && p->gen.seq <= p->facts.acked) {
            worst = rc;
            pos = ckpt__pos(&p->reader);
        }
    }
    if (rc != CKPT_END) return rc;
    memset(&p->error, 0, sizeof(p->error));
    p->error.pos = pos;
    return worst;
}

// Describes a run, and then reads its newest whole generation.
static ckpt_code ckpt__peek_once(ckpt__ctx *ctx, ckpt_run_info *info,
                                 ckpt_checkpoint *out, void *buf, size_t cap)
{
    ckpt__place *p = &ctx->place;
    const ckpt__into into = ckpt__into_info(ctx, NULL, false);
    CKPT__TRY(ckpt__describe(ctx, info, false));
    if (info->error.code != CKPT_OK) {
        p->error = info->error;
        return info->error.code;
    }
    CKPT__TRY(ckpt__store_open(p, &ctx->desc, ctx->id, CKPT_HOW_FIND));
    const ckpt_code rc = ckpt__load_from(p, ctx->id, &ctx->record, &into, out,
                                         buf, cap);
    ckpt__store_close(p, false);
    return rc == CKPT_OK && info->older ? CKPT_OLDER : rc;
}

CKPT_API ckpt_code ckpt_peek(ckpt_ctx *view, const char *id,
                             ckpt_run_info *info, ckpt_checkpoint *out,
                             void *buf, size_t cap)
{
    ckpt__ctx *ctx = ckpt__ctx_of(view);
    ckpt_code rc = CKPT_ERR_STALE;
    CKPT__TRY(ckpt__admit(ctx, NULL, info != NULL && out != NULL));
    memset(out, 0, sizeof(*out));
    if (!ckpt__keep_id(ctx, id)) return ckpt__refuse(ctx, "read the run id");
    // A run that is saved meanwhile is read again.
    for (int tries = 0; tries < 8 && (rc == CKPT_ERR_STALE ||
                                      rc == CKPT_ERR_DAMAGED); tries++) {
        rc = ckpt__peek_once(ctx, info, out, buf, cap);
    }
    return ckpt__ctx_result(ctx, rc == CKPT_ERR_STALE ? CKPT_ERR_BUSY : rc);
}

// Describes a run, and then reads it whole.
static ckpt_code ckpt__verify(ckpt__ctx *ctx, ckpt_run_info *info)
{
    CKPT__TRY(ckpt__describe(ctx, info, false));
    CKPT__TRY(ckpt__store_open(&ctx->place, &ctx->desc, ctx->id,
                               CKPT_HOW_FIND));
    const ckpt_code rc = ckpt__verify_all(ctx);
    ckpt__store_close(&ctx->place, false);
    if (rc == CKPT_OK && info->error.code != CKPT_OK) {
        ctx->place.error = info->error;         // the info and the code agree
        return info->error.code;
    }
    return rc == CKPT_OK && info->older ? CKPT_ERR_DAMAGED : rc;
}

CKPT_API ckpt_code ckpt_verify(ckpt_ctx *view, const char *id,
                               ckpt_run_info *info)
{
    ckpt__ctx *ctx = ckpt__ctx_of(view);
    ckpt_code rc = CKPT_ERR_STALE;
    CKPT__TRY(ckpt__admit(ctx, NULL, true));
    info = info != NULL ? info : &ctx->info;
    const bool is_id = ckpt__keep_id(ctx, id);
    memset(info, 0, sizeof(*info));
    if (!is_id) return ckpt__refuse(ctx, "read the run id");
    // A file that its owner writes in place looks damaged to who reads it then.
    for (int tries = 0; tries < 8 && (rc == CKPT_ERR_STALE ||
                                      rc == CKPT_ERR_DAMAGED); tries++) {
        rc = ckpt__verify(ctx, info);
    }
    rc = ckpt__ctx_result(ctx, rc == CKPT_ERR_STALE ? CKPT_ERR_BUSY : rc);
    if (rc != CKPT_OK) {
        info->error = ctx->place.error;
    }
    return rc;
}

// Goes on to the next id of a listing, into ctx->id. False at the end, or after
// an error, as *rc says.
static bool ckpt__list_next(ckpt__ctx *ctx, ckpt_where where,
                            ckpt_cursor *cursor, ckpt_code *rc)
{
    memset(&ctx->place.error, 0, sizeof(ctx->place.error));
    *rc = ckpt__store_list(ctx->desc.store, where, cursor, ctx->id,
                           &ctx->place.error);
    if (*rc != CKPT_OK) {
        ctx->id[0] = '\0';                      // the failure is of no run
    }
    return *rc == CKPT_OK;
}

// Ends a walk over the runs: a cursor that was not walked to its end is freed.
static ckpt_code ckpt__list_end(ckpt__ctx *ctx, ckpt_cursor *cursor,
                                ckpt_code rc)
{
    if (rc == CKPT_OK) {
        (void)ckpt__store_list(ctx->desc.store, CKPT_AT_RUNS, cursor, NULL,
                               &ctx->place.error);
    }
    return ckpt__ctx_result(ctx, rc == CKPT_END ? CKPT_OK : rc);
}

// Describes one run of a scan. Most stores must change a file to see the time,
// so a scan asks them once a second, and ages are up to a second too small: an
// owner is never taken for dead too early.
static ckpt_code ckpt__scan_one(ckpt__ctx *ctx, ckpt_run_info *info)
{
    ckpt_moment now;
    if (ckpt__store_clock(ctx->desc.store, NULL, &now, &ctx->place.error) !=
        CKPT_OK || now.mono_ms - ctx->now_at_ms >= 1000) {
        ctx->now_ms = 0;
    }
    const ckpt_code rc = ckpt__describe(ctx, info, true);
    // A store that cannot see the time says that it is that of the beat.
    if (ctx->now_ms != ctx->place.life.now_ms &&
        ctx->place.life.now_ms != ctx->place.life.beat_ms) {
        ctx->now_ms = ctx->place.life.now_ms;
        ctx->now_at_ms = now.mono_ms;
    }
    return rc;
}

// Describes all runs to fn.
static ckpt_code ckpt__scan(ckpt__ctx *ctx, uint32_t states, ckpt_scan_fn *fn,
                            void *user)
{
    ckpt_run_info *info = &ctx->info;
    ckpt_cursor cursor;
    ckpt_code rc = CKPT_OK;
    bool more = true;
    memset(&cursor, 0, sizeof(cursor));
    while (more && ckpt__list_next(ctx, CKPT_AT_RUNS, &cursor, &rc)) {
        if (ckpt__scan_one(ctx, info) == CKPT_OK &&
            ((uint32_t)info->state & states)) {
            more = fn(user, info);
        }
    }
    ctx->now_ms = 0;
    return ckpt__list_end(ctx, &cursor, rc);
}

CKPT_API ckpt_code ckpt_scan(ckpt_ctx *view, uint32_t states, ckpt_scan_fn *fn,
                             void *user)
{
    ckpt__ctx *ctx = ckpt__ctx_of(view);
    states = states != 0 ? states : (uint32_t)CKPT_STATE_ALL;
    CKPT__TRY(ckpt__admit(ctx, NULL, fn != NULL));
    return ckpt__scan(ctx, states, fn, user);
}

// Runs that have not ended.
enum {
    CKPT__STATES_OPEN = CKPT_STATE_ALL & ~(CKPT_STATE_FINISHED |
                                           CKPT_STATE_DONE | CKPT_STATE_FAILED)
};

// What ckpt_latest() looks for, and has found.
typedef struct ckpt__latest {
    const ckpt__found *is;              // of the run that is looked at
    const char        *agent_id, *task_id;
    ckpt_run_info     *best;
    bool               found;
} ckpt__latest;

// Whether a filter, "" for any, matches a text of the metadata: a hash alone
// would give one agent the run of another. Only of a text that the info does
// not show whole the hash decides.
CKPT__ONCE static bool ckpt__matches(const char *filter, const char *shown,
                                     const ckpt__span *text, uint64_t hash)
{
    if (*filter == '\0') return true;
    if (text->size <= CKPT_NAME_MAX) return strcmp(filter, shown) == 0;
    return ckpt__hash_text(filter, CKPT__AS_TEXT) == hash;
}

static bool ckpt__latest_visit(void *user, const ckpt_run_info *info)
{
    ckpt__latest *l = (ckpt__latest *)user;
    const ckpt__found *is = l->is;
    if (info->seq > 0 &&
        ckpt__matches(l->agent_id, info->agent_id,
                      &is->meta[CKPT__META_agent_id], is->agent) &&
        ckpt__matches(l->task_id, info->task_id,
                      &is->meta[CKPT__META_task_id], is->task) &&
        (!l->found || ckpt__is_later(info, l->best))) {
        *l->best = *info;
        l->found = true;
    }
    return true;
}

CKPT_API ckpt_code ckpt_latest(ckpt_ctx *view, const char *agent_id,
                               const char *task_id, ckpt_run_info *info)
{
    ckpt__ctx *ctx = ckpt__ctx_of(view);
    ckpt__latest l;
    CKPT__TRY(ckpt__admit(ctx, NULL, info != NULL));
    memset(&l, 0, sizeof(l));
    memset(info, 0, sizeof(*info));
    l.is = &ctx->found;
    l.agent_id = agent_id != NULL ? agent_id : "";
    l.task_id = task_id != NULL ? task_id : "";
    l.best = info;
    if (*l.agent_id == '\0' && *l.task_id == '\0') {
        return ckpt__refuse(ctx, "read the filters");
    }
    const ckpt_code rc = ckpt__scan(ctx, CKPT__STATES_OPEN, ckpt__latest_visit,
                                    &l);
    return ckpt__ctx_result(ctx, rc != CKPT_OK || l.found ? rc
                                                          : CKPT_ERR_NOT_FOUND);
}

// What ckpt_stale() has found: the oldest, in order.
typedef struct ckpt__stale {
    int64_t        age_ms;
    ckpt_run_info *infos;
    size_t         cap, count;
} ckpt__stale;

static bool ckpt__stale_visit(void *user, const ckpt_run_info *info)
{
    ckpt__stale *s = (ckpt__stale *)user;
    size_t i = s->count;
    if (info->beat_age_ms <= s->age_ms) return true;
    while (i > 0 && (s->infos[i - 1].beat_age_ms < info->beat_age_ms ||
                     (s->infos[i - 1].beat_age_ms == info->beat_age_ms &&
                      strcmp(s->infos[i - 1].id, info->id) > 0))) {
        i--;
    }
    if (i < s->cap) {
        s->count += s->count < s->cap;
        memmove(&s->infos[i + 1], &s->infos[i],
                (s->count - i - 1) * sizeof(*info));
        s->infos[i] = *info;
    }
    return true;
}

CKPT_API ckpt_code ckpt_stale(ckpt_ctx *view, int64_t age_ms,
                              ckpt_run_info *infos, size_t cap, size_t *count)
{
    ckpt__ctx *ctx = ckpt__ctx_of(view);
    ckpt__stale s = { age_ms, infos, cap, 0 };
    CKPT__TRY(ckpt__admit(ctx, NULL, count != NULL));
    *count = 0;
    if (age_ms < 0) return ckpt__refuse(ctx, "read the age");
    if (cap > 0 && infos == NULL) return ckpt__refuse(ctx, "read infos");
    const ckpt_code rc = ckpt__scan(ctx, CKPT__STATES_OPEN, ckpt__stale_visit,
                                    &s);
    *count = s.count;
    for (size_t i = 0; i < s.count; i++) {
        ckpt__event(&ctx->desc, CKPT_EVENT_STALE, infos[i].id, NULL, NULL);
    }
    return rc;
}

//--- Supervising --------------------------------------------------------------

// Reports and counts a run that a walk passes over because of a failure: not
// because it ended, lives, is changing or is gone.
static void ckpt__pass_over(ckpt__ctx *ctx, ckpt_code rc, uint32_t *failed)
{
    switch (rc) {
    case CKPT_SKIPPED: case CKPT_FINISHED: case CKPT_ERR_FAILED:
    case CKPT_ERR_LIVE: case CKPT_ERR_BUSY: case CKPT_ERR_NOT_FOUND:
        break;
    default:
        ++*failed;
        ckpt__event(&ctx->desc, CKPT_EVENT_LOAD_FAILED, ctx->id, NULL,
                    &ctx->place.error);
        break;
    }
}

// Whether a run lives, as the front of its newest generation says: whoever
// recovers runs need not read more of it.
static bool ckpt__lives(ckpt__ctx *ctx)
{
    ckpt_run_info *info = &ctx->info;
    return ckpt__describe(ctx, info, true) == CKPT_OK &&
           (info->state == CKPT_STATE_LIVE ||
            info->state == CKPT_STATE_STALLED);
}

CKPT_API ckpt_code ckpt_resume_next(ckpt_ctx *ctx_view, ckpt_run *view,
                                    ckpt_cursor *cursor)
{
    ckpt__ctx *ctx = ckpt__ctx_of(ctx_view);
    ckpt__run *run = ckpt__run_of(view);
    ckpt_code rc;
    CKPT__TRY(ckpt__admit(ctx, view, view != NULL && cursor != NULL));
    while (ckpt__list_next(ctx, CKPT_AT_RUNS, cursor, &rc)) {
        if (ckpt__lives(ctx)) continue;
        run->view = view;
        rc = ckpt__take_run_over(ctx, run, ctx->id, NULL, 0);
        rc = ckpt__open_result(ctx, run, rc);
        if (rc == CKPT_OK) return CKPT_OK;
        if (rc != CKPT_ERR_EXHAUSTED) {         // that one has a fallback
            ckpt__pass_over(ctx, rc, &cursor->failed);
        }
    }
    memset(view, 0, sizeof(*view));
    return ckpt__ctx_result(ctx, rc);
}

CKPT_API void ckpt_cursor_close(ckpt_ctx *view, ckpt_cursor *cursor)
{
    ckpt__ctx *ctx = ckpt__ctx_of(view);
    (void)ckpt__store_list(ctx->desc.store, CKPT_AT_RUNS, cursor, NULL,
                           &ctx->place.error);
}

// Resumes a claimed run, or hands it to the fallback, a bounded number of
// times. A damaged run cannot be adopted, so the claimants that did not give up
// since its newest generation are counted instead.
CKPT__APART static ckpt_code ckpt__recover_one(ckpt__run *run,
                                               const ckpt_recover_desc *desc,
                                               ckpt_recover_info *info)
{
    const bool damaged = run->handed == CKPT__HANDED_DAMAGED;
    const int32_t max = desc->fallback_max != 0 ? desc->fallback_max : 3;
    const uint64_t times = damaged ? run->place.facts.died + UINT64_C(1) :
        ckpt__fallback_count(run->record.attempt, run->ctx->desc.resume_max);
    ckpt_finish_desc finish;
    ckpt_outcome outcome = CKPT_FAILED;
    ckpt_code rc;
    memset(&finish, 0, sizeof(finish));
    if (run->handed == CKPT__HANDED_ON) {
        info->resumed++;
        return ckpt__work(run, desc->resume, desc->user, &finish, &outcome);
    }
    finish.keep = true;
    finish.reason = damaged ? "no checkpoint of it is whole"
                            : "no resume attempt was left";
    if (desc->fallback == NULL || times > (uint64_t)max) {
        rc = ckpt_finish(run->view, CKPT_FAILED, &finish);
    } else {
        info->fallen_back++;
        rc = ckpt__work(run, desc->fallback, desc->user, &finish, &outcome);
    }
    info->dead_letters += rc == CKPT_OK && outcome == CKPT_FAILED &&
                          finish.keep;
    return rc;
}

// Takes a run that a recovery meets, and counts what became of it.
CKPT__ONCE static void ckpt__recover_next(ckpt__ctx *ctx, ckpt__run *run,
                                          const ckpt_recover_desc *desc,
                                          ckpt_recover_info *info)
{
    ckpt_code rc = ckpt__take_run_over(ctx, run, ctx->id, NULL,
                                       CKPT__FOR_FALLBACK);
    rc = ckpt__open_result(ctx, run, rc);
    switch (rc) {
    case CKPT_OK:
        rc = ckpt__recover_one(run, desc, info);
        ckpt_abandon(run->view);                // if it could not be finished
        info->failed += rc != CKPT_OK;
        break;
    case CKPT_FINISHED:
        info->finished++;
        break;
    default:
        ckpt__pass_over(ctx, rc, &info->failed);
        break;
    }
}

CKPT_API ckpt_code ckpt_recover(ckpt_ctx *ctx_view, ckpt_run *view,
                                const ckpt_recover_desc *desc,
                                ckpt_recover_info *info)
{
    ckpt__ctx *ctx = ckpt__ctx_of(ctx_view);
    ckpt_recover_info ignored;
    ckpt_cursor cursor;
    ckpt_code rc;
    CKPT__TRY(ckpt__admit(ctx, view, view != NULL && desc != NULL &&
                                     desc->resume != NULL));
    info = info != NULL ? info : &ignored;
    memset(info, 0, sizeof(*info));
    memset(&cursor, 0, sizeof(cursor));
    while (ckpt__list_next(ctx, CKPT_AT_RUNS, &cursor, &rc)) {
        if (!ckpt__lives(ctx)) {
            ckpt__recover_next(ctx, ckpt__run_of(view), desc, info);
        }
    }
    return ckpt__list_end(ctx, &cursor, rc);
}

// Takes a run for a call that does not hand it out, and lets it go again.
static ckpt_code ckpt__use(ckpt__ctx *ctx, ckpt_run *view, const char *id,
                           uint32_t purpose)
{
    ckpt__run *run = ckpt__run_of(view);
    CKPT__TRY(ckpt__admit(ctx, view, view != NULL));
    ckpt_code rc = ckpt__take(ctx, run, id, purpose);
    rc = ckpt__open_result(ctx, run, rc);
    ckpt_abandon(view);
    memset(view, 0, sizeof(*view));
    return rc;
}

CKPT_API ckpt_code ckpt_remove(ckpt_ctx *ctx, ckpt_run *run, const char *id)
{
    return ckpt__use(ckpt__ctx_of(ctx), run, id, CKPT__FOR_REMOVAL);
}

CKPT_API ckpt_code ckpt_retry(ckpt_ctx *view, ckpt_run *run, const char *id)
{
    ckpt__ctx *ctx = ckpt__ctx_of(view);
    const ckpt_code rc = ckpt__use(ctx, run, id, CKPT__FOR_RETRY);
    return rc == CKPT_ERR_LIVE ? ckpt__ctx_result(ctx, CKPT_ERR_EXISTS) : rc;
}

// Whether a run may be pruned, as all of it says or its front.
static bool ckpt__is_prunable(ckpt__ctx *ctx, const ckpt_prune_desc *desc,
                              bool front)
{
    const ckpt_run_info *info = &ctx->info;
    const uint32_t states = desc->states != 0 ? desc->states :
        (uint32_t)CKPT_STATE_DONE | (uint32_t)CKPT_STATE_FAILED;
    return ckpt__describe(ctx, &ctx->info, front) == CKPT_OK &&
           ((uint32_t)info->state & states) != 0 &&
           info->beat_age_ms > desc->age_ms && info->held == 0;
}

// Removes one run that is old enough, or only counts it. False: fn has enough.
static bool ckpt__prune_one(ckpt__ctx *ctx, ckpt_run *run,
                            const ckpt_prune_desc *desc, uint32_t *count)
{
    ckpt_run_info *info = &ctx->info;
    ckpt_code rc = CKPT_OK;
    // What a front says may not be so: all of the run is read before it goes.
    if (!ckpt__is_prunable(ctx, desc, true) ||
        !ckpt__is_prunable(ctx, desc, false)) {
        return true;
    }
    if (desc->fn != NULL && !desc->fn(desc->user, info)) return false;
    if (!desc->dry_run) {
        rc = ckpt__use(ctx, run, info->id,
                       CKPT__FOR_REMOVAL | CKPT__FOR_PRUNING);
    }
    *count += rc == CKPT_OK;
    if (rc < 0 && rc != CKPT_ERR_BUSY && rc != CKPT_ERR_LIVE &&
        rc != CKPT_ERR_NOT_FOUND) {
        ckpt__event(&ctx->desc, CKPT_EVENT_DELETE_FAILED, info->id, NULL,
                    &ctx->place.error);
    }
    return true;
}

CKPT_API ckpt_code ckpt_prune(ckpt_ctx *view, ckpt_run *run,
                              const ckpt_prune_desc *desc, uint32_t *count)
{
    const uint32_t allowed = CKPT_STATE_DONE | CKPT_STATE_FAILED |
                             CKPT_STATE_INTERRUPTED | CKPT_STATE_EXHAUSTED;
    ckpt__ctx *ctx = ckpt__ctx_of(view);
    ckpt_cursor cursor;
    ckpt_code rc = CKPT_OK;
    uint32_t ignored;
    bool more = true;
    memset(&cursor, 0, sizeof(cursor));
    CKPT__TRY(ckpt__admit(ctx, run, run != NULL && desc != NULL));
    if (desc->age_ms < 1) return ckpt__refuse(ctx, "read .age_ms");
    if (desc->states & ~allowed) return ckpt__refuse(ctx, "read .states");
    count = count != NULL ? count : &ignored;
    *count = 0;
    while (more && ckpt__list_next(ctx, CKPT_AT_RUNS, &cursor, &rc)) {
        more = ckpt__prune_one(ctx, run, desc, count);
    }
    memset(run, 0, sizeof(*run));
    return ckpt__list_end(ctx, &cursor, rc);
}

// Removes a run that was never shown, if its maker is gone. The new claim is
// above the maker's: if the maker lives, its look finds that (R4).
static bool ckpt__sweep_aside(ckpt__ctx *ctx, ckpt__run *run)
{
    ckpt__place *p = &run->place;
    if (ckpt__store_open(p, &ctx->desc, run->view->id, CKPT_HOW_LEFTOVER) !=
        CKPT_OK) {
        return false;
    }
    const bool removed = ckpt__observe_owner(p, 0, 0) == CKPT_OK &&
        ckpt__is_gone(&p->facts, &ctx->desc) &&
        ckpt__make_claim(run, p->look.epoch + 1) == CKPT_OK &&
        ckpt__fence(run) == CKPT_OK &&
        ckpt__remove_run(run, CKPT_REMOVED, NULL) == CKPT_OK;
    ckpt__store_close(p, false);
    return removed;
}

CKPT_API ckpt_code ckpt_sweep(ckpt_ctx *ctx_view, ckpt_run *view,
                              uint32_t *count)
{
    ckpt__ctx *ctx = ckpt__ctx_of(ctx_view);
    ckpt__run *run = ckpt__run_of(view);
    ckpt_cursor cursor;
    ckpt_code rc;
    uint32_t ignored;
    CKPT__TRY(ckpt__admit(ctx, view, view != NULL));
    count = count != NULL ? count : &ignored;
    *count = 0;
    memset(&cursor, 0, sizeof(cursor));
    while (ckpt__list_next(ctx, CKPT_AT_LEFTOVERS, &cursor, &rc)) {
        (void)ckpt__run_init(ctx, run, ctx->id);
        *count += ckpt__sweep_aside(ctx, run);
    }
    memset(&cursor, 0, sizeof(cursor));
    while (rc == CKPT_END &&
           ckpt__list_next(ctx, CKPT_AT_RUNS, &cursor, &rc)) {
        rc = ckpt__take(ctx, run, ctx->id, CKPT__FOR_BEGIN);
        // epoch > 0: we claimed the run, and so removed it; else it was gone.
        *count += (rc == CKPT_FINISHED || rc == CKPT_ERR_NOT_FOUND) &&
             run->epoch > 0;
        rc = CKPT_END;
    }
    memset(view, 0, sizeof(*view));
    return ckpt__list_end(ctx, &cursor, rc);
}

#endif /* CKPT_NO_SUPERVISING */

//--- End of the implementation ------------------------------------------------

#undef CKPT__APART
#undef CKPT__CRC1
#undef CKPT__CRC2
#undef CKPT__CRC3
#undef CKPT__CRC4
#undef CKPT__CRC5
#undef CKPT__CRC6
#undef CKPT__CRC7
#undef CKPT__CRC8
#undef CKPT__CRC_ASKS
#undef CKPT__CRC_KNOWN
#undef CKPT__CRC_OP
#undef CKPT__CRC_OP1
#undef CKPT__CRC_TARGET
#undef CKPT__HASH_EMPTY
#undef CKPT__HEAD_MAP
#undef CKPT__META_MAP
#undef CKPT__ONCE
#undef CKPT__PLAIN_NEON
#undef CKPT__PLAIN_SSE2
#undef CKPT__TIME_MAX
#undef CKPT__TRY

#endif /* CKPT_IMPLEMENTATION_DONE */
#endif /* CKPT_IMPLEMENTATION */

/*
    HISTORY
    =======
    0.1.0   first version

    LICENSE
    =======
    MIT No Attribution

    Copyright 2026 the ckpt authors

    Permission is hereby granted, free of charge, to any person obtaining a
    copy of this software and associated documentation files (the "Software"),
    to deal in the Software without restriction, including without limitation
    the rights to use, copy, modify, merge, publish, distribute, sublicense,
    and/or sell copies of the Software, and to permit persons to whom the
    Software is furnished to do so.

    THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
    IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
    FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
    AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
    LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING
    FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
    DEALINGS IN THE SOFTWARE.
*/
