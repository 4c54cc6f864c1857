// SPDX-License-Identifier: MIT-0
// fuzz_api.c -- sequences of calls, with faults, next to a model
//
// The input is a list of calls on one run, and of things that happen: the k-th
// system call from now on fails, or kills the process; time passes; the power
// goes. The model knows every content that may stand now, and every content
// that may stand after a power cut: one, as long as every save was
// acknowledged. Whatever is loaded or described must be one of them, and a run
// that is kept is that until it is retried or removed. In the end, when nothing
// fails any more, the run can be opened, or is kept or gone if that may be.
#include "fuzz.h"

#define MESSAGES 24
#define PHASES   6
#define EFFECTS  6
#define SET      24
#define CALLS    48

//--- The model ----------------------------------------------------------------

typedef struct fx {
    uint8_t  id, ended;
    uint16_t result;
    uint32_t turn;
} fx;

// What a checkpoint says. Compared byte by byte.
typedef struct content {
    uint32_t none, end;                 // there is no run; how it ended, or 0
    uint32_t once, birth;               // birth: its hash, 0 if not known
    uint32_t turn, turn_max, state, held;
    uint32_t message_count, phase_count, effect_count;
    uint16_t messages[MESSAGES];
    uint8_t  phases[PHASES];
    fx       effects[EFFECTS];
} content;

typedef struct set {
    content at[SET];
    size_t  count;
    bool    full;                       // of an input that is too much
} set;

static void set_add(set *s, const content *c)
{
    for (size_t i = 0; i < s->count; i++) {
        if (memcmp(&s->at[i], c, sizeof(*c)) == 0) {
            return;
        }
    }
    if (s->count == SET) {
        s->full = true;
    } else {
        s->at[s->count++] = *c;
    }
}

static void set_join(set *s, const set *more)
{
    for (size_t i = 0; i < more->count; i++) {
        set_add(s, &more->at[i]);
    }
    s->full = s->full || more->full;
}

// A birth that is not known can be any.
static bool same(const content *model, const content *c)
{
    content copy = *model;
    copy.birth = copy.birth != 0 ? copy.birth : c->birth;
    return memcmp(&copy, c, sizeof(copy)) == 0;
}

static bool set_has(const set *s, const content *c)
{
    for (size_t i = 0; i < s->count; i++) {
        if (same(&s->at[i], c)) {
            return true;
        }
    }
    return s->full;
}

static void set_none(set *s)
{
    content none;
    memset(&none, 0, sizeof(none));
    none.none = 1;
    set_add(s, &none);
}

// What a content stands for: one of these.
enum {
    NONE      = 1,                      // there is no run
    RUNS      = 2,                      // it has not ended
    COMPLETED = 4,                      // not wholly removed yet
    LEAVES    = 8,                      // likewise, and its work is not done
    FAILED    = 16,                     // kept
    DONE      = 32,                     // kept
    KEPT      = FAILED | DONE,
    GONE      = NONE | COMPLETED | LEAVES
};

static unsigned stage(const content *c)
{
    if (c->none) {
        return NONE;
    }
    switch (c->end) {
    case CKPT_COMPLETED: return COMPLETED;
    case CKPT_DONE:      return DONE;
    case CKPT_DEAD:      return FAILED;
    case 0:              return RUNS;
    default:             return LEAVES;
    }
}

// Whether it may be at one of these stages.
static bool set_is(const set *s, unsigned stages)
{
    for (size_t i = 0; i < s->count; i++) {
        if (stage(&s->at[i]) & stages) {
            return true;
        }
    }
    return s->full;
}

// It has been seen that it is at one of these stages.
static void set_keep(set *s, unsigned stages)
{
    size_t n = 0;
    FUZZ_CHECK(set_is(s, stages));
    for (size_t i = 0; i < s->count; i++) {
        if (stage(&s->at[i]) & stages) {
            s->at[n++] = s->at[i];
        }
    }
    s->count = n;
}

//--- A change -----------------------------------------------------------------

typedef enum what {
    SAVE, PHASE, BEGIN, END, SETTLE, HOLD, UNHOLD, FINISH
} what;

typedef struct change {
    what     what;
    bool     with_save, messages, state;
    uint32_t turn, append_at, count, value, id;
    bool     ends, keep;                // of a finish
    ckpt_outcome outcome;
} change;

// False if there is nothing to change in that content, or it cannot be.
static bool apply_save(content *c, const change *x)
{
    if (!x->with_save) {
        return true;
    }
    c->turn = x->turn;
    c->turn_max = x->turn > c->turn_max ? x->turn : c->turn_max;
    if (x->messages) {
        if (x->append_at > c->message_count ||
            x->append_at + x->count > MESSAGES) {
            return false;
        }
        for (size_t i = x->append_at; i < MESSAGES; i++) {
            const size_t k = i - x->append_at;
            c->messages[i] = k < x->count ? (uint16_t)(x->value + k) : 0;
        }
        c->message_count = x->append_at + x->count;
    }
    c->state = x->state ? x->value : c->state;
    // Without messages and state the result may not be in the transcript yet.
    const uint32_t grace = x->messages || x->state ? 0 : 1;
    for (size_t i = 0; i < c->effect_count; ) {
        if (c->effects[i].ended && c->effects[i].turn + grace < x->turn) {
            c->effect_count--;
            memmove(&c->effects[i], &c->effects[i + 1],
                    (EFFECTS - i - 1) * sizeof(fx));
            memset(&c->effects[EFFECTS - 1], 0, sizeof(fx));
        } else {
            i++;
        }
    }
    return true;
}

