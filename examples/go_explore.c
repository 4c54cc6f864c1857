// SPDX-License-Identifier: MIT-0
/*
    go_explore.c -- finds a treasure by coming back to where it has been

    A maze lies in files: a map, a hero, keys that can be moved to a bag. Doors
    want their key, and some floors fall in behind the hero, so that a walk
    that takes a wrong turn is lost. Go-Explore (Ecoffet et al., 2019) does
    not mind: it keeps an archive of cells (a region of the maze and the keys
    in the bag), each a checkpoint of the whole directory; again and again it
    picks one, restores it, explores from there, and keeps what is new or
    reached in fewer steps.

        cc -std=c99 -I. -I/usr/include/stb -o build/go_explore \
            examples/go_explore.c
        build/go_explore [-s seed] [-d directory] [-o result] [-n] [-q]
        build/go_explore -x         one walk after the other, no return

    Kill it at any moment and start it again: it goes on, no checkpoint of a
    workspace is left behind, and the archive in the end is the same. A game
    that is over is kept as done, and not played again; with -n, a new one is.

    How, is a matter of order. Each round begins with the archive that the run
    has saved as its .state, and depends on nothing else:

        1. restore a cell, explore; for each cell worth it:
           a. ckpt_env_init: the run saves that it holds the checkpoint
           b. the checkpoint is made
        2. ckpt_save: the archive of the next round, and the random state
        3. ckpt_env_release: what this archive has not any more

    After a kill before 2 the run holds more than the archive knows: that is
    released, and the round is done again, with the same result. After a kill
    in 3 it is the same, only the round is not done again. A checkpoint that
    the saved archive knows is never released before 2.

    Exit status: 0 done, the result is there; 75 try again later; 1 an error,
    and the next start resumes the run.
*/
#define CKPT_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first: it says which POSIX it needs
#include "workspace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define RUN_ID "go-explore"

enum {
    COLUMNS   = 37, ROWS = 11,          // rooms of the maze
    WIDTH     = 2 * COLUMNS + 1,        // squares: rooms, and walls between
    HEIGHT    = 2 * ROWS + 1,
    LINE      = WIDTH + 1,              // of the file
    KEYS      = 5,
    BLOCK     = 8,                      // a region is so many squares wide
    STEPS     = 100,                    // of a round
    CELLS_MAX = 48,                     // in the archive
    FRESH_MAX = CKPT_HELD_MAX - CELLS_MAX,      // new ones in a round
    TREASURE  = 1 << 30,                // the cell where it lies
    WALKS     = 100,                    // of -x, each of LIFE steps
    LIFE      = 3000,
    ROUNDS_MAX = 5000,
    TRY_LATER = 75                      // EX_TEMPFAIL
};

// A workspace with the maze in it, open.
typedef struct world {
    ws_env dir;
    int    map, hero, trail;
    int    x, y, steps, bag;            // as in the files
    bool   treasure;
} world;

typedef struct cell {
    int  key, x, y, steps, chosen;
    int  slot;                          // its checkpoint
} cell;

// A checkpoint the run holds.
typedef struct slot {
    bool     used;
    ckpt_env env;
    char     timestep[64];              // where the hero stands
} slot;

typedef struct explorer {
    ckpt_run run;
    ws_store ws;
    uint64_t seed, random;              // random: state of the generator
    int      round, count;
    cell     cells[CELLS_MAX];
    slot     slots[CKPT_HELD_MAX];
    int      dropped[CKPT_HELD_MAX], drops;     // slots to release
    int      fresh;                     // checkpoints made in this round
    int      keys_seen;
    bool     found, quiet, screen;
    int64_t  shown_ms;
    char     state_buf[32 * 1024], load_buf[128 * 1024];
    char     result[16 * 1024];
} explorer;

static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "go_explore: %s: %s\n", what, why);
    return false;
}

static bool check(const explorer *e, ckpt_code rc, const char *what)
{
    const ckpt_error *error = &e->run.error;
    if (rc >= 0) {
        return true;
    }
    if (error->code != rc) {            // not of the run
        return fail(what, ckpt_code_message(rc));
    }
    fprintf(stderr, "go_explore: %s: %s (%s, errno %d)\n", what, error->msg,
            error->op != NULL ? error->op : "ckpt", error->sys);
    return false;
}

// Of the functions in workspace.h, which return an errno.
static bool done(int error, const char *what)
{
    return error == 0 || fail(what, strerror(error));
}

// xorshift64*
static int draw(uint64_t *state, int below)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (int)((*state * UINT64_C(2685821657736338717) >> 33) %
                 (uint64_t)below);
}

