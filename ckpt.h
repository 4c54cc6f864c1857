/*
    ckpt.h -- checkpoints for long agent runs                          v0.1.0

    Save where an agent run is as it goes, beat while it is alive, and after
    a crash find the runs that were interrupted, claim each exactly once, and
    carry on from the last checkpoint, skipping the phases that were complete
    and the tool calls that were already done.

    Do this in *one* C or C++ file:

        #define CKPT_IMPLEMENTATION
        #include "ckpt.h"

    and include ckpt.h without the define everywhere else. The implementation
    needs stb_sprintf.h on the include path, and nothing else beyond C99.
    To keep runs in a directory of files see ckpt_store_fs.h.

    ckpt DOES NOT:
      - allocate memory, print, log, start threads or keep global state
      - read a clock or touch a disk: the store that you pass in does
      - change your transcript or your state: both are your JSON, kept byte
        for byte
      - make a tool run exactly once: nobody can. It tells you after a crash
        which calls have ended, and which are uncertain because they had
        begun

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
            if (rc < 0) {
                return report(ckpt_last_error(&ctx));
            }

    --- after a resume, read the last checkpoint into a buffer of yours;
        run.checkpoint_size says how large it must be:

            ckpt_checkpoint last;
            if (run.resumed) {
                rc = ckpt_load(&run, &last, buf, sizeof(buf));
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
                        rc = ckpt_effect_result(&run, &effect, buf,
                                                sizeof(buf), &call.size);
                        break;
                    case CKPT_EFFECT_UNCERTAIN:     // it may have run
                        ask_somebody(&call);
                        break;
                    }
                }
                if (rc == CKPT_ERR_CLAIM_LOST) {
                    return 1;       // another process has taken the run over
                }
            }

    --- finish. A run that is never finished is interrupted, and can be
        resumed:

            rc = ckpt_finish(&run, CKPT_COMPLETED, NULL);

    WORDS
    =====
    run         one execution of an agent on one task, named by its id
    checkpoint  the last saved position and state of a run
    generation  one published version of a checkpoint. The last two are kept;
                they are ordered by (epoch, seq)
    turn        the caller's own counter (an LLM turn, an iteration)
    phase       a named stage. Complete phases are skipped by a resume; the
                interrupted one starts again from its start
    effect      one outside action (a tool call), known by (turn, id): new,
                begun (after a crash: uncertain) or ended (result known)
    heartbeat   a file whose mtime says "still alive"; to beat is to renew it
    claim       the right to write to a run
    epoch       the number of a claim: 1, 2, ... An older epoch is fenced off
    interrupted not finished, and its owner is gone
    attempt     one resume of an interrupted run that was not given back.
                Progress (one more phase, or a turn above all turns as they
                were at the resume) starts the count anew
    throttle    saves closer together than this are skipped
    outcome     how a run was left: completed and failed delete it (failed
                may keep a dead letter); interrupted keeps it and gives the
                attempt back; retry keeps it and the attempt counts
    store       where runs are kept: one table of functions
    held        environment checkpoints that belong to a run and that exist

    OPTIONS
    =======
    A zero-initialized desc means the defaults; only .store is required.

    ckpt_desc       unit     0 means        other values
    .throttle_ms    ms       1000, or off   CKPT_OFF: save on every call
                             when .every_turns is set
    .every_turns    turns    off            N: save only turns N, 2N, 3N, ...
                                            (so never turn 0)
    .beat_ms        ms       5000           CKPT_OFF: beat on every call
    .lease_ms       ms       60 000         at least 2 * beat_ms
    .resume_max     attempts 3              CKPT_UNLIMITED, CKPT_NEVER
    .size_max       bytes    64 MiB

    Define before including the implementation, all optional:

    CKPT_STATIC     make every function static to this file
    CKPT_API        your own linkage prefix for the public functions

    ERRORS
    ======
    Functions return a ckpt_code: zero for success, positive for an outcome
    that is no failure, negative for an error. ckpt_last_error() and
    run.error say more: the errno, the position in damaged or wrong JSON, and
    a sentence that says what to do. A run whose opening failed is zeroed, and
    every call on a zeroed run is safe and returns CKPT_ERR_CLOSED.

    A save has one of these results, whatever goes wrong below it:
        CKPT_OK               durable, whole, and the run is still ours
        CKPT_SKIPPED          throttled, nothing was written
        CKPT_ERR_UNSURE       the old checkpoint stands or the new one, whole;
                              save again
        CKPT_ERR_NOT_DURABLE  the new one stands, but may be lost in a power
                              cut; save again
        CKPT_ERR_CLAIM_LOST   another process has the run; stop. Sticky
        any other error       the old checkpoint stands, untouched

    THREADS
    =======
    There is no global state. A ckpt_ctx belongs to one thread at a time, and
    so does a ckpt_run, but the two need not be the same thread: a run only
    reads its context. A janitor shared between threads needs a lock of yours.
    The event callback is called in the thread that made the call.
    After fork() the child owns nothing: its calls on a run return
    CKPT_ERR_FORKED, except ckpt_abandon(), which it should make.

    LICENSE
    =======
    MIT-0, see the end of the file.
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

// The version of this header: major << 16 | minor << 8 | patch. Changed
// comments change nothing, a patch fixes, a minor adds at the end of structs
// and tables, a major breaks.
#define CKPT_VERSION        0x000100
#define CKPT_VERSION_STRING "0.1.0"

// The format of a checkpoint on disk ("ckpt" in its head). A higher one is
// refused and left alone; lower ones load for ever.
#define CKPT_FORMAT_VERSION 1

// Returns the CKPT_VERSION the implementation was compiled from. A program
// that links a library should compare it with its header.
CKPT_API uint32_t ckpt_version(void);

//--- Limits -------------------------------------------------------------------

#define CKPT_ID_MAX         120     // bytes of a run id
#define CKPT_NAME_MAX       120     // bytes of a phase name, effect or env id
#define CKPT_REASON_MAX     500     // bytes of a reason; longer ones are cut
#define CKPT_PHASES_MAX     256     // completed phases of a run
#define CKPT_EFFECTS_MAX    64      // effects a checkpoint holds at a time
#define CKPT_HELD_MAX       64      // environment checkpoints of a run
#define CKPT_DEPTH_MAX      128     // nesting of the caller's JSON
#define CKPT_CLAIMS_MAX     32      // claims that died before they adopted
#define CKPT_PLACE_SIZE     512     // bytes a store may keep in a run
#define CKPT_TURN_MAX       9007199254740991U   // 2^53 - 1, also seq and epoch

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
    X(OLDER,             2, "the newest checkpoint is damaged; this is the "   \
                            "one before it")                                   \
    X(END,               3, "there are no more")                               \
    X(ERR_ARGUMENT,     -1, "an argument is out of its documented range")      \
    X(ERR_CLOSED,       -2, "the run is not open; begin or resume it first")   \
    X(ERR_NOT_FOUND,    -3, "there is nothing of that name")                   \
    X(ERR_EXISTS,       -4, "a run of that id exists; resume or remove it")    \
    X(ERR_LIVE,         -5, "another owner is alive; wait, or use force")      \
    X(ERR_BUSY,         -6, "another process is at work on the run; try again "\
                            "later")                                           \
    X(ERR_CLAIM_LOST,   -7, "another process has claimed the run; stop")       \
    X(ERR_EXHAUSTED,    -8, "no resume attempt is left; retry or remove it")   \
    X(ERR_FINISHED,     -9, "the run is finished")                             \
    X(ERR_FORKED,      -10, "the run belongs to the parent process")           \
    X(ERR_DAMAGED,     -11, "no stored checkpoint is whole; look at the files "\
                            "or remove the run")                               \
    X(ERR_FORMAT,      -12, "the checkpoint has a higher format; use a newer " \
                            "ckpt")                                            \
    X(ERR_FOREIGN,     -13, "the checkpoint is of another run, or not ours")   \
    X(ERR_IO,          -14, "the store failed; the old state is intact")       \
    X(ERR_NO_SPACE,    -15, "the store is full; make room and save again")     \
    X(ERR_ACCESS,      -16, "permission denied; check owner and mode of the "  \
                            "store")                                           \
    X(ERR_RESOURCE,    -17, "out of descriptors or memory; the old state is "  \
                            "intact")                                          \
    X(ERR_UNSAFE,      -18, "others can write to the store; chmod go-w it")    \
    X(ERR_UNSURE,      -19, "the old checkpoint stands or the new one; save "  \
                            "again")                                           \
    X(ERR_NOT_DURABLE, -20, "saved, but a power cut may undo it; save again")  \
    X(ERR_STALE,       -21, "the generation changed while it was read")        \
    X(ERR_BUFFER,      -22, "the caller's buffer is too small")                \
    X(ERR_TOO_LARGE,   -23, "larger than size_max; cut the transcript")        \
    X(ERR_JSON,        -24, "not the JSON that is asked for")                  \
    X(ERR_UTF8,        -25, "not UTF-8")                                       \
    X(ERR_DEPTH,       -26, "JSON is nested too deep")                         \
    X(ERR_GAP,         -27, "append_at is beyond the saved messages")          \
    X(ERR_PHASES,      -28, "too many completed phases")                       \
    X(ERR_EFFECTS,     -29, "too many open effects; end or settle some")       \
    X(ERR_HELD,        -30, "the run still holds environments, or too many")   \
    X(ERR_RELEASED,    -31, "the environment checkpoint was released")         \
    X(ERR_RELEASING,   -32, "the environment checkpoint is being released")

typedef enum ckpt_code {
#define CKPT_X(name, value, message) CKPT_##name = value,
    CKPT_CODE_MAP(CKPT_X)
#undef CKPT_X
    CKPT_CODE_LAST = CKPT_END
} ckpt_code;

// Describes a failure. Its strings are constants and are never freed.
typedef struct ckpt_error {
    ckpt_code   code;       // what the call returned
    int         sys;        // errno of the failed system call, or 0
    uint64_t    pos;        // ERR_JSON, ERR_UTF8, ERR_DEPTH, ERR_DAMAGED: the
                            // offset in bytes where it went wrong
    const char *op;         // what was being done, such as "rename checkpoint"
    const char *msg;        // one sentence in English, never NULL once filled
} ckpt_error;

// Returns the message of a code from CKPT_CODE_MAP, or "unknown code".
CKPT_API const char *ckpt_code_message(ckpt_code code);

//--- Bytes --------------------------------------------------------------------

// A view of bytes that someone else owns. ptr may be NULL when len is 0; NULL
// stands for "absent". Read during the call only.
typedef struct ckpt_bytes {
    const void *ptr;
    size_t      len;
} ckpt_bytes;

// The bytes of a C string without its end; NULL gives absent bytes.
CKPT_API ckpt_bytes ckpt_text(const char *text);

//--- Store: for those who write one -------------------------------------------

// Whoever only uses ckpt can skip to "Context".
//
// A store keeps runs. A run has claims, numbered by epoch, and generations of
// its checkpoint, numbered by (epoch, seq). The store does what it is told and
// says what it sees; every rule lives in the core.

typedef struct ckpt_store ckpt_store;

// What a store can do, an OR of bits in ckpt_store.caps.
enum {
    CKPT_CAP_LOCKS          = 1 << 0,   // alive() knows, it does not guess
    CKPT_CAP_FENCED_WRITE   = 1 << 1,   // publish() refuses a fenced epoch
                                        // itself: the core skips its look
    CKPT_CAP_SINGLE_PROCESS = 1 << 2,   // at boot every owner is gone
    CKPT_CAP_VOLATILE       = 1 << 3,   // OK does not survive a power cut
    CKPT_CAP_NOTHING        = 1 << 4    // keeps nothing: ckpt_store_none()
};

// Where a run can stand.
typedef enum ckpt_where {
    CKPT_AT_RUNS,           // among the runs
    CKPT_AT_FAILED,         // among the dead letters
    CKPT_AT_NOWHERE         // removed; as a place to list: what is half made
} ckpt_where;

// How open() is to open a place.
typedef enum ckpt_how {
    CKPT_HOW_FIND,          // a run that is there
    CKPT_HOW_NEW,           // make a run aside; the first publish() shows it
    CKPT_HOW_LETTER,        // a dead letter, to look at and to read
    CKPT_HOW_RETRY,         // make a run aside that begins with a dead letter
    CKPT_HOW_LEFTOVER       // what list(CKPT_AT_NOWHERE) named
} ckpt_how;

// Names a generation. token is the store's own (an inode, a row version): it
// differs when other bytes stand under the same epoch.
typedef struct ckpt_gen {
    uint64_t epoch;
    uint64_t seq;           // 0: the store does not know, the core reads it
    uint64_t token;
} ckpt_gen;

// A piece of a generation that is being written: new bytes, or, when bytes is
// NULL, a range of the base generation that stays.
typedef struct ckpt_part {
    const void *bytes;
    uint64_t    offset;     // of the range, in the base
    uint64_t    size;
    uint64_t    since_seq;  // the range has stood at this very offset in every
                            // generation of this epoch from this seq on; 0:
                            // not known
    uint32_t    crc;        // CRC-32C of the piece: sum while copying
} ckpt_part;

#define CKPT_LOOK_MAX 8

// What a look at a run sees.
typedef struct ckpt_look {
    uint64_t epoch;                 // the highest, over claims and generations
    bool     mine;                  // the claim this place holds still stands
    unsigned count;                 // generations filled in
    ckpt_gen gens[CKPT_LOOK_MAX];   // newest first: by epoch, then by name
} ckpt_look;

typedef enum ckpt_verdict {
    CKPT_LIFE_UNKNOWN,      // judge by the age of the beat
    CKPT_LIFE_LIVE,
    CKPT_LIFE_GONE
} ckpt_verdict;

// What is known about the owner of a claim.
typedef struct ckpt_life {
    ckpt_verdict verdict;
    int64_t      beat_ms;           // last beat, on the store's own clock; 0:
                                    // no claim of that epoch is there
    int64_t      now_ms;            // the same clock, now
    char         owner[160];        // who claimed, for people to read
} ckpt_life;

// The clocks and random bytes the core has not.
typedef struct ckpt_moment {
    int64_t mono_ms;                // never goes back
    int64_t wall_ms;                // since 1970-01-01 UTC
} ckpt_moment;

// Where a listing stands. Zero-initialize; ckpt_cursor_close() ends a walk
// that was not walked to its end.
typedef struct ckpt_cursor {
    void    *priv;
    uint32_t stage;
} ckpt_cursor;

#define CKPT_STORE_VERSION 1

// The methods of a store; all are required. Each returns CKPT_OK or a negative
// code; on failure it fills err->sys and err->op. place is place_size bytes of
// the core's memory, aligned for any type, that belong to the store from open()
// to close(). The core calls nothing on a place whose open() failed, and
// makes at most one call at a time for one place.
typedef struct ckpt_store_methods {
    uint32_t version;       // CKPT_STORE_VERSION at the time it was compiled
    uint32_t place_size;    // at most CKPT_PLACE_SIZE
    uint64_t size_max;      // the largest checkpoint it can keep; 0: any

    // Opens a place. ERR_NOT_FOUND if there is no such run; with
    // CKPT_HOW_NEW it is made in publish(), which returns ERR_EXISTS if it is
    // there by then.
    ckpt_code (*open)(ckpt_store *s, void *place, const char *id, ckpt_how how,
                      ckpt_error *err);

    // Gives the id of one more run, dead letter or leftover, in any order,
    // each once. CKPT_END after the last. id == NULL: stop, free the cursor.
    ckpt_code (*list)(ckpt_store *s, ckpt_where where, ckpt_cursor *cursor,
                      char id[CKPT_ID_MAX + 1], ckpt_error *err);

    // Looks at a run as it is now: nothing from a cache. Fills in generations
    // of epochs up to epoch_max, whole epochs only, as many as fit.
    ckpt_code (*look)(ckpt_store *s, void *place, uint64_t epoch_max,
                      ckpt_look *look, ckpt_error *err);

    // Makes the claim of an epoch; atomic, one claimant wins. OK: won, the
    // claim is durable and the place holds it. ERR_CLAIM_LOST: it is taken.
    ckpt_code (*claim)(ckpt_store *s, void *place, uint64_t epoch,
                       const char *owner, ckpt_error *err);

    // Says whether the owner of an epoch lives. Changes nothing in the run.
    ckpt_code (*alive)(ckpt_store *s, void *place, uint64_t epoch,
                       ckpt_life *life, ckpt_error *err);

    // Says "still alive" for the claim that the place holds.
    // ERR_CLAIM_LOST if it does not stand any more.
    ckpt_code (*beat)(ckpt_store *s, void *place, ckpt_error *err);

    // Reads up to n bytes of a generation; *got < n only at its end. ERR_STALE
    // if the generation is not there any more. n == 0: done with reading.
    ckpt_code (*read)(ckpt_store *s, void *place, const ckpt_gen *gen,
                      uint64_t offset, void *buf, size_t n, size_t *got,
                      ckpt_error *err);

    // Adds a piece to the generation being written. On failure what was put
    // is dropped. ERR_DAMAGED if a range of the base has another sum.
    ckpt_code (*put)(ckpt_store *s, void *place, const ckpt_gen *base,
                     const ckpt_part *part, ckpt_error *err);

    // Publishes what was put as generation (epoch, seq) and sets gen->token:
    // atomic, and durable as far as this store promises. settle: the names
    // must be right at rest (phase ends, begin, finish). ERR_UNSURE,
    // ERR_NOT_DURABLE as in ERRORS; any other error: nothing changed.
    ckpt_code (*publish)(ckpt_store *s, void *place, ckpt_gen *gen,
                         bool settle, ckpt_error *err);

    // Sets a generation aside under a reason (a word of a-z), or, with
    // reason == NULL, removes every generation and every leftover of epochs
    // below gen->epoch. Only called by the holder of a claim.
    ckpt_code (*drop)(ckpt_store *s, void *place, const ckpt_gen *gen,
                      const char *reason, ckpt_error *err);

    // Takes the run out of the runs, fenced: touches nothing of epochs above
    // the claim held. CKPT_AT_FAILED: keeps gen as a dead letter first (gen
    // NULL: whatever is newest). gen itself goes last but for the claim.
    ckpt_code (*move)(ckpt_store *s, void *place, const ckpt_gen *gen,
                      ckpt_where to, ckpt_error *err);

    // The clocks.
    ckpt_code (*env)(ckpt_store *s, ckpt_moment *now, ckpt_error *err);

    // Lets go of a place and of its claim. A process other than the owner
    // may call it too (after fork): it must not end the owner's claim.
    void (*close)(ckpt_store *s, void *place);
} ckpt_store_methods;

// A store. Embed it as the first member of your own struct and point methods
// to a constant table.
struct ckpt_store {
    const ckpt_store_methods *methods;
    uint32_t                  caps;     // an OR of CKPT_CAP_
};

// The store that keeps nothing and always succeeds, for runs that need not
// survive: phases and effects work within the process, nothing is ever found.
CKPT_API ckpt_store ckpt_store_none(void);

//--- Context ------------------------------------------------------------------

typedef struct ckpt_run ckpt_run;

// What happened, for logs and metrics. name is the constant in quotes.
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
    uint64_t          epoch, turn;
    uint32_t          attempt;
    const ckpt_error *error;    // NULL if nothing failed
} ckpt_event;

// Called as things happen. Everything is valid during the call only. Must not
// call back into the same context or run.
typedef void ckpt_event_fn(void *user, const ckpt_event *event);

// Options of a context. Zero-initialize for defaults, and so that fields added
// later keep their old behaviour. Units and defaults: OPTIONS above.
typedef struct ckpt_desc {
    ckpt_store    *store;           // required; must outlive the context
    const char    *owner;           // who claims, for people to read; UTF-8;
                                    // must outlive the context (default: "")
    int64_t        throttle_ms;     // least time between two saves
    int64_t        every_turns;     // save only turns divisible by this
    int64_t        beat_ms;         // least time between two beats
    int64_t        lease_ms;        // a beat older than this: gone (where age
                                    // decides) or stalled (where locks do)
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
    CKPT_COMPLETED,         // deletes the run
    CKPT_FAILED,            // deletes it; .keep keeps a dead letter
    CKPT_INTERRUPTED,       // clean shutdown: keeps, gives the attempt back
    CKPT_RETRY,             // this attempt failed: keeps, the attempt counts
    CKPT_KEPT               // on disk only: failed, to become a dead letter
} ckpt_outcome;

// What the head and the sections of one generation say.
typedef struct ckpt__section {
    uint64_t size;
    uint32_t crc;
    uint32_t count;
} ckpt__section;

typedef struct ckpt__record {
    uint64_t      length, epoch, seq, turn, turn_max;
    uint32_t      attempt;
    ckpt_outcome  outcome;
    int64_t       saved_at_ms;
    uint64_t      fingerprint;      // hash of the stored text, 0: none
    ckpt__section intro, messages, phases, effects, held, reason, state;
    uint32_t      uncertain;        // effects that are begun
} ckpt__record;

// A place of a store and what the core needs to read one. Shared by contexts,
// which look, and runs, which also write.
typedef struct ckpt__io {
    ckpt_store *store;
    uint64_t    place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
    uint64_t    size_max;
    ckpt_look   look;
    ckpt_gen    gen;                // the generation that record describes
    ckpt_error  error;
    uint8_t     work[1024];         // a window on what is read, or a head
} ckpt__io;

// One watched beat in the future, see ckpt_life.
typedef struct ckpt__watch {
    uint64_t who;
    int64_t  beat_ms, since_ms;
} ckpt__watch;

// A context: how runs are kept. Owned by the caller, holds nothing that must
// be released. Do not copy or move it while runs use it.
typedef struct ckpt_ctx {
    struct {
        ckpt_desc    desc;
        ckpt__io     io;
        ckpt__record record;
        ckpt__watch  watch[8];
        char         id[CKPT_ID_MAX + 1];
    } priv;                         // not part of the API
} ckpt_ctx;

// Initializes a context. desc is copied; its store and owner are not.
//
// Returns CKPT_ERR_ARGUMENT if store is NULL or of another version, or a
// number is out of its range (see OPTIONS).
CKPT_API CKPT_CHECKED ckpt_code ckpt_init(ckpt_ctx *ctx,
                                          const ckpt_desc *desc);

// Describes the last failure of a call that took this context. Never NULL;
// valid until the next such call. For calls on a run see run.error.
CKPT_API const ckpt_error *ckpt_last_error(const ckpt_ctx *ctx);

//--- Runs ---------------------------------------------------------------------

// Who and what a run is about. All strings are UTF-8, optional (NULL), written
// once when the run begins, and given back by every load.
typedef struct ckpt_meta {
    const char *agent_id, *agent_name, *task_id;
    const char *caller_id, *channel_id, *guild_id;
    const char *prompt;             // so that the run can be dispatched again
    const char *model_tier, *parent_run_id;
    const char *fingerprint;        // of program and configuration, yours
} ckpt_meta;

typedef struct ckpt_run_desc {
    const char *id;                 // required, 1 to CKPT_ID_MAX bytes, any
                                    // bytes but NUL
    ckpt_meta   meta;               // a resume only compares the fingerprint
    bool        force;              // claim it from a live (stalled) owner
} ckpt_run_desc;

// An entry of the lists that a run keeps: effects and held environments.
typedef struct ckpt__entry {
    uint64_t key;                   // hash of the id as it is written
    uint64_t turn, epoch;
    uint32_t size, crc;             // of the whole entry
    bool     ended;
} ckpt__entry;

// What a save is about to change; see "Publishing" in the implementation.
typedef struct ckpt__plan {
    uint64_t      turn;
    uint32_t      attempt;
    ckpt_outcome  outcome;
    bool          settle, set_messages, set_state, set_reason, drop_ended;
    bool          done_phase, undo_held;
    uint32_t      effect_at, held_at;   // index of the entry that changes
    bool          effect_add, effect_change, held_add;
    ckpt__section keep, add;            // messages: kept prefix, new ones
    ckpt_bytes    messages, state, value;
    ckpt__section state_now;
    ckpt__section value_now;
    const char   *name, *reason;
    uint32_t      name_size, reason_size;
    ckpt__section reason_now, entry;
    int64_t       steps;
    const ckpt_run_desc *begin;
    const char          *begin_id;
} ckpt__plan;

// A claimed run. Owned by the caller, about 12 KiB; do not copy it. Dropping
// it without finish is what a crash does: the run is interrupted.
struct ckpt_run {
    // For the caller to read:
    char       id[CKPT_ID_MAX + 1];
    uint64_t   epoch;               // of this claim: give it to tools as a
                                    // fencing token
    uint64_t   seq;                 // of the newest generation
    uint64_t   turn;                // as last saved
    uint64_t   turn_max;            // highest ever saved
    uint32_t   attempt;             // resume attempts since the last progress
    uint64_t   messages;            // how many are saved
    bool       resumed;             // claimed after an interruption
    bool       older;               // the newest generation was damaged; this
                                    // goes on from the one before
    bool       fingerprint_differs; // resumed under another fingerprint
    bool       durable;             // false: degraded, see ckpt_execute()
    uint64_t   checkpoint_size;     // bytes that ckpt_load() needs
    uint64_t   saves, skipped, failed, beats;   // counted since the claim
    ckpt_error error;               // of the last call that failed

    struct {
        const ckpt_ctx *ctx;
        ckpt__io     io;
        ckpt__record record;
        ckpt__plan   plan;
        uint64_t     tries;         // seq of the last try to publish
        uint64_t     turn_adopted;  // turn_max as adopted
        int64_t      saved_ms, beat_ms;         // on the monotonic clock
        bool         saved, beaten; // saved_ms, beat_ms are set
        bool         open, lost, unsure, must_look, older_left;
        ckpt__entry  effects[CKPT_EFFECTS_MAX];
        ckpt__entry  held[CKPT_HELD_MAX];
        uint64_t     phases[CKPT_PHASES_MAX];   // hashes of their names
        uint8_t      skippable[CKPT_PHASES_MAX / 8];
    } priv;                         // not part of the API
};

// Begins a run, or claims and resumes it if it was interrupted. When it
// returns, the run exists durably under this claim, with its attempt counted.
//
// Returns CKPT_OK; run->resumed and run->older say which way. Otherwise the run
// is zeroed: CKPT_ERR_LIVE if its owner is alive or stalled, CKPT_ERR_BUSY if
// another process is at work on it or a claimant died a moment ago (try again
// later), CKPT_ERR_EXHAUSTED, CKPT_ERR_FINISHED if it was finished and only now
// has been removed, CKPT_ERR_DAMAGED, CKPT_ERR_FORMAT, CKPT_ERR_FOREIGN,
// CKPT_ERR_TOO_LARGE, CKPT_ERR_ARGUMENT for an id out of its range,
// CKPT_ERR_UTF8 for metadata that is none, CKPT_ERR_EXISTS if two processes
// began it at once and the other won, or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_open(ckpt_ctx *ctx, ckpt_run *run,
                                          const ckpt_run_desc *desc);

// Begins a run that does not exist.
//
// Returns as ckpt_open, and CKPT_ERR_EXISTS if a run of that id is there,
// whatever its state.
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
    int64_t      saved_at_ms;       // since 1970-01-01 UTC
    ckpt_meta    meta;
    ckpt_bytes   messages;          // a JSON array
    ckpt_bytes   phases;            // a JSON array: {"name":...,"output":...}
    ckpt_bytes   effects;           // a JSON array, as it stands in the file
    ckpt_bytes   held;              // likewise
    const char  *reason;            // of the last retry or interruption
    ckpt_bytes   state;             // a JSON object, {} if none was saved
} ckpt_checkpoint;

// Reads the newest checkpoint of an open run into buf, cap bytes long.
//
// Returns CKPT_OLDER (> 0) if the newest generation was damaged and this is the
// one before it; CKPT_ERR_BUFFER if cap < run->checkpoint_size;
// CKPT_ERR_DAMAGED if it was damaged since it was claimed; CKPT_ERR_NOT_FOUND
// from a store that keeps nothing; CKPT_ERR_CLAIM_LOST; or an error of the
// store, which never means damaged.
CKPT_API CKPT_CHECKED ckpt_code ckpt_load(ckpt_run *run, ckpt_checkpoint *out,
                                          void *buf, size_t cap);

// What a save changes. What is absent stays as it was last saved.
typedef struct ckpt_save_desc {
    uint64_t   turn;                // stored as given, up to CKPT_TURN_MAX
    ckpt_bytes messages;            // JSON array: all messages from number
    uint64_t   append_at;           // .append_at on (0: simply all messages)
    ckpt_bytes state;               // JSON object
    bool       force;               // write even if throttled
} ckpt_save_desc;

// Tells whether ckpt_save would write now, so that the caller can save itself
// the work of encoding. The first save of a claim is always due, unless
// .every_turns excludes its turn. False for a run that is not open.
CKPT_API bool ckpt_due(const ckpt_run *run, uint64_t turn);

// Saves a checkpoint in place of the last one, and beats.
//
// With .append_at = n the messages are those from number n on; what was saved
// from n on is cut off first. A skipped save loses nothing, because the caller
// names the same n again.
//
// Returns one of the results of a save (see ERRORS): CKPT_OK, CKPT_SKIPPED,
// CKPT_ERR_UNSURE, CKPT_ERR_NOT_DURABLE, CKPT_ERR_CLAIM_LOST, and with the old
// checkpoint intact CKPT_ERR_JSON, CKPT_ERR_UTF8 and CKPT_ERR_DEPTH with the
// position in what the caller gave, CKPT_ERR_GAP if append_at is beyond the
// saved messages, CKPT_ERR_TOO_LARGE, CKPT_ERR_ARGUMENT for a turn out of its
// range, CKPT_ERR_FORKED, CKPT_ERR_CLOSED, or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_save(ckpt_run *run,
                                          const ckpt_save_desc *desc);

// Says "still alive", if the last beat is at least beat_ms old. Needs no save.
//
// Returns CKPT_SKIPPED if it is not; CKPT_ERR_CLAIM_LOST, CKPT_ERR_FORKED,
// CKPT_ERR_CLOSED; or an error of the store, after which the claim is still
// held: beat again.
CKPT_API CKPT_CHECKED ckpt_code ckpt_beat(ckpt_run *run);

typedef struct ckpt_finish_desc {
    const char           *reason;   // why; UTF-8, what is none is replaced
    const ckpt_save_desc *save;     // a last save (its throttle is ignored)
    bool                  keep;     // CKPT_FAILED: keep a dead letter
} ckpt_finish_desc;

// Leaves a run: outcome is CKPT_COMPLETED, CKPT_FAILED, CKPT_INTERRUPTED or
// CKPT_RETRY. desc may be NULL. After CKPT_OK the run is closed.
//
// Returns CKPT_ERR_HELD if it is completed or failed but still holds
// environment checkpoints: release them first; CKPT_ERR_ARGUMENT for another
// outcome; otherwise as ckpt_save. After CKPT_ERR_CLAIM_LOST and
// CKPT_ERR_FORKED the run is closed too; after other errors it is still
// open, and the call can be repeated.
CKPT_API CKPT_CHECKED ckpt_code ckpt_finish(ckpt_run *run, ckpt_outcome outcome,
                                            const ckpt_finish_desc *desc);

// Lets go of a run as a kill would: nothing is written, the run is
// interrupted. A child of fork() calls it, and it is safe on any run.
CKPT_API void ckpt_abandon(ckpt_run *run);

//--- Phases -------------------------------------------------------------------

// Tells whether a phase is to be done: false if it was complete before the
// crash. Consumes: of a name that was complete n times, the first n questions
// after a resume are answered false. True for a run that is not open.
CKPT_API bool ckpt_phase(ckpt_run *run, const char *name);

// Copies the output of the last completed phase of that name into buf.
//
// Returns CKPT_ERR_NOT_FOUND; CKPT_ERR_BUFFER with *size set to what is
// needed; or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_phase_output(ckpt_run *run,
                                                  const char *name, void *buf,
                                                  size_t cap, size_t *size);

// Ends a phase: a save, never throttled, that also says that the phase is
// complete. output is any JSON value, or absent for null; save may be NULL.
//
// Returns as ckpt_save, without CKPT_SKIPPED; CKPT_ERR_PHASES after
// CKPT_PHASES_MAX; CKPT_ERR_ARGUMENT or CKPT_ERR_UTF8 for a bad name.
CKPT_API CKPT_CHECKED ckpt_code ckpt_phase_end(ckpt_run *run, const char *name,
                                               ckpt_bytes output,
                                               const ckpt_save_desc *save);

//--- Effects ------------------------------------------------------------------

typedef enum ckpt_effect_state {
    CKPT_EFFECT_NEW,        // it was never begun: do it now
    CKPT_EFFECT_ENDED,      // it is done; ckpt_effect_result has its result
    CKPT_EFFECT_UNCERTAIN   // it was begun before the crash: check, or ask
} ckpt_effect_state;

typedef struct ckpt_effect {
    ckpt_effect_state state;
    uint64_t          turn;
    char              id[CKPT_NAME_MAX + 1];
    size_t            result_size;  // ENDED: bytes of its result
    uint32_t          at;           // for ckpt_effect_next: where it stands
} ckpt_effect;

// Begins an effect: a save, never throttled, of the transcript that names the
// call, and that it has begun. Only when it returns CKPT_OK with
// CKPT_EFFECT_NEW may the tool run. save must not be NULL. For an effect of
// (save->turn, id) that stands already nothing is written. After an error
// the call can be repeated as long as the tool was not run.
//
// Returns as ckpt_save, without CKPT_SKIPPED; CKPT_ERR_EFFECTS when
// CKPT_EFFECTS_MAX are held; CKPT_ERR_ARGUMENT or CKPT_ERR_UTF8 for a bad id.
CKPT_API CKPT_CHECKED ckpt_code ckpt_effect_begin(ckpt_run *run,
                                                  const char *id,
                                                  const ckpt_save_desc *save,
                                                  ckpt_effect *effect);

// Ends the newest begun effect of that id: a save, never throttled, of its
// result, any JSON value. Absent bytes settle it: it is struck off, as when
// it turns out that it never ran. An ended effect stands until the first save
// of a higher turn, whose messages must contain its result.
//
// Returns as ckpt_save, without CKPT_SKIPPED; CKPT_ERR_NOT_FOUND if none is
// begun under that id.
CKPT_API CKPT_CHECKED ckpt_code ckpt_effect_end(ckpt_run *run, const char *id,
                                                ckpt_bytes result);

// Copies the result of an ended effect into buf.
//
// Returns CKPT_ERR_NOT_FOUND if it is not ended or not held any more,
// CKPT_ERR_BUFFER with *size set to what is needed, or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_effect_result(ckpt_run *run,
                                                   const ckpt_effect *effect,
                                                   void *buf, size_t cap,
                                                   size_t *size);

// Walks the effects that are held: what a resume must know. Zero-initialize
// *effect before the first call.
//
// Returns CKPT_END after the last; or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_effect_next(ckpt_run *run,
                                                 ckpt_effect *effect);

// A note to the model about a resume, as data and as one chat message.
typedef struct ckpt_note_info {
    uint64_t   turn;                // resumed from
    uint32_t   attempt;
    uint32_t   phases;              // complete
    uint32_t   uncertain;           // effects
    ckpt_bytes message;             // {"role":"system","content":"..."}
} ckpt_note_info;

// Writes the note of a resumed run into buf. It is never saved by itself, and
// never twice: give it to the model, do not add it to the transcript.
//
// Returns CKPT_ERR_BUFFER (needs about 1 KiB and 130 bytes for each uncertain
// effect), CKPT_ERR_NOT_FOUND if the run was not resumed, or an error of the
// store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_note(ckpt_run *run, ckpt_note_info *note,
                                          void *buf, size_t cap);

//--- A whole run --------------------------------------------------------------

// Does the work of a run. Returns its outcome: any of ckpt_finish's. It may
// fill *finish, whose strings must outlive the return.
typedef ckpt_outcome ckpt_work_fn(ckpt_run *run, void *user,
                                  ckpt_finish_desc *finish);

// Opens a run, does the work, and finishes on every return of the function.
// exit, longjmp and signals are crashes: the run is interrupted.
//
// If looking succeeded and found no such run, but making it failed (I/O,
// space, permission), the work is done without checkpoints: run->durable is
// false, saves succeed and keep nothing, and CKPT_EVENT_DEGRADED says why.
//
// Returns as ckpt_open if the work was not done, else as ckpt_finish.
CKPT_API CKPT_CHECKED ckpt_code ckpt_execute(ckpt_ctx *ctx, ckpt_run *run,
                                             const ckpt_run_desc *desc,
                                             ckpt_work_fn *work, void *user);

//--- Looking after runs -------------------------------------------------------

// What a run is right now. Values are bits so that they can be filtered by.
typedef enum ckpt_run_state {
    CKPT_STATE_LIVE        = 1 << 0,    // its owner is alive
    CKPT_STATE_STALLED     = 1 << 1,    // alive, but has not beaten for a lease
    CKPT_STATE_INTERRUPTED = 1 << 2,    // can be resumed now
    CKPT_STATE_EXHAUSTED   = 1 << 3,    // interrupted, no attempt is left
    CKPT_STATE_FINISHED    = 1 << 4,    // finished, not wholly removed yet
    CKPT_STATE_DAMAGED     = 1 << 5,    // no generation is whole
    CKPT_STATE_NEWER       = 1 << 6,    // of a higher format
    CKPT_STATE_UNREADABLE  = 1 << 7,    // the store cannot read it; see error
    CKPT_STATE_FOREIGN     = 1 << 8,    // the record is of another run
    CKPT_STATE_BUSY        = 1 << 9,    // changing, or a claimant just died
    CKPT_STATE_FAILED      = 1 << 10,   // a dead letter
    CKPT_STATE_ALL         = (1 << 11) - 1
} ckpt_run_state;

// Facts about a run. Bounded: long strings are cut.
typedef struct ckpt_run_info {
    char           id[CKPT_ID_MAX + 1];
    ckpt_run_state state;
    ckpt_outcome   outcome;
    uint64_t       epoch, seq, turn, turn_max, size;
    uint32_t       attempt, phases, uncertain, held;
    int64_t        saved_at_ms;             // since 1970-01-01 UTC; 0: unknown
    int64_t        beat_age_ms;             // -1: unknown
    int64_t        wait_ms;                 // BUSY: try again after this
    bool           older;                   // the newest generation is damaged
    char           owner[160];              // of the highest claim
    char           agent_id[CKPT_NAME_MAX + 1];
    char           agent_name[CKPT_NAME_MAX + 1];
    char           task_id[CKPT_NAME_MAX + 1];
    char           parent_run_id[CKPT_NAME_MAX + 1];
    char           reason[CKPT_NAME_MAX + 1];
    ckpt_error     error;                   // DAMAGED, NEWER, UNREADABLE, ...
} ckpt_run_info;

// Called for each run of a scan; info is valid during the call only. Return
// false to stop. Must not use the same context.
typedef bool ckpt_scan_fn(void *user, const ckpt_run_info *info);

// Describes one run without claiming or changing anything.
//
// Returns CKPT_OK also for damaged, newer, foreign and unreadable runs: the
// state says so. CKPT_ERR_NOT_FOUND, CKPT_ERR_ARGUMENT for an id out of range.
CKPT_API CKPT_CHECKED ckpt_code ckpt_query(ckpt_ctx *ctx, const char *id,
                                           ckpt_run_info *info);

// Describes every run and dead letter whose state is in states (an OR of
// CKPT_STATE_; 0 means all), in any order. One bad run never stops a scan.
//
// Returns CKPT_OK, also when fn stopped it, or an error of the store if the
// runs cannot be listed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_scan(ckpt_ctx *ctx, uint32_t states,
                                          ckpt_scan_fn *fn, void *user);

// Finds the run of an agent or a task that got furthest: the highest turn,
// then the newest saved_at, then the id that sorts first. Filters that are
// NULL match everything, but one is required.
//
// Returns CKPT_ERR_ARGUMENT without a filter, CKPT_ERR_NOT_FOUND.
CKPT_API CKPT_CHECKED ckpt_code ckpt_latest(ckpt_ctx *ctx, const char *agent_id,
                                            const char *task_id,
                                            ckpt_run_info *info);

// Lists runs whose last beat is strictly older than age_ms, oldest first, ties
// by id: up to cap of them, the oldest. Finished runs are not among them.
//
// Returns CKPT_ERR_ARGUMENT for a negative age; otherwise as ckpt_scan.
CKPT_API CKPT_CHECKED ckpt_code ckpt_stale(ckpt_ctx *ctx, int64_t age_ms,
                                           ckpt_run_info *infos, size_t cap,
                                           size_t *count);

// Claims the next interrupted run, as ckpt_resume does. Zero-initialize
// *cursor before the first call. A run that cannot be resumed is passed over.
//
// Returns CKPT_END after the last, or an error of the store if the runs
// cannot be listed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_resume_next(ckpt_ctx *ctx, ckpt_run *run,
                                                 ckpt_cursor *cursor);

// Ends a walk early.
CKPT_API void ckpt_cursor_close(ckpt_ctx *ctx, ckpt_cursor *cursor);

// Called with an exhausted or damaged run (a damaged one has nothing to load;
// run->seq is 0), claimed, to reassign the task elsewhere. Returns how to
// leave it: CKPT_FAILED keeps a dead letter unless finish->keep is set to
// false, CKPT_COMPLETED removes it, CKPT_RETRY tries again later.
typedef ckpt_work_fn ckpt_fallback_fn;

typedef struct ckpt_recover_desc {
    ckpt_work_fn     *resume;       // required: carries an interrupted run on
    ckpt_fallback_fn *fallback;     // default: none, a dead letter is kept
    void             *user;
    int32_t           fallback_max; // times a fallback may crash before the
                                    // run becomes a dead letter without it
                                    // (default: 3)
} ckpt_recover_desc;

typedef struct ckpt_recover_info {
    uint32_t resumed, fallen_back, dead_letters, finished, failed;
} ckpt_recover_info;

// Goes once through all runs: resumes each that is interrupted, hands each
// that is exhausted or damaged to the fallback, completes the removal of those
// half finished. Uses *run for each in turn. info may be NULL.
//
// Returns CKPT_OK, or an error of the store if the runs cannot be listed; what
// goes wrong with one run is an event and counted in info->failed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_recover(ckpt_ctx *ctx, ckpt_run *run,
                                             const ckpt_recover_desc *desc,
                                             ckpt_recover_info *info);

// Removes a run that is not live, or the dead letters of that id.
//
// Returns CKPT_ERR_LIVE, CKPT_ERR_BUSY, CKPT_ERR_NOT_FOUND, or an error of the
// store. Uses *run for its work and leaves it closed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_remove(ckpt_ctx *ctx, ckpt_run *run,
                                            const char *id);

// Brings a dead letter back as an interrupted run, or gives an exhausted run
// its attempts back.
//
// Returns CKPT_ERR_NOT_FOUND, CKPT_ERR_EXISTS if a run of that id is there and
// is not exhausted, CKPT_ERR_DAMAGED, or an error of the store. Uses *run for
// its work and leaves it closed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_retry(ckpt_ctx *ctx, ckpt_run *run,
                                           const char *id);

// Removes what crashes left: runs half made and half finished. Never anything
// of a live process, never the only good copy. *count (may be NULL) says how
// many.
//
// Returns CKPT_OK or an error of the store if they cannot be listed.
CKPT_API CKPT_CHECKED ckpt_code ckpt_sweep(ckpt_ctx *ctx, ckpt_run *run,
                                           uint32_t *count);

//--- Environments -------------------------------------------------------------

// An environment checkpoint is a restorable copy of the world of an agent: a
// directory, a container image, a virtual machine. ckpt does not make it: it
// knows how to restore and to release it, and that it exists.

typedef struct ckpt_env ckpt_env;

// Makes a new, independent environment from the checkpoint and stores what
// stands for it in *out. The caller owns it. 0 for success, else the caller's
// own error, which is passed through.
typedef int ckpt_restore_fn(void *user, const ckpt_env *env, void *out);

// Frees the checkpoint. That it is gone already is success. 0 for success.
typedef int ckpt_release_fn(void *user, const ckpt_env *env);

// The registry of environment checkpoints that were not released. Owned by the
// caller, as is the array. See ckpt_janitor_init().
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
    ckpt_run        *run;           // the run it belongs to, or NULL
    ckpt_janitor    *janitor;       // registers it, or NULL
} ckpt_env_desc;

// An environment checkpoint. Owned by the caller; do not copy or move it until
// it is released.
struct ckpt_env {
    char       id[CKPT_NAME_MAX + 1];
    int64_t    step_count;
    ckpt_bytes timestep;
    struct {
        ckpt_env_desc desc;
        bool          open, released, releasing;
    } priv;                         // not part of the API
};

// Describes an environment checkpoint, before it is made. If it belongs to a
// run, the run first saves that it holds it, so that a crash at any moment
// after cannot leak it. An id the run holds already is taken over: that is how
// one is restored or released after a resume.
//
// Returns CKPT_ERR_ARGUMENT (also if the janitor is full), CKPT_ERR_UTF8,
// CKPT_ERR_JSON for a timestep that is none, CKPT_ERR_HELD after
// CKPT_HELD_MAX, otherwise as ckpt_phase_end. env is zeroed on error.
CKPT_API CKPT_CHECKED ckpt_code ckpt_env_init(ckpt_env *env,
                                              const ckpt_env_desc *desc);

// Makes one more new environment from it. *timestep, if not NULL, is set to
// the stored timestep.
//
// Returns CKPT_ERR_RELEASED or CKPT_ERR_RELEASING without calling the
// function; CKPT_ERR_IO if the function failed, with *failure (may be NULL)
// set to what it returned: it can be repeated.
CKPT_API CKPT_CHECKED ckpt_code ckpt_env_restore(ckpt_env *env, void *out,
                                                 ckpt_bytes *timestep,
                                                 int *failure);

// Releases it: calls the function once, then strikes it off the run that holds
// it and off the janitor. Idempotent: a second release is CKPT_OK.
//
// Returns CKPT_ERR_RELEASING when called from within the function or at the
// same time; CKPT_ERR_IO if the function failed: it stays unreleased and
// registered, restore still works, and the release can be repeated; otherwise
// as ckpt_save: then it is released, but the run still lists it, and the
// release can be repeated.
CKPT_API CKPT_CHECKED ckpt_code ckpt_env_release(ckpt_env *env, int *failure);

// Whether it was released. True for a zeroed one.
CKPT_API bool ckpt_env_released(const ckpt_env *env);

typedef struct ckpt_held {
    char       id[CKPT_NAME_MAX + 1];
    int64_t    step_count;
    size_t     timestep_size;
    uint32_t   at;                  // for ckpt_held_next: where it stands
} ckpt_held;

// Walks the environment checkpoints that a run holds. Zero-initialize *held.
// After a resume: whatever exists in the world and is not among them was
// released and may be swept; whatever is among them exists, or was about to.
//
// Returns CKPT_END after the last; or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_held_next(ckpt_run *run, ckpt_held *held);

// Copies the timestep of a held environment checkpoint into buf.
//
// Returns CKPT_ERR_NOT_FOUND, CKPT_ERR_BUFFER with *size set to what is
// needed, or an error of the store.
CKPT_API CKPT_CHECKED ckpt_code ckpt_held_timestep(ckpt_run *run,
                                                   const char *id, void *buf,
                                                   size_t cap, size_t *size);

// Initializes a janitor over the caller's array. There is none by default and
// no hidden hook; a program that wants one at exit says so in one line:
//
//      static void at_exit(void) { ckpt_janitor_sweep(&janitor, NULL); }
//      ... atexit(at_exit);
CKPT_API void ckpt_janitor_init(ckpt_janitor *janitor, ckpt_env **envs,
                                size_t cap, ckpt_event_fn *event, void *user);

// Releases whatever is registered, newest first. Every release is tried;
// failures are reported as events with the id; the registry is empty and
// everything in it is marked released, whatever failed.
//
// Returns the number of failed releases; *count (may be NULL): how many there
// were.
CKPT_API size_t ckpt_janitor_sweep(ckpt_janitor *janitor, size_t *count);

//--- JSON ---------------------------------------------------------------------

// A small writer for callers that hold C structs.
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

CKPT_API void ckpt_json_init(ckpt_json *w, void *buf, size_t cap);
// what is '{' or '['.
CKPT_API void ckpt_json_open(ckpt_json *w, char what);
CKPT_API void ckpt_json_close(ckpt_json *w);
CKPT_API void ckpt_json_key(ckpt_json *w, const char *key);
CKPT_API void ckpt_json_string(ckpt_json *w, ckpt_bytes text);
CKPT_API void ckpt_json_int(ckpt_json *w, int64_t value);
CKPT_API void ckpt_json_bool(ckpt_json *w, bool value);
CKPT_API void ckpt_json_null(ckpt_json *w);
// A value that is JSON already. It is validated.
CKPT_API void ckpt_json_raw(ckpt_json *w, ckpt_bytes json);

// Returns CKPT_ERR_BUFFER if it did not fit (w->len says what is needed),
// CKPT_ERR_UTF8, CKPT_ERR_JSON, CKPT_ERR_DEPTH, or CKPT_ERR_ARGUMENT for calls
// in an order that makes no JSON value. *json points into the buffer.
CKPT_API CKPT_CHECKED ckpt_code ckpt_json_done(ckpt_json *w, ckpt_bytes *json);

// Validates one JSON value (RFC 8259), white space around it allowed. *pos
// (may be NULL) is set to where it went wrong.
//
// Returns CKPT_ERR_JSON, CKPT_ERR_UTF8, CKPT_ERR_DEPTH.
CKPT_API CKPT_CHECKED ckpt_code ckpt_json_check(ckpt_bytes json, size_t *pos);

// Walks the members of an object or the elements of an array, which must be
// valid. Start with *at = 0. *key (may be NULL) gets the raw text between the
// quotes. False after the last.
CKPT_API bool ckpt_json_next(ckpt_bytes json, size_t *at, ckpt_bytes *key,
                             ckpt_bytes *value);

// The value of a member of a valid object, by its unescaped name; the first
// one if there are several. Absent bytes if there is none.
CKPT_API ckpt_bytes ckpt_json_get(ckpt_bytes object, const char *key);

// Copies a string out, unescaped and NUL-terminated. *len (may be NULL) is its
// length without the NUL.
//
// Returns CKPT_ERR_JSON if it is no string, CKPT_ERR_UTF8 for a lone
// surrogate, CKPT_ERR_BUFFER with *len set to what it has.
CKPT_API CKPT_CHECKED ckpt_code ckpt_json_text(ckpt_bytes value, char *buf,
                                               size_t cap, size_t *len);

// Reads an integer.
//
// Returns CKPT_ERR_JSON if it is no number without fraction and exponent, or
// beyond 64 bits.
CKPT_API CKPT_CHECKED ckpt_code ckpt_json_number(ckpt_bytes value,
                                                 int64_t *number);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CKPT_H */