static fx *find_effect(content *c, uint32_t id, uint32_t turn)
{
    for (size_t i = c->effect_count; i-- > 0; ) {
        fx *e = &c->effects[i];
        if (e->id == id && (turn == UINT32_MAX ? !e->ended
                                               : e->turn == turn)) {
            return e;
        }
    }
    return NULL;
}

static bool apply_end(content *c, const change *x)
{
    fx *e = find_effect(c, x->id, UINT32_MAX);
    if (e == NULL) {
        return false;
    }
    if (x->what == END) {
        e->ended = 1;
        e->result = (uint16_t)x->value;
        return true;
    }
    const size_t i = (size_t)(e - c->effects);
    memmove(e, e + 1, (EFFECTS - i - 1) * sizeof(fx));
    memset(&c->effects[EFFECTS - 1], 0, sizeof(fx));
    c->effect_count--;
    return true;
}

// How a finish leaves a run: as an outcome that is written, or 0.
static uint32_t end_of(const content *c, const change *x)
{
    if (!x->ends) {
        return 0;
    }
    if (x->outcome == CKPT_FAILED) {
        return x->keep ? CKPT_DEAD : CKPT_FAILED;
    }
    return c->once ? CKPT_DONE : CKPT_COMPLETED;
}

static bool apply(content *c, const change *x)
{
    if (c->none || !apply_save(c, x)) {
        return false;
    }
    c->end = 0;
    switch (x->what) {
    case PHASE:
        if (c->phase_count == PHASES) {
            return false;
        }
        c->phases[c->phase_count++] = (uint8_t)x->id;
        return true;
    case BEGIN:
        if (find_effect(c, x->id, x->turn) == NULL) {
            if (c->effect_count == EFFECTS) {
                return false;
            }
            fx *e = &c->effects[c->effect_count++];
            e->id = (uint8_t)x->id;
            e->turn = x->turn;
        }
        return true;
    case END: case SETTLE: return apply_end(c, x);
    case HOLD:   c->held |= 1U << x->id; return true;
    case UNHOLD: c->held &= ~(1U << x->id); return true;
    case FINISH: c->end = end_of(c, x); return true;
    default:     return true;
    }
}

static set apply_all(const set *s, const change *x)
{
    set next;
    memset(&next, 0, sizeof(next));
    for (size_t i = 0; i < s->count; i++) {
        content c = s->at[i];
        if (apply(&c, x)) {
            set_add(&next, &c);
        }
    }
    next.full = s->full;
    return next;
}

//--- The world ----------------------------------------------------------------

typedef struct world {
    sim_disk     *disk;
    sim_proc     *p;
    sim_plan      plan;
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_run      run;
    ckpt_env      envs[4];
    int64_t       pid;
    bool          up;                   // the store is open
    set           now, later;           // what may stand; after a power cut
    uint32_t      pending, pending_turn;    // effect whose begin failed, + 1
} world;

static world w;
static char  buf[1 << 16];

// A process ends, by itself or by a fault, and another one begins.
static void restart(void)
{
    ckpt_abandon(&w.run);
    if (w.up) {
        ckpt_store_fs_close(&w.fs);
    }
    FUZZ_CHECK(w.p == NULL || w.p->dead || sim_open_count(w.p) == 0);
    if (w.disk->misuse != NULL) {
        fuzz_fail(__FILE__, __LINE__, w.disk->misuse);
    }
    if (w.p != NULL) {
        sim_kill(w.p);
    }
    memset(&w.run, 0, sizeof(w.run));
    memset(w.envs, 0, sizeof(w.envs));
    memset(&w.plan, 0, sizeof(w.plan));
    w.pending = 0;
    w.p = fuzz_proc(w.disk, ++w.pid);
    ckpt_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.store = &w.fs.base;
    desc.resume_max = CKPT_UNLIMITED;
    w.up = fuzz_store(&w.fs, w.p) == CKPT_OK;
    FUZZ_CHECK(w.up);
    FUZZ_CHECK(ckpt_init(&w.ctx, &desc) == CKPT_OK);
    sim_set_plan(w.p, &w.plan);
}

// What a call that changes something came to. The model follows.
static void account(ckpt_code rc, const change *x)
{
    const set next = apply_all(&w.now, x);
    const bool leaves = x->ends && set_is(&next, COMPLETED | LEAVES);
    if (w.p->dead || (rc < 0 && x->ends && (leaves ||
                                            rc != CKPT_ERR_NOT_DURABLE))) {
        set_join(&w.now, &next);
        if (leaves) {
            set_none(&w.now);
        }
        set_join(&w.later, &w.now);
    } else if (rc == CKPT_OK) {
        FUZZ_CHECK(next.count > 0 || next.full);
        w.now = w.later = next;
    } else if (rc == CKPT_ERR_UNSURE) {
        set_join(&w.now, &next);
        set_join(&w.later, &w.now);
    } else if (rc == CKPT_ERR_NOT_DURABLE) {
        FUZZ_CHECK(next.count > 0 || next.full);
        w.now = next;
        set_join(&w.later, &w.now);
    } else if (rc == CKPT_ERR_CLAIM_LOST) {
        FUZZ_CHECK(set_is(&w.now, GONE));       // nobody else is there
    } else if (rc == CKPT_FINISHED) {
        FUZZ_CHECK(set_is(&w.now, KEPT | GONE));
    } else {
        FUZZ_CHECK(rc != CKPT_ERR_DAMAGED || set_is(&w.now, GONE));
    }
}