// A state for draw(), never 0.
static uint64_t mix(uint64_t seed)
{
    return (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

//--- The maze -----------------------------------------------------------------

// Makes a maze without circles, from a seed.
typedef struct maze {
    char map[HEIGHT][LINE];
    int  from[ROWS * COLUMNS];          // the room before, on the way from 0
    int  deep[ROWS * COLUMNS];          // rooms from 0
    int  order[ROWS * COLUMNS];         // as they were dug: parents first
    bool way[ROWS * COLUMNS];           // something that is needed lies beyond
} maze;

static const int steps_x[4] = { 0, 1, 0, -1 }, steps_y[4] = { -1, 0, 1, 0 };

// The square between a room and the one before it.
static char *passage(maze *m, int room)
{
    const int before = m->from[room];
    return &m->map[room / COLUMNS + before / COLUMNS + 1]
                  [room % COLUMNS + before % COLUMNS + 1];
}

static char *square(maze *m, int room)
{
    return &m->map[room / COLUMNS * 2 + 1][room % COLUMNS * 2 + 1];
}

static void dig(maze *m, uint64_t *random)
{
    int stack[ROWS * COLUMNS], depth = 1, n = 1;
    memset(m, 0, sizeof(*m));
    for (int y = 0; y < HEIGHT; y++) {
        memset(m->map[y], '#', WIDTH);
        m->map[y][WIDTH] = '\n';
    }
    stack[0] = m->order[0] = 0;
    *square(m, 0) = ' ';
    while (depth > 0) {
        const int room = stack[depth - 1];
        int next[4], count = 0;
        for (int d = 0; d < 4; d++) {
            const int x = room % COLUMNS + steps_x[d];
            const int y = room / COLUMNS + steps_y[d];
            if (x >= 0 && x < COLUMNS && y >= 0 && y < ROWS &&
                *square(m, y * COLUMNS + x) == '#') {
                next[count++] = y * COLUMNS + x;
            }
        }
        if (count == 0) {
            depth--;
            continue;
        }
        const int to = next[draw(random, count)];
        m->from[to] = room;
        m->deep[to] = m->deep[room] + 1;
        m->order[n++] = stack[depth++] = to;
        *square(m, to) = *passage(m, to) = ' ';
    }
}

static void mark_way(maze *m, int room)
{
    for (; room != 0; room = m->from[room]) {
        m->way[room] = true;
    }
}

// The deepest room without use, of those that lie before all doors closed yet.
static int deepest(maze *m, const bool *beyond)
{
    int best = 0;
    for (int room = 1; room < ROWS * COLUMNS; room++) {
        if (!beyond[room] && *square(m, room) == ' ' && !m->way[room] &&
            m->deep[room] > m->deep[best]) {
            best = room;
        }
    }
    return best;
}

// Puts the treasure at the far end, doors on the way there, each key somewhere
// before its door, and bad floor where a way leads to nothing.
static void furnish(maze *m, uint64_t *random)
{
    bool beyond[ROWS * COLUMNS] = { false };
    int  end = deepest(m, beyond), doors[KEYS];
    *square(m, end) = '$';
    mark_way(m, end);
    for (int k = KEYS - 1, room = end; k >= 0; k--) {
        while (m->deep[room] > m->deep[end] * (k + 1) / (KEYS + 1)) {
            room = m->from[room];
        }
        doors[k] = room;
    }
    for (int k = 0; k < KEYS; k++) {
        for (int i = 1; i < ROWS * COLUMNS; i++) {
            const int room = m->order[i];
            beyond[room] = room == doors[k] || (m->from[room] != 0 &&
                                                beyond[m->from[room]]);
        }
        const int key = deepest(m, beyond);
        *square(m, key) = (char)('a' + k);
        *passage(m, doors[k]) = (char)('A' + k);
        mark_way(m, key);
    }
    for (int room = 1; room < ROWS * COLUMNS; room++) {
        if (!m->way[room] && (m->from[room] == 0 || m->way[m->from[room]]) &&
            draw(random, 3) > 0) {
            *passage(m, room) = '~';
        }
    }
}

//--- The world ----------------------------------------------------------------

// Everything the hero does is a change of files: what a checkpoint copies.
//
//      map         the maze; '~' is bad floor, '^' is where it fell in
//      hero        where the hero stands
//      trail       the steps so far, a letter each
//      keys/a      lies on the floor
//      bag/a       was picked up

static bool world_open(world *w)
{
    char text[16] = "";
    const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC;
    w->map = openat(w->dir.fd, "map", flags);
    w->hero = openat(w->dir.fd, "hero", flags);
    w->trail = openat(w->dir.fd, "trail", flags | O_APPEND);
    const off_t end = w->trail >= 0 ? lseek(w->trail, 0, SEEK_END) : -1;
    w->treasure = false;
    w->steps = (int)end;
    w->bag = 0;
    for (int k = 0; k < KEYS; k++) {
        const char name[] = { 'b', 'a', 'g', '/', (char)('a' + k), '\0' };
        w->bag |= faccessat(w->dir.fd, name, F_OK, 0) == 0 ? 1 << k : 0;
    }
    return (w->map >= 0 && w->hero >= 0 && end >= 0 &&
            pread(w->hero, text, sizeof(text) - 1, 0) == 8 &&
            sscanf(text, "%3d %3d", &w->x, &w->y) == 2)
        || fail("the maze", "its files cannot be read");
}

static bool world_close(explorer *e, world *w)
{
    const int fds[] = { w->map, w->hero, w->trail };
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return done(ws_env_end(&e->ws, &w->dir), "remove a workspace");
}

// Makes the world from nothing.
static bool world_make(explorer *e, world *w)
{
    static maze m;
    uint64_t    random = mix(e->seed);
    int         error;
    w->map = w->hero = w->trail = -1;
    dig(&m, &random);
    furnish(&m, &random);
    error = ws_env_make(&e->ws, -1, &w->dir);
    if (error == 0 && (mkdirat(w->dir.fd, "keys", 0700) != 0 ||
                       mkdirat(w->dir.fd, "bag", 0700) != 0)) {
        error = errno;
    }
    for (int k = 0; error == 0 && k < KEYS; k++) {
        const char name[] = { 'k', 'e', 'y', 's', '/', (char)('a' + k), '\0' };
        error = ws_write(w->dir.fd, name, "a key\n");
    }
    m.map[HEIGHT - 1][WIDTH] = '\0';
    error = error != 0 ? error : ws_write(w->dir.fd, "map", m.map[0]);
    error = error != 0 ? error : ws_write(w->dir.fd, "hero", "  1   1\n");
    error = error != 0 ? error : ws_write(w->dir.fd, "trail", "");
    return done(error, "make the maze") && world_open(w);
}

static char look_at(const world *w, int x, int y)
{
    char c = '#';
    return pread(w->map, &c, 1, (off_t)y * LINE + x) == 1 ? c : '#';
}

static bool change(const world *w, int x, int y, char to)
{
    return pwrite(w->map, &to, 1, (off_t)y * LINE + x) == 1;
}

static bool can_enter(const world *w, char c)
{
    return c == ' ' || c == '~' || c == '$' || (c >= 'a' && c < 'a' + KEYS) ||
           (c >= 'A' && c < 'A' + KEYS && (w->bag >> (c - 'A') & 1) != 0);
}

// One step, onto a square that can be entered.
static bool step(world *w, int d)
{
    const int  x = w->x + steps_x[d], y = w->y + steps_y[d];
    const char c = look_at(w, x, y);
    char       text[16];
    bool       good = true;
    if (look_at(w, w->x, w->y) == '~') {        // it held until now
        good = change(w, w->x, w->y, '^');
    }
    if (c >= 'a' && c < 'a' + KEYS) {
        const char from[] = { 'k', 'e', 'y', 's', '/', c, '\0' };
        const char to[] = { 'b', 'a', 'g', '/', c, '\0' };
        good = good && renameat(w->dir.fd, from, w->dir.fd, to) == 0 &&
               change(w, x, y, ' ');
        w->bag |= 1 << (c - 'a');
    } else if (c >= 'A' && c < 'A' + KEYS) {
        good = good && change(w, x, y, ' ');    // open for good
    }
    w->x = x;
    w->y = y;
    w->steps++;
    w->treasure = c == '$';
    snprintf(text, sizeof(text), "%3d %3d\n", x, y);
    good = good && pwrite(w->hero, text, 8, 0) == 8 &&
           write(w->trail, &"NESW"[d], 1) == 1;
    return good || fail("the maze", strerror(errno));
}

// A direction to go on: not back, unless there is no other. -1: buried.
static int wander(const world *w, int last, uint64_t *random)
{
    int open[4], count = 0;
    const int back = last < 0 ? -1 : (last + 2) % 4;
    for (int d = 0; d < 4; d++) {
        if (d != back &&
            can_enter(w, look_at(w, w->x + steps_x[d], w->y + steps_y[d]))) {
            open[count++] = d;
        }
    }
    if (count > 0) {
        return open[draw(random, count)];
    }
    return back >= 0 && can_enter(w, look_at(w, w->x + steps_x[back],
                                             w->y + steps_y[back])) ? back : -1;
}

//--- Show ---------------------------------------------------------------------

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *bag_text(int bag)
{
    static char text[KEYS + 1];
    int n = 0;
    for (int k = 0; k < KEYS; k++) {
        if (bag >> k & 1) {
            text[n++] = (char)('a' + k);
        }
    }
    text[n] = '\0';
    return n > 0 ? text : "empty";
}

static int count_keys(int bag)
{
    int n = 0;
    for (; bag != 0; bag &= bag - 1) {
        n++;
    }
    return n;
}

// Draws the maze as the hero left it, with the cells of the archive as '*'.
static void draw_maze(explorer *e, const world *w)
{
    char text[HEIGHT * LINE + 1];
    const ssize_t n = pread(w->map, text, HEIGHT * LINE, 0);
    if (n <= 0) {
        return;
    }
    for (int i = 0; i < e->count; i++) {
        text[e->cells[i].y * LINE + e->cells[i].x] = '*';
    }
    text[w->y * LINE + w->x] = '@';
    printf("\033[H");
    for (ssize_t i = 0; i < n; i++) {
        const char c = text[i];
        const char *colour = c == '@' ? "1;33" : c == '*' ? "36" :
            c == '~' || c == '^' ? "31" : c == '#' ? "90" : "1;35";
        if (c == ' ' || c == '\n') {
            printf("%s", c == '\n' ? "\033[K\n" : " ");
        } else {
            printf("\033[%sm%s\033[0m", colour,
                   c == '#' ? "\342\226\222" : (char[2]){ c, '\0' });
        }
    }
    printf("\033[K\n round %d   cells %d   hero: %d steps, bag %s   best: %d "
           "of %d keys\033[K\n ^C or kill -9 it, and start it again\033[K\n",
           e->round, e->count, w->steps, bag_text(w->bag), e->keys_seen, KEYS);
    fflush(stdout);
}

static void show_round(explorer *e, const world *w)
{
    const int64_t now = now_ms();
    if (e->screen && now - e->shown_ms >= 80) {
        e->shown_ms = now;
        draw_maze(e, w);
    } else if (!e->screen && !e->quiet && e->round % 50 == 0) {
        printf("round %4d: %2d cells, %d of %d keys\n", e->round, e->count,
               e->keys_seen, KEYS);
    }
}

static void show_news(explorer *e, const world *w)
{
    const int keys = count_keys(w->bag);
    if (!e->screen && !e->quiet && (keys > e->keys_seen || w->treasure)) {
        printf("round %4d: %s %s, %d steps from the start\n", e->round,
               w->treasure ? "the treasure! bag" : "a key; the bag is now",
               bag_text(w->bag), w->steps);
        fflush(stdout);
    }
    e->keys_seen = keys > e->keys_seen ? keys : e->keys_seen;
}

//--- Checkpoints --------------------------------------------------------------

// Names a checkpoint that is about to be made, or one that the run holds.
static bool hold(explorer *e, const char *id, int64_t steps, int *at)
{
    ckpt_env_desc desc = { .id = id, .restore = ws_restore,
                           .release = ws_release, .user = &e->ws,
                           .step_count = steps, .run = &e->run };
    slot *s = &e->slots[*at];
    desc.timestep = ckpt_text(s->timestep);
    s->used = check(e, ckpt_env_init(&s->env, &desc), "hold");
    return s->used;
}

static int free_slot(explorer *e)
{
    int at = 0;
    while (e->slots[at].used) {         // CELLS_MAX + FRESH_MAX: there is one
        at++;
    }
    return at;
}

static void observe(const world *w, char *text, size_t size)
{
    snprintf(text, size, "{\"x\":%d,\"y\":%d,\"bag\":%d}", w->x, w->y, w->bag);
}

static bool keep_cell(explorer *e, const world *w, cell *c)
{
    char id[64], meta[128];
    c->slot = free_slot(e);
    slot *s = &e->slots[c->slot];
    snprintf(id, sizeof(id), "r%d-%d", e->round, e->fresh++);
    observe(w, s->timestep, sizeof(s->timestep));
    snprintf(meta, sizeof(meta), "{\"id\":\"%s\",\"steps\":%d,\"timestep\":%s}"
             "\n", id, c->steps, s->timestep);
    return hold(e, id, c->steps, &c->slot)      // first that we hold it
        && done(ws_checkpoint(&e->ws, id, w->dir.fd, meta), "checkpoint");
}

static bool drop_slot(explorer *e, int at)
{
    int  failure;
    slot *s = &e->slots[at];
    if (!check(e, ckpt_env_release(&s->env, &failure), "release")) {
        return false;
    }
    s->used = false;
    return true;
}

// Restores a cell. What comes back must be what the timestep says.
static bool enter(explorer *e, const cell *c, world *w)
{
    ckpt_bytes timestep;
    char       seen[64];
    int        failure = 0;
    slot      *s = &e->slots[c->slot];
    w->map = w->hero = w->trail = -1;
    if (!check(e, ckpt_env_restore(&s->env, &w->dir, &timestep, &failure),
               "restore")) {
        return fail(s->env.id, strerror(failure));
    }
    if (!world_open(w)) {
        return false;
    }
    observe(w, seen, sizeof(seen));
    if (timestep.len != strlen(seen) ||
        memcmp(timestep.ptr, seen, timestep.len) != 0) {
        return fail(s->env.id, "the hero is not where the checkpoint was made");
    }
    return true;
}

//--- The archive --------------------------------------------------------------

// Whether a cell is worth less than another one.
static bool is_worse(const cell *a, const cell *b)
{
    const int keys_a = count_keys(a->key & 0xff);
    const int keys_b = count_keys(b->key & 0xff);
    if (keys_a != keys_b) {
        return keys_a < keys_b;
    }
    return a->chosen != b->chosen ? a->chosen > b->chosen : a->steps > b->steps;
}

// Adds where the hero stands to the archive, if it is new or better.
static bool offer(explorer *e, const world *w)
{
    cell c = { .x = w->x, .y = w->y, .steps = w->steps };
    int  at = 0, worst = 0;
    c.key = w->treasure ? TREASURE
          : (w->y / BLOCK << 8 | w->x / BLOCK) << 8 | w->bag;
    while (at < e->count && e->cells[at].key != c.key) {
        worst = is_worse(&e->cells[at], &e->cells[worst]) ? at : worst;
        at++;
    }
    if (at < e->count && e->cells[at].steps <= c.steps) {
        return true;
    }
    if (at == CELLS_MAX) {
        at = worst;
        if (!w->treasure && is_worse(&c, &e->cells[at])) {
            return true;
        }
    }
    if (!keep_cell(e, w, &c)) {
        return false;
    }
    if (at < e->count) {
        e->dropped[e->drops++] = e->cells[at].slot;
    } else {
        e->count++;
    }
    e->cells[at] = c;
    return true;
}

// Picks a cell: rather one with many keys that was seldom picked.
static cell *choose(explorer *e)
{
    int weights[CELLS_MAX], sum = 0, at = 0;
    for (int i = 0; i < e->count; i++) {
        const cell *c = &e->cells[i];
        weights[i] = 1 + 1000 * (1 + 2 * count_keys(c->key & 0xff)) /
                     (1 + c->chosen);
        sum += weights[i];
    }
    for (int left = draw(&e->random, sum); left >= weights[at]; at++) {
        left -= weights[at];
    }
    e->cells[at].chosen++;
    return &e->cells[at];
}

//--- The state of the run -----------------------------------------------------

static const char *const cell_names[] = {
    "key", "x", "y", "steps", "chosen"
};

static int *cell_field(cell *c, size_t i)
{
    int *const fields[] = { &c->key, &c->x, &c->y, &c->steps, &c->chosen };
    return fields[i];
}

enum { CELL_FIELDS = sizeof(cell_names) / sizeof(cell_names[0]) };

// Saves the archive. A save that is skipped (see .throttle_ms) is no harm as
// long as no checkpoint was made: those rounds are only done again.
static bool save(explorer *e)
{
    char           random[32];
    ckpt_json      w;
    ckpt_save_desc desc = { .turn = (uint64_t)e->round,
                            .force = e->fresh > 0 || e->found };
    snprintf(random, sizeof(random), "%016" PRIx64, e->random);
    ckpt_json_init(&w, e->state_buf, sizeof(e->state_buf));
    ckpt_json_open(&w, '{');
    ckpt_json_key(&w, "seed");
    ckpt_json_int(&w, (int64_t)e->seed);
    ckpt_json_key(&w, "random");
    ckpt_json_string(&w, ckpt_text(random));
    ckpt_json_key(&w, "keys");
    ckpt_json_int(&w, e->keys_seen);
    ckpt_json_key(&w, "found");
    ckpt_json_bool(&w, e->found);
    ckpt_json_key(&w, "cells");
    ckpt_json_open(&w, '[');
    for (int i = 0; i < e->count; i++) {
        ckpt_json_open(&w, '{');
        ckpt_json_key(&w, "id");
        ckpt_json_string(&w, ckpt_text(e->slots[e->cells[i].slot].env.id));
        for (size_t k = 0; k < CELL_FIELDS; k++) {
            ckpt_json_key(&w, cell_names[k]);
            ckpt_json_int(&w, *cell_field(&e->cells[i], k));
        }
        ckpt_json_close(&w);
    }
    ckpt_json_close(&w);
    ckpt_json_close(&w);
    return check(e, ckpt_json_done(&w, &desc.state), "state")
        && check(e, ckpt_save(&e->run, &desc), "save");
}

static bool read_int(ckpt_bytes object, const char *name, int64_t *value)
{
    return ckpt_json_number(ckpt_json_get(object, name), value) == CKPT_OK ||
           fail("the saved state has no", name);
}

static bool load_cell(explorer *e, ckpt_bytes text)
{
    cell    c = { .slot = -1 };
    char    id[CKPT_NAME_MAX + 1];
    int64_t value;
    for (size_t i = 0; i < CELL_FIELDS; i++) {
        if (!read_int(text, cell_names[i], &value)) {
            return false;
        }
        *cell_field(&c, i) = (int)value;
    }
    if (ckpt_json_text(ckpt_json_get(text, "id"), id, sizeof(id), NULL) < 0) {
        return fail("the saved state", "a cell has no id");
    }
    for (int i = 0; i < CKPT_HELD_MAX; i++) {
        if (e->slots[i].used && strcmp(e->slots[i].env.id, id) == 0) {
            c.slot = i;
        }
    }
    if (c.slot < 0 || e->count == CELLS_MAX) {
        return fail(id, "in the archive, but the run does not hold it");
    }
    e->cells[e->count++] = c;
    return true;
}

// Takes the archive over from the last checkpoint.
static bool load(explorer *e)
{
    ckpt_checkpoint last;
    ckpt_bytes      text;
    char            random[32];
    int64_t         value;
    size_t          at = 0;
    if (!check(e, ckpt_load(&e->run, &last, e->load_buf, sizeof(e->load_buf)),
               "load")) {
        return false;
    }
    if (last.turn == 0) {
        return true;                    // it had not saved yet
    }
    e->round = (int)last.turn;
    if (ckpt_json_text(ckpt_json_get(last.state, "random"), random,
                       sizeof(random), NULL) != CKPT_OK ||
        sscanf(random, "%" SCNx64, &e->random) != 1 ||
        !read_int(last.state, "keys", &value)) {
        return fail("the saved state", "has no random state");
    }
    e->keys_seen = (int)value;
    text = ckpt_json_get(last.state, "found");
    e->found = text.len == 4;           // true, not false
    if (!read_int(last.state, "seed", &value) || value != (int64_t)e->seed) {
        return fail("the run", "was begun with another seed (see -s)");
    }
    const ckpt_bytes cells = ckpt_json_get(last.state, "cells");
    while (ckpt_json_next(cells, &at, NULL, &text)) {
        if (!load_cell(e, text)) {
            return false;
        }
    }
    return true;
}

//--- After a crash ------------------------------------------------------------

// Takes over every checkpoint that the run holds.
static bool take_over(explorer *e)
{
    ckpt_held held = { .at = 0 };
    ckpt_code rc;
    size_t    size;
    while ((rc = ckpt_held_next(&e->run, &held)) == CKPT_OK) {
        int   at = free_slot(e);
        slot *s = &e->slots[at];
        rc = ckpt_held_timestep(&e->run, held.id, s->timestep,
                                sizeof(s->timestep) - 1, &size);
        if (!check(e, rc, held.id)) {
            return false;
        }
        s->timestep[size] = '\0';
        if (!hold(e, held.id, held.step_count, &at)) {
            return false;
        }
    }
    return check(e, rc, "list what is held");
}

static bool is_held(void *user, const char *id)
{
    const explorer *e = (const explorer *)user;
    for (int i = 0; i < CKPT_HELD_MAX; i++) {
        if (e->slots[i].used && strcmp(e->slots[i].env.id, id) == 0) {
            return true;
        }
    }
    return false;
}

// Brings the world in line with the archive: what it does not know is
// released, and what nobody holds is swept. We hold the claim.
static bool tidy(explorer *e)
{
    int      released = 0;
    unsigned swept = 0;
    for (int at = 0; at < CKPT_HELD_MAX; at++) {
        bool known = false;
        for (int i = 0; i < e->count; i++) {
            known = known || e->cells[i].slot == at;
        }
        if (e->slots[at].used && !known) {
            if (!drop_slot(e, at)) {
                return false;
            }
            released++;
        }
    }
    if (!done(ws_sweep(&e->ws, is_held, e, &swept), "sweep")) {
        return false;
    }
    if (!e->quiet && e->run.resumed) {
        printf("round %4d: resumed with %d cells; released %d that the archive "
               "does not know, swept %u\n", e->round, e->count, released,
               swept);
    }
    return true;
}

//--- Explore ------------------------------------------------------------------

static bool explore_from(explorer *e, world *w)
{
    int last = -1;
    for (int i = 0; i < STEPS && e->fresh < FRESH_MAX && !w->treasure; i++) {
        last = wander(w, last, &e->random);
        if (last < 0) {
            break;
        }
        if (!step(w, last)) {
            return false;
        }
        show_news(e, w);
        if (!offer(e, w)) {
            return false;
        }
    }
    e->found = w->treasure;
    show_round(e, w);
    return true;
}

// See the order at the top of the file.
static bool play_round(explorer *e)
{
    world w;
    bool  good;
    e->fresh = e->drops = 0;
    if (e->count == 0) {
        w.dir.fd = -1;
        good = world_make(e, &w) && offer(e, &w);
    } else {
        good = enter(e, choose(e), &w) && explore_from(e, &w);
    }
    if (!good || !world_close(e, &w)) {
        return false;                   // the next start tidies up
    }
    e->round++;
    if (!save(e)) {
        return false;
    }
    while (e->drops > 0) {
        if (!drop_slot(e, e->dropped[--e->drops])) {
            return false;
        }
    }
    return check(e, ckpt_beat(&e->run), "beat");
}

// FNV-1a, over the bytes of a file.
static bool digest_file(const world *w, const char *name, uint64_t *sum)
{
    unsigned char buf[4096];
    ssize_t       n = -1;
    int           fd = openat(w->dir.fd, name, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            *sum = (*sum ^ buf[i]) * UINT64_C(1099511628211);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return n == 0 || fail(name, strerror(errno));
}

// Sums up the archive: each cell, and what is in its checkpoint.
static bool digest(explorer *e, ckpt_json *out)
{
    uint64_t sum = UINT64_C(14695981039346656037);
    char     text[128], trail[8192] = "";
    for (int i = 0; i < e->count; i++) {
        const cell *c = &e->cells[i];
        world       w;
        if (!enter(e, c, &w)) {
            return false;
        }
        bool good = digest_file(&w, "map", &sum)
                 && digest_file(&w, "hero", &sum)
                 && digest_file(&w, "trail", &sum);
        sum = (sum ^ (uint64_t)w.bag) * UINT64_C(1099511628211);
        sum = (sum ^ (uint64_t)c->key) * UINT64_C(1099511628211);
        sum = (sum ^ (uint64_t)c->chosen) * UINT64_C(1099511628211);
        if (good && c->key == TREASURE) {
            good = pread(w.trail, trail, sizeof(trail) - 1, 0) == w.steps;
        }
        if (!good || !world_close(e, &w)) {
            return false;
        }
    }
    snprintf(text, sizeof(text), "%016" PRIx64, sum);
    ckpt_json_open(out, '{');
    ckpt_json_key(out, "seed");
    ckpt_json_int(out, (int64_t)e->seed);
    ckpt_json_key(out, "rounds");
    ckpt_json_int(out, e->round);
    ckpt_json_key(out, "cells");
    ckpt_json_int(out, e->count);
    ckpt_json_key(out, "archive");
    ckpt_json_string(out, ckpt_text(text));
    ckpt_json_key(out, "steps");
    ckpt_json_int(out, (int64_t)strlen(trail));
    ckpt_json_key(out, "way");
    ckpt_json_string(out, ckpt_text(trail));
    ckpt_json_close(out);
    return true;
}

// The phase that may take long. Its output is what the archive has come to, so
// that it is not lost while the archive is released.
static bool explore(explorer *e)
{
    char       buf[sizeof(e->result)];
    ckpt_json  out;
    ckpt_bytes json;
    if (e->screen) {
        printf("\033[2J");
    }
    while (!e->found && e->round < ROUNDS_MAX) {
        if (!play_round(e)) {
            return false;
        }
    }
    ckpt_json_init(&out, buf, sizeof(buf));
    return digest(e, &out)
        && check(e, ckpt_json_done(&out, &json), "digest")
        && check(e, ckpt_phase_end(&e->run, "explore", json, NULL), "explore");
}

// Writes the result to a file, whole or not at all.
static bool write_result(explorer *e, const char *path)
{
    char   temp[1032];
    size_t size;
    if (!check(e, ckpt_phase_output(&e->run, "explore", e->result,
                                    sizeof(e->result) - 2, &size), "result")) {
        return false;
    }
    e->result[size] = '\n';
    e->result[size + 1] = '\0';
    snprintf(temp, sizeof(temp), "%s.new", path);
    if (unlink(temp) != 0 && errno != ENOENT) {
        return fail(temp, strerror(errno));
    }
    return done(ws_write(AT_FDCWD, temp, e->result), temp)
        && done(ws_errno(rename(temp, path) == 0), path);
}

//--- The run ------------------------------------------------------------------

static bool live(explorer *e, const char *path)
{
    if (!take_over(e)) {
        return false;
    }
    if (ckpt_phase(&e->run, "explore") &&
        (!load(e) || !tidy(e) || !explore(e))) {
        return false;
    }
    if (!write_result(e, path)) {
        return false;
    }
    // From here on the archive in the state is not true any more, and nobody
    // reads it: a resume knows that the phase is complete.
    e->count = 0;
    if (!tidy(e)) {
        return false;
    }
    if (!check(e, ckpt_finish(&e->run, CKPT_COMPLETED, NULL), "finish")) {
        return false;
    }
    printf("%s", e->result);
    return true;
}

// Opens the run. One whose claimant died a moment ago is busy: wait.
static ckpt_code open_run(ckpt_ctx *ctx, explorer *e)
{
    ckpt_code rc = CKPT_ERR_BUSY;
    for (int s = 0; s < 120 && rc == CKPT_ERR_BUSY; s++) {
        const struct timespec second = { 1, 0 };
        if (s > 0) {
            nanosleep(&second, NULL);
        }
        rc = ckpt_open(ctx, &e->run, &(ckpt_run_desc){
            .id = RUN_ID,
            .meta = { .agent_id = "go-explore", .prompt = "Find the treasure" },
            .once = true
        });
    }
    if (rc < 0) {
        fail("open", ckpt_last_error(ctx)->msg);
    }
    return rc;
}

// Takes a game that is over out of the way. One that is not goes on.
static ckpt_code begin_anew(ckpt_ctx *ctx, explorer *e)
{
    ckpt_run_info info;
    if (ckpt_query(ctx, RUN_ID, &info) != CKPT_OK ||
        info.state != CKPT_STATE_DONE) {
        return CKPT_OK;
    }
    return ckpt_remove(ctx, &e->run, RUN_ID);
}

static int run(explorer *e, const char *dir, const char *path, bool anew)
{
    char          runs[1024];
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_error    err;
    snprintf(runs, sizeof(runs), "%s/runs", dir);
    if (ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){ .dir = runs }, &err)
        != CKPT_OK) {
        fail(runs, err.msg);
        return 1;
    }
    // Whoever stands by and kills it may do so as often as they like.
    ckpt_code rc = ckpt_init(&ctx, &(ckpt_desc){
        .store = &fs.base, .owner = "go_explore",
        .resume_max = CKPT_UNLIMITED
    });
    rc = rc == CKPT_OK ? ckpt_sweep(&ctx, &e->run, NULL) : rc;
    rc = rc == CKPT_OK && anew ? begin_anew(&ctx, e) : rc;
    rc = rc == CKPT_OK ? open_run(&ctx, e) : rc;
    if (rc == CKPT_FINISHED) {
        printf("it was found before, see %s; -n for a new game\n", path);
    }
    const bool good = rc == CKPT_FINISHED || (rc == CKPT_OK && live(e, path));
    ckpt_abandon(&e->run);
    ckpt_store_fs_close(&fs);
    return good ? 0 : rc == CKPT_ERR_LIVE || rc == CKPT_ERR_BUSY ? TRY_LATER
                                                                : 1;
}

// What it is like without: one walk after the other, always from the start.
static int walk(explorer *e)
{
    for (int i = 0; i < WALKS; i++) {
        world w;
        int   last = -1;
        w.dir.fd = -1;
        bool  good = world_make(e, &w);
        for (int k = 0; good && k < LIFE && !w.treasure; k++) {
            last = wander(&w, last, &e->random);
            if (last < 0) {
                break;
            }
            good = step(&w, last);
            show_news(e, &w);
        }
        e->round++;
        if (!world_close(e, &w) || !good) {
            return 1;
        }
        if (w.treasure) {
            return 0;
        }
    }
    printf("%d walks: no treasure, %d of %d keys at best\n", WALKS,
           e->keys_seen, KEYS);
    return 0;
}

int main(int argc, char **argv)
{
    static explorer e;
    const char     *dir = "go_explore.d", *path = NULL;
    char            spaces[1024], result[1024];
    bool            no_return = false, anew = false;
    e.seed = 4;
    for (int c; (c = getopt(argc, argv, "s:d:o:nqx")) != -1; ) {
        switch (c) {
        case 's': e.seed = strtoull(optarg, NULL, 10); break;
        case 'd': dir = optarg;     break;
        case 'o': path = optarg;    break;
        case 'n': anew = true;      break;
        case 'q': e.quiet = true;   break;
        case 'x': no_return = true; break;
        default:  return 1;
        }
    }
    snprintf(result, sizeof(result), "%s/result.json", dir);
    snprintf(spaces, sizeof(spaces), "%s/spaces", dir);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);     // to watch it through a pipe
    e.seed &= UINT32_MAX;
    e.random = mix(e.seed);
    e.screen = !e.quiet && !no_return && isatty(STDOUT_FILENO);
    if ((mkdir(dir, 0700) != 0 && errno != EEXIST) ||
        ws_open(&e.ws, spaces) != 0) {
        fail(dir, strerror(errno));
        return 1;
    }
    const int status = no_return ? walk(&e)
                                 : run(&e, dir, path != NULL ? path : result,
                                       anew);
    close(e.ws.fd);
    return status;
}