// Those of these stages that hold no environment may be gone, or about to be.
static void may_go(unsigned stages)
{
    set gone;
    memset(&gone, 0, sizeof(gone));
    for (size_t i = 0; i < w.now.count; i++) {
        content c = w.now.at[i];
        if ((stage(&c) & stages & (RUNS | KEPT)) && c.held == 0) {
            c.end = CKPT_REMOVED;
            set_add(&gone, &c);
        }
        if ((stage(&c) & stages) && c.held == 0) {
            set_none(&gone);
        }
    }
    if (gone.count > 0) {
        set_join(&w.now, &gone);
        set_join(&w.later, &w.now);
    }
}

// The run is gone, as far as one knows.
static void gone(void)
{
    memset(&w.now, 0, sizeof(w.now));
    set_none(&w.now);
    w.later = w.now;
}

//--- What the library says ----------------------------------------------------

static uint32_t number(ckpt_bytes value)
{
    int64_t n = -1;
    FUZZ_CHECK(ckpt_json_number(value, &n) == CKPT_OK);
    return (uint32_t)n;
}

static uint32_t letter(ckpt_bytes value)
{
    char text[8];
    FUZZ_CHECK(ckpt_json_text(value, text, sizeof(text), NULL) == CKPT_OK);
    FUZZ_CHECK(text[0] >= 'a' && text[0] <= 'd' && text[1] == '\0');
    return (uint32_t)(text[0] - 'a');
}

static void read_effect(content *c, ckpt_bytes item)
{
    char text[8];
    FUZZ_CHECK(c->effect_count < EFFECTS);
    fx *e = &c->effects[c->effect_count++];
    e->id = (uint8_t)letter(ckpt_json_get(item, "id"));
    e->turn = number(ckpt_json_get(item, "turn"));
    FUZZ_CHECK(ckpt_json_text(ckpt_json_get(item, "state"), text,
                              sizeof(text), NULL) == CKPT_OK);
    e->ended = strcmp(text, "ended") == 0;
    if (e->ended) {
        e->result = (uint16_t)number(ckpt_json_get(item, "result"));
    }
}

static uint32_t birth_of(const char *birth)
{
    return (uint32_t)sim_hash_bytes(birth, strlen(birth), 1) | 1;
}

static void read_checkpoint(content *c, const ckpt_checkpoint *at)
{
    ckpt_bytes item;
    memset(c, 0, sizeof(*c));
    FUZZ_CHECK(strcmp(at->birth, w.run.birth) == 0);
    c->birth = birth_of(at->birth);
    c->once = at->once;
    c->turn = (uint32_t)at->turn;
    c->turn_max = (uint32_t)at->turn_max;
    if (at->outcome != CKPT_RUNNING && at->outcome != CKPT_INTERRUPTED &&
        at->outcome != CKPT_RETRY) {
        c->end = at->outcome;
    }
    for (size_t i = 0; ckpt_json_next(at->messages, &i, NULL, &item); ) {
        FUZZ_CHECK(c->message_count < MESSAGES);
        c->messages[c->message_count++] = (uint16_t)number(item);
    }
    for (size_t i = 0; ckpt_json_next(at->phases, &i, NULL, &item); ) {
        FUZZ_CHECK(c->phase_count < PHASES);
        c->phases[c->phase_count++] =
            (uint8_t)letter(ckpt_json_get(item, "name"));
    }
    for (size_t i = 0; ckpt_json_next(at->effects, &i, NULL, &item); ) {
        read_effect(c, item);
    }
    for (size_t i = 0; ckpt_json_next(at->held, &i, NULL, &item); ) {
        c->held |= 1U << letter(ckpt_json_get(item, "id"));
    }
    const ckpt_bytes state = ckpt_json_get(at->state, "s");
    c->state = state.ptr != NULL ? number(state) : 0;
}

// Loads, and then knows which of the contents it is.
static ckpt_code do_load(void)
{
    ckpt_checkpoint at;
    content c;
    const ckpt_code rc = ckpt_load(&w.run, &at, buf, sizeof(buf));
    FUZZ_CHECK(rc != CKPT_OLDER || w.now.count > 1 || w.now.full);
    FUZZ_CHECK(rc != CKPT_ERR_DAMAGED || set_is(&w.now, GONE));
    FUZZ_CHECK(rc != CKPT_FINISHED || !w.run.open);
    if (rc >= 0 && rc != CKPT_FINISHED && !w.p->dead) {
        read_checkpoint(&c, &at);
        FUZZ_CHECK(set_has(&w.now, &c));
        memset(&w.now, 0, sizeof(w.now));
        set_add(&w.now, &c);
    }
    return rc;
}

// Whether a run of that content is described so.
static bool describes(const ckpt_run_info *info, const content *c)
{
    uint32_t begun = 0, held = 0;
    for (size_t i = 0; i < c->effect_count; i++) {
        begun += !c->effects[i].ended;
    }
    for (uint32_t bits = c->held; bits != 0; bits >>= 1) {
        held += bits & 1;
    }
    return info->turn == c->turn && info->turn_max == c->turn_max &&
           info->messages == c->message_count && info->held == held &&
           info->phases == c->phase_count && info->uncertain == begun &&
           info->once == (c->once != 0) && !info->lost &&
           (c->birth == 0 || c->birth == birth_of(info->birth));
}

// What is described stands, and at the stage that is told.
static void check_info(const ckpt_run_info *info)
{
    unsigned stages = GONE;
    bool found = w.now.full || info->seq == 0;
    switch (info->state) {
    case CKPT_STATE_DONE:     stages = DONE; break;
    case CKPT_STATE_FAILED:   stages = FAILED; break;
    case CKPT_STATE_LIVE: case CKPT_STATE_STALLED: case CKPT_STATE_INTERRUPTED:
        stages = RUNS;
        break;
    case CKPT_STATE_BUSY: case CKPT_STATE_UNREADABLE: return;
    default: break;
    }
    FUZZ_CHECK(set_is(&w.now, stages));
    for (size_t i = 0; i < w.now.count; i++) {
        found = found || ((stage(&w.now.at[i]) & stages) &&
                          describes(info, &w.now.at[i]));
    }
    FUZZ_CHECK(found);
    FUZZ_CHECK(!info->older || w.now.count > 1 || w.now.full);
}

//--- The calls ----------------------------------------------------------------

// Fills in what a save of the input changes.
static void take_save(fuzz_in *in, ckpt_save_desc *save, change *x,
                      char text[256])
{
    const unsigned how = fuzz_byte(in);
    size_t n = 0;
    memset(save, 0, sizeof(*save));
    x->with_save = true;
    x->turn = (uint32_t)w.run.turn + (how & 3) - ((how & 3) == 3 ? 4 : 0);
    x->turn = x->turn > 1000 ? 0 : x->turn;
    x->messages = how & 4;
    x->state = how & 8;
    x->value = fuzz_byte(in);
    save->turn = x->turn;
    save->force = how & 0x80;
    if (x->messages) {
        const unsigned at = fuzz_byte(in);
        x->append_at = (uint32_t)w.run.messages;
        x->append_at = at & 8 ? at >> 4 : x->append_at;
        x->count = x->append_at + (at & 3) > MESSAGES ? 0 : at & 3;
        text[n++] = '[';
        for (uint32_t i = 0; i < x->count; i++) {
            n += (size_t)sprintf(text + n, i > 0 ? ",%u" : " %u",
                                 (unsigned)(x->value + i));
        }
        text[n++] = ']';
        save->messages.ptr = text;
        save->messages.len = n;
        save->append_at = x->append_at;
    }
    if (x->state) {
        save->state.ptr = text + n;
        save->state.len = (size_t)sprintf(text + n, "{\"s\":%u}",
                                          (unsigned)x->value);
    }
}

static void do_save(fuzz_in *in, bool phase)
{
    ckpt_save_desc save;
    change x;
    char text[256], name[2] = "a";
    memset(&x, 0, sizeof(x));
    take_save(in, &save, &x, text);
    if (!phase) {
        const ckpt_code rc = ckpt_save(&w.run, &save);
        if (rc != CKPT_SKIPPED) {
            account(rc, &x);
        }
        return;
    }
    x.what = PHASE;
    x.id = fuzz_byte(in) & 3;
    x.with_save = !(x.value & 1);
    name[0] = (char)('a' + x.id);
    for (size_t i = 0; i < w.now.count; i++) {
        if (w.now.at[i].phase_count == PHASES) {
            return;                             // the model has no room
        }
    }
    account(ckpt_phase_end(&w.run, name, ckpt_text("1"),
                           x.with_save ? &save : NULL), &x);
}

// An effect that stands is found, whatever else is unsure.
static void check_effect(const ckpt_effect *effect, const change *x)
{
    set left;
    memset(&left, 0, sizeof(left));
    left.full = w.now.full;
    for (size_t i = 0; i < w.now.count; i++) {
        content c = w.now.at[i];
        const fx *e = find_effect(&c, x->id, x->turn);
        const bool again = w.pending == x->id + 1 &&
                           w.pending_turn == x->turn;
        if (effect->state == CKPT_EFFECT_NEW ? e == NULL ||
                (again && !e->ended) : e != NULL &&
                e->ended == (effect->state == CKPT_EFFECT_ENDED)) {
            set_add(&left, &w.now.at[i]);
        }
    }
    FUZZ_CHECK(left.count > 0 || left.full);
    w.now = left;
}

static void do_begin(fuzz_in *in)
{
    ckpt_save_desc save;
    ckpt_effect effect;
    change x;
    char text[256], name[2] = "a";
    memset(&x, 0, sizeof(x));
    take_save(in, &save, &x, text);
    x.what = BEGIN;
    x.id = fuzz_byte(in) & 3;
    name[0] = (char)('a' + x.id);
    for (size_t i = 0; i < w.now.count; i++) {
        if (w.now.at[i].effect_count == EFFECTS) {
            return;
        }
    }
    const ckpt_code rc = ckpt_effect_begin(&w.run, name, &save, &effect);
    if (rc == CKPT_OK && !w.p->dead) {
        check_effect(&effect, &x);
    }
    FUZZ_CHECK(rc != CKPT_FINISHED || effect.state == CKPT_EFFECT_ENDED);
    if (rc == CKPT_ERR_EXISTS) {
        FUZZ_CHECK(effect.state == CKPT_EFFECT_UNCERTAIN);
        return;                         // it was begun before
    }
    if (rc != CKPT_OK || effect.state == CKPT_EFFECT_NEW) {
        account(rc, &x);
        w.pending = rc != CKPT_OK ? x.id + 1 : 0;
        w.pending_turn = x.turn;
    }
}

static void do_end(fuzz_in *in)
{
    change x;
    char text[16], name[2] = "a";
    const unsigned how = fuzz_byte(in);
    memset(&x, 0, sizeof(x));
    x.what = how & 4 ? SETTLE : END;
    x.id = how & 3;
    x.value = how >> 3;
    name[0] = (char)('a' + x.id);
    sprintf(text, "%u", (unsigned)x.value);
    account(ckpt_effect_end(&w.run, name,
                            ckpt_text(x.what == END ? text : NULL)), &x);
}

static int env_call(void *user, const ckpt_env *env, void *out)
{
    (void)user, (void)env, (void)out;
    return 0;
}

static int env_free(void *user, const ckpt_env *env)
{
    (void)user, (void)env;
    return 0;
}

static void do_env(fuzz_in *in)
{
    ckpt_env_desc desc;
    change x;
    char name[2] = "a";
    const unsigned how = fuzz_byte(in);
    memset(&x, 0, sizeof(x));
    memset(&desc, 0, sizeof(desc));
    x.id = how & 3;
    name[0] = (char)('a' + x.id);
    if (how & 4 && w.envs[x.id].priv.open) {
        x.what = UNHOLD;
        if (!(w.envs[x.id].priv.released && w.envs[x.id].priv.struck)) {
            account(ckpt_env_release(&w.envs[x.id], NULL), &x);
        }
        return;
    }
    desc.id = name;
    desc.restore = env_call;
    desc.release = env_free;
    desc.run = &w.run;
    x.what = HOLD;
    account(ckpt_env_init(&w.envs[x.id], &desc), &x);
}

static bool may_hold(void)
{
    for (size_t i = 0; i < w.now.count; i++) {
        if (w.now.at[i].held != 0) {
            return true;
        }
    }
    return w.now.full;
}

static void do_finish(fuzz_in *in)
{
    static const ckpt_outcome outcomes[] = {
        CKPT_INTERRUPTED, CKPT_RETRY, CKPT_COMPLETED, CKPT_FAILED
    };
    ckpt_finish_desc finish;
    ckpt_save_desc save;
    change x;
    char text[256];
    const unsigned how = fuzz_byte(in);
    memset(&x, 0, sizeof(x));
    memset(&finish, 0, sizeof(finish));
    if (how & 0x10) {
        take_save(in, &save, &x, text);
        finish.save = &save;
    }
    finish.keep = x.keep = how & 4;
    finish.reason = how & 8 ? "why" : NULL;
    x.what = FINISH;
    x.outcome = outcomes[how & 3];
    x.ends = (how & 2) != 0;
    const ckpt_code rc = ckpt_finish(&w.run, x.outcome, &finish);
    FUZZ_CHECK(rc != CKPT_FINISHED || !w.run.open);
    if (rc == CKPT_ERR_HELD) {
        FUZZ_CHECK(may_hold());
        return;
    }
    account(rc, &x);
    if (rc == CKPT_OK && x.ends && !w.p->dead &&
        set_is(&w.now, COMPLETED | LEAVES)) {   // what is not kept is gone now
        set_none(&w.now);
        set_keep(&w.now, NONE | KEPT);
        w.later = w.now;
    }
}

// Whatever is asked of a run that was done before says so.
static void check_over(void)
{
    ckpt_checkpoint at;
    ckpt_effect effect;
    ckpt_save_desc save;
    size_t size;
    memset(&save, 0, sizeof(save));
    save.anew = true;
    FUZZ_CHECK(!w.run.open && strcmp(w.run.id, "job") == 0);
    FUZZ_CHECK(!ckpt_phase(&w.run, "a") && !ckpt_due(&w.run, 7));
    FUZZ_CHECK(ckpt_save(&w.run, &save) == CKPT_FINISHED);
    FUZZ_CHECK(ckpt_beat(&w.run) == CKPT_FINISHED);
    FUZZ_CHECK(ckpt_load(&w.run, &at, buf, sizeof(buf)) == CKPT_FINISHED);
    FUZZ_CHECK(ckpt_phase_end(&w.run, "a", ckpt_text("1"), NULL) ==
               CKPT_FINISHED);
    FUZZ_CHECK(ckpt_phase_output(&w.run, "a", buf, sizeof(buf), &size) ==
               CKPT_FINISHED);
    FUZZ_CHECK(ckpt_effect_begin(&w.run, "a", &save, &effect) ==
               CKPT_FINISHED && effect.state == CKPT_EFFECT_ENDED);
    FUZZ_CHECK(ckpt_effect_end(&w.run, "a", ckpt_text("1")) == CKPT_FINISHED);
    FUZZ_CHECK(ckpt_finish(&w.run, CKPT_INTERRUPTED, NULL) == CKPT_FINISHED);
}

// It was done before: it is kept, or has been removed, or is about to be.
static void is_finished(void)
{
    set_keep(&w.now, DONE | COMPLETED);
    may_go(COMPLETED);
}

// How a run is opened.
enum { OPEN, ONCE = 4, START = 6, RESUME = 7 };

static void opened(const ckpt_run_desc *desc, unsigned how)
{
    content empty;
    memset(&empty, 0, sizeof(empty));
    if (w.run.resumed) {
        FUZZ_CHECK(how != START);
        set_keep(&w.now, RUNS);
        (void)do_load();
    } else {
        FUZZ_CHECK(how != RESUME && set_is(&w.now, GONE));
        empty.once = desc->once;
        empty.birth = birth_of(w.run.birth);
        for (size_t i = 0; i < w.now.count; i++) {
            FUZZ_CHECK(w.now.at[i].birth != empty.birth);
        }
        memset(&w.now, 0, sizeof(w.now));
        set_add(&w.now, &empty);
    }
    w.later = w.now;
}

static void not_opened(const ckpt_run_desc *desc, unsigned how, ckpt_code rc)
{
    content empty;
    memset(&empty, 0, sizeof(empty));
    FUZZ_CHECK(rc != CKPT_ERR_DAMAGED && rc != CKPT_ERR_FOREIGN &&
               rc != CKPT_ERR_FORMAT && rc != CKPT_ERR_EXHAUSTED);
    FUZZ_CHECK(how != START || (rc != CKPT_FINISHED && rc != CKPT_ERR_FAILED));
    if (rc == CKPT_FINISHED) {
        is_finished();
        check_over();
        return;
    }
    if (rc == CKPT_ERR_FAILED) {
        set_keep(&w.now, FAILED);
        return;
    }
    FUZZ_CHECK(rc != CKPT_ERR_NOT_FOUND || (how == RESUME &&
                                            set_is(&w.now, GONE)));
    if (how != RESUME && set_is(&w.now, GONE)) {    // it may have been made
        empty.once = desc->once;
        set_add(&w.now, &empty);
        set_none(&w.now);
        set_join(&w.later, &w.now);
    }
    may_go(COMPLETED | LEAVES);
}

static ckpt_code do_open(unsigned how)
{
    ckpt_run_desc desc;
    ckpt_code rc;
    memset(&desc, 0, sizeof(desc));
    desc.id = "job";
    desc.meta.agent_id = "a";
    desc.once = how == ONCE || how == ONCE + 1;
    switch (how) {
    case START:  rc = ckpt_start(&w.ctx, &w.run, &desc); break;
    case RESUME: rc = ckpt_resume(&w.ctx, &w.run, &desc); break;
    default:     rc = ckpt_open(&w.ctx, &w.run, &desc); break;
    }
    w.pending = 0;
    memset(w.envs, 0, sizeof(w.envs));
    if (rc == CKPT_OK && !w.p->dead) {
        opened(&desc, how);
    } else {
        not_opened(&desc, how, rc);
    }
    return rc;
}

static void do_remove(void)
{
    const ckpt_code rc = ckpt_remove(&w.ctx, &w.run, "job");
    if (rc == CKPT_OK && !w.p->dead) {
        gone();
    } else if (rc == CKPT_ERR_HELD) {
        FUZZ_CHECK(may_hold());
    } else {
        FUZZ_CHECK(rc != CKPT_ERR_NOT_FOUND || set_is(&w.now, GONE));
        FUZZ_CHECK(rc != CKPT_FINISHED && rc != CKPT_ERR_FAILED);
        may_go(RUNS | KEPT | GONE);
    }
}

static void do_retry(void)
{
    set back = w.now;
    const bool failed = set_is(&w.now, FAILED);
    const ckpt_code rc = ckpt_retry(&w.ctx, &w.run, "job");
    if (failed) {
        set_keep(&back, FAILED);
    } else {
        back.count = 0;
    }
    for (size_t i = 0; i < back.count; i++) {
        back.at[i].end = 0;
    }
    if (rc == CKPT_OK && !w.p->dead) {
        FUZZ_CHECK(failed);
        w.now = w.later = back;
    } else if (rc == CKPT_FINISHED) {
        is_finished();
    } else {
        FUZZ_CHECK(rc != CKPT_ERR_DAMAGED && rc != CKPT_ERR_FAILED);
        FUZZ_CHECK(rc != CKPT_ERR_EXISTS || set_is(&w.now, RUNS | GONE));
        FUZZ_CHECK(rc != CKPT_ERR_NOT_FOUND || set_is(&w.now, GONE));
        if (back.count > 0) {
            set_join(&w.now, &back);
            set_join(&w.later, &w.now);
        }
        may_go(COMPLETED | LEAVES);
    }
}

static bool told(void *user, const ckpt_run_info *info)
{
    FUZZ_CHECK(info->held == 0 && info->beat_age_ms > 1);
    FUZZ_CHECK(strcmp(info->id, "job") == 0);
    if (!w.p->dead) {
        check_info(info);
    }
    ++*(unsigned *)user;
    return true;
}

static void do_prune(unsigned how)
{
    const unsigned left = CKPT_STATE_INTERRUPTED | CKPT_STATE_EXHAUSTED;
    const unsigned kept = CKPT_STATE_FAILED | CKPT_STATE_DONE;
    ckpt_prune_desc desc;
    uint32_t count = 0;
    unsigned seen = 0, stages = KEPT;
    memset(&desc, 0, sizeof(desc));
    desc.fn = told;
    desc.user = &seen;
    desc.age_ms = how != 7;
    desc.dry_run = how == 4;
    if (how == 5 || how == 6) {
        desc.states = how == 5 ? left : left | kept;
        stages = how == 5 ? RUNS : RUNS | KEPT;
    }
    const ckpt_code rc = ckpt_prune(&w.ctx, &w.run, &desc, &count);
    FUZZ_CHECK((how == 7) == (rc == CKPT_ERR_ARGUMENT));
    if (rc == CKPT_ERR_ARGUMENT) {
        return;
    }
    FUZZ_CHECK(count <= seen && seen <= 1);
    FUZZ_CHECK(seen == 0 || w.p->dead || set_is(&w.now, stages));
    if (!desc.dry_run && count == 1 && !w.p->dead) {
        gone();
    } else if (!desc.dry_run) {
        may_go(stages);
    }
}

// What recover resumes is right, and it leaves it as it is.
static ckpt_outcome carry_on(ckpt_run *run, void *user,
                             ckpt_finish_desc *finish)
{
    (void)finish;
    FUZZ_CHECK(run == &w.run && run->resumed);
    if (!w.p->dead) {
        set_keep(&w.now, RUNS);
        (void)do_load();
        w.later = w.now;
    }
    ++*(unsigned *)user;
    return CKPT_INTERRUPTED;
}

static void do_recover(bool sweep)
{
    ckpt_recover_desc desc;
    ckpt_recover_info info;
    unsigned resumed = 0;
    memset(&desc, 0, sizeof(desc));
    memset(&info, 0, sizeof(info));
    desc.resume = carry_on;
    desc.user = &resumed;
    may_go(COMPLETED | LEAVES);
    w.pending = 0;
    memset(w.envs, 0, sizeof(w.envs));
    if (sweep) {
        (void)!ckpt_sweep(&w.ctx, &w.run, NULL);
    } else {
        (void)!ckpt_recover(&w.ctx, &w.run, &desc, &info);
        FUZZ_CHECK(info.resumed == resumed && resumed <= 1);
        FUZZ_CHECK(info.dead_letters == 0 && info.fallen_back == 0);
    }
}

// Everything that only looks.
static void do_look(unsigned how)
{
    ckpt_run_info info;
    ckpt_code rc;
    size_t n = 0;
    memset(&info, 0, sizeof(info));
    switch (how) {
    case 0: case 1: rc = ckpt_query(&w.ctx, "job", &info); break;
    case 2: case 3: rc = ckpt_latest(&w.ctx, "a", NULL, &info); break;
    case 4:
        rc = ckpt_stale(&w.ctx, 0, &info, 1, &n);
        rc = rc == CKPT_OK && n == 0 ? CKPT_ERR_NOT_FOUND : rc;
        break;
    default: rc = ckpt_verify(&w.ctx, "job", &info); break;
    }
    if (w.p->dead) {
        return;
    }
    FUZZ_CHECK(rc != CKPT_ERR_DAMAGED && rc != CKPT_ERR_FOREIGN &&
               rc != CKPT_ERR_FORMAT);
    if (rc == CKPT_OK) {
        check_info(&info);
        FUZZ_CHECK(how < 2 || how > 4 ||
                   ((uint32_t)info.state & (CKPT_STATE_DONE |
                    CKPT_STATE_FAILED | CKPT_STATE_FINISHED)) == 0);
    }
    FUZZ_CHECK(rc != CKPT_ERR_NOT_FOUND || (how >= 2 && how <= 4) ||
               set_is(&w.now, GONE));
}

//--- What happens -------------------------------------------------------------

static void take_fault(fuzz_in *in)
{
    static const int errors[] = { EIO, ENOSPC, EINTR, EMFILE };
    static const sim_action actions[] = {
        SIM_FAIL, SIM_FAIL_AFTER, SIM_SHORT, SIM_DIE
    };
    const unsigned how = fuzz_byte(in);
    memset(&w.plan, 0, sizeof(w.plan));
    w.plan.at = 1 + fuzz_byte(in) % 64;
    w.plan.verdict.action = actions[how & 3];
    w.plan.verdict.err = errors[how >> 2 & 3];
    w.plan.verdict.size = (how >> 6) + 1U;      // nothing read: the end
    // An interruption for good is none: the library would wait it out.
    w.plan.sticky = (how & 0x10) != 0 && (how >> 2 & 3) != 2 &&
                    (how & 3) != 2;
}

static void power_cut(uint64_t seed)
{
    sim_crash it;
    sim_crash_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.bound = 3 + seed % 8;
    desc.seed = seed;
    sim_disk *after = NULL, *next;
    ckpt_abandon(&w.run);                       // it has nothing to say
    sim_crash_begin(&it, w.disk, &desc);
    for (uint64_t i = 0; (next = sim_crash_next(&it)) != NULL; i++) {
        if (after == NULL || i <= seed % 5) {
            sim_disk_free(after);
            after = next;
        } else {
            sim_disk_free(next);
        }
    }
    sim_crash_end(&it);
    FUZZ_CHECK(after != NULL);
    sim_disk_free(w.disk);
    w.disk = after;
    w.p = NULL;
    w.up = false;
    w.now = w.later;
    restart();
}

// A power cut must not be told from a kill by the cleaning up before it.
static void crash(uint64_t seed)
{
    sim_kill(w.p);
    power_cut(seed);
}

static void one_call(fuzz_in *in)
{
    const unsigned order = fuzz_byte(in), how = order >> 5;
    const bool open = w.run.open;
    switch (order & 31) {
    case 0: case 1: case 2: case 3: do_save(in, false); break;
    case 4: case 5: do_save(in, true); break;
    case 6: case 7: case 8: do_begin(in); break;
    case 9: case 10: do_end(in); break;
    case 11: case 12: do_env(in); break;
    case 13: (void)!ckpt_beat(&w.run); break;
    case 14: (void)do_load(); break;
    case 15: case 16: do_finish(in); break;
    case 17: ckpt_abandon(&w.run); break;
    case 18: restart(); break;
    case 19: crash(fuzz_byte(in)); break;
    case 20: case 21: case 22: case 23: take_fault(in); break;
    case 24: sim_advance(w.disk, 1 << how * 3); break;
    case 25: do_look(how); break;
    case 26:
        if (!open && how < 3) {
            do_remove();
        } else if (!open) {
            do_prune(how);
        }
        break;
    case 27: if (!open) do_retry(); break;
    case 28: if (!open) do_recover(how < 4); break;
    default: if (!open) (void)do_open(how); break;
    }
    if (w.p->dead) {
        restart();
    }
}

//--- One input ----------------------------------------------------------------

// Opens the run, whatever it takes: one that failed is retried first, one that
// is done is removed.
static void open_at_last(void)
{
    ckpt_code rc = CKPT_FINISHED;
    for (int tries = 0; rc != CKPT_OK && tries < 4; tries++) {
        sim_advance(w.disk, INT64_C(5) * 3600 * 1000);
        rc = do_open(OPEN);
        FUZZ_CHECK(rc == CKPT_OK || rc == CKPT_FINISHED ||
                   rc == CKPT_ERR_FAILED);
        if (rc == CKPT_ERR_FAILED) {
            FUZZ_CHECK(ckpt_start(&w.ctx, &w.run, &(ckpt_run_desc){
                           .id = "job" }) == CKPT_ERR_EXISTS);
            do_retry();
            FUZZ_CHECK(!set_is(&w.now, FAILED) || w.now.full);
        } else if (rc == CKPT_FINISHED && set_is(&w.now, DONE)) {
            do_remove();
        }
    }
    FUZZ_CHECK(rc == CKPT_OK);
}

// A run that was kept is one generation and its claim, whole; it stays as long
// as it holds an environment, and else until it is pruned.
static void check_kept(ckpt_run_state state)
{
    ckpt_run_info info;
    uint32_t count;
    const ckpt_prune_desc desc = { .age_ms = 1000 };
    sim_advance(w.disk, 3600 * 1000);
    FUZZ_CHECK(sim_count(w.disk, "/runs/r-job") == 2);
    FUZZ_CHECK(ckpt_verify(&w.ctx, "job", &info) == CKPT_OK);
    FUZZ_CHECK(info.state == state);
    check_info(&info);
    do_recover(false);
    do_recover(true);
    do_prune(4);                                // a dry run
    do_prune(5);                                // only what was left
    FUZZ_CHECK(ckpt_query(&w.ctx, "job", &info) == CKPT_OK);
    FUZZ_CHECK(info.state == state);
    FUZZ_CHECK(ckpt_prune(&w.ctx, &w.run, &desc, &count) == CKPT_OK);
    FUZZ_CHECK(count == (info.held == 0));
    if (info.held > 0) {
        FUZZ_CHECK(ckpt_remove(&w.ctx, &w.run, "job") == CKPT_ERR_HELD);
        FUZZ_CHECK(do_open(OPEN) == CKPT_ERR_FAILED);
    } else {
        gone();
        FUZZ_CHECK(do_open(RESUME) == CKPT_ERR_NOT_FOUND);
        FUZZ_CHECK(sim_find(w.disk, "/runs/r-job") == NULL);
    }
}

// When nothing fails any more, everything works.
static void check_end(unsigned how)
{
    change x;
    ckpt_save_desc save;
    ckpt_finish_desc finish;
    memset(&x, 0, sizeof(x));
    memset(&save, 0, sizeof(save));
    save.anew = true;
    memset(&finish, 0, sizeof(finish));
    if (how & 1) {
        crash(how >> 1);
    } else {
        restart();
    }
    open_at_last();
    x.with_save = x.state = true;
    x.turn = (uint32_t)w.run.turn + 1;
    x.value = 77;
    save.turn = x.turn;
    save.state = ckpt_text("{\"s\":77}");
    const ckpt_code rc = ckpt_save(&w.run, &save);
    FUZZ_CHECK(rc == CKPT_OK);
    account(rc, &x);
    FUZZ_CHECK(do_load() == CKPT_OK);
    const bool done = w.now.at[0].once && w.now.at[0].held == 0;
    memset(&x, 0, sizeof(x));
    x.what = FINISH;
    x.ends = x.keep = true;
    x.outcome = done ? CKPT_COMPLETED : CKPT_FAILED;
    finish.keep = true;                         // whatever it still holds
    FUZZ_CHECK(ckpt_finish(&w.run, x.outcome, &finish) == CKPT_OK);
    account(CKPT_OK, &x);
    check_kept(done ? CKPT_STATE_DONE : CKPT_STATE_FAILED);
    fuzz_store_end(&w.fs, w.p);
}

static void fuzz_one(const uint8_t *data, size_t size)
{
    fuzz_in in = { data, size };
    memset(&w, 0, sizeof(w));
    w.disk = sim_disk_new(5);
    w.pid = 100;
    sim_proc *maker = fuzz_proc(w.disk, 99);    // the root is durable
    FUZZ_CHECK(fuzz_store(&w.fs, maker) == CKPT_OK);
    ckpt_store_fs_close(&w.fs);
    set_none(&w.now);
    w.later = w.now;
    restart();
    const unsigned how = fuzz_byte(&in);
    if (!(how & 0x80)) {
        (void)do_open(how & 0x40 ? ONCE : OPEN);
    }
    for (int i = 0; i < CALLS && in.left > 0; i++) {
        one_call(&in);
    }
    check_end(how);
    sim_disk_free(w.disk);
}
